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
"""The example published with every model: a photo and the tile that it was taken in, from the sample world."""

from pathlib import Path

import numpy as np

from training.world.rows import encode_jpeg, write_tile
from training.world.sample_world import SampleWorld
from training.world.tiles import BANDS

# The folder in the release.
EXAMPLE = "example"
# A location that the sample world holds out, so that no model was trained on it.
LON, LAT, HEADING = 144.632183, -35.973614, 40.0


def write_example(folder: Path) -> None:
    """
    Writes `photo.jpg`, `tile.tif` and `tile.npz` into a new folder. The tile lies in degrees (EPSG:4326), so that the
    array needs neither rasterio nor pyproj.

    The `.npz` holds `pixels` (uint16 `(10, 96, 96)`, digital numbers, row 0 in the north), `bands` (names in that order),
    `bounds` (west, south, east, north) and `crs`; no pickled objects.
    """
    world = SampleWorld()
    tile = world.tile(LON, LAT)
    folder.mkdir(parents=True)
    (folder / "photo.jpg").write_bytes(encode_jpeg(world.street_view(LON, LAT, HEADING)))
    write_tile(folder / "tile.tif", tile)
    with (folder / "tile.npz").open("wb") as file:
        np.savez_compressed(
            file, pixels=tile.pixels, bands=np.array(BANDS), bounds=np.array(tile.bounds), crs=np.array(tile.crs)
        )
