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
"""Builds the index of a folder of embeddings: `OUT/index`, in parts that are written whole, so that an interrupted build goes on."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from training.common.files import check_writable, flush_to_disk, write_atomically
from training.common.wording import counted
from training.searching.collection import (
    VECTOR_COLUMNS,
    Collection,
    batches,
    is_unchanged,
    open_collection,
    opened,
    state_of,
    unit_vectors,
)
from training.searching.options import IndexOptions
from training.searching.parts import (
    EXACT_BELOW,
    INDEX,
    IVF,
    LAYOUT,
    PART,
    ROW_NUMBER,
    ROWS,
    VECTORS,
    PartInfo,
    read_part_info,
)

INDEX_FOLDER = "index"
_UNFINISHED = ".unfinished-"
# Building holds a part's quantised vectors, with eight bytes for the number of each, and a sample about as large.
_NUMBER_BYTES, _TIMES_IN_MEMORY = 8, 2


def build_index(options: IndexOptions) -> None:
    """
    Builds what is missing of an index, and prints what it consists of.

    Raises:
        ValueError: there are no embeddings, an embedding has no direction, or nothing can be written.
    """
    collection = open_collection(options.folder)
    folder = options.folder / INDEX_FOLDER
    check_writable(folder, "pass a folder that can be written")
    groups = list(_groups(collection, options.memory_gb))
    names = []
    for number, files in enumerate(groups):
        name = f"part-{number:05d}"
        if not _is_built(folder / name, files):
            _build_part(collection, files, folder / name, f"part {number + 1} of {len(groups)}")
        names.append(name)
    about = {"layout": LAYOUT, "model": collection.model, "fingerprint": collection.fingerprint, "parts": names}
    write_atomically(folder / INDEX, json.dumps(about, indent=1))
    # Parts that are not needed any more, and what a build that was killed left.
    for other in (*folder.glob("part-*"), *folder.glob(f"{_UNFINISHED}*")):
        if other.name not in names:
            shutil.rmtree(other)
    _print_summary(folder, names)


def _groups(collection: Collection, memory_gb: float) -> Iterator[list[Path]]:
    """Consecutive files, as many as an index of the given size holds; one at least."""
    most = memory_gb * 1e9 / (_TIMES_IN_MEMORY * (collection.dimension + _NUMBER_BYTES))
    group: list[Path] = []
    rows = 0
    for path in collection.files:
        own = _rows_in(path)
        if group and rows + own > most:
            yield group
            group, rows = [], 0
        group.append(path)
        rows += own
    yield group


def _rows_in(path: Path) -> int:
    with opened(path) as file:
        return file.metadata.num_rows


def _is_built(folder: Path, files: Sequence[Path]) -> bool:
    info = read_part_info(folder)
    return (
        info is not None
        and [state["name"] for state in info.files] == [path.name for path in files]
        and all(is_unchanged(path, state) for path, state in zip(files, info.files))
    )


def _build_part(collection: Collection, files: Sequence[Path], folder: Path, title: str) -> None:
    """Writes a part under another name, then renames it."""
    states = [state_of(path) for path in files]
    rows = sum(map(_rows_in, files))
    exact = rows < EXACT_BELOW
    with TemporaryDirectory(dir=folder.parent, prefix=_UNFINISHED) as name:
        scratch = Path(name)
        with tqdm(total=rows, desc=f"Reading {title}", unit=" rows") as progress:
            _write_rows(collection, files, scratch, rows, exact, progress)
        info = PartInfo(rows, states)
        if not exact:
            info = _build_lists(scratch, info, title)
        (scratch / PART).write_text(info.to_json(), encoding="utf-8")
        for path in scratch.iterdir():
            flush_to_disk(path)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
        # The context deletes the folder that it made.
        scratch.mkdir()


def _write_rows(
    collection: Collection, files: Sequence[Path], folder: Path, rows: int, exact: bool, progress: tqdm
) -> None:
    """Writes the vectors and the other columns of some files."""
    shape = (rows, collection.dimension)
    vectors = np.lib.format.open_memmap(folder / VECTORS, "w+", np.float32 if exact else np.float16, shape)
    _allocate(folder / VECTORS)
    fields = [field for field in collection.schema if field.name not in VECTOR_COLUMNS]
    schema = pa.schema([*fields, pa.field(ROW_NUMBER, pa.int64())])
    start = 0
    with pa.ipc.new_file(folder / ROWS, schema) as writer:
        for table in batches(collection, files):
            stop = start + len(table)
            vectors[start:stop] = unit_vectors(table)
            columns = [table.column(field.name) for field in fields]
            writer.write_table(pa.table([*columns, pa.array(np.arange(start, stop))], schema=schema))
            progress.update(len(table))
            start = stop
    vectors.flush()


def _allocate(path: Path) -> None:
    """Takes the room of a file that is mapped into memory: without it, the system would kill the process on a full disk."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _build_lists(folder: Path, info: PartInfo, title: str) -> PartInfo:
    # Here, since small collections do not need FAISS.
    from training.searching.ivf import build_lists, choose_reading

    vectors = np.load(folder / VECTORS, mmap_mode="r")
    with tqdm(total=info.rows, desc=f"Indexing {title}", unit=" rows") as progress:
        lists = build_lists(vectors, folder / IVF, progress)
    probes, candidates, recall = choose_reading(vectors, folder / IVF, lists)
    return PartInfo(info.rows, info.files, lists, probes, candidates, round(recall, 4))


def _print_summary(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        info = read_part_info(folder / name)
        assert info is not None
        how = "compared exactly"
        if info.lists:
            how = f"{info.lists:,} lists, of which a query reads {info.probes:,} and compares {info.candidates:,} rows again; "
            how += f"recall@10 of sampled rows {info.recall:.3f}"
        print(f"{folder / name}: {counted(info.rows, 'row')} of {counted(len(info.files), 'file')}, {how}")
