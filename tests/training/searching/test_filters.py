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
"""Filters against a plain comparison of all rows: boxes with their edges, conditions, and both, asked more than once."""

import numpy as np
import pyarrow as pa
import pytest

from training.searching.filters import RowFilter

ROWS = 3000
BOXES = [(-10.0, 35.0, 30.0, 60.0), (170.0, -50.0, -170.0, 50.0), (-180.0, -90.0, 180.0, 90.0), (5.0, 5.0, 5.5, 5.0001)]


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    # Whole degrees, so that many rows lie on the edges of boxes and share a latitude.
    random = np.random.default_rng(0)
    columns = {"lon": random.integers(-180, 181, ROWS), "lat": random.integers(-90, 91, ROWS)}
    return pa.table(
        {name: pa.array(values, pa.float64()) for name, values in columns.items()}
        | {"people": random.integers(0, 100, ROWS), "row_number": np.arange(ROWS)}
    )


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("where", [None, "people % 7 = 3", "false"])
def test_the_rows_that_pass(rows, box, where):
    west, south, east, north = box
    lon, lat, people = (rows.column(name).to_numpy() for name in ("lon", "lat", "people"))
    inside = ((lon >= west) & (lon <= east)) if west < east else ((lon >= west) | (lon <= east))
    expected = inside & (lat >= south) & (lat <= north)
    if where is not None:
        expected &= (people % 7 == 3) & (where != "false")
    chosen = RowFilter(rows)
    for _ in range(2):
        np.testing.assert_array_equal(chosen.selected(box, where), np.flatnonzero(expected))


def test_what_is_remembered_cannot_be_changed(rows):
    found = RowFilter(rows).selected(None, "people > 50")
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
