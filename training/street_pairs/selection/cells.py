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
"""The cells of equal area that a selection is balanced by."""

import numpy as np

from training.common.equal_area import cell_at

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
    row, column = cell_at(lon, lat, side_m)
    return row * _ROWS + column
