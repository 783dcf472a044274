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
"""Maps of search hits and of classes, over the outlines of land that the Space draws too."""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import shapely
from matplotlib.collections import PolyCollection

import training.common.figures  # noqa: F401, sets matplotlib up
from training.common.files import written_whole
from training.searching.hits import SearchHits

# Natural Earth's 1:110m land, in the public domain.
_LAND = Path(__file__).parents[2] / "spaces_demo" / "widgets" / "land.json"
_SEA_COLOUR, _LAND_COLOUR, _COAST_COLOUR = "#eef3f6", "#f6f4ee", "#9aa7ad"
_WIDTH_IN = 9.0
# The map reaches beyond the points by this share of their extent, and shows at least this many degrees.
_MARGIN, _LEAST_DEGREES = 0.08, 0.02
# Points nearer to each other than this share of the map get one number.
_APART = 0.025
_NUMBERED = 20


def draw_hits(path: Path, hits: SearchHits, title: str, place: tuple[float, float] | None = None) -> None:
    """
    Draws the first query's hits as points coloured by similarity and numbered by rank, and the place that was asked for as a star.

    Args:
        path (`Path`): PNG to write.
        hits ([`SearchHits`]): with one row or more; without one the map shows the world.
        title (`str`): of the figure.
        place (lon, lat, *optional*): in degrees.
    """
    lon, lat, similarity = (hits.table.column(name).to_numpy() for name in ("lon", "lat", "similarity"))
    corners = np.concatenate([np.stack([lon, lat], 1), np.reshape(place or (), (-1, 2))])
    figure, axis = _base_map(corners, title)
    order = np.argsort(similarity)
    points = axis.scatter(
        lon[order], lat[order], c=similarity[order], s=42, cmap="cividis", edgecolors="white", linewidths=0.7, zorder=3
    )
    figure.colorbar(points, ax=axis, label="cosine similarity", shrink=0.7)
    for rank in _apart(axis, lon, lat):
        axis.annotate(
            str(rank + 1), (lon[rank], lat[rank]), xytext=(4, 4), textcoords="offset points", fontsize=8, zorder=4
        )
    if place is not None:
        axis.plot(*place, marker="*", markersize=14, color="crimson", markeredgecolor="white", zorder=5)
    _save(figure, path)


def draw_classes(
    path: Path, lon_lat: np.ndarray, classes: np.ndarray, names: Sequence[str], labels: tuple[np.ndarray, np.ndarray]
) -> None:
    """
    Draws points in the colours of their classes, and the labels as rings.

    Args:
        path (`Path`): PNG to write.
        lon_lat (`np.ndarray` of shape `(n, 2)`), classes (`np.ndarray` of shape `(n,)`): places in degrees and the index of each
            one's class.
        names (`Sequence[str]`): the classes.
        labels: lon, lat `(m, 2)` of the labels, and their classes `(m,)`.
    """
    colours = class_colours(len(names))
    figure, axis = _base_map(np.concatenate([lon_lat, labels[0]]), f"Classes of {len(lon_lat):,} rows; rings: labels")
    size = float(np.clip(40_000 / max(len(lon_lat), 1), 1.5, 30))
    axis.scatter(*lon_lat.T, c=colours[classes], s=size, linewidths=0, zorder=3, rasterized=True)
    axis.scatter(*labels[0].T, c=colours[labels[1]], s=46, edgecolors="black", linewidths=1.3, zorder=4)
    for colour, name in zip(colours, names):
        axis.scatter([], [], c=[colour], s=46, label=name)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    _save(figure, path)


def class_colours(count: int) -> np.ndarray:
    """A colour for each class, `(count, 3)` in [0, 1]."""
    palette = plt.get_cmap("tab10" if count <= 10 else "tab20").colors  # type: ignore[attr-defined]
    return np.array([palette[number % len(palette)] for number in range(count)])


def _base_map(points: np.ndarray, title: str) -> tuple[Any, Any]:
    """A map of the land around some places `(n, 2)`, lon, lat in degrees; of the world without any."""
    west, south, east, north = _extent(points)
    # A degree of longitude is shorter than one of latitude.
    stretch = 1 / max(np.cos(np.radians((south + north) / 2)), 0.1)
    height = _WIDTH_IN * 0.8 * (north - south) * stretch / (east - west)
    figure, axis = plt.subplots(figsize=(_WIDTH_IN, float(np.clip(height, 3.0, 10.0)) + 0.7), layout="constrained")
    axis.set_facecolor(_SEA_COLOUR)
    rings = [(ring, water) for ring, water in _rings() if _touches(ring, west, south, east, north)]
    colours = [_SEA_COLOUR if water else _LAND_COLOUR for _, water in rings]
    outlines = [ring for ring, _ in rings]
    axis.add_collection(
        PolyCollection(outlines, facecolors=colours, edgecolors=_COAST_COLOUR, linewidths=0.7, zorder=1)
    )
    axis.set(xlim=(west, east), ylim=(south, north), aspect=stretch, xlabel="lon, degrees", ylabel="lat, degrees")
    axis.grid(color="0.85", linewidth=0.5, zorder=2)
    axis.ticklabel_format(useOffset=False)
    axis.set_title(title, fontsize=10)
    return figure, axis


def _extent(points: np.ndarray) -> tuple[float, float, float, float]:
    if not len(points):
        return -180.0, -90.0, 180.0, 90.0
    low, high = points.min(axis=0), points.max(axis=0)
    reach = np.maximum((high - low) * (0.5 + _MARGIN), _LEAST_DEGREES / 2)
    # Neither axis much longer than the other.
    reach = np.maximum(reach, reach[::-1] / 3)
    (west, south), (east, north) = (low + high) / 2 - reach, (low + high) / 2 + reach
    return max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)


@lru_cache(maxsize=1)
def _rings() -> tuple[tuple[np.ndarray, bool], ...]:
    """Outlines `(n, 2)`, lon, lat, the largest first, and whether each is water: a ring inside another, such as the Caspian Sea."""
    rings = [
        np.asarray(ring, np.float64).reshape(-1, 2)
        for ring in json.loads(_LAND.read_text(encoding="utf-8"))["rings_lon_lat"]
    ]
    # A ring may extend beyond the antimeridian.
    copies = [shapely.Polygon(ring + np.array([turn, 0])) for ring in rings for turn in (-360, 0, 360)]
    copies.sort(key=lambda polygon: -polygon.area)
    tree = shapely.STRtree(copies)
    return tuple(
        (
            np.asarray(polygon.exterior.coords),
            len(tree.query(polygon.representative_point(), predicate="intersects")) > 1,
        )
        for polygon in copies
    )


def _touches(ring: np.ndarray, west: float, south: float, east: float, north: float) -> bool:
    low, high = ring.min(axis=0), ring.max(axis=0)
    return low[0] <= east and high[0] >= west and low[1] <= north and high[1] >= south


def _apart(axis: Any, lon: np.ndarray, lat: np.ndarray) -> Iterator[int]:
    """The ranks whose numbers do not cover those before them."""
    points = axis.transAxes.inverted().transform(axis.transData.transform(np.stack([lon, lat], axis=1)))
    kept: list[int] = []
    for rank, point in enumerate(points[:_NUMBERED]):
        if all(np.hypot(*(point - points[other])) > _APART for other in kept):
            kept.append(rank)
            yield rank


def _save(figure: Any, path: Path) -> None:
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110, bbox_inches="tight")
    plt.close(figure)
