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
"""Similarity maps as pure functions: cells, bytes, colour scales, distinct places."""

import base64

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from modeling_gair import GairCoordinateProcessor
from serving.similarity import (
    NO_DATA,
    cell_centers,
    distinct_top,
    mean_direction,
    spread_in_box,
    stretched,
    to_base64,
    to_bytes,
)


def test_cells_run_from_the_north_west_row_by_row():
    lon, lat = cell_centers(-180, -90, 180, 90, 4, 2)
    assert lon.tolist() == [-135, -45, 45, 135] * 2
    assert lat.tolist() == [45] * 4 + [-45] * 4


def test_bytes_keep_both_ends_and_missing_values():
    values = np.array([[-1.0, 0.0, 1.0], [np.nan, -9.0, 9.0]])
    sent = np.frombuffer(to_bytes(values, -1, 1), np.uint8).reshape(2, 3)
    assert sent.tolist() == [[0, 127, 254], [NO_DATA, 0, 254]]
    assert base64.b64decode(to_base64(values, -1, 1)) == sent.tobytes()


def test_bytes_are_decoded_to_half_a_step():
    values = np.random.default_rng(0).uniform(-0.3, 0.9, 1000)
    read = -0.3 + np.frombuffer(to_bytes(values, -0.3, 0.9), np.uint8) / 254 * 1.2
    assert np.abs(read - values).max() <= 1.2 / 254 / 2 + 1e-12


def test_a_stretched_scale_ignores_missing_values_and_is_never_empty():
    scale = stretched(np.array([np.nan, *np.linspace(0, 1, 101)]))
    assert scale.low == pytest.approx(0.02) and scale.high == pytest.approx(0.98)
    flat = stretched(np.full(10, 0.5))
    assert flat.low < flat.high


def test_the_mean_of_queries_has_length_one_and_equal_weights():
    mean = mean_direction([np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    assert mean == pytest.approx([0.5**0.5] * 2)
    with pytest.raises(ValueError, match="at least one"):
        mean_direction([])
    with pytest.raises(ValueError, match="cancel out"):
        mean_direction([np.array([1.0, 0.0]), np.array([-1.0, 0.0])])


def test_distinct_places_suppress_their_neighbours_across_the_antimeridian():
    lon = np.array([179.0, -179.0, 0.0, 10.0, 90.0])
    lat = np.zeros(5)
    values = np.array([0.9, 0.8, 0.7, np.nan, 0.6])
    apart_m, distance_m = 1e6, GairCoordinateProcessor.great_circle_distance_m
    assert distinct_top(values, lon, lat, 5, apart_m, distance_m) == [0, 2, 4]
    assert distinct_top(values, lon, lat, 1, apart_m, distance_m) == [0]
    assert distinct_top(values, lon, lat, 5, apart_m, distance_m, avoided=[(180.0, 0.0)]) == [2, 4]


@pytest.mark.parametrize("box", [(-10, 36, 30, 60), (170, -20, -170, -10), (-180, -90, 180, 90), (0, 0, 0.01, 0.01)])
def test_places_are_spread_over_a_box_by_area(box):
    west, south, east, north = box
    lon, lat = spread_in_box(*box, 256)
    assert 200 <= len(lon) <= 320 and len(lon) == len(lat)
    assert ((lon - west) % 360 <= ((east - west) % 360 or 360)).all()
    assert (lat > south).all() and (lat < north).all()
    # As many places as area on both sides of the line that halves the area.
    middle = np.degrees(np.arcsin(np.sin(np.radians([south, north])).mean()))
    assert abs((lat > middle).mean() - 0.5) <= 0.5 / len(np.unique(lat)) + 1e-9
