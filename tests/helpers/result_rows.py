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
"""Scores of two models, for the tests of results."""

from dataclasses import replace
from pathlib import Path

from training.benchmarks.kinds.kind import Score
from training.benchmarks.results.audit import HARNESS, NO_WEIGHTS
from training.benchmarks.results.table import Circumstances, ResultsTable
from training.benchmarks.tasks.task import load_tasks

AIR, RETRIEVAL = load_tasks()["air_temp"], load_tasks()["world-retrieval"]
RIDGE = Score("ridge", "random", "r2", 0.8, 100, 100, 4, 5, (0.7, 0.9))
OURS = Circumstances(
    model_name="outputs/own",
    model_revision="abc",
    model_fingerprint="abcd",
    model_licence="apache-2.0",
    harness=HARNESS,
    source="taylor-geospatial/coordbench",
    dataset_revision="f00",
    seeds=(0, 1),
    protocol="nested alpha",
    seconds=1.5,
    peak_memory_mb=900,
    run="run",
)


def table_of_two_models(folder: Path) -> ResultsTable:
    """Ridge scores of a model with two holdouts, and a baseline."""
    table = ResultsTable(folder / "results.csv")
    spatial = replace(RIDGE, split="spatial10", value=0.6, spread=None, cell_deg=10)
    table.append(AIR, [RIDGE, spatial], OURS)
    baseline = replace(OURS, model_name="baselines", model_fingerprint="", model_licence=NO_WEIGHTS, run="below")
    table.append(AIR, [replace(RIDGE, method="none", model="mean", value=-0.01)], baseline)
    return table
