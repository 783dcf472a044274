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
"""Chips: one embedding for each window of a raster, on a grid fixed to the raster."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from modeling_gair import GairProcessor
from modeling_gair.crs_gair import unproject
from modeling_gair.geo_gair import wrap_longitude
from modeling_gair.raster_gair import PixelWindow, RasterGrid
from training.common.inputs import digest_of_names
from training.common.iterables import chunked
from training.embedding.encoding import Encoder
from training.embedding.inputs.kind import Part, Plan
from training.embedding.inputs.listed import ListedInput, error_of, own_columns, slices
from training.embedding.inputs.raster import OpenRaster, RasterSource, bands_of, opened
from training.embedding.inputs.tiles import TileKind, tile_values
from training.embedding.job import Job
from training.embedding.maps.ground import check_ground_size, pixel_size_m
from training.embedding.ordering import KEYS, PROBLEM
from training.embedding.outputs.rows import TILE

WINDOW_M = 1920.0
_BATCH = 8192


class ChipInput(ListedInput):
    """
    The windows of a raster, side by side from its north-west; the last ones may extend beyond it.

    Args:
        source ([`RasterSource`]): the raster.
        window_m (`float`): side of a window on the ground in metres.
        taken (`datetime`, *optional*): when the raster was taken.
    """

    what, unit = "chips", "window"

    def __init__(self, source: RasterSource, window_m: float, taken: datetime | None):
        self.path, self.name = source.path, Path(source.path).name
        self._source, self._window_m, self._taken = source, window_m, taken
        self._layout: tuple[RasterGrid, int, int, tuple[int, int]] | None = None

    def fingerprint(self) -> str:
        return fingerprint_of_raster(self.path)

    def plan(self, folder: Path, items_per_task: int, encoder: Encoder) -> Plan:
        with opened(self._source, encoder.processor) as raster:
            size = window_size(raster, self._window_m, self.path)
            self._layout = raster.grid, raster.height, raster.width, size
        planned = super().plan(folder, items_per_task, encoder)
        rows_and_columns = [size[1], size[0]]
        layout = {"layout_type": "regular_grid", "chip_size": rows_and_columns, "stride": rows_and_columns}
        said = f"Windows have {size[0]} x {size[1]} pixels; those without any data give no row."
        return Plan(planned.sizes, {**planned.details, "chip_layout": layout}, [*planned.remarks, said])

    def listed(self) -> tuple[pa.Schema, Iterator[pa.Table], list[str]]:
        assert self._layout is not None
        grid, height, width, size = self._layout
        starts = ((left, top) for top in range(0, height, size[1]) for left in range(0, width, size[0]))
        return pa.schema([]), (self._items(batch, grid, size) for batch in chunked(starts, _BATCH)), []

    def _items(self, starts: list[tuple[int, int]], grid: RasterGrid, size: tuple[int, int]) -> pa.Table:
        corners = np.array(starts)
        x, y = (corners + np.array(size) / 2).T
        lon, lat = unproject(grid.west + x * grid.step_x, grid.north - y * grid.step_y, grid.crs)
        names = [id_of(self.name, (left, top, left + size[0], top + size[1])) for left, top in starts]
        count = len(starts)
        columns = {
            "id": names,
            "lon": wrap_longitude(lon),
            "lat": lat,
            "source": [self.name] * count,
            "datetime": pa.array([self._taken] * count, pa.timestamp("us", "UTC")),
            PROBLEM: pa.nulls(count),
        }
        return pa.table(columns).select(KEYS.names).cast(KEYS)


class ChipKind(TileKind):
    """Embeds windows of a raster as tiles."""

    def parts(self, output: Path, job: Job, rank: int, processor: GairProcessor) -> Iterator[Callable[[], Part]]:
        read = partial(read_chips, bands=bands_of(job.options["bands"]), crs=job.options["crs"])
        return slices(output, job, rank, read, processor)


def read_chips(path: Path, items: pa.Table, processor: GairProcessor, bands: list[str] | None, crs: str | None) -> Part:
    """Windows of a raster with their places. Windows without data are inputs that give neither a row nor an error."""
    windows = [window_of(name) for name in items["id"].to_pylist()]
    with opened(RasterSource(str(path), bands, crs), processor) as raster:
        found = [raster.read(window) for window in windows]
    good = np.array([row for row, one in enumerate(found) if one.tile is not None], np.int64)
    tiles = [one.tile for one in found if one.tile is not None]
    columns = own_columns(items, good, TILE) | tile_values(tiles, processor)
    columns["pixel_bbox"] = np.array([windows[row] for row in good], np.int32).reshape(-1, 4)
    errors = [error_of(items, row, one.reason) for row, one in enumerate(found) if one.reason is not None]
    return Part(len(items), columns, [tile.pixels for tile in tiles], errors)


def window_size(raster: OpenRaster, window_m: float, source: str) -> tuple[int, int]:
    """
    Columns and rows of pixels that measure `window_m` on the ground.

    Raises:
        ValueError: they would be off by more than a tenth somewhere, or no window can be read.
    """
    place = raster.grid, raster.height, raster.width
    width, height = pixel_size_m(*place)
    size = max(1, round(window_m / width)), max(1, round(window_m / height))
    advice = f"pass a multiple of a pixel's {width:.3g} m as --window_m"
    check_ground_size("A window", window_m, size, *place, source, advice)
    raster.check_readable(size)
    return size


def id_of(name: str, window: PixelWindow) -> str:
    """The id of a window: the raster's name, and left, top, right and bottom in pixels."""
    return f"{name}#{','.join(map(str, window))}"


def window_of(name: str) -> PixelWindow:
    """The window of an id."""
    left, top, right, bottom = map(int, name.rpartition("#")[2].split(","))
    return left, top, right, bottom


def fingerprint_of_raster(path: str) -> str:
    """Digest of a raster's name, size and modification time: its content may be a terabyte."""
    file = Path(path).resolve()
    return digest_of_names(file.parent, [file])
