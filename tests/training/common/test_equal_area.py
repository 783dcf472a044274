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

import numpy as np
import pytest

from training.common.equal_area import RADIUS_M, cell_at, columns_per_degree, row_latitude


@pytest.mark.parametrize("side_m", [500.0, 10_000.0])
def test_a_centre_lies_in_its_cell_and_half_a_side_away_in_the_next(side_m):
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-179, 179, 1000), rng.uniform(-80, 80, 1000)
    row, column = cell_at(lon, lat, side_m)
    centre_lat = row_latitude(row, side_m)
    wide = columns_per_degree(centre_lat, side_m)
    centre_lon = (column + 0.5) / wide
    for share, expected in ((0, 0), (0.49, 0), (0.51, 1)):
        found = cell_at(centre_lon + share / wide, centre_lat, side_m)
        np.testing.assert_array_equal(found, (row, column + expected))
        found = cell_at(centre_lon, centre_lat + np.degrees(share * side_m / RADIUS_M), side_m)[0]
        np.testing.assert_array_equal(found, row + expected)
    # No place is farther from the centre than half a side.
    assert np.abs(lat - centre_lat).max() <= np.degrees(side_m / 2 / RADIUS_M) * (1 + 1e-9)
    assert (np.abs(lon - centre_lon) * wide).max() <= 0.5 + 1e-9
