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
"""The files bundled with the Space: a tiny model that loads from its folder alone, and a gallery of the sample world."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, List, Value

from training.common.files import check_writable
from training.common.schema import FEATURES, pack_tile, unpack_tile
from training.hub.gather import SAMPLE_WORLD_NAME, load_strictly
from training.measuring.similarity_ranges import measure_ranges
from training.pairs.shards import files_of
from training.world.ground import COVERS
from training.world.settings import WorldSettings
from training.world.writer import ensure_sample_dataset

# Everyone who clones the repository downloads these files.
MAX_MODEL_BYTES = 5 * 10**6
MAX_GALLERY_BYTES = 3 * 10**6
TILES, PHOTOS = 24, 4
# In digital numbers: 0.08 % of full reflectance, less than the sensor's noise; saves two thirds of the bytes.
PIXEL_STEP = 8
# What the page says of its examples: what covers most of the ground where each photo was taken.
GALLERY_FEATURES = Features({**FEATURES, "photo_labels": List(Value("string"))})


def write_bundle(model: str, output: Path) -> None:
    """
    Writes the folders `model` and `gallery`, each completely or not at all.

    Args:
        model (`str`): directory of the model.
        output (`Path`): the Space's folder; both folders in it are replaced.

    Raises:
        ValueError: an incomplete model, or files that are too large to bundle.
    """
    check_writable(output, "choose another --output")
    world = ensure_sample_dataset(WorldSettings())
    # Beside the folders to replace, so that a rename suffices.
    with TemporaryDirectory(dir=output) as scratch:
        new = Path(scratch)
        write_model(new / "model", model, world)
        write_gallery(new / "gallery", world)
        for name, limit in (("model", MAX_MODEL_BYTES), ("gallery", MAX_GALLERY_BYTES)):
            size = sum(path.stat().st_size for path in (new / name).iterdir())
            if size > limit:
                raise ValueError(f"{name} has {size:,} bytes, expected at most {limit:,}; train the tiny preset.")
            if (output / name).exists():
                (output / name).rename(new / f"old-{name}")
            (new / name).rename(output / name)
            print(f"{size:>12,} bytes in {output / name}")


def write_model(folder: Path, source: str, world: Path) -> None:
    """
    Writes weights in the dtype they were trained in, a config with `similarity_ranges`, the processor and the code.

    Args:
        folder (`Path`): is created.
        source (`str`): directory of the model.
        world (`Path`): the sample world; the ranges are measured on its held-out pairs.

    Raises:
        ValueError: as in `training.hub.gather.load_strictly`.
    """
    model, processor = load_strictly(source)
    model.config.similarity_ranges = measure_ranges(model, processor, str(world), SAMPLE_WORLD_NAME)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def write_gallery(folder: Path, world: Path) -> None:
    """
    Writes `gallery.parquet` in the schema of `training.common.schema` with labels (`GALLERY_FEATURES`): `TILES` held-out tiles at
    regular intervals, with their first photos, pixels rounded to multiples of `PIXEL_STEP`.

    Args:
        folder (`Path`): is created.
        world (`Path`): the sample world.
    """
    rows = pa.concat_tables(pq.read_table(path, columns=[*FEATURES, "photo_cover"]) for path in files_of(world)["test"])
    chosen = rows.take(list(range(0, len(rows) - len(rows) % TILES, len(rows) // TILES))).to_pylist()
    table = pa.Table.from_pylist([_compact(row) for row in chosen], schema=GALLERY_FEATURES.arrow_schema)
    folder.mkdir()
    # Brotli compresses pixels 10 % better than Zstandard; reading stays fast.
    pq.write_table(table, folder / "gallery.parquet", compression="brotli", compression_level=11, use_dictionary=False)


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    pixels = (unpack_tile(row) + PIXEL_STEP // 2) // PIXEL_STEP * PIXEL_STEP
    labels = [COVERS[int(np.argmax(cover))] for cover in row.pop("photo_cover")[:PHOTOS]]
    return {**row, **pack_tile(pixels), "photos": row["photos"][:PHOTOS], "photo_labels": labels}
