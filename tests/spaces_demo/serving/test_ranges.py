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
"""Typical similarities that a model's config states."""

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.ranges import colour_range, usual_cosines

RANGES = {
    "percentiles": [1, 5, 50, 95, 99],
    "measured_on": "made pairs",
    "pairs": {"sv_location": {"matched": [0.1, 0.2, 0.5, 0.7, 0.8], "others": [-0.4, -0.3, 0.0, 0.3, 0.4]}},
}


def test_colours_run_from_unmatched_to_matched_pairs():
    assert colour_range(RANGES, "sv_location") == (-0.4, 0.8)
    assert colour_range(RANGES, "sv_location", highest=1.0) == (-0.4, 1.0)


def test_an_unknown_or_empty_range_is_none():
    assert colour_range({}, "sv_location") is None and colour_range(RANGES, "rs_location") is None
    assert colour_range(RANGES, "sv_location", highest=-0.5) is None


def test_usual_cosines_are_stated_if_they_are_known(served_model):
    assert usual_cosines({}, "sv_localized") == ""
    assert "0.20 to 0.70, other pairs −0.30 to 0.30" in usual_cosines(RANGES, "sv_location")
    assert "sample world" in usual_cosines(served_model.similarity_ranges, "sv_localized")
