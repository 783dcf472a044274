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
"""Predicted maps beside the truth: kept in a file for each run, and drawn for all models of a task together."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import Patch

import training.common.figures  # noqa: F401, sets matplotlib up
from training.benchmarks.kinds.kind import MapExample
from training.benchmarks.layouts.samples import IGNORED
from training.common.files import written_whole

# What maps of land cover usually show; other classes get the colours of a palette.
_USUAL_COLOURS = {
    "water": "#2f6fb7",
    "river": "#2f6fb7",
    "forest": "#1f6b2e",
    "crop": "#e3b93c",
    "grass": "#9bc95b",
    "built": "#c8372d",
    "road": "#c8372d",
    "bare": "#b79f7d",
    "snow": "#e4eef7",
}
_NO_LABEL = "#7f7f7f"
_BACKGROUND = "#f2f0ea"
_PANEL_IN = 1.45


def save_examples(path: Path, examples: Sequence[MapExample]) -> None:
    """Writes examples to an NPZ file, so that a later run can draw them again."""
    path.parent.mkdir(exist_ok=True)
    names = [example.name for example in examples]
    arrays: dict[str, Any] = {"names": np.array(names), "classes": np.array(examples[0].classes)}
    for number, example in enumerate(examples):
        arrays |= {f"{number}/colour": example.colour, f"{number}/truth": example.truth.astype(np.int16)}
        arrays |= {f"{number}/found/{name}": found.astype(np.int16) for name, found in example.found.items()}
    with written_whole(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def load_examples(path: Path) -> list[MapExample]:
    """Reads what [`save_examples`] wrote."""
    with np.load(path) as arrays:
        return [
            MapExample(
                str(name),
                tuple(map(str, arrays["classes"])),
                arrays[f"{number}/colour"],
                arrays[f"{number}/truth"],
                {
                    key.removeprefix(f"{number}/found/"): arrays[key]
                    for key in arrays.files
                    if key.startswith(f"{number}/found/")
                },
            )
            for number, name in enumerate(arrays["names"])
        ]


def map_figure(path: Path, title: str, models: Sequence[tuple[str, Sequence[MapExample]]]) -> None:
    """
    Draws a column for each tile: its true colour, the truth, and what each probe of each model found.

    Args:
        path (`Path`): PNG to write.
        title (`str`): of the figure.
        models (`Sequence`): name and examples of each model, all on the same tiles.
    """
    tiles = models[0][1]
    classes = tiles[0].classes
    rows = [(fill(f"{name}: {reading}", 22), [example.found[reading] for example in examples])
            for name, examples in models for reading in examples[0].found]  # fmt: skip
    colours = _colours(classes)
    figure, axes = plt.subplots(
        2 + len(rows),
        len(tiles),
        figsize=(_PANEL_IN * len(tiles) + 1.6, _PANEL_IN * (2 + len(rows)) + 0.9),
        layout="constrained",
        squeeze=False,
    )
    _draw_row(axes[0], "true colour", [tile.colour for tile in tiles])
    _draw_row(axes[1], "truth", [tile.truth for tile in tiles], colours)
    for line, (name, found) in zip(axes[2:], rows):
        _draw_row(line, name, found, colours)
    patches = [
        Patch(facecolor=colour, edgecolor="0.4", label=name) for name, colour in zip(classes, colours.colors[1:])
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(classes), 8), fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def _draw_row(axes: Any, name: str, images: Sequence[np.ndarray], colours: ListedColormap | None = None) -> None:
    for axis, image in zip(axes, images):
        if colours is None:
            axis.imshow(image)
        else:
            axis.imshow(image, cmap=colours, vmin=IGNORED, vmax=colours.N - 2, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")


def _colours(classes: Sequence[str]) -> Any:
    """A colour for pixels without a label, then one for each class; the first of two classes is the background."""
    palette = plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
    found = [_USUAL_COLOURS.get(name, palette[number % len(palette)]) for number, name in enumerate(classes)]
    if len(classes) == 2:
        found[0] = _BACKGROUND
    return ListedColormap([to_rgb(colour) for colour in (_NO_LABEL, *found)])
