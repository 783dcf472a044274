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
Speed of the loader, from a folder of parquet files to batches, in photos per second of CPU time:

    OMP_NUM_THREADS=1 python -m tests.speed.loader

The data set is the sample world in the documented schema, with its own photos (128 x 96) and with photos of the recommended
size: 341 x 256 with noise, so that the JPEGs are as large as those of real streets. Prints the results; asserts nothing.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from modeling_gair import GairConfig, GairProcessor
from training.common.schema import FEATURES
from training.pairs.decoding import PairBatch
from training.pairs.loading import load_batches
from training.pairs.sources import open_source
from training.pairs.stream import PairStream
from training.world.settings import WorldSettings
from training.world.writer import write_sample_dataset

BATCH_SIZE = 32
PHOTOS_PER_TILE = (4, 1)
WORKERS = (0, 2)
_STREET_SIZE = (341, 256)
_NOISE, _QUALITY = 6.0, 85


class _TimedPairs(PairStream):
    """Records in each batch the CPU time that its reader has used so far."""

    def __iter__(self) -> Iterator[PairBatch]:
        for batch in super().__iter__():
            batch.state["seconds"] = time.process_time()
            yield batch


def street_photo(jpeg: bytes) -> bytes:
    """A photo of the sample world in the recommended size, with noise instead of the detail of a real street."""
    photo = np.asarray(Image.open(io.BytesIO(jpeg)).resize(_STREET_SIZE), np.float32)
    noisy = photo + np.random.default_rng(len(jpeg)).normal(0, _NOISE, (*photo.shape[:2], 1))
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, format="JPEG", quality=_QUALITY)
    return buffer.getvalue()


def rewrite(world: Path, folder: Path, photos: int, change: Callable[[bytes], bytes]) -> Path:
    """Write the training tiles of a data set with their first `photos` photos, changed; one file per worker."""
    rows = [
        row for shard in sorted((world / "data").glob("train-*.parquet")) for row in pq.read_table(shard).to_pylist()
    ]
    for row in rows:
        row["photos"] = [{**photo, "jpeg": change(photo["jpeg"])} for photo in row["photos"][:photos]]
    folder.mkdir()
    for shard in range(max(WORKERS)):
        table = pa.Table.from_pylist(rows[shard :: max(WORKERS)], schema=FEATURES.arrow_schema)
        pq.write_table(table, folder / f"train-{shard}.parquet", compression="zstd", row_group_size=64)
    return folder


def photos_per_second(folder: Path, photos: int, workers: int, batches: int) -> float:
    """Photos per second of the readers' CPU time, from each reader's first batch to its last."""
    pairs = _TimedPairs(
        [open_source(str(folder), 0.0)], GairProcessor.for_config(GairConfig.tiny()), BATCH_SIZE, photos
    )
    spent: dict[int, list[float]] = {}
    for batch in islice(load_batches(pairs, workers), batches):
        spent.setdefault(batch.state["worker"], []).append(batch.state["seconds"])
    seconds = sum(times[-1] - times[0] for times in spent.values())
    return (batches - len(spent)) * BATCH_SIZE * photos / seconds


def main(tiles: int = 256, batches: int = 40) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        settings = WorldSettings(tiles=tiles, photos=max(PHOTOS_PER_TILE), held_out_tiles=1, held_out_photos=1)
        world = write_sample_dataset(Path(temporary) / "world", settings)
        print(f"{'photos':<12}{'a tile':>8}{'kB a tile':>11}{'workers':>9}{'photos/s per core':>19}")
        for name, change in {"sample world": bytes, "street": street_photo}.items():
            for photos in PHOTOS_PER_TILE:
                folder = rewrite(world, Path(temporary) / f"{name}-{photos}", photos, change)
                size = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / tiles / 1e3
                for workers in WORKERS:
                    speed = photos_per_second(folder, photos, workers, batches)
                    print(f"{name:<12}{photos:>8}{size:>11.0f}{workers:>9}{speed:>19.0f}")


if __name__ == "__main__":
    main()
