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
"""The loader of pairs, from a folder of parquet files to batches."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.speed.loader import PHOTOS_PER_TILE, photos_per_second, rewrite, street_photo
from tests.speed.rows import Row, Settings
from training.world.settings import WorldSettings
from training.world.writer import write_sample_dataset


def measure(settings: Settings) -> list[Row]:
    """Photos of the recommended size, of a core's CPU time."""
    tiles, batches = (64, 3) if settings.quick else (256, 40)
    rows = []
    with TemporaryDirectory() as temporary:
        world = WorldSettings(tiles=tiles, photos=max(PHOTOS_PER_TILE), held_out_tiles=1, held_out_photos=1)
        folder = write_sample_dataset(Path(temporary) / "world", world)
        for photos in PHOTOS_PER_TILE:
            shards = rewrite(folder, Path(temporary) / str(photos), photos, street_photo)
            rate = photos_per_second(shards, photos, 0, batches)
            rows.append(Row("loading pairs", f"{photos} photos a tile", 1 / rate, rate=rate, items="pairs"))
    return rows
