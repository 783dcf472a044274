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
"""The map of a data set: its tiles and photos, those to train on and those held out."""

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection

from training.common.base_map import base_map, save_map
from training.street_pairs.packing.contents import Contents

# Told apart by those who see colours differently, too.
_COLOURS = {"train": "#0b6e8f", "test": "#d1720a"}
_NAMES = {"train": "to train on", "test": "held out"}
_DEGREES_TO_SHOW_TILES = 5.0


def draw_map(path: Path, contents: Contents) -> None:
    """
    Draws a PNG.

    Args:
        path (`Path`): its file.
        contents ([`Contents`]): what the data set holds.
    """
    everywhere = np.concatenate(
        [*contents.places.values(), *(corners.reshape(-1, 2) for corners in contents.corners.values())]
    )
    tiles, photos = sum(contents.tiles.values()), sum(contents.photos.values())
    figure, axis = base_map(everywhere, f"{photos:,} photos in {tiles:,} Sentinel-2 tiles")
    wide = np.ptp(everywhere[:, 0]) > _DEGREES_TO_SHOW_TILES
    for split, colour in _COLOURS.items():
        if split not in contents.places:
            continue
        label = f"{_NAMES[split]}: {contents.photos[split]:,} photos, {contents.tiles[split]:,} tiles"
        lon, lat = contents.places[split].T
        axis.scatter(lon, lat, s=10, color=colour, linewidths=0, alpha=0.7, zorder=4, label=label)
        if not wide:
            outlines = PolyCollection(
                list(contents.corners[split]), facecolor=(0, 0, 0, 0.04), edgecolor=colour, linewidth=0.8, zorder=3
            )
            axis.add_collection(outlines)
    axis.legend(loc="upper left", fontsize=8)
    save_map(figure, path)
