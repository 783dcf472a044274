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
Embeddings of places on a regular grid, computed once for any view of the world.

At level l the world is divided into square blocks of 90 / 2ˡ degrees with 90 × 90 cells each. Level 0, the world in 360 × 180
cells, is kept in memory and on disk; of the finer blocks, the most recent ones are kept up to a limit.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serving.files import keep_if_possible
from serving.similarity import cell_centers

CELLS = 90
# Cells of 100 m; the location encoders resolve nothing finer.
MAX_LEVEL = 10
# Limit for the finer blocks, in addition to the world (200 MB at D = 768).
MAX_BYTES = 512 * 2**20

WORLD = (-180.0, -90.0, 180.0, 90.0)
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """
    Whole blocks of one level that cover a view.

    Attributes:
        level (`int`): 0 to `MAX_LEVEL`.
        first_column, first_row, columns, rows (`int`): the blocks, counted eastwards from 180° W, modulo the width of
            the world, and southwards from 90° N.
    """

    level: int
    first_column: int
    first_row: int
    columns: int
    rows: int

    @property
    def side(self) -> float:
        """Side of a block in degrees."""
        return 90 / 2**self.level

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north in degrees; east may lie beyond 180."""
        west, north = -180 + self.first_column * self.side, 90 - self.first_row * self.side
        return west, north - self.rows * self.side, west + self.columns * self.side, north

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns of cells."""
        return self.rows * CELLS, self.columns * CELLS

    @classmethod
    def covering(cls, west: float, south: float, east: float, north: float) -> "Region":
        """The region that covers a view in degrees, at most 5 × 5 blocks; east may lie beyond 180."""
        extent = max(east - west, north - south)
        level = int(np.clip(math.floor(math.log2(360 / extent)), 0, MAX_LEVEL))
        side = 90 / 2**level
        around = 4 * 2**level
        first, last = math.floor((west + 180) / side), math.ceil((east + 180) / side)
        top, bottom = math.floor((90 - north) / side), math.ceil((90 - south) / side)
        if last - first >= around:
            first, last = 0, around
        return cls(level, first % around, top, last - first, max(bottom - top, 1))


class Grids:
    """
    Embeddings of blocks, float32, of length 1: neighbouring cells differ by less than float16 resolves.

    Args:
        embed (`Callable`): lon, lat `(N,)` in degrees → float32 `(N, D)` of length 1.
        file (`Path`): where the world is stored; the name must change with the model.
        max_bytes (`int`): limit for the blocks of finer levels.
    """

    def __init__(self, embed: Callable[[np.ndarray, np.ndarray], np.ndarray], file: Path, max_bytes: int = MAX_BYTES):
        self._embed, self._file, self._max_bytes = embed, file, max_bytes
        self._world: list[np.ndarray] = []
        self._finer: OrderedDict[tuple[int, int, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def cosines(self, query: np.ndarray, region: Region) -> np.ndarray:
        """Cosine similarities `(rows, columns)`, float32, of a query `(D,)` of length 1 to the cells of a region."""
        values = np.empty(region.shape, np.float32)
        for row in range(region.rows):
            for column in range(region.columns):
                block = self._block(region.level, region.first_column + column, region.first_row + row)
                cosines = (block @ query).reshape(CELLS, CELLS)
                values[row * CELLS : (row + 1) * CELLS, column * CELLS : (column + 1) * CELLS] = cosines
        return np.clip(values, -1, 1)

    def world(self) -> list[np.ndarray]:
        """The 8 blocks `(8100, D)` of level 0, read from disk or computed, and kept in memory."""
        with self._lock:
            if not self._world:
                self._world = list(self._read())
            return self._world

    def _block(self, level: int, column: int, row: int) -> np.ndarray:
        column %= 4 * 2**level
        if level == 0:
            return self.world()[row * 4 + column]
        # One visitor at a time computes blocks, so that two who look at the same place do not compute it twice.
        with self._lock:
            key = level, column, row
            block = self._finer.pop(key, None)
            self._finer[key] = block = self._embedded(level, column, row) if block is None else block
            while len(self._finer) * block.nbytes > self._max_bytes:
                self._finer.popitem(last=False)
            return block

    def _embedded(self, level: int, column: int, row: int) -> np.ndarray:
        lon, lat = cell_centers(*Region(level, column, row, 1, 1).bounds, CELLS, CELLS)
        return self._embed(lon, lat)

    def _make(self) -> np.ndarray:
        world = np.stack([self._embedded(0, column, row) for row in range(2) for column in range(4)])
        keep_if_possible(self._file, lambda file: np.save(file, world))
        return world

    def _read(self) -> np.ndarray:
        try:
            world = np.load(self._file, allow_pickle=False)
        # A file that is missing, damaged or cannot be read is computed again, as is one of another layout.
        except (OSError, ValueError, EOFError):
            return self._make()
        return world if world.dtype == np.float32 and world.shape[:2] == (8, CELLS * CELLS) else self._make()
