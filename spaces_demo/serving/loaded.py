# Copyright 2026 The GAIR for Hugging Face contributors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""The model that the page shows: loaded, named, and what it embeds."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from transformers import AutoModel, AutoProcessor

try:
    # On ZeroGPU a function holds a GPU only while it runs; elsewhere the model stays where it is.
    from spaces import GPU as on_gpu
except ImportError:

    def on_gpu(function: Callable) -> Callable:
        return function


BUNDLED = Path(__file__).parents[1] / "model"
_BUNDLED_NAME = "the bundled tiny model"
_BUNDLED_NOTE = "It was trained on the sample world alone, a procedural planet: what it shows is no statement about the Earth."  # fmt: skip
# What a model is made of; the fingerprint covers these, and nothing else is fetched from the Hub.
_FILES = ["*.json", "*.safetensors", "*.py"]
# Places are embedded in parts, so that memory is bounded whatever is asked.
_PLACES_AT_ONCE = 16_384


@dataclass(frozen=True)
class Loaded:
    """
    A model with its processor, and what the page says of them.

    Attributes:
        model (`GairModel`): in evaluation mode, on its device.
        processor (`GairProcessor`): its own.
        name (`str`): what the page calls it: never a path of the server.
        note (`str`): one sentence on the weights' origin.
        fingerprint (`str`): SHA-256 over weights, config and processor; keys the caches.
        similarity_ranges (`dict`): of the config, see `training/measuring/similarity_ranges.py`; empty where it holds none.
    """

    model: Any
    processor: Any
    name: str
    note: str
    fingerprint: str
    similarity_ranges: dict[str, Any]

    def places(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """
        Embeds places.

        Args:
            lon, lat (`np.ndarray` of shape `(N,)`): degrees on WGS 84.

        Returns:
            `np.ndarray` of shape `(N, D)`, float32, each of length 1.

        Raises:
            ValueError: what the processor refuses.
        """
        coordinates = self.processor(lon=lon, lat=lat, return_tensors="pt")["coordinates"]
        parts = [self._normalised("get_location_features", part) for part in coordinates.split(_PLACES_AT_ONCE)]
        return np.concatenate(parts)

    def photo(self, photo: Any) -> np.ndarray:
        """The embedding `(D,)` of length 1 of a photo that the SV processor takes; a `ValueError` if it does not."""
        pixels = self.processor(sv=photo, return_tensors="pt")["sv_pixel_values"]
        return self._normalised("get_sv_features", pixels)[0]

    def tile(self, tile: Any) -> np.ndarray:
        """The embedding `(D,)` of length 1 of a whole tile as `uploads.read_tile` reads it."""
        pixels = self.processor.image_processor.prepare([tile.pixels])
        return self._normalised("get_rs_features", pixels)[0]

    @torch.no_grad()
    def _normalised(self, method: str, inputs: torch.Tensor) -> np.ndarray:
        embeds = getattr(self.model, method)(inputs.to(self.model.device))
        return torch.nn.functional.normalize(embeds.float(), dim=-1).cpu().numpy()


def load(source: str | None = None) -> Loaded:
    """
    Loads a model with the code that lies beside its weights.

    Args:
        source (`str`, *optional*): a directory or a repository of the Hub; by default the environment's `GAIR_MODEL`, else
            the model bundled with this folder.

    Returns:
        [`Loaded`]

    Raises:
        ValueError: there is no model of that name.
    """
    source = source or os.environ.get("GAIR_MODEL") or str(BUNDLED)
    folder = Path(source) if Path(source).is_dir() else _fetched(source)
    try:
        model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"GAIR_MODEL is {source!r}, which holds no whole model: {error}") from error
    if torch.cuda.is_available():
        model = model.to("cuda")
    bundled = folder.resolve() == BUNDLED.resolve()
    name = _BUNDLED_NAME if bundled else (folder.resolve().name if Path(source).is_dir() else source)
    note = _BUNDLED_NOTE if bundled else "Its card says what it was trained on."
    return Loaded(model, processor, name, note, _fingerprint(folder), model.config.similarity_ranges or {})


def _fetched(repository: str) -> Path:
    try:
        return Path(snapshot_download(repository, allow_patterns=_FILES))
    except Exception as error:
        raise ValueError(
            f"GAIR_MODEL is {repository!r}, expected a directory or a repository on the Hub that can be reached; check it "
            "for a slip."
        ) from error


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    settings = ("config.json", "processor_config.json")
    for path in sorted(path for path in folder.iterdir() if path.name in settings or path.suffix == ".safetensors"):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
