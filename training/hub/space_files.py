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
The files that the Space bundles: a tiny model that works by its folder alone, and a gallery of the sample world.

    python -m training.hub.space_files --model outputs/pretrain
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import load_dataset

from training.hub.release import ROOT, load
from training.measuring.similarity_ranges import measure_ranges
from training.pairs.rows import FEATURES, pack_tile, unpack_tile
from training.world.writer import WorldSettings, ensure_sample_dataset

SPACE = ROOT / "spaces_demo"
# Whoever clones the repository gets these files too.
MAX_MODEL_BYTES = 5 * 10**6
MAX_GALLERY_BYTES = 3 * 10**6
TILES, PHOTOS = 24, 4
# Digital numbers; an eighth of a per cent of full reflectance is below the sensor's noise, and a third of the bytes.
PIXEL_STEP = 8


def main(arguments: Sequence[str]) -> None:
    """Writes both folders, each whole or not at all."""
    parser = argparse.ArgumentParser(
        prog="python -m training.hub.space_files", description=(__doc__ or "").split("\n")[1]
    )
    parser.add_argument("--model", required=True, metavar="DIR", help="a directory of training/pretrain.py")
    parser.add_argument("--output", type=Path, default=SPACE, metavar="DIR", help="the Space's folder")
    chosen = parser.parse_args(arguments)
    world = ensure_sample_dataset(WorldSettings())
    chosen.output.mkdir(parents=True, exist_ok=True)
    # Beside the folders that they replace, so that a rename suffices.
    with TemporaryDirectory(dir=chosen.output) as scratch:
        new = Path(scratch)
        write_model(new / "model", chosen.model, world)
        write_gallery(new / "gallery", world)
        for name, limit in (("model", MAX_MODEL_BYTES), ("gallery", MAX_GALLERY_BYTES)):
            size = sum(path.stat().st_size for path in (new / name).iterdir())
            if size > limit:
                raise ValueError(f"{name} has {size:,} bytes, expected at most {limit:,}; train the tiny preset.")
            shutil.rmtree(chosen.output / name, ignore_errors=True)
            (new / name).rename(chosen.output / name)
            print(f"{size:>12,} bytes in {chosen.output / name}")


def write_model(folder: Path, source: str, world: Path) -> None:
    """
    Weights in the dtype they were trained in, config with `similarity_ranges`, processor, and the code beside them.

    Args:
        folder (`Path`): to make.
        source (`str`): the model's directory.
        world (`Path`): the data set whose held-out pairs the ranges are measured on.

    Raises:
        ValueError: as in `training.hub.release.load`.
    """
    model, processor = load(source)
    model.config.similarity_ranges = measure_ranges(
        model, processor, str(world), "the sample world (procedural, not the Earth)"
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def write_gallery(folder: Path, world: Path) -> None:
    """
    Every tenth or so of the held-out tiles with their first photos, as `gallery.parquet` in the schema of `training.pairs.rows`,
    pixels rounded to `PIXEL_STEP`.

    Args:
        folder (`Path`): to make.
        world (`Path`): the sample world's data set.
    """
    rows = load_dataset("parquet", data_files=str(world / "data" / "test-*.parquet"), split="train")
    chosen = rows.select_columns(list(FEATURES)).select(range(0, len(rows) - len(rows) % TILES, len(rows) // TILES))
    table = pa.Table.from_pylist([_compact(row) for row in chosen], schema=FEATURES.arrow_schema)
    folder.mkdir()
    # Brotli packs pixels a tenth smaller than Zstandard; reading stays quick.
    pq.write_table(table, folder / "gallery.parquet", compression="brotli", compression_level=11, use_dictionary=False)


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    pixels = (unpack_tile(row) + PIXEL_STEP // 2) // PIXEL_STEP * PIXEL_STEP
    return {**row, **pack_tile(pixels), "photos": row["photos"][:PHOTOS]}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"{error}")
