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
"""Maps of similarity as pure functions: cells, bytes, distinct places, distributions."""

import base64

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.similarity import (
    NO_DATA,
    cell_centers,
    compare_distributions,
    distance_km,
    distinct_top,
    mean_direction,
    spread_in_box,
    stretched,
    to_base64,
    to_bytes,
)


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def test_cells_run_from_the_north_west_row_by_row():
    lon, lat = cell_centers(-180, -90, 180, 90, 4, 2)
    assert lon.tolist() == [-135, -45, 45, 135] * 2
    assert lat.tolist() == [45] * 4 + [-45] * 4


def test_bytes_keep_the_ends_and_what_is_missing():
    values = np.array([[-1.0, 0.0, 1.0], [np.nan, -9.0, 9.0]])
    sent = np.frombuffer(to_bytes(values, -1, 1), np.uint8).reshape(2, 3)
    assert sent.tolist() == [[0, 127, 254], [NO_DATA, 0, 254]]
    assert base64.b64decode(to_base64(values, -1, 1)) == sent.tobytes()


def test_bytes_are_read_back_to_half_a_step():
    values = np.random.default_rng(0).uniform(-0.3, 0.9, 1000)
    read = -0.3 + np.frombuffer(to_bytes(values, -0.3, 0.9), np.uint8) / 254 * 1.2
    assert np.abs(read - values).max() <= 1.2 / 254 / 2 + 1e-12


def test_a_stretched_scale_leaves_out_what_is_missing_and_is_never_empty():
    scale = stretched(np.array([np.nan, *np.linspace(0, 1, 101)]))
    assert scale.low == pytest.approx(0.02) and scale.high == pytest.approx(0.98)
    flat = stretched(np.full(10, 0.5))
    assert flat.low < flat.high


def test_the_mean_of_queries_has_length_one_and_weighs_them_alike():
    mean = mean_direction([np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    assert mean == pytest.approx([0.5**0.5] * 2)
    with pytest.raises(ValueError, match="at least one"):
        mean_direction([])
    with pytest.raises(ValueError, match="opposite"):
        mean_direction([np.array([1.0, 0.0]), np.array([-1.0, 0.0])])


def test_distances_are_those_of_the_sphere():
    assert distance_km(np.array([0.0]), np.array([0.0]), 180, 0)[0] == pytest.approx(np.pi * 6371.0088)
    assert distance_km(np.array([179.5]), np.array([0.0]), -179.5, 0)[0] == pytest.approx(111.195, abs=0.01)


def test_distinct_places_suppress_their_surroundings_across_the_antimeridian():
    lon = np.array([179.0, -179.0, 0.0, 10.0, 90.0])
    lat = np.zeros(5)
    values = np.array([0.9, 0.8, 0.7, np.nan, 0.6])
    assert distinct_top(values, lon, lat, 5, 1000) == [0, 2, 4]
    assert distinct_top(values, lon, lat, 1, 1000) == [0]
    assert distinct_top(values, lon, lat, 5, 1000, avoided=[(180.0, 0.0)]) == [2, 4]


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


def test_a_distribution_does_not_differ_from_itself_and_does_from_another():
    random = np.random.default_rng(1)
    first, alike = unit(random.normal(size=(2, 80, 8)))
    other = unit(random.normal(size=(80, 8)) + 3)
    same, different = compare_distributions(first, alike), compare_distributions(first, other)
    assert same.p_value > 0.05 and same.difference < 0.05
    assert different.p_value == pytest.approx(1 / 200) and different.difference > 0.2


def test_distributions_with_one_mean_are_told_apart():
    # Two opposite extremes, and what lies all around between them: the means of both are zero.
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    extremes = np.repeat([[1.0, 0.0], [-1.0, 0.0]], 30, axis=0)
    assert np.abs(around.mean(0) - extremes.mean(0)).max() < 1e-12
    assert compare_distributions(around, extremes).p_value < 0.01


def test_two_points_have_nothing_in_common():
    first, second = np.repeat([[1.0, 0.0]], 5, axis=0), np.repeat([[0.0, 1.0]], 5, axis=0)
    found = compare_distributions(first, second)
    assert found.difference == pytest.approx(1)
    assert (found.cosine_within_first, found.cosine_between) == (pytest.approx(1), pytest.approx(0))


def test_the_energy_distance_is_that_of_its_definition():
    random = np.random.default_rng(2)
    first, second = unit(random.normal(size=(7, 4))), unit(random.normal(size=(5, 4)) + 1)

    def mean_distance(one, other):
        return np.mean([np.linalg.norm(a - b) for a in one for b in other])

    between = 2 * mean_distance(first, second)
    expected = (between - mean_distance(first, first) - mean_distance(second, second)) / between
    assert compare_distributions(first, second).difference == pytest.approx(expected)


def test_one_place_is_no_distribution():
    with pytest.raises(ValueError, match="two or more"):
        compare_distributions(np.eye(2)[:1], np.eye(2))
