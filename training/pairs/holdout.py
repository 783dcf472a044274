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
Which tiles of a data set without a split for evaluation are held out: all tiles in some blocks of the Earth.

A random choice of tiles would put neighbours, and tiles that overlap, on both sides. Here a hash decides for whole blocks,
which are about square and of equal size; tiles near a held-out block are neither trained on nor evaluated on.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from modeling_gair import GairCoordinateProcessor
from modeling_gair.geo_gair import EARTH_RADIUS_M, wrap_longitude

# Sides of blocks in kilometres, largest first: the first is used with which the data can be divided.
SIDES_KM = (100, 50, 20, 10, 5)
# Tiles whose centres lie nearer to a held-out block are not trained on, so that tiles of up to this side do not overlap.
MARGIN_KM = 2.5
# The first tiles of a data set decide on the side.
TILES_LOOKED_AT = 1000
# Choices of blocks tried for each side: where blocks are few, most choices hold out too many tiles or none.
_CHOICES = 32
_KM_PER_DEGREE = math.radians(EARTH_RADIUS_M / 1000)
_COORDINATES = GairCoordinateProcessor()

Place = tuple[float, float]


@dataclass(frozen=True)
class Blocks:
    """
    A choice of blocks to hold out.

    Attributes:
        side_km (`float`): side of the blocks in kilometres.
        fraction (`float`): share of the blocks that is held out, 0 to below 1.
        choice (`int`): number of the choice, which seeds the hash.
    """

    side_km: float
    fraction: float
    choice: int = 0

    def holds_out(self, place: Place) -> bool:
        """Whether a tile with this centre (lon, lat in degrees) is for evaluation."""
        return self._is_held_out(*self.block_of(*place))

    def trains_on(self, place: Place) -> bool:
        """Whether a tile with this centre (lon, lat in degrees) is for training: no held-out block is near."""
        lon, lat = place
        north = MARGIN_KM / _KM_PER_DEGREE
        east = north / max(math.cos(math.radians(lat)), 1e-3)
        # The points are as far apart as the margin, which is less than the side of a block: whichever block touches the square around
        # the place contains one of them.
        around = ((lon + x * east, lat + y * north) for x in (-1, 0, 1) for y in (-1, 0, 1))
        return not any(self._is_held_out(*self.block_of(*point)) for point in around)

    def block_of(self, lon: float, lat: float) -> tuple[int, int]:
        """Row and column of the block at a place; each row has a whole number of blocks around the Earth."""
        rows = round(180 * _KM_PER_DEGREE / self.side_km)
        row = min(max(int((lat + 90) / 180 * rows), 0), rows - 1)
        middle = math.radians((row + 0.5) / rows * 180 - 90)
        columns = max(round(2 * rows * math.cos(middle)), 1)
        return row, int((lon + 180) % 360 / 360 * columns) % columns

    def _is_held_out(self, row: int, column: int) -> bool:
        return _hash(f"{self.side_km:g} {self.choice} {row} {column}") < self.fraction


def choose_blocks(places: Iterable[Place | None], fraction: float) -> Blocks | None:
    """
    The largest blocks that can hold out about a fraction of some tiles.

    Args:
        places (`Iterable`): lon, lat in degrees of the first tiles of a data set.
        fraction (`float`): share of the tiles to hold out, 0 to below 1.

    Returns:
        [`Blocks`] that hold out between half and one and a half times the fraction, two tiles or more (except for the
        smallest blocks, in two blocks or more), and whose margin costs less than half of the other tiles; None if there
        are none: the tiles are too few, or too close together.
    """
    known = [place for place in places if place is not None]
    for side in SIDES_KM:
        for choice in range(_CHOICES):
            blocks = Blocks(side, fraction, choice)
            held_out = [blocks.block_of(*place) for place in known if blocks.holds_out(place)]
            if len(held_out) < 2 or not 0.5 <= len(held_out) / (len(known) * fraction) <= 1.5:
                continue
            # Reports state the side; if all held-out tiles lay in a corner of one block, it would overstate how far they reach.
            several = len(set(held_out)) > 1 or side == SIDES_KM[-1]
            if several and sum(map(blocks.trains_on, known)) > (len(known) - len(held_out)) / 2:
                return blocks
    return None


def place_of(row: Mapping[str, Any]) -> Place | None:
    """
    The centre (lon, lat in degrees) of a row's tile, without its pixels: from its bounds or, where a row names a file
    instead, the middle of its photos. None if the row is bad, which is found and counted when it is decoded.
    """
    try:
        if row.get("bounds") is not None:
            lon, lat = _COORDINATES.places_at((0.5, 0.5), row["bounds"], row["crs"])
        else:
            photos = row["photos"]
            degrees = _COORDINATES.check(*([photo[axis] for photo in photos] for axis in ("lon", "lat")))
            first = degrees[0, 0]
            # Photos on both sides of the antimeridian are near each other.
            lon, lat = wrap_longitude(first + wrap_longitude(degrees[:, 0] - first).mean()), degrees[:, 1].mean()
    # A bad row may hold anything, and so raise anything.
    except Exception:
        return None
    return (float(lon), float(lat)) if np.isfinite([lon, lat]).all() else None


@lru_cache(maxsize=2**16)
def _hash(block: str) -> float:
    """A number in [0, 1) that differs from block to block as if it were random."""
    return int.from_bytes(hashlib.blake2b(block.encode(), digest_size=6).digest()) / 2**48
