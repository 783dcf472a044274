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
"""A map of the land to draw places on."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from matplotlib.figure import Figure

import training.common.figures  # noqa: F401, sets matplotlib up
from training.common.files import written_whole
from training.common.land import land

SEA_COLOUR, LAND_COLOUR, COAST_COLOUR = "#eef3f6", "#f6f4ee", "#9aa7ad"
_WIDTH_IN, _DPI = 9.0, 110
# Around the places: a share of what they span, at least some degrees.
_MARGIN, _LEAST_DEGREES = 0.08, 0.02
_GAP_DEGREES = 0.1


def base_map(places: np.ndarray, title: str) -> tuple[Figure, Any]:
    """
    The land around some places.

    Args:
        places (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees; without any, the map shows the world.
        title (`str`): of the figure.

    Returns:
        The figure and its axis in degrees, to draw on from `zorder` 3.
    """
    west, south, east, north = extent_around(places)
    # A degree of longitude is shorter than one of latitude.
    stretch = 1 / max(np.cos(np.radians((south + north) / 2)), 0.1)
    height = _WIDTH_IN * 0.8 * (north - south) * stretch / (east - west)
    figure = Figure(figsize=(_WIDTH_IN, float(np.clip(height, 3.0, 10.0)) + 0.7), layout="constrained")
    axis = figure.subplots()
    axis.set_facecolor(SEA_COLOUR)
    _outlines().plot(ax=axis, color=LAND_COLOUR, edgecolor=COAST_COLOUR, linewidth=0.7, zorder=1, aspect=None)
    axis.set(xlim=(west, east), ylim=(south, north), aspect=stretch, xlabel="lon, degrees", ylabel="lat, degrees")
    axis.grid(color="0.85", linewidth=0.5, zorder=2)
    axis.ticklabel_format(useOffset=False)
    axis.set_title(title, fontsize=10)
    return figure, axis


def save_map(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG."""
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, bbox_inches="tight")


def extent_around(places: np.ndarray) -> tuple[float, float, float, float]:
    """West, south, east, north of a map that shows all places `(N, 2)` with a margin; of the world without any."""
    if not len(places):
        return -180.0, -90.0, 180.0, 90.0
    low, high = places.min(axis=0), places.max(axis=0)
    reach = np.maximum((high - low) * (0.5 + _MARGIN), _LEAST_DEGREES / 2)
    # Neither axis much longer than the other.
    reach = np.maximum(reach, reach[::-1] / 3)
    (west, south), (east, north) = (low + high) / 2 - reach, (low + high) / 2 + reach
    return max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)


@lru_cache(maxsize=1)
def _outlines() -> geopandas.GeoSeries:
    """The land without the borders between continents, whose outlines do not quite meet there."""
    whole = shapely.union_all(land().geometry)
    return geopandas.GeoSeries([whole.buffer(_GAP_DEGREES).buffer(-_GAP_DEGREES)])
