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
"""
Remakes the pictures of docs/evidence.md from the committed tables of all runs:

    python -m tests.end_to_end.evidence_pictures
"""

import csv
from collections import defaultdict
from pathlib import Path

from tests.helpers.pages import ROOT
from training.evidence.arms import COMPARISONS
from training.evidence.measured import MeasuredRun
from training.evidence.plots import FIGURES

_RESULTS = ROOT / "training" / "evidence" / "results"
# Comparison, and so picture → the table that it is drawn from.
_TABLES = {
    "query_modes": "query_runs.csv",
    "pixels": "query_runs.csv",
    "robustness": "query_runs.csv",
    "location_encoders": "objective_runs.csv",
    "earth": "earth_runs.csv",
}


def main() -> None:
    for name, table in _TABLES.items():
        FIGURES[name](ROOT / "docs" / "images" / f"{name}.png", COMPARISONS[name].arms, runs_of(_RESULTS / table))


def runs_of(table: Path) -> list[MeasuredRun]:
    """The runs that a table of `training.evidence` holds."""
    figures: dict = defaultdict(lambda: defaultdict(dict))
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            figures[row["arm"], int(row["seed"])][row["weights"]][row["measure"]] = float(row["value"])
    return [MeasuredRun(arm, seed, measured) for (arm, seed), measured in figures.items()]


if __name__ == "__main__":
    main()
