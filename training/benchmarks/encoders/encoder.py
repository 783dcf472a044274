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
"""The interface through which benchmarks see every model, and the undecoded samples that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

# The blocks a decoder reads, as shares of the depth: after blocks 4, 6, 8 and 12 of 12, as PANGAEA reads CROMA.
LAYER_FRACTIONS = (1 / 3, 1 / 2, 2 / 3, 1)


@dataclass(frozen=True)
class TileFormat:
    """
    How the tiles of a data set are stored; one format per task, and part of the key of its features.

    Args:
        bands (`tuple[str, ...]`): names of the channels in their order.
        units (`str`): `"digital_number"` (surface reflectance × 10,000) or `"reflectance"`.
        digital_number_offset (`float`): added to every digital number.
        missing_bands (`str`): `"error"`, or `"mean"` to fill bands that the data lack with the model's band means.
        allow_any_scale (`bool`): whether tiles may be smaller than 0.5 km or larger than 5 km.
        size (`int`, *optional*): pixels to resize to; the model's own size by default.
        statistics (`tuple[tuple[str, float, float], ...]`): band, mean and standard deviation in digital numbers, to
            normalise by the data set's statistics in place of the model's.
    """

    bands: tuple[str, ...]
    units: str = "digital_number"
    digital_number_offset: float = 0.0
    missing_bands: str = "error"
    allow_any_scale: bool = False
    size: int | None = None
    statistics: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class TileSample:
    """
    One tile of a data set, undecoded.

    Args:
        name (`str`): its id, for error messages.
        source (`np.ndarray` of shape `(C, H, W)` or path of a GeoTIFF): row 0 in the north, channels in the order of the
            [`TileFormat`]'s bands.
        bounds (`tuple`, *optional*): west, south, east, north, in units of `crs`.
        crs (`str`, *optional*): of the bounds.
    """

    name: str
    source: Any
    bounds: tuple[float, float, float, float] | None = None
    crs: str | None = None


@dataclass(frozen=True)
class PhotoSample:
    """
    One photo of a data set, undecoded.

    Args:
        name (`str`): its id, for error messages.
        source: anything `GairSVImageProcessor.read` accepts: a path, bytes, a PIL image, or an array `(H, W, 3)`.
    """

    name: str
    source: Any


class Encoder:
    """
    A model under test. Decoded samples go in and plain arrays come out; a model overrides the methods of its own
    modalities only.

    Attributes:
        name (`str`): its name in the results.
        revision (`str`): commit of its repository, or a digest of its weights.
        fingerprint (`str`): digest of everything its embeddings depend on: weights, settings, processor.
        modalities (`frozenset[str]`): some of `location`, `tile`, `photo`.
        dense (`bool`): whether it has feature maps of tiles.
        continuous (`bool`): whether it has a feature map of tiles that can be read at any size.
        baseline (`bool`): whether it serves as a baseline only.
    """

    name: str
    revision: str
    fingerprint: str
    modalities: frozenset[str] = frozenset()
    dense: bool = False
    continuous: bool = False
    baseline: bool = False

    def embed_locations(self, lon_lat: np.ndarray) -> np.ndarray:
        """
        Args:
            lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees, float64, checked and wrapped.

        Returns:
            `np.ndarray` of shape `(N, D)`, float32, not normalised.
        """
        raise NotImplementedError(f"{self.name} does not embed locations")

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        """
        Decodes and checks one tile.

        Returns:
            `np.ndarray` of shape `(C, H, W)`: the model's bands at the data's own resolution.

        Raises:
            ValueError: the model cannot take this tile; the message names it.
        """
        raise NotImplementedError(f"{self.name} does not embed tiles")

    def embed_tiles(self, tiles: Sequence[Any], tile_format: TileFormat) -> np.ndarray:
        """
        Args:
            tiles: B results of [`read_tile`].

        Returns:
            `np.ndarray` of shape `(B, D)`, float32, not normalised.
        """
        raise NotImplementedError(f"{self.name} does not embed tiles")

    def tile_layers(self, tiles: Sequence[Any], tile_format: TileFormat) -> list[torch.Tensor]:
        """
        Feature maps after the blocks at `LAYER_FRACTIONS` of the depth, the output last, for a decoder on the frozen
        model.

        Returns:
            `list[torch.Tensor]`: each `(B, D, h, w)`, row 0 in the north, on the model's device.
        """
        raise NotImplementedError(f"{self.name} has no feature maps")

    def tile_map(self, tiles: Sequence[Any], tile_format: TileFormat, size: tuple[int, int]) -> torch.Tensor:
        """
        One feature map of any size `(h, w)`; for GAIR the map that NILI reads.

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north, on the model's device.
        """
        raise NotImplementedError(f"{self.name} has no continuous feature map")

    def readings(self, tiles: Sequence[Any], tile_format: TileFormat, size: tuple[int, int]) -> dict[str, torch.Tensor]:
        """
        Maps of one size `(h, w)` by how the model is read for them: the output of its last block, read bilinearly. A model
        that can be read in other ways adds them, and ends with the one it was trained with.

        Returns:
            `dict[str, torch.Tensor]`: each `(B, D, h, w)`, row 0 in the north, on the model's device.
        """
        output = self.tile_layers(tiles, tile_format)[-1].float()
        return {"bilinear": F.interpolate(output, size=size, mode="bilinear", align_corners=False)}

    def read_photo(self, sample: PhotoSample) -> Any:
        """
        Decodes and checks one photo (in NumPy).

        Raises:
            ValueError: the photo cannot be decoded; the message names it.
        """
        raise NotImplementedError(f"{self.name} does not embed photos")

    def embed_photos(self, photos: Sequence[Any]) -> np.ndarray:
        """
        Args:
            photos: B results of [`read_photo`].

        Returns:
            `np.ndarray` of shape `(B, D)`, float32: the model's embedding, not normalised.
        """
        raise NotImplementedError(f"{self.name} does not embed photos")

    def photo_tokens(self, photos: Sequence[Any]) -> np.ndarray:
        """
        The input of the tower's pooler for each photo (the class token if there is one, else the mean of the tokens), on
        which another pooler can be trained.

        Returns:
            `np.ndarray` of shape `(B, D)`, float32.
        """
        raise NotImplementedError(f"{self.name} does not embed photos")
