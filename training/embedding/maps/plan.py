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
"""What a dense map of a raster consists of: cells, windows and blocks, on a grid fixed to the raster."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from modeling_gair import GairProcessor
from modeling_gair.raster_gair import PixelWindow, RasterGrid
from training.embedding.inputs.raster import RasterSource, opened
from training.embedding.maps.axis import Axis
from training.embedding.maps.ground import check_ground_size, pixel_size_m

# Shards of the Zarr store have so many cells per side. A block, the work of one task, has several, as many as fit into memory.
SHARD = 256
MAX_BLOCK_BYTES = 2**30
MAX_SHARDS_PER_SIDE = 4


@dataclass(frozen=True)
class MapPlan:
    """
    A map: cells of whole pixels, counted from the raster's north-west, read from overlapping windows, written block by block.

    Attributes:
        source ([`RasterSource`]): the raster.
        grid (`RasterGrid`), width (`int`), height (`int`): the raster's pixels, north up.
        cell (`tuple[int, int]`): columns and rows of pixels in a cell of the map.
        window (`tuple[int, int]`): columns and rows of cells in a window, both even.
        block (`int`): cells per side of a block, a multiple of a shard's.
        dimension (`int`): width D of the embeddings.
    """

    source: RasterSource
    grid: RasterGrid
    width: int
    height: int
    cell: tuple[int, int]
    window: tuple[int, int]
    block: int
    dimension: int

    @property
    def columns(self) -> Axis:
        return Axis(math.ceil(self.width / self.cell[0]), self.window[0])

    @property
    def rows(self) -> Axis:
        return Axis(math.ceil(self.height / self.cell[1]), self.window[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells; the last ones may extend beyond the raster by less than a cell."""
        return self.rows.cells, self.columns.cells

    @property
    def cells(self) -> RasterGrid:
        """Where the cells lie."""
        grid = self.grid
        return RasterGrid(grid.west, grid.north, grid.step_x * self.cell[0], grid.step_y * self.cell[1], grid.crs)

    @property
    def tasks(self) -> int:
        """Number of blocks."""
        rows, columns = (math.ceil(side / self.block) for side in self.shape)
        return rows * columns

    def block_at(self, rank: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of a task's block in cells; blocks are counted row by row."""
        across = math.ceil(self.shape[1] / self.block)
        top, left = (index * self.block for index in divmod(rank, across))
        return top, left, min(self.block, self.shape[0] - top), min(self.block, self.shape[1] - left)

    def windows_of(self, rank: int) -> list[tuple[int, int]]:
        """The first row and column, in cells, of every window that a task's block is read from, row by row."""
        top, left, height, width = self.block_at(rank)
        rows, columns = self.rows.touching(top, top + height), self.columns.touching(left, left + width)
        return [(int(row), int(column)) for row in rows for column in columns]

    def pixels_of(self, row: int, column: int) -> PixelWindow:
        """The pixels of the window whose first cell is at `row`, `column`; they may extend beyond the raster."""
        left, top = column * self.cell[0], row * self.cell[1]
        return left, top, left + self.window[0] * self.cell[0], top + self.window[1] * self.cell[1]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "MapPlan":
        own = {"source": RasterSource(**values["source"]), "grid": RasterGrid(**values["grid"])}
        sides = {name: tuple(values[name]) for name in ("cell", "window")}
        return cls(**{**values, **own, **sides})


def plan_map(
    source: RasterSource, processor: GairProcessor, window_m: float, resolution_m: float, dimension: int
) -> MapPlan:
    """
    Plans a dense map from the raster's header; a few windows are read to refuse a raster that cannot be embedded.

    Args:
        source ([`RasterSource`]): the raster.
        processor (`GairProcessor`): reads it.
        window_m (`float`): side of a window on the ground in metres.
        resolution_m (`float`): side of a cell of the map in metres, rounded to whole pixels.
        dimension (`int`): width D of the embeddings.

    Raises:
        ValueError: a raster that cannot be read, or on which windows or cells would be off by more than a tenth.
    """
    with opened(source, processor) as raster:
        place = raster.grid, raster.height, raster.width
        pixel = pixel_size_m(*place)
        cell = _whole(resolution_m / pixel[0]), _whole(resolution_m / pixel[1])
        advice = _fitting_resolutions(resolution_m, pixel)
        check_ground_size("A cell", resolution_m, cell, *place, source.path, advice)
        # Even numbers of cells, so that windows can follow at half a window's distance.
        window = _even(window_m / (cell[0] * pixel[0])), _even(window_m / (cell[1] * pixel[1]))
        in_pixels = window[0] * cell[0], window[1] * cell[1]
        advice = f"pass a --window_m that is an even multiple of --resolution_m {resolution_m:g}"
        check_ground_size("A window", window_m, in_pixels, *place, source.path, advice)
        raster.check_readable(in_pixels)
        grid, height, width = place
    return MapPlan(source, grid, width, height, cell, window, block_size(dimension), dimension)


def block_size(dimension: int) -> int:
    """Cells per side of a block whose embeddings, in float32, fit into a gigabyte."""
    shards = math.isqrt(MAX_BLOCK_BYTES // (4 * dimension)) // SHARD
    return SHARD * min(max(shards, 1), MAX_SHARDS_PER_SIDE)


def _whole(number: float) -> int:
    return max(1, round(number))


def _even(number: float) -> int:
    return 2 * max(1, round(number / 2))


def _fitting_resolutions(resolution_m: float, pixel: tuple[float, float]) -> str:
    side = math.sqrt(pixel[0] * pixel[1])
    below = max(1, math.floor(resolution_m / side))
    nearest = f"{below * side:.3g} or {(below + 1) * side:.3g}"
    if resolution_m < side:
        return f"pass at least the {side:.3g} m of a pixel as --resolution_m"
    return f"pass a multiple of a pixel's {side:.3g} m as --resolution_m, such as {nearest}"
