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
"""The files and rows of an input, digests of their contents, and their division among tasks."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def digest_of_file(path: Path) -> str:
    """Digest of a file's content, 16 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def digest_of_names(folder: Path, paths: Iterable[Path]) -> str:
    """Digest of the names, sizes and modification times of files in a folder, 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        # A link to nothing is an input too, which is refused when it is read.
        state = path.stat() if path.exists() else path.lstat()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def files_in(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """
    The files in a folder and below whose names end so, sorted folder by folder; hidden ones are left out. Links to folders are followed,
    but for those to a folder that they lie in.
    """
    for name, folders, files in os.walk(folder, followlinks=True):
        here = Path(name).resolve()
        folders[:] = sorted(
            one
            for one in folders
            if not one.startswith(".") and (Path(name) / one).resolve() not in (here, *here.parents)
        )
        for file in sorted(files):
            if not file.startswith(".") and file.lower().endswith(suffixes):
                yield Path(name) / file


def even_sizes(total: int, most: int) -> list[int]:
    """`total` inputs in as few tasks of at most `most` as possible, of sizes as equal as possible."""
    return even_shares(total, max(1, -(-total // most)))


def even_shares(total: int, tasks: int) -> list[int]:
    """`total` inputs in so many tasks, of sizes as equal as possible."""
    return [total * (rank + 1) // tasks - total * rank // tasks for rank in range(tasks)]


def read_rows(path: Path, start: int, stop: int) -> pa.Table:
    """Rows `start` to `stop` of a parquet file; no others are held in memory, but for a row group at each end."""
    with pq.ParquetFile(path) as file:
        edges = np.cumsum([0, *(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))])
        groups = [group for group in range(file.num_row_groups) if edges[group] < stop and edges[group + 1] > start]
        if not groups:
            return file.schema_arrow.empty_table()
        return file.read_row_groups(groups).slice(start - int(edges[groups[0]]), stop - start)
