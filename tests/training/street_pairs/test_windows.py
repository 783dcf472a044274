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
"""Windows begin at even pixels, wherever their anchor lies, and hold it."""

import numpy as np
import pytest

from training.street_pairs.windows import SceneGrid, anchor_offset_m, place_window

GRID = SceneGrid("EPSG:32632", 600_000, 5_400_000, 1098, 1098)


def test_the_anchor_is_inside_wherever_it_is_drawn():
    random = np.random.default_rng(0)
    for window_m in (200, 1920, 2240):
        for x, y, draw_x, draw_y in random.uniform([603_000, 5_391_000, 0, 0], [608_000, 5_396_000, 1, 1], (200, 4)):
            window = place_window(GRID, x, y, draw_x, draw_y, window_m)
            west, south, east, north = window.bounds(GRID)
            assert window.column % 2 == window.row % 2 == 0
            assert east - west == north - south == window_m
            assert 0 <= x - west - anchor_offset_m(draw_x, window_m) < 20
            assert 0 <= north - y - anchor_offset_m(draw_y, window_m) < 20
            assert west < x < east and south < y < north


def test_anchors_are_spread_over_the_window():
    assert anchor_offset_m(0, 1920) == 30 and anchor_offset_m(1 - 1e-9, 1920) == pytest.approx(1890)


@pytest.mark.parametrize(
    ("x", "y"), [(600_100, 5_395_000), (605_000, 5_399_900), (610_900, 5_395_000), (605_000, 5_389_100)]
)
def test_a_window_beyond_the_scene_is_told(x, y):
    assert not place_window(GRID, x, y, 0.5, 0.5, 1920).lies_in(GRID)
    assert place_window(GRID, 605_000, 5_395_000, 0.5, 0.5, 1920).lies_in(GRID)
