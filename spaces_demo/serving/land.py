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
from PIL import Image, ImageChops, ImageDraw

_RINGS = Path(__file__).parents[1] / "widgets" / "land.json"
# Pixels per degree of the mask: 22 km at the equator, finer than the outlines.
_PER_DEGREE = 5


def on_land(lon: np.ndarray, lat: np.ndarray, cell_degrees: float) -> np.ndarray:
    """
    Whether cells touch land, by the outlines that the map draws.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): centres of the cells in degrees; lon may lie beyond 180.
        cell_degrees (`float`): side of a cell. The outlines are coarse, so cells are treated as at least half a degree wide.

    Returns:
        `np.ndarray` of shape `(N,)`, bool.
    """
    half = max(cell_degrees, 0.5) / 2
    mask, found = _mask(), np.zeros(np.shape(lon), bool)
    for east in (-half, 0.0, half):
        for north in (-half, 0.0, half):
            row = ((90.0 - (lat + north)) * _PER_DEGREE).astype(np.int64).clip(0, mask.shape[0] - 1)
            column = np.floor((lon + east + 180.0) * _PER_DEGREE).astype(np.int64) % mask.shape[1]
            found |= mask[row, column]
    return found


@lru_cache(maxsize=1)
def _mask() -> np.ndarray:
    """Land `(900, 1800)`, row 0 in the north, column 0 at 180° W. A ring inside another is water, such as the Caspian Sea."""
    size = 360 * _PER_DEGREE, 180 * _PER_DEGREE
    land = Image.new("1", size)
    for ring in json.loads(_RINGS.read_text(encoding="utf-8"))["rings_lon_lat"]:
        lon, lat = np.asarray(ring, np.float64).reshape(-1, 2).T
        picture = Image.new("1", size)
        draw = ImageDraw.Draw(picture)
        # A ring may extend beyond the antimeridian.
        for turn in (-360, 0, 360):
            x, y = (lon + turn + 180) * _PER_DEGREE, (90 - lat) * _PER_DEGREE
            draw.polygon(list(zip(x.tolist(), y.tolist())), fill=1)
        land = ImageChops.logical_xor(land, picture)
    return np.asarray(land)
