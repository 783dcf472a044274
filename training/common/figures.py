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
"""Pictures of what a model has learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

_PANEL_IN = 2.6
# x from 0 to 1 eastwards, y from 0 to 1 southwards.
_UNIT_SQUARE = (0.0, 1.0, 1.0, 0.0)


def true_colour(pixels: np.ndarray, bands: list[str]) -> np.ndarray:
    """
    A tile as a person would see it, stretched from its 2nd to its 98th percentile.

    Args:
        pixels (`np.ndarray` of shape `(C, H, W)`): as read.
        bands (`list[str]`): their names, B04, B03 and B02 among them.

    Returns:
        `np.ndarray` of shape `(H, W, 3)`, in [0, 1].
    """
    colour = np.stack([pixels[bands.index(band)] for band in ("B04", "B03", "B02")], axis=-1).astype(np.float64)
    low, high = np.percentile(colour, (2, 98))
    return np.clip((colour - low) / max(high - low, 1e-9), 0, 1)


@dataclass(frozen=True)
class Example:
    """
    A photo and its tile, to be drawn.

    Attributes:
        tile (`np.ndarray` of shape `(H, W, 3)`): true colour in [0, 1].
        tile_size_m (`tuple[float, float]`): width and height on the ground, in metres; the panels keep their ratio.
        photo (`np.ndarray` of shape `(h, w, 3)`): uint8.
        similarity (`np.ndarray` of shape `(m, n)`): cosine of the photo with each point of the tile, row 0 in the north.
        point (`tuple[float, float]`): where the photo was taken: x east, y south, in [0, 1].
    """

    tile: np.ndarray
    tile_size_m: tuple[float, float]
    photo: np.ndarray
    similarity: np.ndarray
    point: tuple[float, float]


def similarity_figure(path: Path, title: str, examples: Sequence[Example]) -> None:
    """
    Writes a picture of tiles, of a photo taken in each, and of where each tile resembles its photo.

    Args:
        path (`Path`): PNG to write.
        title (`str`): what the picture shows.
        examples (`Sequence[Example]`): two a row.
    """
    columns = min(len(examples), 2)
    rows = -(-len(examples) // columns)
    figure, axes = plt.subplots(
        rows,
        3 * columns,
        figsize=(_PANEL_IN * 3.3 * columns, _PANEL_IN * rows + 0.7),
        layout="constrained",
        width_ratios=[1, 1, 1.2] * columns,
        squeeze=False,
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for index, example in enumerate(examples):
        row, column = divmod(index, columns)
        _draw(example, axes[row, 3 * column : 3 * column + 3])
    figure.suptitle(
        f"{title}\nTile, cosine of the photo with every place in it (NILI, bright is high), photo; the ring is where it was taken"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


@dataclass(frozen=True)
class TileWithPhotos:
    """
    A row of a data set, to be drawn.

    Attributes:
        name (`str`): what stands above the tile.
        tile (`np.ndarray` of shape `(H, W, 3)`): true colour in [0, 1].
        photos (`Sequence[np.ndarray]`): each `(h, w, 3)`, uint8.
        points (`np.ndarray` of shape `(N, 2)`): where each was taken: x east, y south, in [0, 1].
    """

    name: str
    tile: np.ndarray
    photos: Sequence[np.ndarray]
    points: np.ndarray


def contact_sheet(path: Path, title: str, rows: Sequence[TileWithPhotos]) -> None:
    """
    Writes a picture of tiles, one a row, each with numbers where its photos were taken and the photos beside it.

    Args:
        path (`Path`): PNG or JPEG to write.
        title (`str`): what the picture shows.
        rows (`Sequence[TileWithPhotos]`): tiles with equally many photos.
    """
    columns = 1 + len(rows[0].photos)
    size = (_PANEL_IN * (1 + 1.35 * (columns - 1)), _PANEL_IN * len(rows) * 1.1 + 0.4)
    figure, axes = plt.subplots(
        len(rows), columns, figsize=size, layout="constrained", width_ratios=[1] + [1.35] * (columns - 1), squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows):
        line[0].imshow(row.tile, extent=_UNIT_SQUARE)
        line[0].set_title(row.name, fontsize=9)
        for number, (axis, photo, (x, y)) in enumerate(zip(line[1:], row.photos, row.points), start=1):
            outline = [patheffects.withStroke(linewidth=3, foreground="black")]
            line[0].text(x, y, str(number), color="white", ha="center", va="center", path_effects=outline)
            axis.imshow(photo)
            axis.set_title(str(number), fontsize=9)
    figure.suptitle(title)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _draw(example: Example, axes: np.ndarray) -> None:
    width, height = example.tile_size_m
    # Both maps span [0, 1]², whatever the resolution of what they show.
    aspect = height / width
    axes[0].imshow(example.tile, extent=_UNIT_SQUARE, aspect=aspect)
    axes[0].set_title(f"{width / 1000:.1f} × {height / 1000:.1f} km", fontsize=9)
    axes[1].imshow(example.similarity, extent=_UNIT_SQUARE, aspect=aspect, cmap="magma")
    low, high = example.similarity.min(), example.similarity.max()
    axes[1].set_title(f"{low:.2f} to {high:.2f}", fontsize=9)
    axes[2].imshow(example.photo)
    for axis in axes[:2]:
        _mark(axis, example.point)


def _mark(axis: Axes, point: tuple[float, float]) -> None:
    """A white ring edged in black, which shows on any ground and leaves the place itself visible."""
    for colour, line_width in (("black", 4), ("white", 2)):
        axis.plot(
            *point,
            marker="o",
            markersize=12,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=line_width,
            clip_on=False,
        )


# What the panels of a run's picture show: title, unit or none, and the names in the log that begin so.
_PANELS = (
    ("Loss", "", ("loss", "incl", "secl", "sv_distillation", "rs_distillation")),
    ("Own place found in the batch", "share", ("accuracy_",)),
    ("Retrieval on held-out pairs", "median rank", ("retrieval_",)),
    ("Gradient norm", "", ("gradient_norm",)),
    ("Speed", "pairs/s", ("pairs_per_s",)),
    ("Waiting for data", "share of time", ("waiting",)),
)


def training_figure(path: Path, log: Sequence[dict[str, float]]) -> None:
    """
    Writes a picture of a run: losses, accuracies, retrieval and speed over its steps.

    Args:
        path (`Path`): PNG to write.
        log (`Sequence[dict[str, float]]`): lines of figures, each with its `step`.
    """
    figure, axes = plt.subplots(2, 3, figsize=(_PANEL_IN * 5, _PANEL_IN * 2.4), layout="constrained", squeeze=False)
    for axis, (title, unit, beginnings) in zip(axes.flat, _PANELS):
        names = dict.fromkeys(name for line in log for name in line if name.startswith(beginnings))
        for name in names:
            points = [(line["step"], line[name]) for line in log if name in line]
            label = name.removeprefix("accuracy_").removeprefix("retrieval_").replace("_", " ")
            axis.plot(*zip(*points), marker="o" if len(points) < 20 else None, markersize=3, label=label)
        axis.set(title=title, xlabel="step", ylabel=unit)
        if unit:
            # From zero, so that a small share of waiting looks small.
            axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        if len(names) > 1:
            axis.legend(fontsize=8)
    figure.savefig(path, dpi=90)
    plt.close(figure)
