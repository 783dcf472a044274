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
"""How scores were obtained: the six points, each from the rows and tasks themselves."""

from dataclasses import replace

import pytest

from tests.helpers.result_rows import AIR, OURS, RETRIEVAL, RIDGE, table_of_two_models
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.results.audit import NO_WEIGHTS, NOT_STATED, audit_table, licence_of_model
from training.benchmarks.results.report import Findings, report_text


def points(table, tasks):
    lines = audit_table(tasks, table.rows).splitlines()[4:]
    return dict([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)


def test_the_six_points(tmp_path):
    table = table_of_two_models(tmp_path)
    control = replace(OURS, model_name="random weights of outputs/own", model_licence=NO_WEIGHTS, run="control")
    table.append(RETRIEVAL, [replace(RIDGE, method="cosine", split="across tiles", metric="R@5")], control)
    found = points(table, [AIR, RETRIEVAL])
    assert list(found) == [
        "named licences",
        "shared core evaluations",
        "copied or rerun",
        "variance",
        "one harness",
        "controls",
    ]
    assert found["named licences"].startswith("weights: outputs/own: apache-2.0; data: air_temp: not confirmed")
    assert found["shared core evaluations"] == "CoordBench: air_temp; of this project or of your own: world-retrieval"
    assert found["copied or rerun"].startswith(
        "rerun, baselines included: outputs/own; mean; random weights of outputs/own; copied: none"
    )
    assert found["variance"].startswith("3 of 4 scores have a 95 % interval, over folds and seeds (0 1)")
    assert "training/evaluate.py" in found["one harness"] and "torch" in found["one harness"]
    assert "architecture: random weights of outputs/own; algorithm: mean" in found["controls"]
    text = report_text([AIR], table, Findings(runs=["run", "below"]))
    assert "How these scores were obtained" in text and "random weights" not in text


def test_the_licence_of_a_model_is_that_of_its_card(tmp_path):
    model = Encoder()
    model.name = str(tmp_path)
    assert licence_of_model(None) == licence_of_model(SinCosEncoder()) == NO_WEIGHTS
    assert licence_of_model(model) == NOT_STATED
    other = Encoder()
    other.name = str(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# Own\n", encoding="utf-8")
    assert licence_of_model(other) == "cc-by-nc-4.0"


@pytest.mark.parametrize(
    ("name", "benchmark"), [("air_temp", "CoordBench"), ("pastis", "PANGAEA"), ("world-tiles", "")]
)
def test_tasks_name_their_benchmark(name, benchmark):
    from training.benchmarks.tasks.task import load_tasks

    assert load_tasks()[name].benchmark == benchmark
