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
"""Results as Markdown and CSV."""

from dataclasses import replace

import pytest

from tests.helpers.result_rows import AIR, OURS, RETRIEVAL, table_of_two_models
from training.benchmarks.kinds.kind import PIXEL_COUNTS, Score
from training.benchmarks.results.bias import Bias, PartBias
from training.benchmarks.results.table import ResultsTable
from training.benchmarks.results.tables import bias_csv, bias_text, class_table, task_table


@pytest.fixture
def table(tmp_path) -> ResultsTable:
    return table_of_two_models(tmp_path)


def test_one_metric_is_shown_by_split_and_several_by_metric(table):
    text = task_table(AIR, table.rows)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert lines[0] == ["model", "figure", "probe", "random", "spatial10"]
    assert lines[2] == ["outputs/own", "rerun", "ridge", "0.800 ± 0.100", "0.600"]
    assert lines[3] == ["mean", "rerun", "none", "-0.010 ± 0.100", ""]
    rank = Score("cosine", "across tiles", "median_rank", 12.0, 64, 64, target="SV → location")
    table.append(RETRIEVAL, [rank, replace(rank, metric="R@5", value=0.25)], replace(OURS, run="ranks"))
    text = task_table(RETRIEVAL, table.of([RETRIEVAL.name], ["ranks"]))
    assert "| split " in text and "| 12.0 " in text and "| 25.0%" in text


def test_classes_are_shown_with_their_pixels(table):
    own = Score("nili", "test", "iou water", 0.5, 4, 4, spread=(0.45, 0.55))
    counts = [Score("none", "test", f"pixels {name}", 12345.0, 4, 4, model=PIXEL_COUNTS) for name in ("water", "snow")]
    assert class_table(table.rows) == ""
    table.append(
        RETRIEVAL, [own, replace(own, method="bilinear", metric="iou snow"), *counts], replace(OURS, run="maps")
    )
    lines = class_table(table.of([RETRIEVAL.name], ["maps"])).splitlines()[2:]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0] == ["model", "probe", "water", "snow"]
    assert cells[2:] == [
        [PIXEL_COUNTS, "", "12,345", "12,345"],
        ["outputs/own", "nili", "50.0% ± 5.0", ""],
        ["outputs/own", "bilinear", "", "50.0% ± 5.0"],
    ]


def test_bias_as_text_and_table():
    bias = Bias("run", [PartBias("continent", "Africa", 7, 0.5, 2.0, None)], 3, 2.5, 1.5)
    text = bias_text("air_temp", bias)
    assert "| continent | Africa | 7 " in text and "marked 2.50 bits, unmarked 1.50 bits (1.44" in text
    lines = bias_csv({"air_temp": bias}).decode().splitlines()
    assert lines[1] == "air_temp,continent,Africa,7,0.5,2.0,"
    assert lines[2].startswith("air_temp,self-information,marked,3,2.5,")
