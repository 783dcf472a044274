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
"""Overlapping windows along a side."""

import numpy as np
import pytest

from training.embedding.maps.axis import Axis, hann


@pytest.mark.parametrize(
    ("cells", "window", "starts"),
    [
        (48, 48, [0]),
        (30, 48, [0]),
        (49, 48, [0, 1]),
        (96, 48, [0, 24, 48]),
        (100, 48, [0, 24, 48, 52]),
        (3, 2, [0, 1]),
    ],
)
def test_windows_follow_at_half_their_length_and_end_with_the_side(cells, window, starts):
    assert Axis(cells, window).starts.tolist() == starts


@pytest.mark.parametrize(("cells", "window"), [(100, 48), (2745, 48), (517, 22), (20, 48)])
def test_each_part_is_read_from_every_window_that_touches_it(cells, window):
    axis = Axis(cells, window)
    for first in range(0, cells, 13):
        end = min(first + 13, cells)
        expected = [start for start in axis.starts if set(range(start, start + window)) & set(range(first, end))]
        assert axis.touching(first, end).tolist() == expected
        assert expected


@pytest.mark.parametrize("window", [2, 22, 48, 192])
def test_weights_at_half_a_window_sum_to_one_and_are_nowhere_zero(window):
    weights = hann(window)
    np.testing.assert_allclose(weights[: window // 2] + weights[window // 2 :], 1, rtol=1e-6)
    assert weights.min() > 0
