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
"""The table of results."""

import csv
from dataclasses import replace

import pytest

from tests.helpers.result_rows import AIR, OURS, RIDGE, table_of_two_models
from training.benchmarks.results.table import COLUMNS, ResultsTable


@pytest.fixture
def table(tmp_path) -> ResultsTable:
    return table_of_two_models(tmp_path)


def test_rows_have_coordbench_s_columns_and_the_settings_of_the_run(table):
    with table.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 3
    first = rows[0]
    assert (first["dataset"], first["task"], first["task_type"]) == ("air_temp", "meanT", "regression")
    assert (first["metric_value"], first["ci_lower"], first["n_folds"], first["seed"]) == ("0.8", "0.7", "5", "0 1")
    assert rows[1]["cell_deg"] == "10" and rows[1]["ci_lower"] == "" and rows[2]["model_name"] == "mean"
    assert "torch" in first["versions"] and first["dataset_revision"] == "f00" and first["model_revision"] == "abc"


def test_the_table_only_grows_and_knows_what_it_holds(table):
    again = ResultsTable(table.path)
    assert again.has("run") and not again.has("other")
    before = table.path.read_text(encoding="utf-8")
    again.append(AIR, [RIDGE], replace(OURS, run="other"))
    assert table.path.read_text(encoding="utf-8").startswith(before)
    assert len(again.of(["air_temp"], ["run", "below"])) == 3


def test_the_notes_of_a_run_are_read_again(table):
    table.append(AIR, [RIDGE], replace(OURS, run="partly"), ["7 rows are left out."], ["Fold 1 is empty."])
    again = ResultsTable(table.path)
    assert again.notes("partly") == {"remarks": ["7 rows are left out."], "problems": ["Fold 1 is empty."]}
    assert again.notes("run") == {"remarks": [], "problems": []}


def test_an_interrupted_write_leaves_the_old_table(table, monkeypatch):
    before = table.path.read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        table.append(AIR, [RIDGE], replace(OURS, run="other"))
    assert table.path.read_bytes() == before


def test_another_table_is_not_overwritten(tmp_path):
    (tmp_path / "results.csv").write_text("mine,own\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has other columns than these results"):
        ResultsTable(tmp_path / "results.csv")
