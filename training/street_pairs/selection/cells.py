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
Cells of equal area, on the sinusoidal projection of a sphere (Snyder, 1987, Map Projections: A Working Manual, section 30): rows of equal
height, in which a cell is as wide as it is high.
"""

import numpy as np

from modeling_gair.geo_gair import EARTH_RADIUS_M

_ROWS = 2**32


def cells_of(lon: np.ndarray, lat: np.ndarray, side_m: float) -> np.ndarray:
    """
    The cells that places lie in.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees on WGS 84.
        side_m (`float`): side of a cell in metres.

    Returns:
        `np.ndarray` of shape `(N,)`, int64: a number for each cell.
    """
    row = np.floor(np.radians(lat) * EARTH_RADIUS_M / side_m)
    # All of a row by the cosine of its middle, so that its cells are squares.
    middle = np.cos((row + 0.5) * side_m / EARTH_RADIUS_M)
    column = np.floor(np.radians(lon) * EARTH_RADIUS_M * middle / side_m)
    return row.astype(np.int64) * _ROWS + column.astype(np.int64)
