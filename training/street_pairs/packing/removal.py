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
"""Removing photos from a data set by their ids: only the files that hold them are written again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.common.files import written_whole
from training.street_pairs.packing.rows import REMOVED, STREET_FEATURES
from training.street_pairs.packing.shards import DATA, DATASET
from training.street_pairs.units import Failure, read_failures, unit_files, write_unit

_MESSAGE = "Its removal was asked for."


def read_ids(path: Path) -> set[str]:
    """
    The ids in a text file, one a line.

    Raises:
        ValueError: the file cannot be read, or holds none.
    """
    try:
        ids = {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--remove_ids: {str(path)!r} cannot be read; pass a text file with one id a line.") from error
    if not ids:
        raise ValueError(
            f"--remove_ids: {str(path)!r} holds no id; pass a text file with one id of a photo or tile a line."
        )
    return ids


def remove(output: Path, ids: set[str]) -> tuple[int, int, set[str]]:
    """
    Removes photos from the files of the data set, and from the units that they were packed from, so that they do not come back.

    Args:
        output (`Path`): the folder of the job.
        ids (`set[str]`): of photos, or of tiles, which stand for all their photos. A tile without photos goes as well.

    Returns:
        The number of photos removed, that of files written again, and the ids that were not found.
    """
    found: set[str] = set()
    photos: set[str] = set()
    for path in unit_files(output, "photos"):
        photos |= _remove_from_unit(path, ids, found)
    files = 0
    for path in sorted((output / DATASET / DATA).glob("*.parquet")):
        here = _remove_from_file(path, ids, found)
        photos |= here
        files += bool(here)
    return len(photos), files, ids - found


def _remove_from_unit(path: Path, ids: set[str], found: set[str]) -> set[str]:
    """Replaces rows of a unit of photos by failures, which stand for them when the unit is done again."""
    keys = pq.read_table(path, columns=["photo_id", "tile_id"])
    failures = read_failures(path)
    photos = [
        photo
        for photo, tile in zip(keys["photo_id"].to_pylist(), keys["tile_id"].to_pylist())
        if photo in ids or tile in ids
    ]
    # Photos that failed must not be made later either.
    absent = {failure.id for failure in failures if failure.id in ids}
    found |= ids & ({*photos} | absent | {*keys["tile_id"].to_pylist()})
    gone = {*photos, *(failure.id for failure in failures if failure.id in ids and failure.kind != REMOVED)}
    if not gone:
        return set()
    keep = pc.invert(pc.is_in(keys["photo_id"], value_set=pa.array(photos, pa.string())))
    kept = [failure for failure in failures if failure.id not in gone]
    removed = [Failure(photo, REMOVED, True, _MESSAGE) for photo in sorted(gone)]
    write_unit(path, pq.read_table(path).filter(keep), [*kept, *removed])
    return {*photos}


def _remove_from_file(path: Path, ids: set[str], found: set[str]) -> set[str]:
    """Writes a file of the data set without some photos, and without tiles of which none is left; returns the photos."""
    keys = pq.ParquetFile(path).read(columns=["id", "photos.list.element.id"])
    gone = set()
    for tile, photos in zip(keys["id"].to_pylist(), keys["photos"].to_pylist()):
        here = {photo["id"] for photo in photos}
        gone |= here if tile in ids else here & ids
        found |= ids & {tile, *here}
    if not gone:
        return gone
    source = pq.ParquetFile(path)
    with (
        written_whole(path) as temporary,
        pq.ParquetWriter(temporary, STREET_FEATURES.arrow_schema, compression="zstd", use_dictionary=False) as writer,
    ):
        for group in range(source.num_row_groups):
            rows = [_without(row, gone) for row in source.read_row_group(group).to_pylist()]
            writer.write_table(
                pa.Table.from_pylist([row for row in rows if row["photos"]], schema=STREET_FEATURES.arrow_schema)
            )
    return gone


def _without(row: dict, gone: set[str]) -> dict:
    """A row without some photos and what its columns say of them."""
    kept = [position for position, photo in enumerate(row["photos"]) if photo["id"] not in gone]
    lists = [name for name in row if name == "photos" or name.startswith("photo_")]
    return {**row, **{name: [row[name][position] for position in kept] for name in lists}}
