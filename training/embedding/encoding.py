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
"""The model of a process: loaded once, on a device of its own, with batches that fit into its memory."""

import os
import socket
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from modeling_gair import GairModel, GairProcessor
from training.common.fingerprints import fingerprint_of
from training.common.models import load_gair
from training.embedding.job import LOGS, path_of, read_job

# Held while the process lives, and released by the system however it ends.
_claimed: list[FileLock] = []


class Encoder:
    """
    Embeds what the processor's `read` has read; raw, not normalised, float32 on the CPU.

    Args:
        model ([`GairModel`]): in evaluation mode.
        processor ([`GairProcessor`]): the model's processor.
    """

    def __init__(self, model: GairModel, processor: GairProcessor):
        self.model, self.processor = model, processor

    @property
    def dimension(self) -> int:
        return self.model.rs_model.hidden_size

    def locations(self, degrees: np.ndarray) -> np.ndarray:
        """Embeddings `(N, D)` of lon, lat `(N, 2)` that the processor has checked."""
        coordinates = self.processor.feature_extractor.prepare(degrees)["coordinates"]
        return self._encoded(self._locations, torch.from_numpy(coordinates))

    def photos(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings `(N, D)` of photos."""
        return self._encoded(self._photos, photos)

    def tiles(
        self, tiles: Sequence[np.ndarray], tile_index: Sequence[int] = (), points: Sequence[np.ndarray] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Embeds whole tiles, and points in them; each tile is encoded once.

        Args:
            tiles (`Sequence[np.ndarray]`): T tiles.
            tile_index (`Sequence[int]`): the tile of each of P points.
            points (`Sequence[np.ndarray]`): P points, x east and y south in [0, 1].

        Returns:
            `(T, D)` and `(P, D)`.
        """
        index = torch.as_tensor(np.asarray(tile_index, np.int64))
        places = torch.as_tensor(np.asarray(points, np.float32).reshape(-1, 1, 2))
        pooled, located, start = [], [np.empty((0, self.dimension), np.float32)], 0
        for part in self._parts(self._tiles, tiles):
            stop = start + len(part.pooler_output)
            inside = (index >= start) & (index < stop)
            pooled.append(_on_cpu(part.pooler_output))
            if inside.any():
                device = self.model.device
                found = self._localized(part, places[inside].to(device), (index[inside] - start).to(device))
                located.append(_on_cpu(found))
            start = stop
        return np.concatenate(pooled), np.concatenate(located)

    @torch.no_grad()
    def _locations(self, coordinates: torch.Tensor) -> torch.Tensor:
        return self.model.get_location_features(coordinates.to(self.model.device))

    @torch.no_grad()
    def _photos(self, photos: Sequence[np.ndarray]) -> torch.Tensor:
        return self.model.get_sv_features(self.processor.sv_image_processor.prepare(photos, device=self.model.device))

    @torch.no_grad()
    def _tiles(self, tiles: Sequence[np.ndarray]) -> Any:
        return self.model.encode_tiles(self.processor.image_processor.prepare(tiles, device=self.model.device))

    @torch.no_grad()
    def _localized(self, tiles: Any, points: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return self.model.localize(tiles, points, tile_index=index)[:, 0]

    def _encoded(self, encode: Callable[[Any], torch.Tensor], inputs: Any) -> np.ndarray:
        return np.concatenate([_on_cpu(part) for part in self._parts(encode, inputs)])

    def _parts(self, encode: Callable[[Any], Any], inputs: Any) -> list[Any]:
        """`encode` of all inputs at once, or of halves where the device's memory is too small."""
        try:
            return [encode(inputs)]
        except torch.OutOfMemoryError:
            if len(inputs) == 1:
                raise
        torch.cuda.empty_cache()
        half = len(inputs) // 2
        return [*self._parts(encode, inputs[:half]), *self._parts(encode, inputs[half:])]


@cache
def encoder_of(output: Path) -> Encoder:
    """
    The encoder of a job, loaded once in a process.

    Raises:
        ValueError: the model is not the one that the job was planned with, or there are more processes than GPUs.
    """
    job = read_job(output)
    model, processor = load_gair(path_of(output, "model"), _own_device(output), job.precision)
    found = fingerprint_of(model, processor)
    if found != job.fingerprint:
        raise ValueError(
            f"The model {job.model!r} has the fingerprint {found}, and the job was planned with {job.fingerprint}; restore the model, "
            "or pass another --output."
        )
    return Encoder(model, processor)


def _own_device(output: Path) -> torch.device:
    """A GPU that no other process of the job on this machine uses, where there are any; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    folder = output / LOGS / "gpus"
    folder.mkdir(parents=True, exist_ok=True)
    # By the numbers of the machine, since a cluster shows each process its own GPUs only.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
    for number, name in enumerate(names[: torch.cuda.device_count()]):
        lock = FileLock(folder / f"{socket.gethostname()}-{name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        _claimed.append(lock)
        return torch.device("cuda", number)
    raise ValueError(
        f"All {torch.cuda.device_count()} GPUs are in use by other processes of this job; pass as many --workers as there are GPUs."
    )


def _on_cpu(features: torch.Tensor) -> np.ndarray:
    return features.float().cpu().numpy()
