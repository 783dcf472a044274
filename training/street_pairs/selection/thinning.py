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
Thinning: photos along a street are metres apart and show the same, and so do those of another drive along it. In place, the time does not
matter: a place is one pair, or else photos of it would count as each other's negatives in training.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from modeling_gair.geo_gair import EARTH_RADIUS_M, great_circle_distance_m


def thin_sequences(
    lon: np.ndarray, lat: np.ndarray, sequence: np.ndarray, order: np.ndarray, least_m: float
) -> np.ndarray:
    """
    Keeps of each sequence its first photo, and each that is `least_m` metres from the one kept before.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees.
        sequence (`np.ndarray` of shape `(N,)`): names, None for photos of no sequence, which are kept.
        order (`np.ndarray` of shape `(N,)`): sorts the photos along their sequences.
        least_m (`float`): metres.

    Returns:
        `np.ndarray` of shape `(N,)`, bool: what is kept.
    """
    kept = np.ones(len(lon), bool)
    last: dict[str, int] = {}
    for photo in order.tolist():
        name = sequence[photo]
        if name is None:
            continue
        before = last.get(name)
        if before is not None and _apart(lon, lat, before, photo) < least_m:
            kept[photo] = False
        else:
            last[name] = photo
    return kept


def thin_in_place(lon: np.ndarray, lat: np.ndarray, order: np.ndarray, least_m: float) -> np.ndarray:
    """Keeps photos in `order` that are at least `least_m` metres from all kept before; arguments and result as above."""
    kept = np.zeros(len(lon), bool)
    if not least_m:
        return ~kept
    # Cells as high as the distance, so that nothing nearer lies beyond the eight around.
    step = np.degrees(least_m / EARTH_RADIUS_M)
    rows = np.floor(lat / step).astype(np.int64)
    # A row is divided by its parallel nearest to a pole, where a degree is shortest.
    steepest = np.cos(np.radians(np.minimum(np.maximum(np.abs(rows), np.abs(rows + 1)) * step, 89.9)))
    widths = np.maximum(1, np.floor(360 * steepest / step)).astype(np.int64)
    columns = np.floor((lon + 180) / 360 * widths).astype(np.int64) % widths
    width_of = dict(zip(rows.tolist(), widths.tolist()))
    cells: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for photo in order.tolist():
        row = int(rows[photo])
        near = (other for cell in _around(row, (lon[photo] + 180) / 360, width_of) for other in cells.get(cell, ()))
        if all(_apart(lon, lat, photo, other) >= least_m for other in near):
            kept[photo] = True
            cells[row, int(columns[photo])].append(photo)
    return kept


def _around(row: int, turn: float, width_of: dict[int, int]) -> Iterable[tuple[int, int]]:
    """The cells of a place and around it; `turn` is its longitude as a share of the circle."""
    for near in (row - 1, row, row + 1):
        if width := width_of.get(near):
            column = int(turn * width)
            yield from {(near, (column + step) % width) for step in (-1, 0, 1)}


def _apart(lon: np.ndarray, lat: np.ndarray, one: int, other: int) -> float:
    return float(great_circle_distance_m(lon[one], lat[one], lon[other], lat[other]))
