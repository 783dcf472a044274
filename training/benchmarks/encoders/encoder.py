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
"""What is measured: models seen through one interface, GAIR's and the baselines that need no training."""

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from modeling_gair import GairModel, GairProcessor, GairRSImageProcessor
from training.common.models import load_gair

# Places embedded at a time.
_PLACES = 8192
_UNTRAINED_SEED = 0
# Which blocks a decoder reads: after the 4th, 6th, 8th and 12th of 12, as PANGAEA reads CROMA.
LAYER_FRACTIONS = (1 / 3, 1 / 2, 2 / 3, 1)


@dataclass(frozen=True)
class TileFormat:
    """
    How the tiles of a data set are stored; one for a whole task, and part of the key of its features.

    Args:
        bands (`tuple[str, ...]`): names of the channels in their order.
        units (`str`): `"digital_number"` (surface reflectance × 10,000) or `"reflectance"`.
        digital_number_offset (`float`): added to every digital number.
        missing_bands (`str`): `"error"`, or `"mean"` to fill bands that the data lack with the model's band means.
        allow_any_scale (`bool`): whether tiles may measure less than 0.5 or more than 5 km.
        size (`int`, *optional*): pixels to resize to; the model's own by default.
        statistics (`tuple[tuple[str, float, float], ...]`): band, mean and standard deviation in digital numbers, to
            normalise by the data set's statistics and not by the model's.
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
        source (`np.ndarray` of shape `(C, H, W)` or path of a GeoTIFF): row 0 in the north, in the order of the bands of
            its [`TileFormat`].
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
        source: whatever `GairSVImageProcessor.read` takes: a path, bytes, a PIL image, or an array `(H, W, 3)`.
    """

    name: str
    source: Any


class Encoder:
    """
    A model under test. What is decoded goes in, plain arrays come out; a model overrides the methods of the modalities
    that it has, and no others.

    Attributes:
        name (`str`): as the results call it.
        revision (`str`): commit of its repository, or a digest of its weights.
        fingerprint (`str`): digest of all that its embeddings depend on: weights, settings, processor.
        modalities (`frozenset[str]`): `location`, `tile`, `photo`.
        dense (`bool`): whether it has feature maps of tiles.
        continuous (`bool`): whether it has a map of tiles that can be read at any size.
        baseline (`bool`): whether it is here for comparison only.
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
        raise NotImplementedError(f"{self.name} embeds no locations")

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        """
        Decodes and checks one tile.

        Returns:
            `np.ndarray` of shape `(C, H, W)`: the model's bands at the data's own resolution.

        Raises:
            ValueError: a tile that the model cannot take, named.
        """
        raise NotImplementedError(f"{self.name} embeds no tiles")

    def embed_tiles(self, tiles: Sequence[Any], tile_format: TileFormat) -> np.ndarray:
        """
        Args:
            tiles: B of what [`read_tile`] gave.

        Returns:
            `np.ndarray` of shape `(B, D)`, float32, not normalised.
        """
        raise NotImplementedError(f"{self.name} embeds no tiles")

    def tile_layers(self, tiles: Sequence[Any], tile_format: TileFormat) -> list[torch.Tensor]:
        """
        Feature maps after the blocks at `LAYER_FRACTIONS` of the depth, the last one the output, for a decoder on the
        frozen model.

        Returns:
            `list[torch.Tensor]`: each `(B, D, h, w)`, row 0 in the north, on the model's device.
        """
        raise NotImplementedError(f"{self.name} has no feature maps")

    def tile_map(self, tiles: Sequence[Any], tile_format: TileFormat, size: tuple[int, int]) -> torch.Tensor:
        """
        One feature map of any size: for GAIR the map that NILI reads.

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north, on the model's device.
        """
        raise NotImplementedError(f"{self.name} has no continuous feature map")

    def read_photo(self, sample: PhotoSample) -> Any:
        """
        Decodes and checks one photo (in NumPy).

        Raises:
            ValueError: a photo that cannot be decoded, named.
        """
        raise NotImplementedError(f"{self.name} embeds no photos")

    def embed_photos(self, photos: Sequence[Any]) -> np.ndarray:
        """
        Args:
            photos: B of what [`read_photo`] gave.

        Returns:
            `np.ndarray` of shape `(B, D)`, float32: the model's embedding, not normalised.
        """
        raise NotImplementedError(f"{self.name} embeds no photos")

    def photo_tokens(self, photos: Sequence[Any]) -> np.ndarray:
        """
        What the tower's pooler sees of each photo (the class token where there is one, else the mean of the tokens), to
        train a pooler of one's own on it.

        Returns:
            `np.ndarray` of shape `(B, D)`, float32.
        """
        raise NotImplementedError(f"{self.name} embeds no photos")


class GairEncoder(Encoder):
    """
    A GAIR model with its processor.

    Args:
        model ([`GairModel`]): on its device, in evaluation mode.
        processor ([`GairProcessor`]): the model's.
        name (`str`): as the results call it.
        revision (`str`, *optional*): commit of its repository; else a digest of its weights.
        baseline (`bool`): whether it is here for comparison only.
    """

    modalities = frozenset(("location", "tile", "photo"))
    dense = continuous = True

    def __init__(
        self, model: GairModel, processor: GairProcessor, name: str, revision: str | None = None, baseline: bool = False
    ):
        self.model, self.processor, self.name, self.baseline = model, processor, name, baseline
        self.fingerprint = fingerprint_of(model, processor)
        self.revision = revision or self.fingerprint
        self._readers: dict[TileFormat, GairRSImageProcessor] = {}

    @torch.no_grad()
    def embed_locations(self, lon_lat: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(lon_lat), _PLACES):
            part = lon_lat[start : start + _PLACES]
            inputs = self.processor.feature_extractor(part[:, 0], part[:, 1], return_tensors="pt")
            parts.append(as_numpy(self.model.get_location_features(inputs["coordinates"].to(self.model.device))))
        return np.concatenate(parts)

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        return decode_tile(self._reader(tile_format), sample, tile_format)

    @torch.no_grad()
    def embed_tiles(self, tiles: Sequence[Any], tile_format: TileFormat) -> np.ndarray:
        return as_numpy(self.model.get_rs_features(self._pixels(tiles, tile_format)))

    @torch.no_grad()
    def tile_layers(self, tiles: Sequence[Any], tile_format: TileFormat) -> list[torch.Tensor]:
        states = self.model.rs_model(self._pixels(tiles, tile_format), output_hidden_states=True).hidden_states
        # The first is the patch embedding, which no block has seen.
        depths = [max(1, round((len(states) - 1) * fraction)) for fraction in LAYER_FRACTIONS]
        return [as_map(states[depth]) for depth in depths]

    @torch.no_grad()
    def tile_map(self, tiles: Sequence[Any], tile_format: TileFormat, size: tuple[int, int]) -> torch.Tensor:
        return self.model.get_rs_feature_map(self._pixels(tiles, tile_format), size)

    def read_photo(self, sample: PhotoSample) -> np.ndarray:
        with named("Photo", sample.name):
            return self.processor.sv_image_processor.read(sample.source)

    @torch.no_grad()
    def embed_photos(self, photos: Sequence[Any]) -> np.ndarray:
        pixels = self.processor.sv_image_processor.prepare(list(photos), device=self.model.device)
        return as_numpy(self.model.get_sv_features(pixels))

    @torch.no_grad()
    def photo_tokens(self, photos: Sequence[Any]) -> np.ndarray:
        pixels = self.processor.sv_image_processor.prepare(list(photos), device=self.model.device)
        return as_numpy(class_tokens(self.model.sv_model, pixels))

    def _reader(self, tile_format: TileFormat) -> GairRSImageProcessor:
        """The model's image processor, set to the data's format."""
        if tile_format not in self._readers:
            self._readers[tile_format] = tile_reader(self.processor.image_processor, tile_format)
        return self._readers[tile_format]

    def _pixels(self, tiles: Sequence[Any], tile_format: TileFormat) -> torch.Tensor:
        return self._reader(tile_format).prepare(list(tiles), device=self.model.device)


def tile_reader(processor: GairRSImageProcessor, tile_format: TileFormat) -> GairRSImageProcessor:
    """An image processor like the model's, set to the format of a data set."""
    settings = processor.to_dict() | {
        "units": tile_format.units,
        "digital_number_offset": tile_format.digital_number_offset,
        "missing_bands": tile_format.missing_bands,
        "allow_any_scale": tile_format.allow_any_scale,
    }
    if tile_format.size is not None:
        settings["size"] = tile_format.size
    if tile_format.statistics:
        settings["band_mean"] = settings["band_mean"] | {name: mean for name, mean, _ in tile_format.statistics}
        settings["band_std"] = settings["band_std"] | {name: std for name, _, std in tile_format.statistics}
    return GairRSImageProcessor(**settings)


def decode_tile(reader: GairRSImageProcessor, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
    """
    A tile's pixels `(C, H, W)`, decoded and checked by a [`tile_reader`].

    Raises:
        ValueError: as the processor's `read`, with the tile's name.
    """
    bands = list(tile_format.bands) or None
    with named("Tile", sample.name):
        return reader.read(sample.source, bands=bands, bounds=sample.bounds, crs=sample.crs).pixels


class SinCosEncoder(Encoder):
    """`[sin lat, cos lat, sin lon, cos lon]`, the baseline of CoordBench: no training, and smooth across ±180°."""

    name, revision, fingerprint = "sin/cos", "1", "sin-cos-1"
    modalities = frozenset(("location",))
    baseline = True

    def embed_locations(self, lon_lat: np.ndarray) -> np.ndarray:
        lon, lat = np.radians(lon_lat).T
        return np.stack([np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)], axis=1)


def open_gair(name: str, device: torch.device) -> GairEncoder:
    """
    The model of a local directory or a Hub repository, with its processor.

    Raises:
        ValueError: there is none by that name.
    """
    model, processor = load_gair(name, device)
    return GairEncoder(model, processor, name, getattr(model.config, "_commit_hash", None))


def untrained(encoder: GairEncoder) -> GairEncoder:
    """A model of the same config with freshly drawn weights: what the architecture alone is worth."""
    with torch.random.fork_rng():
        torch.manual_seed(_UNTRAINED_SEED)
        model: Any = type(encoder.model)(copy.deepcopy(encoder.model.config))
    model = model.to(encoder.model.device).eval()
    return GairEncoder(model, encoder.processor, f"random weights of {encoder.name}", baseline=True)


def class_tokens(tower: Any, pixels: torch.Tensor) -> torch.Tensor:
    """
    The class token of a tower's output, or the mean of its tokens where it has none.

    Returns:
        `torch.Tensor` of shape `(B, D)`.
    """
    hidden = tower(pixel_values=pixels).last_hidden_state
    if hidden.ndim == 4:
        return hidden.mean(dim=(2, 3))
    patches = getattr(tower.config, "patch_size", None)
    grid = None if patches is None else (pixels.shape[-2] // patches) * (pixels.shape[-1] // patches)
    return hidden.mean(dim=1) if hidden.shape[1] == grid else hidden[:, 0]


def fingerprint_of(model: Any, processor: Any) -> str:
    """Digest of a model's weights and settings and of its processor's, 16 digits."""
    digest = hashlib.blake2b(digest_size=8)
    settings = model.config.to_dict() | {"_name_or_path": None, "_commit_hash": None}
    # The same model saved by two versions of a library is the same model.
    settings.pop("transformers_version", None)
    digest.update(json.dumps([settings, processor.to_dict()], sort_keys=True, default=str).encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def named(kind: str, name: str) -> Iterator[None]:
    """Says which sample an error is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{kind} {name!r}: {error}") from error


def as_numpy(values: torch.Tensor) -> np.ndarray:
    return values.float().cpu().numpy()


def as_map(tokens: torch.Tensor) -> torch.Tensor:
    """Tokens (B, N, D), row by row from the north, as a map (B, D, P, P)."""
    side = int(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side))
