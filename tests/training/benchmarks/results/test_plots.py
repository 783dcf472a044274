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
"""Figures of results."""

import numpy as np
import pytest
from PIL import Image

from tests.helpers.result_rows import AIR, table_of_two_models
from training.benchmarks.kinds.kind import PlaceErrors
from training.benchmarks.results.bias import bias_table, self_information
from training.benchmarks.results.plots import bias_figure, scores_figure


def with_errors(error: np.ndarray, unit: str = "wrong", **strata: np.ndarray) -> PlaceErrors:
    generator = np.random.default_rng(0)
    lon, lat = generator.uniform(-10, 40, len(error)), generator.uniform(36, 60, len(error))
    reference = None if unit == "wrong" else np.full(len(error), 4.0)
    return PlaceErrors(lon, lat, error, unit, "random", strata, reference)


@pytest.mark.parametrize(("unit", "earth"), [("wrong", True), ("absolute error", False)])
def test_the_map_of_errors_is_drawn(tmp_path, unit, earth):
    places = with_errors(
        np.abs(np.random.default_rng(0).standard_normal(300)) if unit != "wrong" else np.arange(300.0) % 2, unit
    )
    path = tmp_path / "errors.png"
    bias_figure(path, "title", places, bias_table(places, earth), self_information(places), earth)
    with Image.open(path) as picture:
        assert picture.width > 1000 and len(picture.convert("RGB").getcolors(2**24)) > 200


def test_the_figure_of_scores_is_drawn(tmp_path):
    table = table_of_two_models(tmp_path)
    scores_figure(tmp_path / "scores.png", [(AIR, table.rows)], ["outputs/own"])
    with Image.open(tmp_path / "scores.png") as picture:
        assert picture.width > 600 and len(picture.convert("RGB").getcolors(2**24)) > 50
