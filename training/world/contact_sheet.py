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
"""The contact sheet of a data set: a picture of its first tiles with their photos."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq
from matplotlib import patheffects
from PIL import Image

from modeling_gair import GairCoordinateProcessor
from training.common.figures import PANEL_IN, UNIT_SQUARE, true_colour
from training.common.schema import unpack_tile
from training.world.earth.earth import load_earth
from training.world.earth.koppen import CLIMATE_ZONES
from training.world.settings import SPLITS, WorldSettings

CONTACT_SHEET = "contact_sheet.png"
_TILES, _PHOTOS = 8, 4
# In points: the sheet is wide, and pages show it at half its size.
_TEXT = 16


@dataclass(frozen=True)
class TileWithPhotos:
    """
    One row of the contact sheet: a tile with its photos.

    Attributes:
        name (`str`): title above the tile.
        tile (`np.ndarray` of shape `(H, W, 3)`): true colour in [0, 1].
        photos (`Sequence[np.ndarray]`): each `(h, w, 3)`, uint8.
        points (`np.ndarray` of shape `(N, 2)`): where each photo was taken: x east, y south, in [0, 1].
    """

    name: str
    tile: np.ndarray
    photos: Sequence[np.ndarray]
    points: np.ndarray


def draw_contact_sheet(folder: Path, settings: WorldSettings) -> None:
    """Draw where the tiles lie, and the first training tiles with their photos; they are not hand-picked."""
    shard = next((folder / "data").glob("train-00000-*"))
    rows = pq.ParquetFile(shard).read_row_group(0).slice(0, _TILES).to_pylist()
    _draw(
        folder / CONTACT_SHEET,
        f"The sample world, version {settings.version}, seed {settings.seed}",
        {split: _centres(folder, split) for split in SPLITS},
        [_sheet_row(row) for row in rows],
    )


def _centres(folder: Path, split: str) -> np.ndarray:
    """lon, lat of the first photo of each tile of a split, `(n, 2)`."""
    # These two fields alone: the photos beside them are nearly all of the file.
    fields = [f"photos.list.element.{axis}" for axis in ("lon", "lat")]
    files = sorted((folder / "data").glob(f"{split}-*"))
    rows = [row for file in files for row in pq.ParquetFile(file).read(fields)["photos"].to_pylist()]
    return np.array([[row[0]["lon"], row[0]["lat"]] for row in rows])


def _sheet_row(row: dict[str, Any]) -> TileWithPhotos:
    """The tile of a row of the data set, with its first photos."""
    photos = row["photos"][:_PHOTOS]
    lon, lat = ([photo[name] for photo in photos] for name in ("lon", "lat"))
    return TileWithPhotos(
        name=f"{CLIMATE_ZONES[row['climate_zone']]}, {row['temperature']:.0f} °C, {row['elevation']:.0f} m",
        tile=true_colour(unpack_tile(row), row["bands"]),
        photos=[np.asarray(Image.open(io.BytesIO(photo["jpeg"]))) for photo in photos],
        points=GairCoordinateProcessor().locate(lon, lat, row["bounds"], row["crs"]),
    )


def _draw(path: Path, title: str, centres: dict[str, np.ndarray], rows: Sequence[TileWithPhotos]) -> None:
    """
    Draw a map of all tiles, then one tile per row: the tile with numbers where its photos were taken, and the photos beside it.

    Args:
        path (`Path`): PNG or JPEG file to write.
        title (`str`): title of the figure.
        centres (`dict[str, np.ndarray]`): lon, lat of the tiles of each split, `(n, 2)`.
        rows (`Sequence[TileWithPhotos]`): tiles with the same number of photos each.
    """
    columns = 1 + len(rows[0].photos)
    width = PANEL_IN * (1 + 1.35 * (columns - 1))
    figure = plt.figure(figsize=(width, width / 2.4 + PANEL_IN * len(rows) * 1.1 + 0.4), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[width / 2.4, PANEL_IN * len(rows) * 1.1])
    top, bottom = parts
    _draw_map(top.subplots(), centres)
    axes = bottom.subplots(len(rows), columns, width_ratios=[1] + [1.35] * (columns - 1), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows):
        line[0].imshow(row.tile, extent=UNIT_SQUARE)
        line[0].set_title(row.name, fontsize=_TEXT, loc="left")
        for number, (axis, photo, (x, y)) in enumerate(zip(line[1:], row.photos, row.points), start=1):
            outline = [patheffects.withStroke(linewidth=3, foreground="black")]
            line[0].text(
                x, y, str(number), color="white", ha="center", va="center", path_effects=outline, fontsize=_TEXT
            )
            axis.imshow(photo)
            axis.set_title(str(number), fontsize=_TEXT)
    figure.suptitle(title, fontsize=_TEXT + 4)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _draw_map(axis: Any, centres: dict[str, np.ndarray]) -> None:
    """Draws the tiles of each split, lon, lat in degrees `(n, 2)`, on a map of the land."""
    axis.imshow(load_earth().land, cmap="Greys", vmin=0, vmax=4, extent=(-180, 180, -90, 90))
    for split, colour in (("train", "tab:blue"), ("test", "tab:red")):
        axis.scatter(*centres[split].T, s=5, color=colour, label=f"{split}: {len(centres[split])} tiles")
    axis.set_ylim(-60, 84)
    axis.legend(loc="lower left", fontsize=_TEXT, markerscale=3)
    axis.set_axis_off()
