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
"""The grid: cells of equal area, named alike for every job, over a box or the land."""

import numpy as np
import pytest

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from modeling_gair.geo_gair import great_circle_distance_m
from training.common.equal_area import RADIUS_M
from training.embedding.inputs.grid import open_grid


def cells(text, bbox=None):
    carried, batches, _ = open_grid(text, bbox).listed()
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert set(carried.names) == {"grid", "grid_spacing_m", "grid_row", "grid_column"}
    return {row["id"]: row for row in rows}


def test_the_number_of_cells_is_that_of_their_area():
    whole = cells("grid:200km", "-180,-90,180,90")
    assert len(whole) * 200_000.0**2 == pytest.approx(4 * np.pi * RADIUS_M**2, rel=0.01)
    half = cells("grid:200km", "-180,0,180,90")
    assert len(half) * 2 == pytest.approx(len(whole), abs=2)


def test_neighbours_are_a_spacing_apart_everywhere():
    found = cells("grid:50km", "-20,-85,20,85")
    for row in list(found.values())[::97]:
        east = found.get(f"50000m:{row['grid_row']}:{row['grid_column'] + 1}")
        if east:
            assert great_circle_distance_m(row["lon"], row["lat"], east["lon"], east["lat"]) == pytest.approx(
                50_000, rel=0.02
            )


def test_a_part_has_the_cells_of_the_whole():
    part, whole = cells("grid:25km", "5,45,9,47"), cells("grid:25km", "0,40,20,50")
    inside = {name for name, row in whole.items() if 5 <= row["lon"] <= 9 and 45 <= row["lat"] <= 47}
    assert set(part) == inside and len(part) > 50
    assert all(part[name] == whole[name] | {"source": part[name]["source"]} for name in part)


def test_a_box_may_cross_the_antimeridian():
    found = cells("grid:100km", "178,-20,-178,-15")
    lon = np.array([row["lon"] for row in found.values()])
    assert (np.abs(lon) >= 178).all() and (lon > 0).any() and (lon < 0).any()
    both = cells("grid:100km", "178,-20,180,-15") | cells("grid:100km", "-180,-20,-178,-15")
    assert set(found) == set(both)


def test_the_land():
    found = cells("grid:100km")
    share = len(found) * 100_000.0**2 / (4 * np.pi * RADIUS_M**2)
    assert 0.25 < share < 0.32
    near = lambda lon, lat: any(abs(row["lon"] - lon) < 2 and abs(row["lat"] - lat) < 1 for row in found.values())  # noqa: E731
    assert near(13.4, 52.5) and near(-60, -10) and not near(-30, 30) and not near(170, -5)
