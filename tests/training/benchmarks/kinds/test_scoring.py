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
"""Intervals of scores."""

import pytest

from training.benchmarks.kinds.scoring import bootstrap, interval


def test_spreads():
    assert interval([0.5]) is None
    low, high = interval([0.4, 0.5, 0.6])
    assert (low + high) / 2 == pytest.approx(0.5) and high - low == pytest.approx(2 * 1.96 * 0.1 / 3**0.5)
    low, high = bootstrap(400, lambda rows: float((rows % 2).mean()))
    assert low < 0.5 < high and high - low < 0.15
