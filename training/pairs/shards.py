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
Undecoded rows of a data set in shards: files of a folder, or a data set on the Hub.

Files are read by pyarrow and not by `datasets`, which takes a path for a pattern and one bad file for the end of the run.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq
from datasets import IterableDataset

from training.common.errors import first_line

# Name of the column that stands for a file, or a part of it, that cannot be read.
UNREADABLE = "unreadable"
_ROWS_AT_A_TIME, _PLACES_AT_A_TIME = 8, 256
_SUFFIXES = (".parquet", ".jsonl")
# As data sets on the Hub name the files and folders of their splits.
_SPLITS = {
    "train": "train|training",
    "validation": "validation|valid|val|dev",
    "test": "test|testing|eval|evaluation",
}
_SPLIT_OF = re.compile(
    "(?<![a-z])(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _SPLITS.items()) + ")(?![a-z])"
)

Row = dict[str, Any]


class Shards(Protocol):
    """Parts of a data set that can be read independently."""

    @property
    def count(self) -> int:
        """Number of shards."""
        ...

    def rows(self, index: int) -> Iterator[Row]:
        """
        The rows of a shard, in order. What cannot be read of it is one row with the column `UNREADABLE`, a message.
        """
        ...

    def places(self) -> Iterator[Row]:
        """All rows, in order, with the columns of [`place_columns`] if files can be read by columns."""
        ...


def place_columns(columns: Iterable[str]) -> list[str]:
    """The columns that tell where a tile lies; its photos do, if rows name files instead of holding pixels."""
    return ["id", "bounds", "crs"] if {"bounds", "crs"} <= set(columns) else ["id", "photos"]


class Files:
    """
    The files of one split, each a shard.

    Args:
        paths (`Sequence[Path]`): parquet files, or files with one JSON object per line.
    """

    def __init__(self, paths: Sequence[Path]):
        self.paths = paths

    @property
    def count(self) -> int:
        return len(self.paths)

    def rows(self, index: int) -> Iterator[Row]:
        yield from _rows_of(self.paths[index], _ROWS_AT_A_TIME)

    def places(self) -> Iterator[Row]:
        for path in self.paths:
            yield from _rows_of(path, _PLACES_AT_A_TIME, only_places=True)

    def columns(self) -> list[str]:
        """
        Names of the columns.

        Raises:
            ValueError: none of the files can be read.
        """
        problem = ""
        for path in self.paths:
            first = next(_rows_of(path, 1, only_places=False), None)
            if first is not None and UNREADABLE not in first:
                return list(first)
            problem = problem or (first or {}).get(UNREADABLE, f"{str(path)!r} has no rows.")
        raise ValueError(
            f"None of the {len(self.paths)} files can be read, expected rows of pairs; the first: {problem}"
        )


class Streamed:
    """
    One split of a data set on the Hub.

    Args:
        stream (`IterableDataset`): all columns.
        places (`IterableDataset`): the same rows with the columns of [`place_columns`], if files can be read by columns.
    """

    def __init__(self, stream: IterableDataset, places: IterableDataset):
        self.stream, self._places = stream, places

    @property
    def count(self) -> int:
        return self.stream.num_shards

    def rows(self, index: int) -> Iterator[Row]:
        # `iter`, since plain iteration would divide the stream once more among the workers of a loader.
        batches = self.stream.shard(num_shards=self.count, index=index).iter(_ROWS_AT_A_TIME)
        try:
            yield from (dict(zip(batch, values)) for batch in batches for values in zip(*batch.values()))
        except pa.ArrowException as error:
            # The content of the file; a connection that fails raises other errors, and ends the run.
            yield _unreadable(f"part {index + 1} of {self.count}", error)

    def places(self) -> Iterator[Row]:
        for index in range(self.count):
            shard = self._places.shard(num_shards=self.count, index=index)
            try:
                for batch in shard.iter(_PLACES_AT_A_TIME):
                    yield from (dict(zip(batch, values)) for values in zip(*batch.values()))
            except pa.ArrowException as error:
                yield _unreadable(f"part {index + 1} of {self.count}", error)


def files_of(folder: Path) -> dict[str, list[Path]]:
    """
    The files in a folder and below by split, sorted. The name of a file tells its split, else that of the nearest folder
    (`data/test-00000.parquet`, `validation/0.parquet`); files that tell none are `train`. Hidden files are left out.

    Args:
        folder (`Path`): a folder, or a single file.
    """
    if folder.is_file():
        return {"train": [folder]}
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__")) for part in inside.parts)
        if path.suffix.lower() in _SUFFIXES and not hidden and path.is_file():
            found.setdefault(_split_of(inside), []).append(path)
    return found


def _split_of(path: Path) -> str:
    matches = list(_SPLIT_OF.finditer(path.with_suffix("").as_posix().lower()))
    return matches[-1].lastgroup or "train" if matches else "train"


def _rows_of(path: Path, at_a_time: int, only_places: bool = False) -> Iterator[Row]:
    try:
        if path.suffix.lower() == ".jsonl":
            for batch in pa.json.read_json(path).to_batches(at_a_time):
                yield from batch.to_pylist()
            return
        with pq.ParquetFile(path, memory_map=True) as file:
            columns = place_columns(file.schema_arrow.names) if only_places else None
            for group in range(file.num_row_groups):
                yield from _rows_of_group(path, file, group, at_a_time, columns)
    except (pa.ArrowException, OSError) as error:
        yield _unreadable(repr(str(path)), error)


def _rows_of_group(
    path: Path, file: pq.ParquetFile, group: int, at_a_time: int, columns: list[str] | None
) -> Iterator[Row]:
    """The rows of a row group, whose damage does not affect the others."""
    try:
        for batch in file.iter_batches(at_a_time, row_groups=[group], columns=columns):
            yield from batch.to_pylist()
    # A ValueError: text that is not UTF-8.
    except (pa.ArrowException, OSError, ValueError) as error:
        yield _unreadable(f"row group {group} of {str(path)!r}", error)


def _unreadable(what: str, error: BaseException) -> Row:
    message = f"{what} cannot be read ({first_line(error)}); download it or write it again."
    return {"id": what, "photos": None, UNREADABLE: message}
