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
"""GAIR models under test: trained ones, and the same architecture with random weights."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from modeling_gair import GairModel, GairProcessor
from training.benchmarks.encoders.encoder import LAYER_FRACTIONS, Encoder, PhotoSample, TileFormat, TileSample
from training.benchmarks.encoders.features import LOCATIONS_PER_BATCH, as_map, as_numpy, class_tokens
from training.benchmarks.encoders.pixels import TileReader, name_in_errors
from training.common.fingerprints import fingerprint_of
from training.common.models import load_gair
from training.common.precision import Precision, compute_in

_UNTRAINED_SEED = 0


class GairEncoder(Encoder):
    """
    A GAIR model with its processor.

    Args:
        model ([`GairModel`]): on its device, in evaluation mode.
        processor ([`GairProcessor`]): the model's.
        name (`str`): its name in the results.
        revision (`str`, *optional*): commit of its repository; a digest of its weights by default.
        baseline (`bool`): whether it serves as a baseline only.
        precision (`str`): in which its towers multiply matrices.
    """

    modalities = frozenset(("location", "tile", "photo"))
    dense = continuous = True

    def __init__(
        self,
        model: GairModel,
        processor: GairProcessor,
        name: str,
        revision: str | None = None,
        baseline: bool = False,
        precision: Precision = "float32",
    ):
        self.model, self.processor, self.name, self.baseline = model, processor, name, baseline
        self.precision = precision
        compute_in(model, precision)
        own = fingerprint_of(model, processor)
        self.fingerprint = own if precision == "float32" else f"{own}-{precision}"
        self.revision = revision or self.fingerprint
        self._tiles = TileReader(processor.image_processor)

    @torch.no_grad()
    def embed_locations(self, lon_lat: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(lon_lat), LOCATIONS_PER_BATCH):
            part = lon_lat[start : start + LOCATIONS_PER_BATCH]
            inputs = self.processor.feature_extractor(part[:, 0], part[:, 1], return_tensors="pt")
            parts.append(as_numpy(self.model.get_location_features(inputs["coordinates"].to(self.model.device))))
        return np.concatenate(parts)

    def read_tile(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        return self._tiles.read(sample, tile_format)

    @torch.no_grad()
    def embed_tiles(self, tiles: Sequence[Any], tile_format: TileFormat) -> np.ndarray:
        return as_numpy(self.model.get_rs_features(self.tile_pixels(tiles, tile_format)))

    @torch.no_grad()
    def tile_layers(self, tiles: Sequence[Any], tile_format: TileFormat) -> list[torch.Tensor]:
        states = self.model.rs_model(self.tile_pixels(tiles, tile_format), output_hidden_states=True).hidden_states
        # The first is the patch embedding, the input of the first block.
        depths = [max(1, round((len(states) - 1) * fraction)) for fraction in LAYER_FRACTIONS]
        return [as_map(states[depth]) for depth in depths]

    @torch.no_grad()
    def tile_map(self, tiles: Sequence[Any], tile_format: TileFormat, size: tuple[int, int]) -> torch.Tensor:
        return self.model.get_rs_feature_map(self.tile_pixels(tiles, tile_format), size)

    @torch.no_grad()
    def readings(self, tiles: Sequence[Any], tile_format: TileFormat, size: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Maps read from the tokens alone and, if the model reads pixels too, as it was trained: see [`Encoder.readings`]."""
        model: Any = self.model
        encoded, trained = model.encode_tiles(self.tile_pixels(tiles, tile_format)), model.config.query_mode
        # The mode it was trained with comes last.
        modes = [mode for mode in ("bilinear", "nili") if mode != trained] + [trained]
        found = {mode: model.feature_map(encoded, size, mode, with_pixels=False) for mode in modes}
        if model.pixel_query is not None:
            found[f"{trained}_with_pixels"] = model.feature_map(encoded, size)
        return found

    def tile_pixels(self, tiles: Sequence[Any], tile_format: TileFormat) -> torch.Tensor:
        """The RS tower's input `(B, 10, h, w)`, on the model's device."""
        return self._tiles.prepare(tiles, tile_format, self.model.device)

    def read_photo(self, sample: PhotoSample) -> np.ndarray:
        with name_in_errors("Photo", sample.name):
            return self.processor.sv_image_processor.read(sample.source)

    @torch.no_grad()
    def embed_photos(self, photos: Sequence[Any]) -> np.ndarray:
        pixels = self.processor.sv_image_processor.prepare(list(photos), device=self.model.device)
        return as_numpy(self.model.get_sv_features(pixels))

    @torch.no_grad()
    def photo_tokens(self, photos: Sequence[Any]) -> np.ndarray:
        pixels = self.processor.sv_image_processor.prepare(list(photos), device=self.model.device)
        return as_numpy(class_tokens(self.model.sv_model, pixels))


def open_gair(name: str, device: torch.device, precision: Precision = "float32") -> GairEncoder:
    """
    The model of a local directory or a Hub repository, with its processor.

    Raises:
        ValueError: no model has that name.
    """
    model, processor = load_gair(name, device)
    return GairEncoder(model, processor, name, getattr(model.config, "_commit_hash", None), precision=precision)


def untrained(encoder: GairEncoder) -> GairEncoder:
    """A model of the same config with random weights, which shows what the architecture alone achieves."""
    with torch.random.fork_rng():
        torch.manual_seed(_UNTRAINED_SEED)
        model: Any = type(encoder.model)(copy.deepcopy(encoder.model.config))
    model = model.to(encoder.model.device).eval()
    name = f"random weights of {encoder.name}"
    return GairEncoder(model, encoder.processor, name, baseline=True, precision=encoder.precision)
