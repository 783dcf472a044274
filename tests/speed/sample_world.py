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
"""
Speed of the sample world on one core; a pair is a photo with its share of its tile:

    OMP_NUM_THREADS=1 python -m tests.speed.sample_world

Prints CPU time, which depends little on other load; asserts nothing.
"""

import statistics
import time

import numpy as np

from training.world.sample_world import SampleWorld

PHOTOS_PER_TILE = (1, 4, 16)


def _draw(world: SampleWorld, lon: float, lat: float, photos: int) -> tuple[float, float]:
    """CPU seconds for a tile and for `photos` photos in it."""
    start = time.process_time()
    world.tile(lon, lat)
    middle = time.process_time()
    steps = (np.arange(photos) - (photos - 1) / 2) * (0.016 / photos)
    world.street_views(lon + steps, lat + steps, 90.0 * np.arange(photos))
    return middle - start, time.process_time() - middle


def main(tiles: int = 40) -> None:
    world = SampleWorld()
    places = np.random.default_rng(0).uniform((-180, -70), (180, 70), (tiles, 2))
    _draw(world, 0.0, 0.0, 4)
    print(f"{'photos/tile':>14}{'tile, ms':>10}{'photos, ms':>12}{'pairs/s':>9}   (medians of {tiles} tiles)")
    for photos in PHOTOS_PER_TILE:
        tile_s, photos_s = zip(*(_draw(world, lon, lat, photos) for lon, lat in places))
        tile, photo = statistics.median(tile_s), statistics.median(photos_s)
        print(f"{photos:>14}{1e3 * tile:>10.1f}{1e3 * photo:>12.1f}{photos / (tile + photo):>9.0f}")


if __name__ == "__main__":
    main()
