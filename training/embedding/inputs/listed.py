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
"""Inputs that are listed when they are planned: a file with one row an item, in Hilbert order, of which a task does a range."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modeling_gair import GairProcessor
from training.common.inputs import digest_of_names, even_sizes, files_in, read_rows
from training.common.iterables import chunked
from training.embedding.encoding import Encoder
from training.embedding.inputs.kind import Part, Plan
from training.embedding.job import PLAN, Job, path_of
from training.embedding.ordering import KEYS, PROBLEM, ROW, carried_of, write_ordered

ITEMS = "inputs.parquet"


class ListedInput(ABC):
    """The part of [`~training.embedding.inputs.kind.Input`] that such inputs share."""

    what: str
    unit: str
    name: str
    path: str

    @abstractmethod
    def fingerprint(self) -> str: ...

    @abstractmethod
    def listed(self) -> tuple[pa.Schema, Iterator[pa.Table], list[str]]:
        """The carried columns by the names of the output, the items in batches with the columns of `KEYS` and these, and remarks."""

    def plan(self, folder: Path, items_per_task: int, encoder: Encoder) -> Plan:
        carried, batches, remarks = self.listed()
        total, keeps = write_ordered(batches, carried, folder / ITEMS)
        if not total:
            raise ValueError(f"{self.name!r} holds no {self.unit}s; pass another --input.")
        if not keeps:
            remarks = [
                *remarks,
                "The ids of the input are not unique or some are missing: rows are named by hashes, and carry input_id.",
            ]
        return Plan(even_sizes(total, items_per_task), {}, remarks)


class FolderInput(ListedInput):
    """
    The files in a folder and below, one an item, named by their paths within it.

    Args:
        path (`Path`): the folder.
    """

    suffixes: tuple[str, ...]
    batch_files: int

    def __init__(self, path: Path):
        self.path, self.name = str(path), path.resolve().name

    def fingerprint(self) -> str:
        return digest_of_names(Path(self.path), files_in(Path(self.path), self.suffixes))

    def listed(self) -> tuple[pa.Schema, Iterator[pa.Table], list[str]]:
        batches = chunked(files_in(Path(self.path), self.suffixes), self.batch_files)
        return pa.schema([]), (self._items(batch) for batch in batches), []

    @abstractmethod
    def headers(self, files: list[Path]) -> dict[str, Any]:
        """The columns `lon`, `lat`, `datetime` and `PROBLEM` of some files."""

    def _items(self, files: list[Path]) -> pa.Table:
        names = [path.relative_to(self.path).as_posix() for path in files]
        return pa.table({"id": names, "source": names, **self.headers(files)}).select(KEYS.names).cast(KEYS)


def slices(
    output: Path, job: Job, rank: int, read: Callable[..., Part], processor: GairProcessor
) -> Iterator[Callable[[], Part]]:
    """The batches of a task, each read by `read(folder, items, processor)`."""
    start = sum(job.sizes[:rank])
    items = read_rows(output / PLAN / ITEMS, start, start + job.sizes[rank])
    folder = Path(path_of(output, "input"))
    for first in range(0, len(items), job.batch_size):
        yield partial(read, folder, items.slice(first, job.batch_size), processor)


def own_columns(items: pa.Table, good: np.ndarray, modality: str) -> dict[str, Any]:
    """The columns of good items (`good` are their positions) but for their geometry, lon and lat, carried ones included."""
    kept = items.take(pa.array(good, pa.int64()))
    columns = {name: kept.column(name) for name in kept.column_names if name not in ("lon", "lat", PROBLEM, ROW)}
    return {**columns, "modality": [modality] * len(good)}


def error_of(items: pa.Table, row: int, reason: str) -> dict[str, Any]:
    """The entry of a bad item in `errors.jsonl`."""
    return {"source": items["source"][row].as_py(), "id": items["id"][row].as_py(), "reason": reason}


def error_of_row(items: pa.Table, row: int, reason: str) -> dict[str, Any]:
    """The entry of a bad row of a table, with its number from 1, below the header."""
    return {**error_of(items, row, reason), "row": items[ROW][row].as_py()}


def carried_schema(output: Path) -> pa.Schema:
    """The carried columns of a job of listed inputs."""
    return carried_of(output / PLAN / ITEMS)
