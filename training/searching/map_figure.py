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
"""Maps of search hits and of classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from training.common.base_map import base_map, save_map
from training.searching.hits import SearchHits

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
    figure, axis = base_map(corners, title)
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
    save_map(figure, path)


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
    figure, axis = base_map(np.concatenate([lon_lat, labels[0]]), f"Classes of {len(lon_lat):,} rows; rings: labels")
    size = float(np.clip(40_000 / max(len(lon_lat), 1), 1.5, 30))
    axis.scatter(*lon_lat.T, c=colours[classes], s=size, linewidths=0, zorder=3, rasterized=True)
    axis.scatter(*labels[0].T, c=colours[labels[1]], s=46, edgecolors="black", linewidths=1.3, zorder=4)
    for colour, name in zip(colours, names):
        axis.scatter([], [], c=[colour], s=46, label=name)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    save_map(figure, path)


def class_colours(count: int) -> np.ndarray:
    """A colour for each class, `(count, 3)` in [0, 1]."""
    palette = matplotlib.colormaps["tab10" if count <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    return np.array([palette[number % len(palette)] for number in range(count)])


def _apart(axis: Any, lon: np.ndarray, lat: np.ndarray) -> Iterator[int]:
    """The ranks whose numbers do not cover those before them."""
    points = axis.transAxes.inverted().transform(axis.transData.transform(np.stack([lon, lat], axis=1)))
    kept: list[int] = []
    for rank, point in enumerate(points[:_NUMBERED]):
        if all(np.hypot(*(point - points[other])) > _APART for other in kept):
            kept.append(rank)
            yield rank
