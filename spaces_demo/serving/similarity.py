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
"""Similarities of embeddings as maps: pure functions of NumPy arrays."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EARTH_RADIUS_KM = 6371.0088
# The byte of a cell without data; 0 to 254 are values.
NO_DATA = 255
# Shares of the values that a stretched scale runs between.
_STRETCH = (2, 98)


@dataclass(frozen=True)
class Scale:
    """
    What the colours of a map stand for.

    Attributes:
        low, high (`float`): the cosines of the first and the last colour.
        label (`str`): how they were chosen, for the legend.
    """

    low: float
    high: float
    label: str


def cell_centers(west: float, south: float, east: float, north: float, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """
    Where the cells of a map lie.

    Args:
        west, south, east, north (`float`): bounds in degrees; east may lie beyond 180 where they cross the antimeridian.
        columns, rows (`int`): how many cells.

    Returns:
        `tuple` of lon and lat, float64 `(rows * columns,)` each: row by row from the north-west corner.
    """
    lon = west + (np.arange(columns) + 0.5) * (east - west) / columns
    lat = north - (np.arange(rows) + 0.5) * (north - south) / rows
    lon, lat = np.meshgrid(lon, lat)
    return lon.ravel(), lat.ravel()


def mean_direction(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """
    One query of several: the mean of their embeddings, each of length 1, made of length 1 again.

    Raises:
        ValueError: they cancel out, or there is none.
    """
    if not len(embeddings):
        raise ValueError("No place, photo or tile came, expected at least one; click on the map.")
    mean = np.mean(embeddings, axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        raise ValueError("The queries point in opposite directions and have no mean; leave one out.")
    return mean / length


def stretched(values: np.ndarray) -> Scale:
    """The scale from the 2nd to the 98th percentile of the values with data."""
    low, high = np.percentile(values[np.isfinite(values)], _STRETCH)
    return Scale(float(low), float(max(high, low + 1e-6)), "stretched, 2nd to 98th percentile of this view")


def to_bytes(values: np.ndarray, low: float, high: float) -> bytes:
    """
    One byte a value: 0 at `low` and under, 254 at `high` and over, 255 (`NO_DATA`) where the value is not finite.

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
    """[`to_bytes`] as text, as the page's canvases take it."""
    return base64.b64encode(to_bytes(values, low, high)).decode("ascii")


def distance_km(lon: np.ndarray, lat: np.ndarray, to_lon: float, to_lat: float) -> np.ndarray:
    """Great-circle distances from places to one place, all in degrees; the haversine formula."""
    lon, lat, to_lon, to_lat = np.radians(lon), np.radians(lat), np.radians(to_lon), np.radians(to_lat)
    half = np.sin((lat - to_lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((lon - to_lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def distinct_top(
    values: np.ndarray,
    lon: np.ndarray,
    lat: np.ndarray,
    count: int,
    apart_km: float,
    avoided: Sequence[tuple[float, float]] = (),
) -> list[int]:
    """
    The places with the highest values that lie apart from each other: each one suppresses its surroundings.

    Args:
        values, lon, lat (`np.ndarray` of shape `(N,)`): values, NaN where there is no data, and degrees.
        count (`int`): at most so many.
        apart_km (`float`): the least distance between two of them.
        avoided (`Sequence` of lon, lat): places whose surroundings do not count, as the query's own.

    Returns:
        `list[int]`: indices, the highest value first.
    """
    left = np.where(np.isfinite(values), values, -np.inf)
    for lon_avoided, lat_avoided in avoided:
        left[distance_km(lon, lat, lon_avoided, lat_avoided) < apart_km] = -np.inf
    found: list[int] = []
    while len(found) < count:
        best = int(np.argmax(left))
        if left[best] == -np.inf:
            break
        found.append(best)
        left[distance_km(lon, lat, lon[best], lat[best]) < apart_km] = -np.inf
    return found


def spread_in_box(west: float, south: float, east: float, north: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """
    About `count` places, regularly spread over a box by area.

    Args:
        west, south, east, north (`float`): bounds in degrees; west > east where the box crosses the antimeridian.
        count (`int`): how many are wanted; the nearest product of columns and rows is made.

    Returns:
        `tuple` of lon and lat, float64 `(columns * rows,)` each; lon may lie beyond 180.
    """
    width = (east - west) % 360 or 360.0
    sines = np.sin(np.radians([south, north]))
    aspect = np.radians(width) * np.cos(np.radians((south + north) / 2)) ** 2 / max(sines[1] - sines[0], 1e-12)
    columns = int(np.clip(round(np.sqrt(count * aspect)), 1, count))
    lon, height = cell_centers(west, sines[0], west + width, sines[1], columns, max(round(count / columns), 1))
    return lon, np.degrees(np.arcsin(height))


# Distributions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """
    How two sets of embeddings differ as distributions.

    Attributes:
        difference (`float`): the energy coefficient of inhomogeneity, 0 (one distribution) to 1.
        p_value (`float`): the share of random divisions of all the embeddings that differ as much.
        cosine_within_first, cosine_within_second, cosine_between (`float`): mean cosines of two different embeddings.
    """

    difference: float
    p_value: float
    cosine_within_first: float
    cosine_within_second: float
    cosine_between: float


def compare_distributions(first: np.ndarray, second: np.ndarray, shuffles: int = 199, seed: int = 0) -> Comparison:
    """
    Compares distributions, not only means, by the energy distance (Székely & Rizzo 2013, Energy statistics):

    H = (2 E|X − Y| − E|X − X'| − E|Y − Y'|) / (2 E|X − Y|), with the probability of so large a numerator by chance.

    Args:
        first (`np.ndarray` of shape `(N, D)`), second (`np.ndarray` of shape `(M, D)`): embeddings of length 1.
        shuffles (`int`): how many random divisions the probability is from.
        seed (`int`): of these.

    Returns:
        [`Comparison`]

    Raises:
        ValueError: fewer than two embeddings in one of the sets.
    """
    counts = len(first), len(second)
    if min(counts) < 2:
        raise ValueError(f"{counts[0]} and {counts[1]} places came, expected two or more in each box; enlarge it.")
    cosines = np.concatenate([first, second]).astype(np.float64)
    cosines = np.clip(cosines @ cosines.T, -1, 1)
    distances = np.sqrt(2 - 2 * cosines)
    np.fill_diagonal(distances, 0)
    # One column a division: 1 / N for those in the first set, −1 / M for the others. Its form in the distances is −E.
    weights = np.concatenate([np.full(counts[0], 1 / counts[0]), np.full(counts[1], -1 / counts[1])])
    generator = np.random.default_rng(seed)
    divisions = np.stack([weights, *(generator.permutation(weights) for _ in range(shuffles))], axis=1)
    energies = -np.einsum("ik,ik->k", divisions, distances @ divisions)
    between = float(distances[: counts[0], counts[0] :].mean())
    return Comparison(
        difference=float(np.clip(energies[0] / max(2 * between, 1e-12), 0, 1)),
        p_value=float((energies >= energies[0] - 1e-12).mean()),
        cosine_within_first=_mean_of_others(cosines[: counts[0], : counts[0]]),
        cosine_within_second=_mean_of_others(cosines[counts[0] :, counts[0] :]),
        cosine_between=float(cosines[: counts[0], counts[0] :].mean()),
    )


def _mean_of_others(square: np.ndarray) -> float:
    """The mean off the diagonal."""
    return float((square.sum() - np.trace(square)) / (square.size - len(square)))
