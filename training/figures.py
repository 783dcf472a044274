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

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

_PANEL_HEIGHT_IN = 4.0


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


def similarity_figure(
    path: Path,
    title: str,
    tile: np.ndarray,
    tile_size_m: tuple[float, float],
    photo: np.ndarray,
    similarity: np.ndarray,
    point: tuple[float, float],
) -> None:
    """
    Writes a picture of a tile, a photo taken in it, and where the tile resembles the photo.

    Args:
        path (`Path`): PNG to write.
        title (`str`): what the picture shows.
        tile (`np.ndarray` of shape `(H, W, 3)`): true colour in [0, 1].
        tile_size_m (`tuple[float, float]`): width and height on the ground, in metres; the panels keep their ratio.
        photo (`np.ndarray` of shape `(h, w, 3)`): uint8.
        similarity (`np.ndarray` of shape `(m, n)`): cosine of the photo with each point of the tile, row 0 in the north.
        point (`tuple[float, float]`): where the photo was taken: x east, y south, in [0, 1].
    """
    width, height = tile_size_m
    ratios = [width / height, width / height, photo.shape[1] / photo.shape[0]]
    figure, axes = plt.subplots(
        1,
        3,
        figsize=(_PANEL_HEIGHT_IN * (sum(ratios) + 0.5), _PANEL_HEIGHT_IN + 0.8),
        layout="constrained",
        width_ratios=ratios,
    )
    # Every panel of the tile spans [0, 1]², whatever the resolution of what it shows.
    extent, aspect = (0.0, 1.0, 1.0, 0.0), height / width
    axes[0].imshow(tile, extent=extent, aspect=aspect)
    axes[0].set_title(f"Sentinel-2 tile, {width / 1000:.1f} × {height / 1000:.1f} km")
    heat = axes[1].imshow(similarity, extent=extent, aspect=aspect, cmap="magma")
    axes[1].set_title("Cosine of photo and place (NILI)")
    # Inside its own panel's height, so that the two maps stay of one size.
    figure.colorbar(heat, ax=axes[1], fraction=0.046, pad=0.02)
    axes[2].imshow(photo)
    axes[2].set_title("Street view")
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    for axis in axes[:2]:
        _mark(axis, point)
    figure.suptitle(f"{title}; the circle is where the photo was taken")
    figure.savefig(path, dpi=110)
    plt.close(figure)


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
