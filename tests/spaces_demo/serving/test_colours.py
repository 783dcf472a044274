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
"""Embeddings as colours: which directions, their signs and order, and that alike places look alike."""

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.colours import Colours, main_directions
from serving.grids import WORLD
from serving.land import on_land


@pytest.fixture(scope="module")
def made():
    """Embeddings that vary most along the axis 2, then 0, then 4, and hardly elsewhere."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((500, 6)).astype(np.float32) * [2, 0.1, 4, 0.1, 1, 0.1] + 3


def test_the_directions_of_most_variance_come_first_and_point_to_their_largest_entry(made):
    found = main_directions(made, np.ones(500))
    assert np.abs(found.axes).argmax(axis=1).tolist() == [2, 0, 4] and (found.axes.max(axis=1) > 0.9).all()
    assert 0.99 < found.explained < 1
    mirrored = main_directions(-made, np.ones(500))
    np.testing.assert_allclose(mirrored.axes, found.axes, atol=1e-5)


def test_colours_run_between_percentiles(made):
    found = main_directions(made, np.ones(500))
    colours = found.colours(made)
    assert colours.shape == (500, 3) and colours.dtype == np.float32 and colours.min() == 0 and colours.max() == 1
    assert ((colours > 0) & (colours < 1)).mean() == pytest.approx(0.96, abs=0.01)


def test_places_count_by_their_weight(made):
    weights = (made[:, 0] > 3).astype(float)
    np.testing.assert_allclose(main_directions(made, weights).mean, made[weights > 0].mean(axis=0), rtol=1e-4)


def test_the_world_is_drawn_in_the_same_colours_each_time(served_model):
    first, again = (list(Colours(served_model.grids).draw(WORLD))[-1] for _ in range(2))
    assert np.array_equal(first.values, again.values, equal_nan=True)
    assert first.values.shape == (180, 360, 3) and "% of the variance" in first.title
    land = on_land(*first.region.centers(), 1.0).reshape(180, 360)
    assert np.array_equal(np.isfinite(first.values[..., 0]), land)
    # The Sahara looks unlike the Amazon, and like Arabia.
    sahara, arabia, amazon = (
        first.values[int(90 - lat), int(lon + 180)] for lon, lat in ((5, 25), (45, 25), (-60, -5))
    )
    assert np.linalg.norm(sahara - amazon) > 2 * np.linalg.norm(sahara - arabia)
