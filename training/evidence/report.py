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
"""The report of the comparison: tables of means and standard deviations over seeds, and the figures of every run."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.common.files import write_atomically, written_whole
from training.evidence.arms import COMPARISONS, LABELS
from training.evidence.measured import (
    HOLDOUT_LABELS,
    ROBUST,
    UNTRAINED,
    Arms,
    MeasuredRun,
    levels_of,
    place_encoders,
    place_targets_of,
    spread,
)
from training.evidence.plots import FIGURES

# Column → measure and number of digits.
PAIR_COLUMNS = {
    "median rank of 256": ("own world/across/median_rank", 1),
    "R@5": ("own world/across/R@5", 3),
    "mean rank of 16": ("own world/among/mean_rank", 2),
    "median rank, second world": ("second world/across/median_rank", 1),
    "mean rank of 16, second world": ("second world/among/mean_rank", 2),
    "location: median rank": ("own world/location/median_rank", 1),
    "land cover from the point, R²": ("probe/cover from the point", 3),
    "land cover from SV, R²": ("probe/cover from SV", 3),
    "moisture from RS, R²": ("probe/moisture from RS", 3),
    "MFLOP per pair, without teachers": ("MFLOP a pair", 1),
    "MFLOP per map": ("MFLOP a map", 0),
    "ms per map": ("ms a map", 1),
    "parameters": ("parameters", 0),
}
SELECTION_COLUMNS = {
    "median rank of 256": ("selection world/across/median_rank", 1),
    "R@5": ("selection world/across/R@5", 3),
    "mean rank of 16": ("selection world/among/mean_rank", 2),
    "MFLOP per pair": ("MFLOP a pair", 1),
    "MFLOP per map": ("MFLOP a map", 0),
    "ms per map": ("ms a map", 1),
    "parameters": ("parameters", 0),
}
_HOW_TO_READ = (
    "Means ± standard deviations over seeds, on held-out tiles of the sample world. Every arm is trained and read in its own "
    "query mode; tokens trained through NILI are never read by interpolation. Lower ranks are better. A map has 128 × 128 points of a tile that is "
    "encoded already; maps were timed in turns on one machine, after all runs."
)


def write_report(folder: Path, comparisons: Sequence[str], runs: Sequence[MeasuredRun]) -> None:
    """
    Writes `report.md`, `runs.csv` and plots, and prints the tables.

    Args:
        folder (`Path`): an existing folder.
        comparisons (`Sequence[str]`): names in `COMPARISONS`.
        runs (`Sequence[MeasuredRun]`): of all their arms.
    """
    text = "\n\n".join([f"{_HOW_TO_READ}", *(_section(name, runs) for name in comparisons)])
    write_atomically(folder / "report.md", text + "\n")
    with written_whole(folder / "runs.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("arm", "weights", "seed", "measure", "value"))
        for run in sorted(runs, key=lambda run: (run.arm, run.seed)):
            for weights, figures in run.figures.items():
                writer.writerows((run.arm, weights, run.seed, name, f"{value:.6g}") for name, value in figures.items())
    for name, draw in FIGURES.items():
        if name in comparisons:
            draw(folder / f"{name}.png", COMPARISONS[name].arms, runs)
    print(f"\n{text}\n\nWrote {folder}: report.md, runs.csv (the figures of every run), and plots")


def _section(name: str, runs: Sequence[MeasuredRun]) -> str:
    comparison = COMPARISONS[name]
    if comparison.places:
        table = _place_table(comparison.arms, runs)
    elif comparison.robust:
        table = "\n\n".join(_level_table(kind, comparison.arms, runs) for kind in ROBUST)
    else:
        table = _pair_table(comparison.arms, runs, SELECTION_COLUMNS if comparison.selects else PAIR_COLUMNS)
    return f"**{comparison.question}**\n\n{table}"


def _pair_table(arms: Arms, runs: Sequence[MeasuredRun], columns: Mapping[str, tuple[str, int]]) -> str:
    measures, digits = zip(*columns.values())
    rows = {LABELS[arm]: _cells([spread(runs, arm, measure) for measure in measures], digits) for arm in arms}
    drawn = [spread(runs, arms[0], measure, UNTRAINED) for measure in measures]
    if any(map(len, drawn)):
        rows["initial weights"] = _cells(drawn, digits)
    return _markdown("", list(columns), rows)


def _place_table(arms: Arms, runs: Sequence[MeasuredRun]) -> str:
    """One row per value and holdout, one column per encoder."""
    encoders = place_encoders(arms)
    rows = {}
    for target in place_targets_of(runs):
        for holdout, label in HOLDOUT_LABELS.items():
            spreads = [spread(runs, arm, f"place/{target}/{holdout}", weights) for arm, weights in encoders.values()]
            if any(map(len, spreads)):
                rows[f"{target}: {label}"] = _cells(spreads, [2] * len(spreads))
    return _markdown("R², or accuracy for classes", list(encoders), rows)


def _level_table(kind: str, arms: Arms, runs: Sequence[MeasuredRun]) -> str:
    levels = levels_of(kind, runs)
    rows = {
        LABELS[arm]: _cells([spread(runs, arm, f"{kind}/{level}") for level in levels], [1] * len(levels))
        for arm in arms
    }
    return _markdown(f"median rank: {ROBUST[kind]}", [level.removesuffix(" m") for level in levels], rows)


def _cells(spreads: Sequence[np.ndarray], digits: Sequence[int]) -> list[str]:
    """The cells of a row; the last is the number of seeds."""
    cells = [_cell(values, places) for values, places in zip(spreads, digits)]
    return [*cells, str(max(map(len, spreads), default=0))]


def _cell(values: np.ndarray, digits: int) -> str:
    """Mean ± sample standard deviation; a dash if nothing was measured."""
    if not len(values):
        return "–"
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def _markdown(corner: str, heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [[corner, *heads, "seeds"], ["---"] * (len(heads) + 2), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
