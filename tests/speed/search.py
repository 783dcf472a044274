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
Search in a million made vectors: time and memory of the index, recall@10 against comparing all vectors in float32, and the time of a
query, with filters and without:

    OMP_NUM_THREADS=1 python -m tests.speed.search [ROWS DIMENSION]

The vectors lie around 4,000 centres, and the queries are drawn like them. Takes twice the vectors' size on disk, beside the index. Prints
a table; asserts nothing. `python -m tests.speed --only search` does the same with fewer vectors.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from tests.helpers.embedding import ROOT
from tests.helpers.embeddings import FINGERPRINT, made_job
from tests.speed.rows import Row, spread
from tests.speed.table import show
from training.embedding.job import PLAN, write_job
from training.embedding.outputs.rows import EMBEDDINGS, embedding_file, write_embeddings
from training.searching.index import EmbeddingIndex, open_index
from training.searching.parts import keep_best

CENTRES, SPREAD, FILES, QUERIES, TOP = 4000, 0.7, 20, 200, 10
BOX = (5.0, 45.0, 16.0, 55.0)
_SECTION = "search"


def search_rows(rows: int, dimension: int) -> list[Row]:
    """Makes vectors, builds their index in a process of its own, and searches it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        queries = next(made(QUERIES, dimension, 1, seed=10_000))
        true = write_rows(folder, rows, dimension, queries)
        built = build(folder)
        index = open_index(folder)
        found = np.array(index.search(queries, TOP).table.column("id").to_pylist()).reshape(QUERIES, TOP)
        shares = [len(set(map(str, here)) & set(there)) / TOP for here, there in zip(true, found.tolist())]
        note = f"{rows:,} × {dimension}; {built.wall:.0f} s by the clock, {built.disk_mb:,.0f} MB on disk, at most {built.own_mb:,} MB of its own and "
        return [
            Row(_SECTION, "building the index", built.cpu, "s of CPU", rate=rows / built.cpu, items="rows", note=f"{note}{built.mapped_mb:,} MB mapped"),
            Row(_SECTION, f"recall@{TOP}", float(np.mean(shares)), "", note=f"{QUERIES} queries, the worst {min(shares):.1f}; {built.said}"),
            timed_queries("a query", index, queries),
            timed_queries("a query in a box", index, queries, bbox=BOX),
            timed_queries("a query where number % 100 = 0", index, queries[:20], where="number % 100 = 0"),
            Row(_SECTION, "memory after the queries", resident("RssAnon"), "MB", note=f"and {resident('RssFile'):,} MB of mapped files"),
        ]  # fmt: skip


def made(rows: int, dimension: int, files: int, seed: int) -> Iterator[np.ndarray]:
    """Vectors around centres that are always the same, `rows / files` at a time."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, dimension), dtype=np.float32)
    for number in range(files):
        generator = np.random.default_rng(seed + number)
        vectors = generator.standard_normal((rows // files, dimension), dtype=np.float32)
        vectors *= SPREAD
        vectors += centres[generator.integers(0, CENTRES, len(vectors))]
        yield vectors


def write_rows(folder: Path, rows: int, dimension: int, queries: np.ndarray) -> np.ndarray:
    """Writes a finished job; returns the numbers of the rows `(Q, TOP)` that are truly most similar to the queries."""
    for name in (EMBEDDINGS, PLAN):
        (folder / name).mkdir()
    best, found = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    first = 0
    about = {"model": "made", "fingerprint": FINGERPRINT}
    for rank, vectors in enumerate(tqdm(made(rows, dimension, FILES, 1), total=FILES, desc="Making vectors")):
        numbers = np.arange(first, first + len(vectors))
        write_file(embedding_file(folder, rank), vectors, numbers, about)
        cosines = (queries @ vectors.T) / np.linalg.norm(vectors, axis=1)
        found = np.concatenate([found, np.broadcast_to(numbers, cosines.shape)], axis=1)
        best, found = keep_best(np.concatenate([best, cosines], axis=1), found, TOP)
        first += len(vectors)
    write_job(folder, made_job(FILES, rows, dimension), {"model": "made"})
    return found


def write_file(path: Path, vectors: np.ndarray, numbers: np.ndarray, about: dict) -> None:
    """A file of points on land or sea, between 60° S and 75° N."""
    import pyarrow as pa
    import shapely

    lon_lat = np.random.default_rng(numbers[0]).uniform((-180, -60), (180, 75), (len(vectors), 2))
    count = len(vectors)
    columns = {
        "id": [str(number) for number in numbers],
        "geometry": shapely.points(lon_lat),
        "lon": lon_lat[:, 0],
        "lat": lon_lat[:, 1],
        "modality": ["location"] * count,
        "source": ["made"] * count,
        "number": numbers,
    }
    write_embeddings(path, columns, vectors, "float32", about, pa.schema([("number", pa.int64())]))


@dataclass(frozen=True)
class Built:
    """What building took: CPU and wall seconds, MB of own memory, of mapped files and on disk; and what the program said of it."""

    cpu: float
    wall: float
    own_mb: int
    mapped_mb: int
    disk_mb: float
    said: str


def build(folder: Path) -> Built:
    """Builds the index as users do."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "training/search.py", "index", str(folder)], cwd=ROOT, stdout=subprocess.PIPE
    )
    peaks = {"RssAnon": 0, "RssFile": 0}
    stopped = threading.Event()

    def watch() -> None:
        while not stopped.wait(0.2):
            for kind in peaks:
                peaks[kind] = max(peaks[kind], resident(kind, process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stdout is not None
    text = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    stopped.set()
    watcher.join()
    assert status == 0, text
    size = sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file()) / 1e6
    said = text.strip().partition(": ")[2]
    return Built(used.ru_utime + used.ru_stime, wall, peaks["RssAnon"], peaks["RssFile"], size, said)


def timed_queries(case: str, index: EmbeddingIndex, queries: np.ndarray, **filters) -> Row:
    """The median time of a query, after one to warm up."""
    found = len(index.search(queries[0], TOP, **filters))
    wall, busy = [], []
    for query in queries:
        start, cpu = time.perf_counter(), time.process_time()
        index.search(query, TOP, **filters)
        wall.append(time.perf_counter() - start)
        busy.append(time.process_time() - cpu)
    note = f"{1e3 * statistics.median(busy):.2g} ms of CPU, {found} rows found"
    return Row(_SECTION, case, statistics.median(wall), spread=spread(wall), note=note)


def resident(kind: str, process: int | None = None) -> int:
    """Resident memory of a process in MB: `RssAnon`, its own, or `RssFile`, pages of files; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process or os.getpid()}/status").read_text().splitlines()
        return next((int(line.split()[1]) // 1024 for line in lines if line.startswith(kind)), 0)
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    print(show(search_rows(*(map(int, sys.argv[1:]) if len(sys.argv) == 3 else (1_000_000, 768)))))
