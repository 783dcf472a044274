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
Peers: other models measured beside GAIR, namely any image model that transformers loads (timm's included), and any location
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
from training.benchmarks.encoders.encoder import LAYER_FRACTIONS, Encoder, PhotoSample, TileFormat, TileSample
from training.benchmarks.encoders.features import LOCATIONS_PER_BATCH, as_map, as_numpy, class_tokens
from training.benchmarks.encoders.pixels import TileReader, name_in_errors
from training.common.errors import first_line
from training.common.fingerprints import fingerprint_of

RGB = ("B04", "B03", "B02")
# Number of input channels of a model → the bands it is given, in this order.
_BANDS = {3: RGB, len(GAIR_BANDS): GAIR_BANDS}
# Random locations whose embeddings make the fingerprint of a location encoder with unknown weights.
_FINGERPRINT_LOCATIONS = 64


class ImageEncoder(Encoder):
    """
    An image model of transformers or timm. Photos and tiles pass through GAIR's own processors, at the model's size and with
    its mean and standard deviation; it sees the red, green and blue of a tile, or all ten bands if it has ten input channels.

    Args:
        tower: the model, on its device, in evaluation mode.
        size (`dict[str, int]`): `height` and `width` of its input in pixels.
        mean, std (`Sequence[float]`): normalisation of pixels in [0, 1], one value per channel.
        name (`str`): its name in the results.
        revision (`str`, *optional*): commit of its repository; a digest of its weights by default.

    Raises:
        ValueError: the number of input channels is neither 3 nor 10.
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
        self.tiles = TileReader(GairRSImageProcessor(bands=_BANDS[len(mean)], size=size))
        self.photos = GairSVImageProcessor(size=size)
        if "photo" in self.modalities:
            self.photos = GairSVImageProcessor([255 * value for value in mean], [255 * value for value in std], size)
        self.fingerprint = (
            f"{fingerprint_of(tower, self.tiles.processor)}-{fingerprint_of_settings(self.photos, mean, std)}"
        )
        self.revision = revision or self.fingerprint

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        return self.tiles.read(sample, tile_format)

    @torch.no_grad()
    def embed_tiles(self, tiles: Sequence[Any], tile_format: TileFormat) -> np.ndarray:
        return as_numpy(self._pooled(self.tile_pixels(tiles, tile_format)))

    @torch.no_grad()
    def tile_layers(self, tiles: Sequence[Any], tile_format: TileFormat) -> list[torch.Tensor]:
        output = self.tower(pixel_values=self.tile_pixels(tiles, tile_format), output_hidden_states=True)
        states = getattr(output, "reshaped_hidden_states", None) or output.hidden_states
        return four_layers([_as_grid(state) for state in states], self._has_embeddings)

    def read_photo(self, sample: PhotoSample) -> np.ndarray:
        with name_in_errors("Photo", sample.name):
            return self.photos.read(sample.source)

    @torch.no_grad()
    def embed_photos(self, photos: Sequence[Any]) -> np.ndarray:
        return as_numpy(self._pooled(self.photos.prepare(list(photos), device=self.tower.device)))

    def photo_tokens(self, photos: Sequence[Any]) -> np.ndarray:
        """The embedding itself: no trained pooler follows the class token or the mean."""
        return self.embed_photos(photos)

    @property
    def _has_embeddings(self) -> bool:
        """Whether the first hidden state is the patch embedding; timm's wrapper starts with the first block's output."""
        return self.tower.config.model_type != TIMM_MODEL_TYPE

    def _pooled(self, pixels: torch.Tensor) -> torch.Tensor:
        # The pooler of a transformers model may be missing from the published weights and then be random.
        if self.tower.config.model_type == TIMM_MODEL_TYPE:
            return self.tower(pixel_values=pixels).pooler_output
        return class_tokens(self.tower, pixels)

    def tile_pixels(self, tiles: Sequence[Any], tile_format: TileFormat) -> torch.Tensor:
        """The model's input `(B, C, h, w)`, on its device."""
        return (self.tiles.prepare(tiles, tile_format, self.tower.device) - self._mean) / self._std


class LocationFunction(Encoder):
    """
    A location encoder given as a function.

    Args:
        encode (`Callable`): takes lon and lat in degrees, each `(N,)`, float64; returns an array or tensor `(N, D)`.
        name (`str`): its name in the results.

    Raises:
        ValueError: the result has another shape.
    """

    modalities = frozenset(("location",))

    def __init__(self, encode: Callable[[np.ndarray, np.ndarray], Any], name: str):
        self.encode, self.name = encode, name
        # Its weights are out of reach, so the fingerprint is taken from its output.
        draws = np.random.default_rng(0).random((_FINGERPRINT_LOCATIONS, 2))
        answers = self.embed_locations(draws * (360, 180) - (180, 90))
        self.fingerprint = hashlib.blake2b(np.round(answers, 4).tobytes(), digest_size=8).hexdigest()
        self.revision = self.fingerprint

    @torch.no_grad()
    def embed_locations(self, lon_lat: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(lon_lat), LOCATIONS_PER_BATCH):
            lon, lat = lon_lat[start : start + LOCATIONS_PER_BATCH].T
            found = self.encode(np.ascontiguousarray(lon), np.ascontiguousarray(lat))
            part = as_numpy(found) if isinstance(found, torch.Tensor) else np.asarray(found, np.float32)
            if part.ndim != 2 or len(part) != len(lon):
                raise ValueError(
                    f"{self.name} returned an array of shape {part.shape} for {len(lon)} locations, expected ({len(lon)}, D)."
                )
            parts.append(part)
        return np.concatenate(parts)


def open_peer(name: str, device: torch.device) -> Encoder:
    """
    Opens a peer by name.

    Args:
        name (`str`): a directory or a Hub repository of an image model (`timm/resnet18.a1_in1k`, `facebook/dinov2-small`),
            or `package.module:function` of a location encoder, called with lon and lat in degrees, each `(N,)`.
        device (`torch.device`): where images are encoded; a location encoder chooses its own device.

    Raises:
        ValueError: the model does not exist, or it cannot be used.
    """
    module, colon, function = name.partition(":")
    if colon and "/" not in name and "\\" not in name:
        return LocationFunction(_function(module, function), name)
    return open_image_peer(name, device)


def open_image_peer(name: str, device: torch.device) -> ImageEncoder:
    """
    The image model of a directory or a Hub repository, with the size, mean and standard deviation of its image processor.

    Raises:
        ValueError: the model does not exist, or it has no image processor.
    """
    try:
        tower = AutoModel.from_pretrained(name).to(device).eval()
        processor = AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(f"No image model with an image processor found at {name!r}: {first_line(error)}") from error
    size, mean, std = _preparation(processor)
    return ImageEncoder(tower, size, mean, std, name, getattr(tower.config, "_commit_hash", None))


def four_layers(maps: Sequence[torch.Tensor], has_embeddings: bool) -> list[torch.Tensor]:
    """
    The four feature maps that a decoder reads. If all maps have one size, those after the blocks at `LAYER_FRACTIONS` of the
    depth; if they shrink, the last map of each of the last four sizes (the largest is repeated if there are fewer sizes).

    Args:
        maps (`Sequence[torch.Tensor]`): `(B, D, h, w)`, one per block, in order.
        has_embeddings (`bool`): whether the patch embedding precedes them.
    """
    by_size = {tuple(one.shape[-2:]): one for one in maps}
    if len(by_size) == 1:
        blocks = list(maps)[has_embeddings:]
        return [blocks[max(1, round(len(blocks) * fraction)) - 1] for fraction in LAYER_FRACTIONS]
    stages = list(by_size.values())[-len(LAYER_FRACTIONS) :]
    return [stages[0]] * (len(LAYER_FRACTIONS) - len(stages)) + stages


def fingerprint_of_settings(*settings: Any) -> str:
    """Digest of the `repr` of settings, 16 hexadecimal digits."""
    text = repr([getattr(one, "to_dict", lambda one=one: one)() for one in settings])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _as_grid(state: torch.Tensor) -> torch.Tensor:
    """A hidden state as a map: patch tokens come row by row, after class and register tokens."""
    if state.ndim == 4:
        return state
    patches = math.isqrt(state.shape[1]) ** 2
    return as_map(state[:, state.shape[1] - patches :])


def _preparation(processor: Any) -> tuple[dict[str, int], list[float], list[float]]:
    """Size, mean and standard deviation of an image processor of transformers, or of its wrapper around timm's."""
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
        raise ValueError(f"{module}:{name} cannot be imported: {error}; check PYTHONPATH and the spelling.") from error
    if not callable(found):
        raise ValueError(f"{module}:{name} is {type(found).__name__}, expected a function of lon, lat.")
    return found
