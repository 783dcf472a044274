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
"""Splits of labelled images."""

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from training.benchmarks.layouts.samples import Images, drawn


def test_a_subset_is_drawn_by_seed():
    images = Images([str(number) for number in range(50)], lambda index: None)  # type: ignore[arg-type, return-value]
    subset = images.at_most(7)
    assert len(subset) == 7 and subset.names == images.at_most(7).names != images.at_most(7, seed=1).names
    assert images.at_most(None) is images


def test_every_item_of_a_stream_is_as_likely_to_be_drawn():
    counts = np.zeros(20)
    for seed in range(2000):
        found = drawn(iter(range(20)), 5, seed)
        assert len(found) == 5 and found == sorted(found)
        counts[found] += 1
    # Each is expected 500 times, with a standard deviation of 19.
    assert (np.abs(counts - 500) < 100).all()
    assert drawn(iter(range(3)), 5) == drawn(range(3), None) == [0, 1, 2]
