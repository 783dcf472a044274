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
"""The model that the page serves: loading, naming, and embedding places, photos and tiles."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants, snapshot_download
from transformers import AutoModel, AutoProcessor, dynamic_module_utils

from serving.encoded_tile import EncodedTile, encode_tile
from serving.files import writable_folder
from serving.grids import Grids, finest_level
from serving.precision import FLOAT32, chosen_precision, compute_in
from serving.released_photos import digest_of, read_photos

try:
    # On ZeroGPU a function holds a GPU only while it runs, in a copy of this process to which arguments and results are sent: it must be a
    # method of a `ServedModel`, and no argument a model. Elsewhere the model stays where it is.
    from spaces import GPU as on_gpu
except ImportError:

    def on_gpu(function: Callable) -> Callable:
        return function


BUNDLED_MODEL = Path(__file__).parents[1] / "model"
_BUNDLED_NAME = "the bundled tiny model"
_BUNDLED_NOTE = "It was trained on the sample world: climate, land and cities are the Earth's; streets, fields, tiles and photos are made up."  # fmt: skip
_OTHER_NOTE = "The model card says what it was trained on."
# The files of a model. Nothing else is downloaded from the Hub.
_FILES = ["*.json", "*.safetensors", "*.py", "world-*.npy", "photos-*.npy"]
# Places are embedded in chunks, so that memory is bounded.
_PLACES_AT_ONCE = 16_384
# Places of a map that are embedded at a time: on a CPU a tenth of a second, after which another visitor has a turn; on a GPU as
# many as a call is worth.
_PIECE = 16_384 if torch.cuda.is_available() else 512


@dataclass(frozen=True)
class ServedModel:
    """
    A model with its processor, and what the page says about them.

    Attributes:
        model (`GairModel`): in evaluation mode, on its device.
        processor (`GairProcessor`): the model's processor.
        name (`str`): what the page calls the model; never a path of the server.
        note (`str`): one sentence on the origin of the weights.
        fingerprint (`str`): of weights, config, processor and precision; part of the keys of the caches.
        similarity_ranges (`dict`): from the config, see `training/measuring/similarity_ranges.py`; empty if it has none.
        folder (`Path`, *optional*): where its files are.
        precision (`str`): in which the towers compute, see `serving/precision.py`.
        released_photos (`dict`): embeddings of photos by their digests, see `serving/released_photos.py`.
    """

    model: Any
    processor: Any
    name: str
    note: str
    fingerprint: str
    similarity_ranges: dict[str, Any]
    folder: Path | None = None
    precision: str = FLOAT32
    released_photos: dict[bytes, np.ndarray] = field(default_factory=dict)

    def places(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """
        Embeds places.

        Args:
            lon, lat (`np.ndarray` of shape `(N,)`): degrees on WGS 84.

        Returns:
            `np.ndarray` of shape `(N, D)`, float32, each of length 1.

        Raises:
            ValueError: if the processor rejects a coordinate.
        """
        coordinates = self.processor(lon=lon, lat=lat, return_tensors="pt")["coordinates"]
        chunks = [self._normalised("get_location_features", chunk) for chunk in coordinates.split(_PLACES_AT_ONCE)]
        return np.concatenate(chunks)

    def photo(self, photo: Any) -> np.ndarray:
        """Embeds a photo, `(D,)` of length 1. Raises a `ValueError` if the SV processor rejects it."""
        pixels = self.processor(sv=photo, return_tensors="pt")["sv_pixel_values"]
        return self._normalised("get_sv_features", pixels)[0]

    def gallery_photo(self, jpeg: bytes) -> np.ndarray:
        """Embeds a photo of a gallery as [`~ServedModel.photo`] does, unless it was released with the model."""
        released = self.released_photos.get(digest_of(jpeg))
        return self.photo(jpeg) if released is None else released

    def tile(self, tile: Any) -> np.ndarray:
        """Embeds a whole tile as read by `uploads.read_tile`, `(D,)` of length 1."""
        pixels = self.processor.image_processor.prepare([tile.pixels])
        return self._normalised("get_rs_features", pixels)[0]

    def encoded(self, tile: Any) -> EncodedTile:
        """Encodes a tile as read by `uploads.read_tile`."""
        return encode_tile(self.model, self.processor.image_processor.prepare([tile.pixels]))

    def encoded_row(self, tile: Any, photos: Sequence[bytes]) -> tuple[EncodedTile, np.ndarray]:
        """A tile of a gallery, and the embeddings `(photos, D)` of the files of its photos."""
        encoded, embeds = self.encoded(tile), [self.gallery_photo(photo) for photo in photos]
        return encoded, np.array(embeds, np.float32).reshape(len(embeds), len(encoded.mean))

    @cached_property
    def grids(self) -> Grids:
        """
        Embeddings of the cells of maps, shared by all views. The world is read from the model's folder, if it was released with
        it, or else cached in the cache of the Hub's libraries.
        """
        file = Path(constants.HF_HOME) / "gair" / "space" / f"{self.fingerprint[:32]}.npy"
        embed = on_gpu(self.places)
        return Grids(embed, file, finest_level(embed), at_once=_PIECE, beside=self.folder)

    @property
    def coordinates(self) -> Any:
        """The processor of coordinates, `GairCoordinateProcessor`: checks, positions in tiles, distances."""
        return self.processor.feature_extractor

    @torch.no_grad()
    def _normalised(self, method: str, inputs: torch.Tensor) -> np.ndarray:
        embeds = getattr(self.model, method)(inputs.to(self.model.device))
        return torch.nn.functional.normalize(embeds.float(), dim=-1).cpu().numpy()


def load_models() -> tuple[ServedModel, Callable[[], ServedModel]]:
    """
    Loads the models that the environment variable `GAIR_MODEL` names: one, or two separated by a comma; by default the model
    bundled with this folder.

    Returns:
        the model of the page, and what gives the one that it is compared with: the second, or else [`untrained`].

    Raises:
        ValueError: if there are more than two, or one cannot be found or loaded.
    """
    named = os.environ.get("GAIR_MODEL", "")
    # The name of a directory may have a comma.
    sources = [named] if named and Path(named).is_dir() else [part.strip() for part in named.split(",") if part.strip()]
    if len(sources) > 2:
        raise ValueError(f"GAIR_MODEL names {len(sources)} models, expected one or two; remove some.")
    first, *others = map(load_model, sources or [str(BUNDLED_MODEL)])
    return first, (lambda: others[0] if others else untrained(first))


def untrained(served: ServedModel) -> ServedModel:
    """A model of the same config whose weights are drawn anew, the same ones each time: what a model knows before training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = type(served.model)(served.model.config)
    model = model.to(served.model.device).eval()
    compute_in(model, served.precision)
    fingerprint = hashlib.sha256(f"untrained {served.fingerprint}".encode()).hexdigest()
    note = "Its weights are drawn at random: it knows nothing but how its inputs are encoded."
    return ServedModel(
        model, served.processor, "The same model, untrained", note, fingerprint, {}, precision=served.precision
    )


def load_model(source: str) -> ServedModel:
    """
    Loads a model with the code stored beside its weights.

    Args:
        source (`str`): a directory or a repository on the Hub.

    Returns:
        [`ServedModel`]

    Raises:
        ValueError: if the model cannot be found or loaded, or `GAIR_PRECISION` is none.
    """
    precision = chosen_precision()
    source = os.path.expanduser(source)
    # transformers imports the code beside weights from a copy there.
    modules = writable_folder(Path(dynamic_module_utils.HF_MODULES_CACHE))
    dynamic_module_utils.HF_MODULES_CACHE = str(modules)
    folder = Path(source) if Path(source).is_dir() else _downloaded(source)
    try:
        model, found = AutoModel.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    # Damaged files raise errors of many kinds.
    except Exception as error:
        raise ValueError(
            f"GAIR_MODEL is {source!r}, expected a complete model with its code; save or download it again ({_first_line(error)})."
        ) from error
    # transformers would take random weights for those that are missing.
    broken = [*found["missing_keys"], *found["unexpected_keys"], *found["mismatched_keys"]]
    broken += [name for name, values in model.state_dict().items() if not torch.isfinite(values).all()]
    if broken:
        raise ValueError(
            f"GAIR_MODEL is {source!r}, whose weights are incomplete, of another config or not finite, first {broken[0]}; save or "
            "download it again."
        )
    model = model.eval()
    if torch.cuda.is_available():
        model = model.to("cuda")
    compute_in(model, precision)
    bundled = folder.resolve() == BUNDLED_MODEL.resolve()
    name = _BUNDLED_NAME if bundled else (folder.resolve().name if Path(source).is_dir() else source)
    note = _BUNDLED_NOTE if bundled else _OTHER_NOTE
    weights = fingerprint_of(folder)
    return ServedModel(
        model,
        processor,
        name,
        note,
        weights if precision == FLOAT32 else f"{precision}-{weights}",
        model.config.similarity_ranges or {},
        folder,
        precision,
        read_photos(folder, weights, model.rs_model.hidden_size),
    )


def _downloaded(repository: str) -> Path:
    try:
        return Path(snapshot_download(repository, allow_patterns=_FILES))
    except PermissionError as error:
        raise ValueError(
            f"The cache {constants.HF_HOME!r} cannot be written, which downloading {repository!r} needs; set HF_HOME to a folder "
            "that can be written."
        ) from error
    except Exception as error:
        raise ValueError(
            f"GAIR_MODEL is {repository!r}, expected a directory or a reachable repository on the Hub; check the spelling."
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip(" .") for line in str(error).splitlines() if line.strip()), type(error).__name__)


def fingerprint_of(folder: Path) -> str:
    """SHA-256 of the weights, config and processor in a folder."""
    digest = hashlib.sha256()
    settings = ("config.json", "processor_config.json")
    for path in sorted(path for path in folder.iterdir() if path.name in settings or path.suffix == ".safetensors"):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
