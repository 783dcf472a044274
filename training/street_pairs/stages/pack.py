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
"""Packs tiles with their photos into the files of the data set, each of which is a unit."""

from pathlib import Path

import pyarrow.parquet as pq

from training.common.files import written_whole
from training.common.jobs import TaskProgress
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.packing.join import join
from training.street_pairs.packing.rows import STREET_FEATURES, RowMaker
from training.street_pairs.packing.shards import shard_file, write_names
from training.street_pairs.units import write_unit

PLAN_FILE = Path("pack", "plan.parquet")
# A streaming reader holds one row group at a time.
_ROWS_PER_GROUP = 64


def plan(options: StreetPairsOptions, output: Path) -> list[int]:
    """
    Joins photos and tiles, and says which row goes into which file.

    Raises:
        ValueError: there is nothing to pack.
    """
    joined = join(output, options.rows_per_shard, options.seed)
    if not joined.names:
        raise ValueError(
            f"No tile has a photo: nothing is left of the selection; {str(output / 'failures.jsonl')!r} says why of each photo and tile."
        )
    write_unit(output / PLAN_FILE, joined.rows, joined.left_out)
    write_names(output, joined.names)
    return joined.sizes


def run(options: StreetPairsOptions, output: Path, rank: int) -> None:
    """Writes a file of the data set."""
    rows = pq.read_table(output / PLAN_FILE, filters=[("shard", "=", rank)])
    maker, progress = RowMaker(output), TaskProgress(output / "pack" / "logs", rank)
    path = shard_file(output, rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The values of tiles and photos never repeat.
    with (
        written_whole(path) as temporary,
        pq.ParquetWriter(temporary, STREET_FEATURES.arrow_schema, compression="zstd", use_dictionary=False) as writer,
    ):
        for start in range(0, len(rows), _ROWS_PER_GROUP):
            table = maker.rows(rows.slice(start, _ROWS_PER_GROUP))
            writer.write_table(table)
            progress.add(len(table))
