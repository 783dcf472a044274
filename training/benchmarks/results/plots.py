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
"""Figures of results: scores against baselines, and errors on a map."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import training.common.figures  # noqa: F401, sets matplotlib up
from training.benchmarks.kinds.kind import PlaceErrors
from training.benchmarks.results.bias import CHANCE_BITS, RADIUS_KM, PartBias, SelfInformation
from training.benchmarks.results.table import Row
from training.benchmarks.tasks.task import Task
from training.common.files import written_whole
from training.common.land import land

# A very negative R² would squeeze the range of interest.
_LEAST_SHOWN = -0.5
_LOWER_IS_BETTER = ("median_rank", "mean_rank", "rmse", "median_km")
_MOST_SERIES = 8
_LAND, _MARGIN = "0.86", 3.0


def scores_figure(path: Path, parts: Sequence[tuple[Task, Sequence[Row]]], own: Sequence[str]) -> None:
    """
    Draws each task's headline metric: one line per model, one dot per holdout and probe.

    Args:
        path (`Path`): PNG to write.
        parts (`Sequence`): tasks with their rows of results.
        own (`Sequence[str]`): names of the models under test, drawn in bold.
    """
    shown = [(task, _headline(task, rows)) for task, rows in parts]
    shown = [(task, rows) for task, rows in shown if rows]
    heights = [0.9 + 0.26 * len({row["model_name"] for row in rows}) for _, rows in shown]
    figure, axes = plt.subplots(
        len(shown), 1, figsize=(9.5, sum(heights) + 0.5), height_ratios=heights, layout="constrained", squeeze=False
    )
    for axis, (task, rows) in zip(axes[:, 0], shown):
        _draw_scores(axis, task, rows, own)
    with written_whole(path) as file:
        figure.savefig(file, dpi=110)
    plt.close(figure)


def bias_figure(
    path: Path,
    title: str,
    places: PlaceErrors,
    table: Sequence[PartBias],
    surprise: SelfInformation | None,
    earth: bool = True,
) -> None:
    """
    Draws a model's geographic bias: a map of errors, a map of how surprisingly they cluster, and the mean error by part.

    Args:
        path (`Path`): PNG to write.
        title (`str`): task, model and holdout.
        places ([`PlaceErrors`]): errors by place.
        table (`Sequence[PartBias]`): errors by part.
        surprise ([`SelfInformation`], *optional*): information by place.
        earth (`bool`): whether to draw the Earth's land.
    """
    figure = plt.figure(figsize=(13, 9), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[2.3, 1])
    top, bottom, side = (figure.add_subplot(part) for part in (grid[0, 0], grid[1, 0], grid[:, 1]))
    for axis in (top, bottom):
        _draw_frame(axis, places, earth)
    _draw_errors(figure, top, places)
    _draw_surprise(figure, bottom, places, surprise)
    _draw_parts(side, table)
    figure.suptitle(title)
    with written_whole(path) as file:
        figure.savefig(file, dpi=110)
    plt.close(figure)


def _headline(task: Task, rows: Sequence[Row]) -> list[Row]:
    """The rows of the first metric and the first target."""
    metric = task.metrics[0] if task.metrics else rows[0]["metric_name"]
    rows = [row for row in rows if row["metric_name"] == metric]
    return [
        row for row in rows if row["task"] in (rows[0]["task"], *(r["task"] for r in rows if r["task"] == "chance"))
    ]


def _draw_scores(axis: Axes, task: Task, rows: Sequence[Row], own: Sequence[str]) -> None:
    models = list(dict.fromkeys(row["model_name"] for row in rows))
    metric = rows[0]["metric_name"]
    series = list(dict.fromkeys((row["split"], row["method"] if row["method"] != "none" else "") for row in rows))
    splits = list(dict.fromkeys(split for split, _ in series))[:_MOST_SERIES]
    colours = dict(zip(splits, plt.get_cmap("viridis")(np.linspace(0, 0.85, len(splits)))))
    methods = list(dict.fromkeys(method for _, method in series if method))
    markers = dict(zip(methods, "osD^vP*X"))
    for row in rows:
        if row["split"] in colours:
            y, colour = models.index(row["model_name"]), colours[row["split"]]
            _draw_score(axis, row, y, colour, markers.get(row["method"], "o"))
    axis.set_yticks(range(len(models)), models)
    for label in axis.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in own else "normal")
    axis.set_ylim(len(models) - 0.5, -0.5)
    axis.grid(axis="x", alpha=0.3)
    for split, colour in colours.items():
        axis.plot([], [], "s", color=colour, label=split)
    if len(methods) > 1:
        for method, marker in markers.items():
            axis.plot([], [], marker, color="0.4", label=method)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    better = "lower is better" if metric in _LOWER_IS_BETTER else "higher is better"
    predicted = f": {rows[0]['task']}" if rows[0]["task"] != task.title else ""
    axis.set_title(f"{task.name}{predicted}, {metric} ({better})", fontsize=10, loc="left")


def _draw_score(axis: Axes, row: Row, y: float, colour: np.ndarray, marker: str) -> None:
    """A dot with its interval; an R² below the range shown is an arrow at its edge."""
    least = _LEAST_SHOWN if row["metric_name"] == "r2" else -np.inf
    value = float(row["metric_value"])
    if value < least:
        axis.plot(least, y, "<", color=colour, markersize=6)
        return
    low, high = (float(row[end]) if row["ci_lower"] else value for end in ("ci_lower", "ci_upper"))
    axis.plot([max(low, least), high], [y, y], color=colour, alpha=0.4)
    axis.plot(value, y, marker, color=colour, markersize=6)


def _draw_errors(figure: Figure, axis: Axes, places: PlaceErrors) -> None:
    order = np.argsort(places.error, kind="stable")
    if places.unit == "wrong":
        # In random order, so that neither colour hides the other.
        mixed = np.random.default_rng(0).permutation(len(places.error))
        colours = np.where(places.error[mixed] == 1, "tab:red", "tab:blue")
        axis.scatter(places.lon[mixed], places.lat[mixed], s=_dot(places), c=colours, linewidths=0, alpha=0.7)
        for colour, label in (("tab:blue", "correct"), ("tab:red", "wrong")):
            axis.plot([], [], "o", color=colour, label=label)
        axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False)
        axis.set_title("Correct and wrong predictions", fontsize=10)
        return
    top = float(np.percentile(places.error, 98))
    dots = axis.scatter(
        places.lon[order],
        places.lat[order],
        s=_dot(places),
        c=places.error[order],
        cmap="magma_r",
        vmin=0,
        vmax=max(top, 1e-9),
        linewidths=0,
    )
    figure.colorbar(dots, ax=axis, shrink=0.75, label=places.unit, extend="max")
    axis.set_title("Error of each tested place", fontsize=10)


def _draw_surprise(figure: Figure, axis: Axes, places: PlaceErrors, surprise: SelfInformation | None) -> None:
    if surprise is None:
        axis.set_title("No self-information score: too few places of low performance", fontsize=10)
        return
    order = np.argsort(surprise.marked, kind="stable")
    dots = axis.scatter(
        surprise.lon[order],
        surprise.lat[order],
        s=_dot(places),
        c=surprise.marked[order],
        cmap="viridis",
        vmin=0,
        vmax=max(float(np.percentile(surprise.marked, 98)), 2 * CHANCE_BITS),
        linewidths=0,
    )
    figure.colorbar(dots, ax=axis, shrink=0.75, label="bits", extend="max")
    axis.set_title(
        f"Marked self-information within {RADIUS_KM:.0f} km of places of low performance\n(mean "
        f"{surprise.marked.mean():.2f} bits; {CHANCE_BITS:.2f} where errors do not cluster)",
        fontsize=10,
    )


def _draw_parts(axis: Axes, table: Sequence[PartBias]) -> None:
    names = [f"{row.part} ({row.places})" for row in table]
    strata = list(dict.fromkeys(row.stratum for row in table))
    colours = [plt.get_cmap("tab10")(strata.index(row.stratum)) for row in table]
    gaps = np.cumsum([0.0, *(0.8 * (a.stratum != b.stratum) for a, b in pairwise(table))])
    y = np.arange(len(table)) + gaps
    axis.barh(y, [row.ratio for row in table], color=colours)
    axis.set_yticks(y, names, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(1, color="black", linewidth=0.8)
    for stratum, colour in zip(strata, plt.get_cmap("tab10").colors):  # type: ignore[attr-defined]
        axis.barh([0], [0], color=colour, label=f"by {stratum}")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), fontsize=8, ncols=2, frameon=False)
    axis.set_title("Mean error relative to all places\n(number of places)", fontsize=10)


def _draw_frame(axis: Axes, places: PlaceErrors, earth: bool) -> None:
    if earth:
        land().plot(ax=axis, color=_LAND, zorder=0, linewidth=0, aspect=None)
    west, east = places.lon.min() - _MARGIN, places.lon.max() + _MARGIN
    south, north = places.lat.min() - _MARGIN, places.lat.max() + _MARGIN
    axis.set_xlim(max(west, -180), min(east, 180))
    axis.set_ylim(max(south, -90), min(north, 90))
    axis.set_aspect("equal", adjustable="box")
    axis.tick_params(labelsize=8)
    axis.set_xlabel("lon", fontsize=8)
    axis.set_ylabel("lat", fontsize=8)


def _dot(places: PlaceErrors) -> float:
    return float(np.clip(20_000 / len(places.lon), 2, 30))
