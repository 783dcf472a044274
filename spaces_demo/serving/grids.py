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

At level l a cell is 1 / 2ˡ degrees wide, and blocks of 15 × 15 cells divide the world. The land of level 0, the world in
360 × 180 cells, is kept in memory and on disk; of the other blocks, the most recent ones are kept up to a limit. Land and sea of a
block are computed apart, since most maps leave out the sea.
"""

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from tqdm import tqdm

from serving.files import keep_if_possible, write_atomically
from serving.land import on_land
from serving.similarity import cell_centers, spread_in_box
from serving.turns import Superseded, Turns, always

# Cells along each side of a block.
CELLS = 15
# The world divides into whole blocks from this level on.
_COARSEST = -2
# Cells of 100 m, which no encoder has been seen to need.
_MAX_LEVEL = 10
# Cells along the longer side of a view, at most; on a screen each covers a few pixels.
_ACROSS = 180
# Levels between the first, coarse map of a view and the map itself: a sixteenth of the cells.
_COARSER = 2
# Limit for all blocks but the land of the world.
MAX_BYTES = 128 * 2**20
# Of a released world, these many cells are embedded again. Float16 and other processors change cosines by less than this.
_CHECKED = 16
_LEAST_COSINE = 0.999

WORLD = (-180.0, -90.0, 180.0, 90.0)
Bounds = tuple[float, float, float, float]
Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Region:
    """
    Whole blocks of one level that cover a view, and so up to one block beyond its edges.

    Attributes:
        level (`int`): the cells are 1 / 2ˡ degrees wide.
        first_column, first_row, columns, rows (`int`): the blocks, counted eastwards from 180° W, modulo the width of
            the world, and southwards from 90° N.
    """

    level: int
    first_column: int
    first_row: int
    columns: int
    rows: int

    @property
    def cell(self) -> float:
        """Side of a cell in degrees."""
        return 1 / 2**self.level

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north in degrees; east may lie beyond 180."""
        side = CELLS * self.cell
        west, north = -180 + self.first_column * side, 90 - self.first_row * side
        return west, north - self.rows * side, west + self.columns * side, north

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns of cells."""
        return self.rows * CELLS, self.columns * CELLS

    @property
    def blocks(self) -> list["Region"]:
        """The blocks, row by row from the north-west."""
        around = round(360 / (CELLS * self.cell))
        return [
            Region(self.level, (self.first_column + column) % around, self.first_row + row, 1, 1)
            for row in range(self.rows)
            for column in range(self.columns)
        ]

    def centers(self) -> tuple[np.ndarray, np.ndarray]:
        """Lon, lat in degrees of the cells, `(rows * columns,)` each, row by row; lon may lie beyond 180."""
        rows, columns = self.shape
        return cell_centers(*self.bounds, columns, rows)

    @classmethod
    def covering(cls, west: float, south: float, east: float, north: float, level: int) -> "Region":
        """The region of a level that covers a view in degrees; east may lie beyond 180."""
        side = CELLS / 2**level
        around = round(360 / side)
        first, last = math.floor((west + 180) / side), math.ceil((east + 180) / side)
        top, bottom = math.floor((90 - north) / side), math.ceil((90 - south) / side)
        if last - first >= around:
            first, last = 0, around
        return cls(level, first % around, top, last - first, max(bottom - top, 1))


_WORLD = Region.covering(*WORLD, level=0)


class Grids:
    """
    Embeddings of cells, in float16, whose rounding changes cosines by about 1e-5.

    Attributes:
        finest (`int`): level of the finest cells.
        turns ([`Turns`]): for whatever else the model computes.

    Args:
        embed (`Callable`): lon, lat `(N,)` in degrees → float32 `(N, D)` of length 1.
        file (`Path`): where the land of the world is stored; the name must change with the model.
        beside (`Path`, *optional*): the folder of the model, where a release may have put the land of the world.
        finest (`int`): level of the finest cells that the model resolves, 0 or more; see [`finest_level`].
        max_bytes (`int`): limit for the blocks of other levels and of the sea.
        at_once (`int`): places that are embedded at a time, between which requests can be stopped.
    """

    def __init__(
        self,
        embed: Embed,
        file: Path,
        finest: int,
        max_bytes: int = MAX_BYTES,
        at_once: int = 512,
        beside: Path | None = None,
    ):
        self.finest = finest
        self._embed, self._max_bytes, self._at_once = embed, max_bytes, at_once
        # The outlines decide which cells the file holds.
        self._file = file.with_name(f"{file.stem}-{_digest_of_land()}.npy")
        self._released = None if beside is None else beside / _released_name()
        self._world: dict[_Part, np.ndarray] = {}
        self._recent: OrderedDict[_Part, np.ndarray] = OrderedDict()
        self._is_open = False
        self.turns = Turns()
        self._lock = threading.Lock()

    def regions(self, west: float, south: float, east: float, north: float, sea: bool = False) -> list[Region]:
        """
        What to compute for a view: a coarse region first, if the one that suits the view takes time.

        Args:
            west, south, east, north (`float`): the view in degrees; east may lie beyond 180.
            sea (`bool`): whether the sea is needed as well.

        Returns:
            `list[Region]`: one or two; the last one has at most 180 cells along the longer side of the view (the whole world: 360),
            and none finer than the model resolves.
        """
        level = math.floor(math.log2(_ACROSS / max(east - west, north - south)))
        level = min(max(level, 0), self.finest)
        wanted = Region.covering(west, south, east, north, level)
        if sum(_count(part) for part in self._missing(wanted, sea)) <= self._at_once:
            return [wanted]
        return [Region.covering(west, south, east, north, max(level - _COARSER, _COARSEST)), wanted]

    def mapped(
        self,
        region: Region,
        function: Callable[[np.ndarray], np.ndarray],
        sea: bool = False,
        current: Callable[[], bool] = always,
        rank: int = 0,
    ) -> np.ndarray:
        """
        Values of all cells of a region.

        Args:
            region ([`Region`]): any.
            function (`Callable`): embeddings `(n, D)`, float32, about of length 1 → values `(n,)` or `(n, K)`.
            sea (`bool`): whether to compute cells at sea.
            current (`Callable`): whether the answer is still wanted; asked before each piece of work.
            rank (`int`): who goes first if several requests compute: lower ranks.

        Returns:
            `np.ndarray` of shape `(rows, columns)` or `(rows, columns, K)`, float32; NaN at sea, unless `sea`.

        Raises:
            Superseded: if it is not wanted any more; what has been computed is kept.
        """
        if region.level == 0:
            self.open_world(current, rank)
        self._fill(self._missing(region, sea), current, rank)
        values: np.ndarray | None = None
        for number, block in enumerate(region.blocks):
            row, column = divmod(number, region.columns)
            for part in _parts(block, sea):
                found = function(self._embeddings(part))
                if values is None:
                    values = np.full((*region.shape, *found.shape[1:]), np.nan, np.float32)
                cells = values[row * CELLS : (row + 1) * CELLS, column * CELLS : (column + 1) * CELLS]
                cells[_cells(part)] = found
        return np.full(region.shape, np.nan, np.float32) if values is None else values

    def steps(
        self,
        view: Sequence[float],
        function: Callable[[np.ndarray], np.ndarray],
        sea: bool = False,
        current: Callable[[], bool] = always,
    ) -> Iterator[tuple[Region, np.ndarray, bool]]:
        """
        Values of the cells in a view, as in [`~Grids.mapped`]: coarse ones first, if those that suit the view take time.

        Yields:
            the region, its values, and whether finer ones follow.

        Raises:
            ValueError: if the view shows only sea, which is not wanted.
            Superseded: as in [`~Grids.mapped`].
        """
        # Coarse maps of all visitors come before fine ones.
        west, south, east, north = view
        *coarse, wanted = self.regions(west, south, east, north, sea=sea)
        for rank, region in [*((0, region) for region in coarse), (1, wanted)]:
            values = self.mapped(region, function, sea, current, rank)
            # What is in memory needs no work, before which this is asked.
            if not current():
                raise Superseded
            if not np.isfinite(values).any():
                raise ValueError("This view shows only sea, expected some land; tick “Show the sea”, or move the map.")
            yield region, values, region is not wanted

    def land(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lon, lat `(N,)` in degrees and embeddings `(N, D)`, float16, of all cells of the world on land."""
        self.open_world()
        return *_places_of_world(), np.concatenate([self._world[part] for _, part in _world_parts()])

    def open_world(self, current: Callable[[], bool] = always, rank: int = 0) -> None:
        """
        Makes the land of the world available: reads it, or computes and stores it, which takes some seconds at the published size,
        with a progress bar. Raises [`Superseded`] as [`~Grids.mapped`] does.
        """
        if self._is_open:
            return
        parts = [part for _, part in _world_parts()]
        stored = self._stored()
        if stored is None:
            self._fill(self._missing(_WORLD, sea=False), current, rank, title="Embedding the world")
            # From the file, the system can take its memory back.
            stored = _read_world(self._file) if keep_if_possible(self._file, self._save) else None
        if stored is not None:
            ends = np.cumsum([_count(part) for part in parts])[:-1]
            with self._lock:
                self._world = dict(zip(parts, np.split(stored, ends)))
        self._is_open = True

    def release(self, folder: Path) -> Path:
        """Writes the land of the world beside a model, for `beside` of other Spaces, and returns the file."""
        self.open_world()
        write_atomically(folder / _released_name(), self._save)
        return folder / _released_name()

    # Blocks ----------------------------------------------------------------------------------------------------------

    def _embeddings(self, part: "_Part") -> np.ndarray:
        with self._lock:
            found = self._world.get(part)
            if found is None:
                found = self._recent.get(part)
        # Another visitor's view may have displaced it since it was computed.
        if found is None:
            found = self._computed([part])[0]
        return found.astype(np.float32)

    def _missing(self, region: Region, sea: bool) -> list["_Part"]:
        """Parts that are not in memory; the others become the most recent ones."""
        missing = []
        with self._lock:
            for part in (part for block in region.blocks for part in _parts(block, sea)):
                if part in self._recent:
                    self._recent.move_to_end(part)
                elif part not in self._world:
                    missing.append(part)
        return missing

    def _fill(self, missing: list["_Part"], current: Callable[[], bool], rank: int, title: str | None = None) -> None:
        """Computes parts piece by piece, with a progress bar if it has a title."""
        for piece in tqdm(_pieces(missing, self._at_once), title, unit=" pieces", disable=title is None):
            with self.turns.turn(rank):
                if not current():
                    raise Superseded
                # Another visitor who looks at the same place may have computed some of it meanwhile.
                with self._lock:
                    piece = [part for part in piece if part not in self._recent and part not in self._world]
                if piece:
                    self._keep(piece, self._computed(piece))

    def _computed(self, parts: list["_Part"]) -> list[np.ndarray]:
        places = [np.stack(part.block.centers(), axis=1)[_cells(part).ravel()] for part in parts]
        lon, lat = np.concatenate(places).T
        embeddings = self._embed(lon, lat).astype(np.float16)
        return [part.copy() for part in np.split(embeddings, np.cumsum([len(found) for found in places])[:-1])]

    def _keep(self, parts: list["_Part"], embeddings: list[np.ndarray]) -> None:
        with self._lock:
            for part, own in zip(parts, embeddings):
                kept = self._world if part.block.level == 0 and part.is_land else self._recent
                kept[part] = own
            size = sum(own.nbytes for own in self._recent.values())
            while size > self._max_bytes:
                size -= self._recent.popitem(last=False)[1].nbytes

    def _stored(self) -> np.ndarray | None:
        """The land of the world that was released with the model or kept at an earlier start."""
        if self._released is not None:
            world = _read_world(self._released)
            if world is not None and self._is_of_this_model(world):
                return world
        return _read_world(self._file)

    def _save(self, file: IO[bytes]) -> None:
        np.save(file, np.concatenate([self._world[part] for _, part in _world_parts()]))

    def _is_of_this_model(self, world: np.ndarray) -> bool:
        """Whether some cells, embedded again, are as they were released: the weights may have been exchanged since."""
        some = np.linspace(0, len(world) - 1, _CHECKED).astype(int)
        lon, lat = _places_of_world()
        again = self._embed(lon[some], lat[some])
        return again.shape[1] == world.shape[1] and bool(((again * world[some]).sum(axis=1) > _LEAST_COSINE).all())


def finest_level(embed: Embed) -> int:
    """
    The level of the finest cells that a model resolves: in yet finer ones a map would show nothing that drawing between cells does
    not show anyway.

    At places spread over land, the cosine in the middle between four cells is compared with the mean of the four. The level is the
    first at which 95 of 100 differ by less than one of the 254 colours of a map of places. It follows from the shortest wavelength
    of the location encoder, of which a cell is then about a tenth: with the published scales, up to σ = 256, cells are 1/64°.
    """
    lon, lat = spread_in_box(-180, -80, 180, 80, 192)
    land = on_land(lon, lat, 0.0)
    lon, lat = lon[land], lat[land]
    middles = embed(lon, lat)
    queries = middles[::4]
    step = (1 - np.percentile(middles @ middles.T, 1)) / 254
    for level in range(_MAX_LEVEL):
        half = 0.5 / 2**level
        corners = [
            embed((lon + east + 180) % 360 - 180, lat + north) for east in (-half, half) for north in (-half, half)
        ]
        between = np.mean([corner @ queries.T for corner in corners], axis=0)
        if np.percentile(np.abs(middles @ queries.T - between), 95) < step:
            return level
    return _MAX_LEVEL


# Parts of blocks -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """The land or the sea of a block."""

    block: Region
    is_land: bool


@lru_cache(maxsize=4096)
def _land_of(block: Region) -> np.ndarray:
    """Which cells of a block are on land, `(CELLS, CELLS)`."""
    return on_land(*block.centers(), block.cell).reshape(CELLS, CELLS)


def _cells(part: _Part) -> np.ndarray:
    land = _land_of(part.block)
    return land if part.is_land else ~land


def _count(part: _Part) -> int:
    return int(_cells(part).sum())


def _parts(block: Region, sea: bool) -> list[_Part]:
    """The parts of a block that have cells."""
    return [part for part in (_Part(block, True), _Part(block, False)) if (part.is_land or sea) and _cells(part).any()]


@lru_cache(maxsize=1)
def _world_parts() -> list[tuple[Region, _Part]]:
    return [(block, part) for block in _WORLD.blocks for part in _parts(block, sea=False)]


def _places_of_world() -> tuple[np.ndarray, np.ndarray]:
    places = [np.stack(block.centers(), axis=1)[_cells(part).ravel()] for block, part in _world_parts()]
    lon, lat = np.concatenate(places).T
    return lon, lat


def _released_name() -> str:
    return f"world-{_digest_of_land()}.npy"


def _read_world(file: Path) -> np.ndarray | None:
    """The land of the world in a file; None if it is missing, damaged or of another layout, so that it is computed again."""
    try:
        world = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None
    cells = sum(_count(part) for _, part in _world_parts())
    return world if world.dtype == np.float16 and world.ndim == 2 and len(world) == cells else None


@lru_cache(maxsize=1)
def _digest_of_land() -> str:
    land = np.concatenate([_land_of(block) for block in _WORLD.blocks])
    return hashlib.sha256(np.packbits(land).tobytes()).hexdigest()[:8]


def _pieces(parts: list[_Part], at_once: int) -> list[list[_Part]]:
    """Parts in groups with about `at_once` cells each."""
    pieces: list[list[_Part]] = []
    cells = at_once
    for part in parts:
        if cells >= at_once:
            pieces.append([])
            cells = 0
        pieces[-1].append(part)
        cells += _count(part)
    return pieces
