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
"""Decodes the tiles of a data set with GAIR's own image processor, set to the format of the data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from modeling_gair import GairRSImageProcessor
from training.benchmarks.encoders.encoder import TileFormat, TileSample


class TileReader:
    """
    The two steps from a tile to a model's pixels, with one image processor per [`TileFormat`].

    Args:
        processor ([`GairRSImageProcessor`]): the model's; its bands, size and statistics apply unless the format says
            otherwise.
    """

    def __init__(self, processor: GairRSImageProcessor):
        self.processor = processor
        self._processors: dict[TileFormat, GairRSImageProcessor] = {}

    def read(self, sample: TileSample, tile_format: TileFormat) -> np.ndarray:
        """
        A tile's pixels `(C, H, W)`, decoded and checked.

        Raises:
            ValueError: as the processor's `read`, with the tile's name.
        """
        bands = list(tile_format.bands) or None
        processor = self._processor(tile_format)
        with name_in_errors("Tile", sample.name):
            return processor.read(sample.source, bands=bands, bounds=sample.bounds, crs=sample.crs).pixels

    def prepare(
        self, tiles: Sequence[Any], tile_format: TileFormat, device: torch.device | None = None
    ) -> torch.Tensor:
        """Normalised and resized pixels `(B, C, h, w)` of tiles that [`read`] returned."""
        return self._processor(tile_format).prepare(list(tiles), device=device)

    def _processor(self, tile_format: TileFormat) -> GairRSImageProcessor:
        if tile_format not in self._processors:
            self._processors[tile_format] = _processor_for(self.processor, tile_format)
        return self._processors[tile_format]


def _processor_for(processor: GairRSImageProcessor, tile_format: TileFormat) -> GairRSImageProcessor:
    """A copy of an image processor with the format of a data set."""
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


@contextmanager
def name_in_errors(kind: str, name: str) -> Iterator[None]:
    """Prefixes the message of a `ValueError` with the sample it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{kind} {name!r}: {error}") from error
