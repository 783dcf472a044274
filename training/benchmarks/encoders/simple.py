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
"""Encoders without training, which a trained model must beat."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from modeling_gair import GairRSImageProcessor, GairSVImageProcessor
from training.benchmarks.encoders.encoder import Encoder, PhotoSample, TileFormat, TileSample
from training.benchmarks.encoders.pixels import TileReader, name_in_errors

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class SinCosEncoder(Encoder):
    """`[sin lat, cos lat, sin lon, cos lon]`, the baseline of CoordBench; continuous across ±180°."""

    name, revision, fingerprint = "sin/cos", "1", "sin-cos-1"
    modalities = frozenset(("location",))
    baseline = True

    def embed_locations(self, lon_lat: np.ndarray) -> np.ndarray:
        lon, lat = np.radians(lon_lat).T
        return np.stack([np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)], axis=1)


class BandStatistics(Encoder):
    """Mean, standard deviation and five quantiles of each band of a tile, as the processor reads and normalises it."""

    name, revision, fingerprint = "band statistics", "1", "band-statistics-1"
    modalities = frozenset(("tile",))
    baseline = True

    def __init__(self) -> None:
        self._tiles = TileReader(GairRSImageProcessor())

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        return self._tiles.read(sample, tile_format)

    def embed_tiles(self, tiles: Sequence[Any], tile_format: TileFormat) -> np.ndarray:
        return _statistics(self._tiles.prepare(tiles, tile_format).numpy())


class PixelWindows(Encoder):
    """
    No model: all bands of the K × K pixels about each pixel, and of each pixel alone, as the processor normalises them. The
    border is replicated.

    Args:
        window (`int`): K, an odd number.
    """

    name, revision = "pixels without a model", "1"
    modalities = frozenset(("tile",))
    dense = baseline = True

    def __init__(self, window: int):
        self.window, self.fingerprint = window, f"pixel-windows-{window}-1"
        self._tiles = TileReader(GairRSImageProcessor())

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        return self._tiles.read(sample, tile_format)

    def readings(self, tiles: Sequence[Any], tile_format: TileFormat, size: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Maps `(B, 10 · K², h, w)`: channel-major, then the window's rows and columns."""
        # Pixels at the resolution of the map are not resized.
        pixels = self._tiles.prepare(tiles, replace(tile_format, size=max(size)))
        pixels = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
        found = {}
        for side in dict.fromkeys((1, self.window)):
            padded = F.pad(pixels, [side // 2] * 4, mode="replicate")
            found[f"window_{side}x{side}"] = F.unfold(padded, side).unflatten(2, size)
        return found


class ColourStatistics(Encoder):
    """Mean, standard deviation and five quantiles of red, green and blue of a photo, as the processor normalises it."""

    name, revision, fingerprint = "colour statistics", "1", "colour-statistics-1"
    modalities = frozenset(("photo",))
    baseline = True

    def __init__(self) -> None:
        self.processor = GairSVImageProcessor(size=64)

    def read_photo(self, sample: PhotoSample) -> np.ndarray:
        with name_in_errors("Photo", sample.name):
            return self.processor.read(sample.source)

    def embed_photos(self, photos: Sequence[Any]) -> np.ndarray:
        return _statistics(self.processor.prepare(list(photos)).numpy())

    def photo_tokens(self, photos: Sequence[Any]) -> np.ndarray:
        return self.embed_photos(photos)


def _statistics(pixels: np.ndarray) -> np.ndarray:
    """Statistics `(B, 7 C)`, float32, of pixels `(B, C, H, W)`."""
    flat = pixels.reshape(*pixels.shape[:2], -1)
    quantiles = np.quantile(flat, _QUANTILES, axis=-1)
    values = np.stack([flat.mean(axis=-1), flat.std(axis=-1), *quantiles], axis=-1)
    return values.reshape(len(pixels), -1).astype(np.float32)
