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
"""The energy distance between sets of embeddings."""

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.distributions import compare_distributions


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def test_only_different_distributions_differ():
    random = np.random.default_rng(1)
    first, alike = unit(random.normal(size=(2, 80, 8)))
    other = unit(random.normal(size=(80, 8)) + 3)
    same, different = compare_distributions(first, alike), compare_distributions(first, other)
    assert same.p_value > 0.05 and same.difference < 0.05
    assert different.p_value == pytest.approx(1 / 200) and different.difference > 0.2


def test_distributions_with_equal_means_are_told_apart():
    # Two opposite extremes, and a full circle: both means are zero.
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


def test_one_place_is_too_few():
    with pytest.raises(ValueError, match="two or more"):
        compare_distributions(np.eye(2)[:1], np.eye(2))
