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
"""Maps of cosine similarity: pure functions of NumPy arrays."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# The byte of a cell without data; values are 0 to 254.
NO_DATA = 255
# The percentiles between which a stretched scale runs.
_STRETCH = (2, 98)


@dataclass(frozen=True)
class Scale:
    """
    The colour scale of a map.

    Attributes:
        low, high (`float`): values of the first and the last colour.
        label (`str`): how the ends were chosen, for the legend.
        unit (`str`): what the values are.
    """

    low: float
    high: float
    label: str
    unit: str = "cosine similarity"


def cell_centers(west: float, south: float, east: float, north: float, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """
    Centres of the cells of a map.

    Args:
        west, south, east, north (`float`): bounds in degrees; east may lie beyond 180 if they cross the antimeridian.
        columns, rows (`int`): number of cells.

    Returns:
        `tuple` of lon and lat, float64 `(rows * columns,)` each: row by row from the north-west corner.
    """
    lon = west + (np.arange(columns) + 0.5) * (east - west) / columns
    lat = north - (np.arange(rows) + 0.5) * (north - south) / rows
    lon, lat = np.meshgrid(lon, lat)
    return lon.ravel(), lat.ravel()


def mean_direction(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """
    Combines queries into one: the normalised mean of their embeddings, each of length 1.

    Raises:
        ValueError: if the embeddings cancel out, or there is none.
    """
    if not len(embeddings):
        raise ValueError("There is no place, photo or tile, expected at least one; click on the map.")
    mean = np.mean(embeddings, axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        raise ValueError("The embeddings of the queries cancel out, expected a mean direction; remove one query.")
    return mean / length


def stretched(values: np.ndarray) -> Scale:
    """The scale from the 2nd to the 98th percentile of the finite values."""
    low, high = np.percentile(values[np.isfinite(values)], _STRETCH)
    return Scale(float(low), float(max(high, low + 1e-6)), "stretched, 2nd to 98th percentile of this view")


def to_bytes(values: np.ndarray, low: float, high: float) -> bytes:
    """
    Encodes each value as a byte: 0 up to `low`, 254 from `high`, 255 (`NO_DATA`) if the value is not finite.

    Args:
        values (`np.ndarray`): of any shape.
        low, high (`float`): ends of the scale.

    Returns:
        `bytes`: in C order.
    """
    finite = np.isfinite(values)
    levels = np.rint((np.where(finite, values, low) - low) / (high - low) * (NO_DATA - 1))
    return np.where(finite, np.clip(levels, 0, NO_DATA - 1), NO_DATA).astype(np.uint8).tobytes()


def to_base64(values: np.ndarray, low: float, high: float) -> str:
    """[`to_bytes`] in base64, for the canvases of the page."""
    return base64.b64encode(to_bytes(values, low, high)).decode("ascii")


def distinct_top(
    values: np.ndarray,
    lon: np.ndarray,
    lat: np.ndarray,
    count: int,
    apart_m: float,
    distance_m: Callable[..., np.ndarray],
    avoided: Sequence[tuple[float, float]] = (),
) -> list[int]:
    """
    The places with the highest values that lie apart from each other: each place suppresses its neighbours.

    Args:
        values, lon, lat (`np.ndarray` of shape `(N,)`): values, NaN without data, and degrees.
        count (`int`): maximum number of places.
        apart_m (`float`): minimum distance between two of them, metres.
        distance_m (`Callable`): great-circle distances in metres from lon, lat, other lon, other lat in degrees.
        avoided (`Sequence` of lon, lat): places whose neighbours are left out, such as those of the query.

    Returns:
        `list[int]`: indices, the highest value first.
    """
    left = np.where(np.isfinite(values), values, -np.inf)
    for lon_avoided, lat_avoided in avoided:
        left[distance_m(lon, lat, lon_avoided, lat_avoided) < apart_m] = -np.inf
    found: list[int] = []
    while len(found) < count:
        best = int(np.argmax(left))
        if left[best] == -np.inf:
            break
        found.append(best)
        left[distance_m(lon, lat, lon[best], lat[best]) < apart_m] = -np.inf
    return found


def spread_in_box(west: float, south: float, east: float, north: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """
    About `count` places, spread evenly over a box by area.

    Args:
        west, south, east, north (`float`): bounds in degrees; west > east if the box crosses the antimeridian.
        count (`int`): wanted number; the nearest product of columns and rows is returned.

    Returns:
        `tuple` of lon and lat, float64 `(columns * rows,)` each; lon may lie beyond 180.
    """
    width = (east - west) % 360 or 360.0
    sines = np.sin(np.radians([south, north]))
    aspect = np.radians(width) * np.cos(np.radians((south + north) / 2)) ** 2 / max(sines[1] - sines[0], 1e-12)
    columns = int(np.clip(round(np.sqrt(count * aspect)), 1, count))
    lon, height = cell_centers(west, sines[0], west + width, sines[1], columns, max(round(count / columns), 1))
    return lon, np.degrees(np.arcsin(height))
