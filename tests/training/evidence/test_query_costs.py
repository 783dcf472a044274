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
"""What a query costs is counted exactly, and timed for each model."""

import pytest

pytest.importorskip("accelerate", reason="the extra eval is not installed")
from modeling_gair import GairConfig, GairModel, GairProcessor
from training.evidence.query_costs import map_milliseconds, query_costs


def test_flops_of_a_map_are_those_of_the_closed_form():
    found = {}
    for window in (0, 5):
        model = GairModel(GairConfig.tiny(query_mode="bilinear", pixel_window=window)).eval()
        found[window] = query_costs(model, GairProcessor.for_config(model.config))
    # Interpolation has no products; the window is read at 96 x 96 pixels, and mapped to D = 96 at 128 x 128 points.
    assert found[0]["MFLOP a map"] == 0
    assert found[5]["MFLOP a map"] == 2 * (96**2 * 250 * 128 + 128**2 * 128 * 96) / 1e6
    assert found[5]["parameters"] - found[0]["parameters"] == 251 * 128 + 129 * 96


def test_each_model_gets_its_time():
    models = {name: GairModel(GairConfig.tiny(query_mode=name)).eval() for name in ("bilinear", "nili")}
    times = map_milliseconds(models)
    assert times.keys() == models.keys() and min(times.values()) > 0
