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
The parts of an index on disk. Each covers the rows of some files of embeddings, in order:

    vectors.npy   their directions (embeddings of length 1), `(n, D)`; float32 if the part is searched exactly, else float16
    rows.arrow    their other columns, and `row_number`
    ivf.faiss     the FAISS index, if the part has EXACT_BELOW rows or more
    part.json     which files it covers, and how it is searched
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.common.errors import reason

# Version of the layout above; another version is built again.
LAYOUT = 1
# Smaller parts are searched exactly, which takes some tens of milliseconds.
EXACT_BELOW = 200_000
VECTORS, ROWS, IVF, PART, INDEX = "vectors.npy", "rows.arrow", "ivf.faiss", "part.json", "index.json"
ROW_NUMBER = "row_number"
# Vectors compared at once.
_COMPARED_BYTES = 64 * 2**20


@dataclass(frozen=True)
class PartInfo:
    """
    The content of part.json.

    Attributes:
        rows (`int`): number of rows.
        files (`list[dict]`): state of each file of embeddings, from `collection.state_of`.
        lists, probes, candidates (`int`): number of the FAISS index's lists, how many of them a query reads, and how many of their
            rows it compares again for ten hits; 0 without an index.
        recall (`float`, *optional*): measured share of the ten nearest rows of sampled rows that a query finds.
        layout (`int`): version of the layout.
    """

    rows: int
    files: list[dict[str, Any]]
    lists: int = 0
    probes: int = 0
    candidates: int = 0
    recall: float | None = None
    layout: int = LAYOUT

    def to_json(self) -> str:
        """As text, for part.json."""
        return json.dumps(asdict(self), indent=1)


def read_part_info(folder: Path) -> PartInfo | None:
    """What a part says about itself; None if it is missing, unfinished, or of another layout."""
    try:
        found = json.loads((folder / PART).read_text(encoding="utf-8"))
        return PartInfo(**found) if found["layout"] == LAYOUT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Part:
    """
    A part of an index, mapped into memory: only what a query touches is read.

    Args:
        folder (`Path`): its folder.
        info ([`PartInfo`]): the content of its part.json.

    Raises:
        ValueError: its files are missing or damaged.
    """

    def __init__(self, folder: Path, info: PartInfo):
        self.folder, self.info = folder, info
        try:
            self.vectors = np.load(folder / VECTORS, mmap_mode="r")
            self.rows = pa.ipc.open_file(pa.memory_map(str(folder / ROWS))).read_all()
            if not len(self.vectors) == len(self.rows) == info.rows:
                raise ValueError(f"{len(self.vectors)} vectors, {len(self.rows)} rows, expected {info.rows} of each")
        except (OSError, ValueError, pa.ArrowException) as error:
            raise ValueError(
                f"The index in {str(folder.parent)!r} is damaged ({reason(error)}); delete that folder and run training/search.py "
                "index again."
            ) from error

    def nearest(self, queries: np.ndarray, top: int, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """
        The most similar rows to each query.

        Args:
            queries (`np.ndarray` of shape `(Q, D)`): float32, of length 1.
            top (`int`): how many rows to find.
            rows (`np.ndarray` of shape `(n,)`, *optional*): numbers of the rows to choose from; they are compared exactly.

        Returns:
            cosine similarities `(Q, k)`, float32, in descending order, and row numbers `(Q, k)`; k is `top`, or the number of rows
            if there are fewer.
        """
        if rows is None and self._ivf is not None and top <= self._ivf.MOST_FOUND:
            return self._ivf.nearest(queries, top)
        return nearest_exactly(self.vectors, queries, top, rows)

    def rows_at(self, numbers: np.ndarray) -> pa.Table:
        """
        The rows with some numbers `(n,)`, in their order, without `row_number`. They are sliced from the batches of the file, since
        `take` of the table visits all of it.
        """
        owners = np.searchsorted(self._firsts, numbers, side="right") - 1
        places = zip(owners.tolist(), (numbers - self._firsts[owners]).tolist())
        rows = [self._batches[owner].slice(place, 1) for owner, place in places]
        return pa.Table.from_batches(rows, schema=self.rows.schema).drop_columns([ROW_NUMBER]).combine_chunks()

    @cached_property
    def filter(self) -> Any:
        """The [`~training.searching.filters.RowFilter`] of its rows."""
        # Here, since only filters need DuckDB.
        from training.searching.filters import RowFilter

        return RowFilter(self.rows)

    @cached_property
    def _batches(self) -> list[pa.RecordBatch]:
        return self.rows.to_batches()

    @cached_property
    def _firsts(self) -> np.ndarray:
        """The number of each batch's first row."""
        return np.concatenate([[0], np.cumsum([len(batch) for batch in self._batches])[:-1]]).astype(np.int64)

    @cached_property
    def _ivf(self) -> Any:
        if not self.info.lists:
            return None
        from training.searching.ivf import InvertedLists

        return InvertedLists(self.folder / IVF, self.vectors, self.info.probes, self.info.candidates)


def nearest_exactly(
    vectors: np.ndarray, queries: np.ndarray, top: int, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Compares queries with all rows, or with those of some numbers, some at a time; see [`Part.nearest`]."""
    count = len(vectors) if rows is None else len(rows)
    best = np.empty((len(queries), 0), np.float32)
    found = np.empty((len(queries), 0), np.int64)
    for start, stop in _spans(count, _COMPARED_BYTES // (4 * vectors.shape[1])):
        numbers = np.arange(start, stop) if rows is None else rows[start:stop]
        chunk = vectors[start:stop] if rows is None else vectors[numbers]
        best = np.concatenate([best, queries @ _in_float32(chunk).T], axis=1)
        found = np.concatenate([found, np.broadcast_to(numbers, (len(queries), len(numbers)))], axis=1)
        best, found = keep_best(best, found, top)
    return best, found


def _in_float32(vectors: np.ndarray) -> np.ndarray:
    """
    Vectors in float32. PyTorch converts float16 several times as fast as numpy, to the same numbers, and is loaded where queries are
    embedded; one query is not worth loading it.
    """
    torch = sys.modules.get("torch")
    if torch is None or vectors.dtype != np.float16:
        return vectors.astype(np.float32, copy=False)
    return torch.from_numpy(np.require(vectors, requirements=("C", "W"))).float().numpy()


def keep_best(best: np.ndarray, found: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The `top` largest similarities `(Q, n)` of each query in descending order, with their rows `(Q, n)`; equal ones by row number."""
    if best.shape[1] > top:
        # A cheap choice first; rows as similar as the last one stay, so that their numbers decide.
        least = -np.partition(-best, top - 1, axis=1)[:, top - 1 : top]
        kept = np.flatnonzero((best >= least).any(axis=0))
        best, found = best[:, kept], found[:, kept]
    order = np.lexsort((found, -best), axis=1)[:, :top]
    return np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1)


def _spans(count: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, size):
        yield start, min(start + size, count)


def covered(infos: Sequence[PartInfo]) -> dict[str, dict[str, Any]]:
    """The states of all files that some parts cover, by file name."""
    return {state["name"]: state for info in infos for state in info.files}
