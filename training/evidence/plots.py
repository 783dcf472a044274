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
"""Plots of the comparison: every run by query mode, robustness, and location encoders."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import training.common.figures  # noqa: F401, sets matplotlib up
from training.common.files import written_whole
from training.evidence.arms import LABELS
from training.evidence.measured import (
    HOLDOUT_LABELS,
    ROBUST,
    Arms,
    MeasuredRun,
    level_number,
    levels_of,
    place_encoders,
    place_targets_of,
    spread,
)

_CHANCE_ACROSS, _CHANCE_AMONG = 128.5, 8.5
# What stands above the probes of location embeddings.
_TARGET_LABELS = {
    "air_temp, meanP": "precipitation\n(weather stations)",
    "air_temp, meanT": "air temperature\n(weather stations)",
    "brazil_municipalities, state_code": "Brazilian state",
    "eurosat_locations, label": "land cover\n(EuroSAT)",
}
_COLUMNS = 3


def query_mode_figure(path: Path, arms: Arms, runs: Sequence[MeasuredRun]) -> None:
    """Plots the ranks of every run by query mode: across tiles and within a tile, on the own and the second world."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.55 * len(arms) + 1.6), sharey=True, layout="constrained")
    parts = [
        ("across/median_rank", _CHANCE_ACROSS, "median rank among 256 tiles"),
        ("among/mean_rank", _CHANCE_AMONG, "mean rank among 16 points of one tile"),
    ]
    for axis, (measure, chance, title) in zip(axes, parts):
        for world, colour, shift in (("own world", "#0072b2", -0.12), ("second world", "#d55e00", 0.12)):
            _dots(axis, [spread(runs, arm, f"{world}/{measure}") for arm in arms], colour, shift, world)
        axis.axvline(chance, color="0.5", linestyle=":", label="chance")
        axis.set_xlabel(title)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(arms)), [LABELS[arm] for arm in arms])
    axes[0].invert_yaxis()
    axes[0].set_xscale("log")
    axes[0].set_xticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    axes[0].minorticks_off()
    axes[1].legend(loc="upper right")
    figure.suptitle(
        "Where was this photo taken? Lower is better; dots are runs, lines are means. Each arm is trained and read in one mode."
    )
    with written_whole(path) as file:
        figure.savefig(file, dpi=110)
    plt.close(figure)


def robustness_figure(path: Path, arms: Arms, runs: Sequence[MeasuredRun]) -> None:
    """Plots median ranks against offset, noise and the visible part of the tile: means with standard deviations."""
    kinds = ("offset", "noise", "noise location", "scale")
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for axis, kind in zip(axes.flat, kinds):
        levels = levels_of(kind, runs)
        for arm in arms:
            values = [spread(runs, arm, f"{kind}/{level}") for level in levels]
            measured = [(level_number(level), one) for level, one in zip(levels, values) if len(one)]
            if measured:
                x, spreads = zip(*measured)
                middle, off = (
                    [one.mean() for one in spreads],
                    [one.std(ddof=1) if len(one) > 1 else 0 for one in spreads],
                )
                axis.errorbar(x, middle, off, marker="o", markersize=4, capsize=3, label=LABELS[arm])
        axis.set_xlabel(ROBUST[kind])
        if kind == "noise location":
            axis.set_xlabel(ROBUST[kind].removesuffix(", σ in metres") + ", σ")
            axis.set_xscale("symlog", linthresh=300)
            decades = [0, 1e3, 1e4, 1e5, 1e6]
            axis.set_xticks(decades, [f"{metres / 1000:g} km" for metres in decades])
            axis.set_xticks([], minor=True)
        axis.set_ylabel("median rank among 256 tiles")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0, 0].legend()
    with written_whole(path) as file:
        figure.savefig(file, dpi=110)
    plt.close(figure)


def location_figure(path: Path, arms: Arms, runs: Sequence[MeasuredRun]) -> None:
    """Plots the probes of location embeddings of every run, by encoder and holdout."""
    targets = place_targets_of(runs)
    encoders = {
        label: of
        for label, of in place_encoders(arms).items()
        if any(len(spread(runs, of[0], f"place/{target}/random", of[1])) for target in targets)
    }
    colours = dict(zip(HOLDOUT_LABELS, ("#0072b2", "#d55e00", "#009e73")))
    shifts = dict(zip(HOLDOUT_LABELS, (-0.2, 0.0, 0.2)))
    rows = -(-(len(targets) + 1) // _COLUMNS)
    size = (9.5, rows * (1.2 + 0.28 * len(encoders)))
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, target in zip(axes.flat, targets):
        for holdout, label in HOLDOUT_LABELS.items():
            measure = f"place/{target}/{holdout}"
            values = [spread(runs, arm, measure, weights) for arm, weights in encoders.values()]
            _dots(axis, values, colours[holdout], shifts[holdout], label)
        axis.set_title(_TARGET_LABELS.get(target, target.replace(", ", ":\n")), fontsize=11)
        axis.set_xlim(-0.25, 1)
        axis.set_xticks([0, 0.5, 1])
        axis.grid(axis="x", alpha=0.3)
    for axis in axes[:, 0]:
        axis.set_yticks(range(len(encoders)), list(encoders))
    axes[0, 0].invert_yaxis()
    for axis in axes.flat[len(targets) :]:
        axis.axis("off")
    axes.flat[len(targets)].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", title="held out")
    figure.supxlabel(
        "R², or accuracy for classes, of a ridge regression on frozen embeddings (below −0.25 not shown)", fontsize=11
    )
    with written_whole(path) as file:
        figure.savefig(file, dpi=110)
    plt.close(figure)


def _dots(axis: Axes, spreads: Sequence[np.ndarray], colour: str, shift: float, label: str) -> None:
    """Draws a row of dots for each arm, with a tick at their mean."""
    for row, values in enumerate(spreads):
        axis.plot(
            values,
            np.full(len(values), row + shift),
            "o",
            color=colour,
            alpha=0.6,
            markersize=5,
            label=label if row == 0 else None,
        )
        if len(values):
            axis.plot([values.mean()] * 2, [row + shift - 0.15, row + shift + 0.15], color=colour, linewidth=2)


# Comparison → its plot.
FIGURES = {
    "query_modes": query_mode_figure,
    "pixels": query_mode_figure,
    "robustness": robustness_figure,
    "location_encoders": location_figure,
    "earth": location_figure,
}
