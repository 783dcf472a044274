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
"""
Other people's models in the same table: any image model that transformers loads (timm's among them), and any location
encoder that is a function of lon, lat.
"""

import hashlib
import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModel

from modeling_gair import GairRSImageProcessor, GairSVImageProcessor
from modeling_gair.configuration_gair import TIMM_MODEL_TYPE
from modeling_gair.image_processing_gair_rs import GAIR_BANDS
from training.benchmarks.encoders.encoder import (
    LAYER_FRACTIONS,
    Encoder,
    PhotoSample,
    TileFormat,
    TileSample,
    as_map,
    as_numpy,
    class_tokens,
    decode_tile,
    fingerprint_of,
    named,
    tile_reader,
)
from training.common.errors import first_line

RGB = ("B04", "B03", "B02")
# Input channels of a model → the bands that it is given, in this order.
_BANDS = {3: RGB, len(GAIR_BANDS): GAIR_BANDS}
# Places where a location encoder of unknown make is asked for its fingerprint; drawn once.
_FINGERPRINT_PLACES = 64
_PLACES = 8192


class ImageEncoder(Encoder):
    """
    An image model of transformers or timm. Photos and tiles pass GAIR's own processors, at the model's size and with its
    mean and standard deviation; of a tile it sees red, green and blue, or all ten bands if it has ten input channels.

    Args:
        tower: the model, on its device, in evaluation mode.
        size (`dict[str, int]`): `height` and `width` of its images.
        mean, std (`Sequence[float]`): what it normalises pixels in [0, 1] by, one for each channel.
        name (`str`): as the results call it.
        revision (`str`, *optional*): commit of its repository; else a digest of its weights.

    Raises:
        ValueError: a number of channels that no bands are known for.
    """

    dense = True

    def __init__(
        self,
        tower: Any,
        size: dict[str, int],
        mean: Sequence[float],
        std: Sequence[float],
        name: str,
        revision: str | None = None,
    ):
        if len(mean) not in _BANDS:
            raise ValueError(f"{name} has {len(mean)} input channels, expected one of {', '.join(map(str, _BANDS))}.")
        self.tower, self.name = tower, name
        self.modalities = frozenset(("tile", "photo") if len(mean) == 3 else ("tile",))
        self._mean, self._std = (torch.tensor(values, device=tower.device)[:, None, None] for values in (mean, std))
        self.tiles = GairRSImageProcessor(bands=_BANDS[len(mean)], size=size)
        self.photos = GairSVImageProcessor(size=size)
        if "photo" in self.modalities:
            self.photos = GairSVImageProcessor([255 * value for value in mean], [255 * value for value in std], size)
        self.fingerprint = f"{fingerprint_of(tower, self.tiles)}-{fingerprint_of_settings(self.photos, mean, std)}"
        self.revision = revision or self.fingerprint
        self._readers: dict[TileFormat, GairRSImageProcessor] = {}

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        return decode_tile(self._reader(tile_format), sample, tile_format)

    @torch.no_grad()
    def embed_tiles(self, tiles: Sequence[Any], tile_format: TileFormat) -> np.ndarray:
        return as_numpy(self._pooled(self._pixels(tiles, tile_format)))

    @torch.no_grad()
    def tile_layers(self, tiles: Sequence[Any], tile_format: TileFormat) -> list[torch.Tensor]:
        output = self.tower(pixel_values=self._pixels(tiles, tile_format), output_hidden_states=True)
        states = getattr(output, "reshaped_hidden_states", None) or output.hidden_states
        return four_layers([_as_grid(state) for state in states], self._has_embeddings)

    def read_photo(self, sample: PhotoSample) -> np.ndarray:
        with named("Photo", sample.name):
            return self.photos.read(sample.source)

    @torch.no_grad()
    def embed_photos(self, photos: Sequence[Any]) -> np.ndarray:
        return as_numpy(self._pooled(self.photos.prepare(list(photos), device=self.tower.device)))

    def photo_tokens(self, photos: Sequence[Any]) -> np.ndarray:
        """The embedding itself, which is not pooled by more than a class token or a mean."""
        return self.embed_photos(photos)

    @property
    def _has_embeddings(self) -> bool:
        """Whether the first hidden state is the patch embedding, which no block has seen; timm's is a block's."""
        return self.tower.config.model_type != TIMM_MODEL_TYPE

    def _pooled(self, pixels: torch.Tensor) -> torch.Tensor:
        # A pooler of transformers may not be among the published weights, and so be random; timm's is a mean or a token.
        if self.tower.config.model_type == TIMM_MODEL_TYPE:
            return self.tower(pixel_values=pixels).pooler_output
        return class_tokens(self.tower, pixels)

    def _reader(self, tile_format: TileFormat) -> GairRSImageProcessor:
        if tile_format not in self._readers:
            self._readers[tile_format] = tile_reader(self.tiles, tile_format)
        return self._readers[tile_format]

    def _pixels(self, tiles: Sequence[Any], tile_format: TileFormat) -> torch.Tensor:
        pixels = self._reader(tile_format).prepare(list(tiles), device=self.tower.device)
        return (pixels - self._mean) / self._std


class LocationFunction(Encoder):
    """
    A location encoder given as a function.

    Args:
        encode (`Callable`): lon, lat in degrees, each `(N,)`, float64, in this order → an array or tensor `(N, D)`.
        name (`str`): as the results call it.

    Raises:
        ValueError: it gives something else.
    """

    modalities = frozenset(("location",))

    def __init__(self, encode: Callable[[np.ndarray, np.ndarray], Any], name: str):
        self.encode, self.name = encode, name
        # Its weights are out of sight, but not what it makes of some places.
        draws = np.random.default_rng(0).random((_FINGERPRINT_PLACES, 2))
        answers = self.embed_locations(draws * (360, 180) - (180, 90))
        self.fingerprint = hashlib.blake2b(np.round(answers, 4).tobytes(), digest_size=8).hexdigest()
        self.revision = self.fingerprint

    @torch.no_grad()
    def embed_locations(self, lon_lat: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(lon_lat), _PLACES):
            lon, lat = lon_lat[start : start + _PLACES].T
            found = self.encode(np.ascontiguousarray(lon), np.ascontiguousarray(lat))
            part = as_numpy(found) if isinstance(found, torch.Tensor) else np.asarray(found, np.float32)
            if part.ndim != 2 or len(part) != len(lon):
                raise ValueError(
                    f"{self.name} gives an array of shape {part.shape} for {len(lon)} places, expected ({len(lon)}, D)."
                )
            parts.append(part)
        return np.concatenate(parts)


def open_peer(name: str, device: torch.device) -> Encoder:
    """
    A model of others by its name.

    Args:
        name (`str`): a directory or a Hub repository of an image model (`timm/resnet18.a1_in1k`, `facebook/dinov2-small`),
            or `package.module:function` of a location encoder, called with lon, lat in degrees, each `(N,)`.
        device (`torch.device`): where images are encoded; a location encoder minds its own.

    Raises:
        ValueError: there is none by that name, or it cannot be used.
    """
    module, colon, function = name.partition(":")
    if colon and "/" not in name and "\\" not in name:
        return LocationFunction(_function(module, function), name)
    return open_image_peer(name, device)


def open_image_peer(name: str, device: torch.device) -> ImageEncoder:
    """
    An image model of a directory or a Hub repository, with the size, mean and standard deviation of its image processor.

    Raises:
        ValueError: there is none by that name, or it has no image processor.
    """
    try:
        tower = AutoModel.from_pretrained(name).to(device).eval()
        processor = AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(
            f"There is no image model with an image processor by the name {name!r}: {first_line(error)}"
        ) from error
    size, mean, std = _preparation(processor)
    return ImageEncoder(tower, size, mean, std, name, getattr(tower.config, "_commit_hash", None))


def four_layers(maps: Sequence[torch.Tensor], has_embeddings: bool) -> list[torch.Tensor]:
    """
    Of a model's feature maps `(B, D, h, w)` in their order those that a decoder reads. Where all are of one size, those
    after the blocks at `LAYER_FRACTIONS` of the depth; where they shrink, the last one of each of the last four sizes (the
    greatest is repeated where there are fewer).

    Args:
        maps (`Sequence[torch.Tensor]`): one for each block.
        has_embeddings (`bool`): whether one for the patch embedding comes first.
    """
    by_size = {tuple(one.shape[-2:]): one for one in maps}
    if len(by_size) == 1:
        blocks = list(maps)[has_embeddings:]
        return [blocks[max(1, round(len(blocks) * fraction)) - 1] for fraction in LAYER_FRACTIONS]
    stages = list(by_size.values())[-len(LAYER_FRACTIONS) :]
    return [stages[0]] * (len(LAYER_FRACTIONS) - len(stages)) + stages


def fingerprint_of_settings(*settings: Any) -> str:
    """Digest of settings as they print, 16 digits."""
    text = repr([getattr(one, "to_dict", lambda one=one: one)() for one in settings])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _as_grid(state: torch.Tensor) -> torch.Tensor:
    """A hidden state as a map: tokens lie row by row, after those that stand for no patch."""
    if state.ndim == 4:
        return state
    patches = math.isqrt(state.shape[1]) ** 2
    return as_map(state[:, state.shape[1] - patches :])


def _preparation(processor: Any) -> tuple[dict[str, int], list[float], list[float]]:
    """Size, mean and standard deviation of an image processor of transformers, or of its wrapper of timm's."""
    config = getattr(processor, "data_config", None)
    if config is not None:
        _, height, width = config["input_size"]
        return {"height": height, "width": width}, list(config["mean"]), list(config["std"])
    sizes = dict(getattr(processor, "crop_size", None) or processor.size)
    if "shortest_edge" in sizes:
        sizes = {"height": sizes["shortest_edge"], "width": sizes["shortest_edge"]}
    size = {side: int(sizes[side]) for side in ("height", "width")}
    if not getattr(processor, "do_normalize", True):
        return size, [0.0] * 3, [1.0] * 3
    return size, list(processor.image_mean), list(processor.image_std)


def _function(module: str, name: str) -> Callable[[np.ndarray, np.ndarray], Any]:
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"There is no {module}:{name} to import: {error}; check PYTHONPATH and the spelling."
        ) from error
    if not callable(found):
        raise ValueError(f"{module}:{name} is {type(found).__name__}, expected a function of lon, lat.")
    return found
