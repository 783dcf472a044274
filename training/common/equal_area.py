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
Cells of equal area: the sinusoidal projection on the sphere of MODIS (Snyder, 1987, Map Projections: A Working Manual, section 30), in
cells s metres wide and high. Rows are counted from the equator northwards and columns from Greenwich eastwards, so that the centre of
cell (row, column) is at

    lat = (row + ½) s / R,    lon = (column + ½) s / (R cos lat),    R = 6,371,007.181 m.

All of a row is divided by the cosine of its middle. A cell's numbers do not depend on what else is asked for.
"""

from typing import Any

import numpy as np

RADIUS_M = 6_371_007.181


def row_latitude(row: Any, side_m: float) -> Any:
    """Latitude in degrees of the middle of a row, or of an array of rows, of cells of `side_m` metres."""
    return np.degrees((np.asarray(row) + 0.5) * side_m / RADIUS_M)


def columns_per_degree(lat: Any, side_m: float) -> Any:
    """Number of cells in a degree of longitude of the row whose middle is at latitude `lat` in degrees."""
    return np.radians(1) * RADIUS_M * np.cos(np.radians(lat)) / side_m


def cell_at(lon: np.ndarray, lat: np.ndarray, side_m: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Row and column of the cells that places lie in.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees on WGS 84.
        side_m (`float`): side of a cell in metres.

    Returns:
        Two `np.ndarray` of shape `(N,)`, int64.
    """
    row = np.floor(np.radians(lat) * RADIUS_M / side_m)
    column = np.floor(lon * columns_per_degree(row_latitude(row, side_m), side_m))
    return row.astype(np.int64), column.astype(np.int64)
