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
"""Tiles: a folder of GeoTIFFs, each the size of a tile."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rasterio

from modeling_gair import GairProcessor
from modeling_gair.crs_gair import crs_name, unproject
from modeling_gair.geo_gair import wrap_longitude
from modeling_gair.raster_gair import GairTile
from training.common.footprints import footprint_of
from training.embedding.encoding import Encoder
from training.embedding.inputs.kind import Part, read_each
from training.embedding.inputs.listed import FolderInput, error_of, own_columns, slices
from training.embedding.inputs.raster import bands_of
from training.embedding.job import Job
from training.embedding.ordering import PROBLEM
from training.embedding.outputs.rows import TILE

SUFFIXES = (".tif", ".tiff")
_CENTRE = np.array([[0.5, 0.5]])


class TileFolder(FolderInput):
    """
    The GeoTIFFs in a folder and below.

    Args:
        path (`Path`): the folder.
        taken (`datetime`, *optional*): when all of them were taken.
    """

    what, unit = "tiles", "tile"
    suffixes, batch_files = SUFFIXES, 1024

    def __init__(self, path: Path, taken: datetime | None):
        super().__init__(path)
        self._taken = taken

    def headers(self, files: list[Path]) -> dict[str, Any]:
        # Only the order depends on it. Files without a place are refused with a reason when they are read.
        centres = [(None, None) if isinstance(one, str) else one for one in read_each(_centre_of, files)]
        lon, lat = zip(*centres)
        return {
            "lon": pa.array(lon, pa.float64()),
            "lat": pa.array(lat, pa.float64()),
            "datetime": pa.array([self._taken] * len(files), pa.timestamp("us", "UTC")),
            PROBLEM: pa.nulls(len(files)),
        }


class TileKind:
    """Embeds whole tiles."""

    geometry_types = ("Polygon", "MultiPolygon")

    def parts(self, output: Path, job: Job, rank: int, processor: GairProcessor) -> Iterator[Callable[[], Part]]:
        return slices(output, job, rank, partial(read_tiles, bands=bands_of(job.options.get("bands"))), processor)

    def encode(self, encoder: Encoder, part: Part) -> np.ndarray:
        return encoder.tiles(part.pixels)[0]


def read_tiles(folder: Path, items: pa.Table, processor: GairProcessor, bands: list[str] | None) -> Part:
    """Tiles with their places; `bands` are the names of their bands in order, if they do not name them themselves."""

    def read(name: str) -> GairTile:
        tile = processor.image_processor.read(folder / name, bands=bands)
        if tile.bounds is None or tile.crs is None:
            raise ValueError("it has no georeferencing, so it has no place; write its CRS and bounds.")
        return tile

    found = read_each(read, items["source"].to_pylist())
    reasons = {row: one for row, one in enumerate(found) if isinstance(one, str)}
    tiles = [one for one in found if not isinstance(one, str)]
    good = np.array([row for row in range(len(items)) if row not in reasons], np.int64)
    columns = own_columns(items, good, TILE) | tile_values(tiles, processor)
    errors = [error_of(items, row, text) for row, text in reasons.items()]
    return Part(len(items), columns, [tile.pixels for tile in tiles], errors)


def tile_values(tiles: Sequence[GairTile], processor: GairProcessor) -> dict[str, Any]:
    """The columns that say where tiles are, by their footprints and centres, and how much of them is data."""
    places = processor.feature_extractor
    centres = [places.places_at(_CENTRE, tile.bounds, tile.crs)[0] for tile in tiles]
    lon_lat = np.array(centres).reshape(-1, 2)
    return {
        "geometry": [
            footprint_of(tile.bounds, tile.crs) for tile in tiles if tile.bounds is not None and tile.crs is not None
        ],
        "lon": lon_lat[:, 0],
        "lat": lon_lat[:, 1],
        "valid_fraction": [tile.valid_fraction for tile in tiles],
    }


def _centre_of(path: Path) -> tuple[float, float]:
    """lon, lat of the centre of a GeoTIFF, by its header."""
    with rasterio.open(path, driver="GTiff") as file:
        west, south, east, north = file.bounds
        crs = crs_name(file.crs)
    lon, lat = unproject((west + east) / 2, (south + north) / 2, crs)
    return float(wrap_longitude(lon)), float(lat)
