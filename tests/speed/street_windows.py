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
Speed of reading tiles for street pairs from local scenes, in windows of all bands per second of CPU time:

    OMP_NUM_THREADS=1 python -m tests.speed.street_windows

Windows of 192 pixels in made scenes of 1,098 pixels a side (ten bands, classification beside), read scene by scene with files kept open, in
random order of scenes, and with files opened for each window. Prints the results; asserts nothing.
"""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from modeling_gair.bands_gair import GAIR_BANDS
from tests.helpers.loopback.stac import item_of
from tests.helpers.loopback.world import SITES, read_world, write_world
from training.street_pairs.scenes.items import scene_row
from training.street_pairs.scenes.providers import provider_of
from training.street_pairs.scenes.reader import SceneReader, scene_reader
from training.street_pairs.windows import PixelWindow

_SIDE, _WINDOW, _PER_SCENE = 1098, 192, 20
_PROVIDER = "earth-search-c1"

# Assets of a scene's bands, and a window.
Read = tuple[dict[str, dict], PixelWindow]


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_world(folder, SITES[2:5], visits=2, side=_SIDE)
        reads = list(_reads(folder))
        shuffled = random.Random(0).sample(reads, len(reads))
        print(f"{len(reads)} windows of {_WINDOW} pixels, {len(GAIR_BANDS)} bands")
        for title, order, files in (
            ("scene by scene", reads, 64),
            ("in random order", shuffled, 64),
            ("opened for each read", reads, 1),
        ):
            print(f"{title:<24}{_per_second(order, files):>8.1f} windows/s")


def _reads(folder: Path) -> list[Read]:
    rng = np.random.default_rng(0)
    reads = []
    for scene in read_world(folder):
        assets = json.loads(scene_row(item_of(scene, _PROVIDER, str(folder)))["assets"])
        for column, row in rng.integers(0, (_SIDE - _WINDOW) // 2, (_PER_SCENE, 2)):
            reads.append((assets, PixelWindow(2 * int(column), 2 * int(row), _WINDOW)))
    return reads


def _per_second(reads: Sequence[Read], files: int) -> float:
    start = time.process_time()
    with scene_reader(provider_of(_PROVIDER, None), 1e6, files) as reader:
        for assets, window in reads:
            _window(reader, assets, window)
    return len(reads) / (time.process_time() - start)


def _window(reader: SceneReader, assets: dict[str, dict], window: PixelWindow) -> np.ndarray:
    grid = reader.grid(assets["B02"])
    return np.stack([reader.window(assets[band], grid, window) for band in GAIR_BANDS])


if __name__ == "__main__":
    main()
