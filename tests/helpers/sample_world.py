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
"""Settings of small data sets of the sample world, and helpers to read them."""

from pathlib import Path

import numpy as np

from training.world.settings import WorldSettings

SETTINGS = WorldSettings(tiles=6, photos=2, held_out_tiles=3, held_out_photos=4)
SMALLEST = WorldSettings(tiles=1, photos=1, held_out_tiles=1, held_out_photos=1)


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of all files in a folder by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def points(row: dict) -> tuple[np.ndarray, np.ndarray]:
    """lon and lat of a row's photos in degrees."""
    lon, lat = (np.array([photo[axis] for photo in row["photos"]]) for axis in ("lon", "lat"))
    return lon, lat
