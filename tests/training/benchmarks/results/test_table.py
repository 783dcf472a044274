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

import csv
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from training.benchmarks.kinds.kind import Score, bootstrap, interval
from training.benchmarks.results.bias import Bias, PartBias
from training.benchmarks.results.plots import scores_figure
from training.benchmarks.results.report import bias_csv, bias_text, task_table, write_card
from training.benchmarks.results.table import COLUMNS, Circumstances, ResultsTable
from training.benchmarks.tasks.task import load_tasks

AIR, RETRIEVAL = load_tasks()["air_temp"], load_tasks()["world-retrieval"]
RIDGE = Score("ridge", "random", "r2", 0.8, 100, 100, 4, 5, (0.7, 0.9))
OURS = Circumstances(
    "outputs/own", "abc", "abcd", "taylor-geospatial/coordbench", "f00", (0, 1), "nested alpha", 1.5, 900, "run"
)


@pytest.fixture
def table(tmp_path) -> ResultsTable:
    table = ResultsTable(tmp_path / "results.csv")
    spatial = replace(RIDGE, split="spatial10", value=0.6, spread=None, cell_deg=10)
    table.append(AIR, [RIDGE, spatial], OURS)
    baseline = replace(OURS, model_name="baselines", model_fingerprint="", run="below")
    table.append(AIR, [replace(RIDGE, method="none", model="mean", value=-0.01)], baseline)
    return table


def test_rows_have_coordbench_s_columns_and_what_repeats_them(table):
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


def test_what_a_run_had_to_say_is_said_again(table):
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


def test_one_metric_is_shown_by_split_and_several_by_metric(table):
    text = task_table(AIR, table.rows)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert lines[0] == ["model", "probe", "random", "spatial10"]
    assert lines[2] == ["outputs/own", "ridge", "0.800 ± 0.100", "0.600"]
    assert lines[3] == ["mean", "none", "-0.010 ± 0.100", ""]
    rank = Score("cosine", "across tiles", "median_rank", 12.0, 64, 64, target="SV → location")
    table.append(RETRIEVAL, [rank, replace(rank, metric="R@5", value=0.25)], replace(OURS, run="ranks"))
    text = task_table(RETRIEVAL, table.of([RETRIEVAL.name], ["ranks"]))
    assert "| split " in text and "| 12.0 " in text and "| 25.0%" in text


def test_a_card_keeps_what_it_had_and_takes_the_figures(table, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("---\nlicense: apache-2.0\ntags: [geospatial]\n---\n# Own\n\nText.\n", encoding="utf-8")
    own = [row for row in table.rows if row["model_name"] == "outputs/own"]
    for _ in range(2):
        write_card(path, "own", [AIR], own, "## Evaluation\n\nTables.")
    card = ModelCard.load(path)
    assert card.data.license == "apache-2.0" and card.data.tags == ["geospatial"] and "# Own\n\nText." in card.text
    assert card.text.count("## Evaluation") == 1
    results = {result.dataset_config: result for result in card.data.eval_results}
    assert set(results) == {"air_temp-random-ridge", "air_temp-spatial10-ridge"} and len(card.data.eval_results) == 2
    random = results["air_temp-random-ridge"]
    assert (random.metric_type, random.metric_value, random.dataset_revision) == ("r2", 0.8, "f00")
    assert random.dataset_type == "taylor-geospatial/coordbench"
    # A later run replaces its own figures and leaves the others.
    write_card(path, "own", [AIR], [own[0] | {"metric_value": "0.9"}], "## Evaluation\n\nNew.")
    values = {result.dataset_config: result.metric_value for result in ModelCard.load(path).data.eval_results}
    assert values == {"air_temp-random-ridge": 0.9, "air_temp-spatial10-ridge": 0.6}


def test_a_card_is_made_where_there_is_none(table, tmp_path):
    write_card(tmp_path / "new.md", "own", [AIR], table.rows[:1], "Tables.")
    assert ModelCard.load(tmp_path / "new.md").data.eval_results[0].metric_value == 0.8


def test_bias_as_text_and_table():
    bias = Bias("run", [PartBias("continent", "Africa", 7, 0.5, 2.0, None)], 3, 2.5, 1.5)
    text = bias_text("air_temp", bias)
    assert "| continent | Africa | 7 " in text and "marked 2.50 bits, unmarked 1.50 bits (1.44" in text
    lines = bias_csv({"air_temp": bias}).decode().splitlines()
    assert lines[1] == "air_temp,continent,Africa,7,0.5,2.0,"
    assert lines[2].startswith("air_temp,self-information,marked,3,2.5,")


def test_the_scores_are_drawn(table, tmp_path):
    scores_figure(tmp_path / "scores.png", [(AIR, table.rows)], ["outputs/own"])
    with Image.open(tmp_path / "scores.png") as picture:
        assert picture.width > 600 and len(picture.convert("RGB").getcolors(2**24)) > 50


def test_spreads():
    assert interval([0.5]) is None
    low, high = interval([0.4, 0.5, 0.6])
    assert (low + high) / 2 == pytest.approx(0.5) and high - low == pytest.approx(2 * 1.96 * 0.1 / 3**0.5)
    low, high = bootstrap(400, lambda rows: float((rows % 2).mean()))
    assert low < 0.5 < high and high - low < 0.15
