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
"""Where land is, so that maps leave out the sea, where no photos are taken and models have learned nothing."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_OUTLINES = Path(__file__).parents[1] / "geography" / "land.json"
# Pixels per degree of the mask: 11 km at the equator.
_PER_DEGREE = 10
# The outlines leave out what is smaller, and capes reach into cells.
_SMALLEST_CELL_DEGREES = 0.2


def on_land(lon: np.ndarray, lat: np.ndarray, cell_degrees: float) -> np.ndarray:
    """
    Whether cells touch land, by the outlines that the map draws.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): centres of the cells in degrees; lon may lie beyond 180.
        cell_degrees (`float`): side of a cell; cells are treated as at least 0.2 degrees wide.

    Returns:
        `np.ndarray` of shape `(N,)`, bool.
    """
    half = max(cell_degrees, _SMALLEST_CELL_DEGREES) / 2
    mask, found = _mask(), np.zeros(np.shape(lon), bool)
    for east in (-half, 0.0, half):
        for north in (-half, 0.0, half):
            row = ((90.0 - (lat + north)) * _PER_DEGREE).astype(np.int64).clip(0, mask.shape[0] - 1)
            column = np.floor((lon + east + 180.0) * _PER_DEGREE).astype(np.int64) % mask.shape[1]
            found |= mask[row, column]
    return found


@lru_cache(maxsize=1)
def _mask() -> np.ndarray:
    """Land `(1800, 3600)`, row 0 in the north, column 0 at 180° W."""
    outlines = json.loads(_OUTLINES.read_text(encoding="utf-8"))
    land = Image.new("1", (360 * _PER_DEGREE, 180 * _PER_DEGREE))
    draw = ImageDraw.Draw(land)
    # Continents come first: water inside them, such as the Caspian Sea, is cut out before its islands are drawn.
    for polygon in outlines["land"]:
        for number, ring in enumerate(polygon):
            lon, lat = np.cumsum(np.reshape(ring, (-1, 2)), axis=0).T / outlines["per_degree"]
            y = (90 - lat) * _PER_DEGREE
            # A ring may extend beyond the antimeridian.
            for turn in (-360, 0, 360):
                if lon.max() + turn >= -180 and lon.min() + turn <= 180:
                    x = (lon + turn + 180) * _PER_DEGREE
                    draw.polygon(np.stack([x, y], axis=1).ravel().tolist(), fill=int(number == 0))
    return np.asarray(land)
