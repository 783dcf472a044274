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
"""Pictures of where in a tile the model finds a photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from training.common.figures import PANEL_IN, UNIT_SQUARE
from training.common.files import written_whole

_COLOURS = "magma"


@dataclass(frozen=True)
class Map:
    """
    How a tile resembles a photo, by one reading of the tile.

    Attributes:
        cosines (`np.ndarray` of shape `(m, n)`): cosine of the photo with each point of the tile, row 0 in the north.
        own (`float`): its cosine with the point at which it was taken.
    """

    cosines: np.ndarray
    own: float


@dataclass(frozen=True)
class Example:
    """
    A photo and its tile, to be drawn.

    Attributes:
        tile (`np.ndarray` of shape `(H, W, 3)`): true colour in [0, 1].
        tile_size_m (`tuple[float, float]`): width and height on the ground, in metres; the panels keep their ratio.
        photo (`np.ndarray` of shape `(h, w, 3)`): uint8.
        maps (`Sequence[Map]`): one for each reading of the tile.
        point (`tuple[float, float]`): where the photo was taken: x east, y south, in [0, 1].
    """

    tile: np.ndarray
    tile_size_m: tuple[float, float]
    photo: np.ndarray
    maps: Sequence[Map]
    point: tuple[float, float]


def similarity_figure(path: Path, title: str, examples: Sequence[Example]) -> None:
    """
    Writes a picture of tiles, of a photo taken in each, and of where each tile resembles its photo.

    Args:
        path (`Path`): PNG to write.
        title (`str`): what the picture shows.
        examples (`Sequence[Example]`): with one map each; two a row.
    """
    columns = min(len(examples), 2)
    rows = -(-len(examples) // columns)
    figure, axes = plt.subplots(
        rows,
        3 * columns,
        figsize=(PANEL_IN * 3.3 * columns, PANEL_IN * rows + 0.7),
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
    _save(figure, path)


def readings_figure(path: Path, title: str, names: Sequence[str], examples: Sequence[Example]) -> None:
    """
    Writes a picture that compares readings of the same tiles: in each row a photo, its tile, and where the tile resembles the
    photo by each reading, all in one colour scale.

    Args:
        path (`Path`): PNG to write.
        title (`str`): what the picture shows.
        names (`Sequence[str]`): what to write above the maps of each reading.
        examples (`Sequence[Example]`): one a row, with a map for each name.
    """
    heads = ["A photo taken\nat the ring", "The satellite tile\naround it", *names]
    figure, axes = plt.subplots(
        len(examples),
        len(heads),
        figsize=(PANEL_IN * len(heads) + 0.9, (PANEL_IN + 0.25) * len(examples) + 1.0),
        layout="constrained",
        squeeze=False,
    )
    scale = _scale(examples)
    for row, example in zip(axes, examples):
        _draw_readings(example, row, scale)
    for axis, head in zip(axes[0], heads):
        axis.set_title(head, fontsize=11)
    bar = figure.colorbar(ScalarMappable(scale, _COLOURS), ax=axes, shrink=0.6, pad=0.01, panchor=False)
    bar.set_label("resemblance to the photo (cosine)", fontsize=10)
    figure.suptitle(f"{title}\nThe ring is where the photo was taken; bright places resemble the photo", fontsize=12)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with written_whole(path) as file:
        figure.savefig(file, dpi=110)
    plt.close(figure)


def _scale(examples: Sequence[Example]) -> Normalize:
    """One scale for all maps, from the 1st to the 99th percentile, so that no map looks better for its own contrast."""
    cosines = np.concatenate([drawn.cosines.ravel() for example in examples for drawn in example.maps])
    low, high = np.percentile(cosines, (1, 99))
    return Normalize(low, max(high, low + 1e-3), clip=True)


def _draw_readings(example: Example, axes: np.ndarray, scale: Normalize) -> None:
    width, height = example.tile_size_m
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
        # Panels of other shapes line up at the top, under their titles.
        axis.set_anchor("N")
    axes[0].imshow(example.photo)
    axes[1].imshow(example.tile, extent=UNIT_SQUARE, aspect=height / width)
    axes[1].set_xlabel(f"{width / 1000:.1f} × {height / 1000:.1f} km, true colour", fontsize=9)
    for axis, drawn in zip(axes[2:], example.maps):
        axis.imshow(drawn.cosines, extent=UNIT_SQUARE, aspect=height / width, cmap=_COLOURS, norm=scale)
        axis.set_xlabel(f"the ring is above {(drawn.cosines < drawn.own).mean():.0%} of the tile", fontsize=9)
    for axis in axes[1:]:
        _mark(axis, example.point)


def _draw(example: Example, axes: np.ndarray) -> None:
    width, height = example.tile_size_m
    # Both maps span [0, 1]², whatever the resolution of what they show.
    aspect = height / width
    axes[0].imshow(example.tile, extent=UNIT_SQUARE, aspect=aspect)
    axes[0].set_title(f"{width / 1000:.1f} × {height / 1000:.1f} km", fontsize=9)
    (drawn,) = example.maps
    axes[1].imshow(drawn.cosines, extent=UNIT_SQUARE, aspect=aspect, cmap=_COLOURS)
    low, high = drawn.cosines.min(), drawn.cosines.max()
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
