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
"""Tables and plots of the evidence: means and deviations over seeds, and every run."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

TRAINED, UNTRAINED = "trained", "untrained"
LABELS = {
    "nili": "NILI (GAIR)",
    "nili_ninth": "NILI, its map at 1/9 of the rate",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "mean": "tile mean",
    "mean_across": "tile mean, own tile no negative",
    "no_location": "GAIR without places",
    "distillation": "GAIR with distillation (RS, from MAE)",
    "mae": "MAE",
    "moco_v3": "MoCo v3",
    "spherical_harmonics": "spherical harmonics + SIREN",
    "published_scales": "Equal Earth RFF, published σ",
    "control_nili": "NILI, control world",
    "control_mean": "tile mean, control world",
    "control_mean_across": "tile mean, own tile no negative, control world",
}
# Arms in a comparison of location encoders are named by them.
LOCATION_LABELS = {"nili": "Equal Earth RFF, σ ¼ + 1"}
# Column → figure, and its digits.
PAIR_COLUMNS = {
    "median rank of 256": ("own world/across/median_rank", 1),
    "R@5": ("own world/across/R@5", 3),
    "mean rank of 16": ("own world/among/mean_rank", 2),
    "median rank, second world": ("second world/across/median_rank", 1),
    "mean rank of 16, second world": ("second world/among/mean_rank", 2),
    "places: median rank": ("own world/location/median_rank", 1),
    "cover from the point, R²": ("probe/cover from the point", 3),
    "cover from SV, R²": ("probe/cover from SV", 3),
    "moisture from RS, R²": ("probe/moisture from RS", 3),
    "MFLOP a pair, without teachers": ("MFLOP a pair", 1),
}
HOLDOUT_LABELS = {"random": "random", "spatial10": "10°", "unseen": "places unseen in training"}
_ROBUST = {
    "offset": "metres between photo and query point",
    "noise": "noise on the query point, σ in metres",
    "noise location": "noise on lon, lat given to the location encoder, σ in metres",
    "scale": "side of the tile that is seen, as a share",
    "scale mean": "side of the tile that is seen, as a share, read by its mean",
}
_CHANCE_ACROSS, _CHANCE_AMONG = 128.5, 8.5

Arms = tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """
    What was measured of an arm with a seed.

    Attributes:
        arm (`str`): its name, or that of a baseline.
        seed (`int`): of training; of a baseline that of the folds.
        figures (`dict[str, dict[str, float]]`): by weights (`trained`, `untrained`; `""` for a baseline), by measure.
    """

    arm: str
    seed: int
    figures: Mapping[str, Mapping[str, float]]


def write_report(folder: Path, compared: Mapping[str, tuple[str, Arms]], runs: Sequence[Run]) -> None:
    """
    Writes `report.md`, `runs.csv` and plots, and prints the tables.

    Args:
        folder (`Path`): exists.
        compared: name of each comparison → its question and arms.
        runs (`Sequence[Run]`): of all of their arms.
    """
    text = "\n\n".join(_section(name, question, arms, runs) for name, (question, arms) in compared.items())
    (folder / "report.md").write_text(text + "\n", encoding="utf-8")
    with (folder / "runs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("arm", "weights", "seed", "measure", "value"))
        for run in sorted(runs, key=lambda run: (run.arm, run.seed)):
            for weights, figures in run.figures.items():
                writer.writerows((run.arm, weights, run.seed, name, f"{value:.6g}") for name, value in figures.items())
    if "query_modes" in compared:
        query_mode_figure(folder / "query_modes.png", compared["query_modes"][1], runs)
    if "robustness" in compared:
        robustness_figure(folder / "robustness.png", compared["robustness"][1], runs)
    if "location_encoders" in compared:
        location_figure(folder / "location_encoders.png", compared["location_encoders"][1], runs)
    print(f"\n{text}\n\nWrote {folder}: report.md, runs.csv (every run), and plots")


def spread(runs: Sequence[Run], arm: str, measure: str, weights: str = TRAINED) -> np.ndarray:
    """A measure of an arm, by seed; empty where it was not taken."""
    own = [run.figures.get(weights, {}) for run in sorted(runs, key=lambda run: run.seed) if run.arm == arm]
    return np.array([figures[measure] for figures in own if measure in figures])


# Tables --------------------------------------------------------------------------------------------------------------


def _section(name: str, question: str, arms: Arms, runs: Sequence[Run]) -> str:
    if name == "location_encoders":
        table = _place_table(arms, runs)
    elif name == "robustness":
        table = "\n\n".join(_level_table(kind, arms, runs) for kind in _ROBUST)
    else:
        table = _pair_table(arms, runs)
    return f"**{question}**\n\n{table}"


def _pair_table(arms: Arms, runs: Sequence[Run]) -> str:
    measures, digits = zip(*PAIR_COLUMNS.values())
    rows = {LABELS[arm]: _cells([spread(runs, arm, measure) for measure in measures], digits) for arm in arms}
    drawn = [spread(runs, arms[0], measure, UNTRAINED) for measure in measures]
    if any(map(len, drawn)):
        rows["initial weights"] = _cells(drawn, digits)
    return _markdown("", list(PAIR_COLUMNS), rows)


def _place_table(arms: Arms, runs: Sequence[Run]) -> str:
    """A row for each value and holdout, a column for each encoder."""
    encoders = _place_encoders(arms)
    rows = {}
    for target in _place_targets(runs):
        for holdout, label in HOLDOUT_LABELS.items():
            spreads = [spread(runs, arm, f"place/{target}/{holdout}", weights) for arm, weights in encoders.values()]
            if any(map(len, spreads)):
                rows[f"{target}: {label}"] = _cells(spreads, [2] * len(spreads))
    return _markdown("R², or share of classes told right", list(encoders), rows)


def _place_encoders(arms: Arms) -> dict[str, tuple[str, str]]:
    """Label → the arm and its weights, or a baseline, which has none."""
    encoders = {
        f"{LOCATION_LABELS.get(arm, LABELS[arm])}, {weights}": (arm, weights)
        for arm in arms
        for weights in (TRAINED, UNTRAINED)
    }
    return encoders | {name: (name, "") for name in ("sin/cos", "inverse distance")}


def _place_targets(runs: Sequence[Run]) -> list[str]:
    names = {name for run in runs for part in run.figures.values() for name in part}
    return sorted({name.split("/")[1] for name in names if name.startswith("place/")})


def _level_table(kind: str, arms: Arms, runs: Sequence[Run]) -> str:
    levels = _levels(kind, runs)
    rows = {
        LABELS[arm]: _cells([spread(runs, arm, f"{kind}/{level}") for level in levels], [1] * len(levels))
        for arm in arms
    }
    return _markdown(f"median rank: {_ROBUST[kind]}", [level.removesuffix(" m") for level in levels], rows)


def _levels(kind: str, runs: Sequence[Run]) -> list[str]:
    """The levels of a kind of disturbance that were measured, in order."""
    names = {name for run in runs for name in run.figures.get(TRAINED, {})}
    levels = {name.removeprefix(f"{kind}/") for name in names if name.startswith(f"{kind}/")}
    return sorted(levels, key=_number)


def _number(level: str) -> float:
    return float(level.removesuffix(" m"))


def _cells(spreads: Sequence[np.ndarray], digits: Sequence[int]) -> list[str]:
    """A row, with the number of its seeds at the end."""
    cells = [_cell(values, places) for values, places in zip(spreads, digits)]
    return [*cells, str(max(map(len, spreads), default=0))]


def _cell(values: np.ndarray, digits: int) -> str:
    """Mean ± deviation of a sample; a dash where nothing was measured."""
    if not len(values):
        return "–"
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def _markdown(corner: str, heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [[corner, *heads, "seeds"], ["---"] * (len(heads) + 2), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Plots ---------------------------------------------------------------------------------------------------------------


def query_mode_figure(path: Path, arms: Arms, runs: Sequence[Run]) -> None:
    """Every run of the query modes: ranks across tiles and among the points of one, on the own and the second world."""
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
    figure.suptitle("Where was this photo taken? Less is better; each dot is a run, each line a mean (sample world)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def robustness_figure(path: Path, arms: Arms, runs: Sequence[Run]) -> None:
    """Median ranks against offset, noise and the side of the tile, means with deviations."""
    kinds = ("offset", "noise", "noise location", "scale")
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for axis, kind in zip(axes.flat, kinds):
        levels = _levels(kind, runs)
        for arm in arms:
            values = [spread(runs, arm, f"{kind}/{level}") for level in levels]
            measured = [(_number(level), one) for level, one in zip(levels, values) if len(one)]
            if measured:
                x, spreads = zip(*measured)
                middle, off = (
                    [one.mean() for one in spreads],
                    [one.std(ddof=1) if len(one) > 1 else 0 for one in spreads],
                )
                axis.errorbar(x, middle, off, marker="o", markersize=4, capsize=3, label=LABELS[arm])
        if kind == "noise location":
            axis.set_xscale("symlog", linthresh=30)
        axis.set_xlabel(_ROBUST[kind])
        axis.set_ylabel("median rank among 256 tiles")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def location_figure(path: Path, arms: Arms, runs: Sequence[Run]) -> None:
    """What location embeddings tell of places, every run, by encoder and holdout."""
    targets, encoders = _place_targets(runs), _place_encoders(arms)
    colours = dict(zip(HOLDOUT_LABELS, ("#0072b2", "#d55e00", "#009e73")))
    shifts = dict(zip(HOLDOUT_LABELS, (-0.2, 0.0, 0.2)))
    columns = -(-(len(targets) + 1) // 2)
    figure, axes = plt.subplots(
        2, columns, figsize=(3 + 2.6 * columns, 7.5), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, target in zip(axes.flat, targets):
        for holdout, label in HOLDOUT_LABELS.items():
            measure = f"place/{target}/{holdout}"
            values = [spread(runs, arm, measure, weights) for arm, weights in encoders.values()]
            _dots(axis, values, colours[holdout], shifts[holdout], label)
        axis.set_title(target.replace(", ", "\n"), fontsize=9)
        axis.set_xlim(-0.25, 1)
        axis.grid(axis="x", alpha=0.3)
    for axis in axes[:, 0]:
        axis.set_yticks(range(len(encoders)), list(encoders), fontsize=8)
    axes[0, 0].invert_yaxis()
    for axis in axes.flat[len(targets) :]:
        axis.axis("off")
    axes.flat[len(targets)].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", title="places held out")
    figure.supxlabel(
        "ridge on frozen location embeddings: R², or share of classes told right (below −0.25 not shown)", fontsize=9
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _dots(axis: Axes, spreads: Sequence[np.ndarray], colour: str, shift: float, label: str) -> None:
    """A row of dots for each arm, and a tick at their mean."""
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
