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
Time and memory of `training/embed.py`, in processes of its own:

    python -m tests.speed.embedding FOLDER [--places 200000] [--images 400] [--side 2745]

Measures places (parquet), photos, tiles and a dense map, whether their time grows with the inputs, what a task costs by itself, one and
two workers, and bytes a row and loss of each dtype. The model is the one that the Space bundles, of tiny size. Rates are by CPU time,
beyond that of a run that embeds one place. Prints a table; asserts nothing. `python -m tests.speed --only embedding` does the same.
"""

import argparse
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers.embedding import MODEL, ROOT, embed_command, jpeg, write_tiles
from tests.helpers.memory import wait_for
from tests.speed.embedding_map import map_scene
from tests.speed.rows import Row
from tests.speed.table import show
from training.embedding.outputs.rows import embedding_files, read_vectors

_SECTION, _CPU, _EXPONENT = "embedding", "s of CPU", "(exponent)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--places", type=int, default=200_000)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--side", type=int, default=2745)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    print(show(embedding_rows(options.folder.resolve(), options.places, options.images, options.side)))


def embedding_rows(folder: Path, places: int, images: int, side: int) -> list[Row]:
    """
    Measures all.

    Args:
        folder (`Path`): an empty folder.
        places, images (`int`): numbers of places, and of photos and tiles each.
        side (`int`): side of a made scene in pixels of 10 m.
    """
    one = _run(_write_places(folder / "one.parquet", 1), folder / "out-one")
    start = Row(_SECTION, "starting, with one place", one.cpu, _CPU, note=_with_memory(one))
    return [
        start,
        *_of_places(folder, places, one.cpu),
        _of_tasks(folder, places),
        *_of_images(folder, images, one.cpu),
        *_of_scenes(folder, side, one.cpu),
    ]


@dataclass(frozen=True)
class _Run:
    """CPU and wall seconds of a run with all its processes, and the peak memory of the largest in MB."""

    cpu: float
    wall: float
    peak: float


def _of_places(folder: Path, places: int, start: float) -> list[Row]:
    """Rate, growth, workers, and sizes by dtype."""
    whole, half = (_write_places(folder / f"{count}.parquet", count) for count in (places, places // 2))
    # Of several tasks, so that workers have some each.
    tasks = ("--items_per_task", str(max(places // 8, 1)))
    less, one = _run(half, folder / "out-half", *tasks), _run(whole, folder / "out-float32", *tasks)
    two = _run(whole, folder / "out-two", *tasks, "--workers", "2")
    for dtype in ("float16", "int8"):
        _run(whole, folder / f"out-{dtype}", *tasks, "--dtype", dtype)
    return [
        _rated("places", places, one, start, "places"),
        _growth("growth in places", (places // 2, places), (less.cpu - start, one.cpu - start)),
        Row(_SECTION, "places, one worker", one.wall),
        Row(_SECTION, "places, two workers", two.wall, ratio=one.wall / two.wall, than="one worker"),
        *(_stored(folder, dtype) for dtype in ("float32", "float16", "int8")),
    ]


def _of_tasks(folder: Path, places: int) -> Row:
    """What a task costs by itself: many tasks against one."""
    few, tasks = places // 20, min(100, places // 20)
    part = _write_places(folder / "part.parquet", few)
    one = _run(part, folder / "out-one-task")
    many = _run(part, folder / "out-many-tasks", "--items_per_task", str(few // tasks))
    return Row(_SECTION, "a task by itself", (many.cpu - one.cpu) / (tasks - 1), note=f"{tasks} tasks against one, CPU")


def _of_images(folder: Path, images: int, start: float) -> list[Row]:
    photos = folder / "photos"
    photos.mkdir()
    for number in range(images):
        (photos / f"{number}.jpg").write_bytes(jpeg(number / 10, 10, seed=number))
    rows = []
    for name, whole in (("photos", photos), ("tiles", write_tiles(folder / "tiles", images))):
        run = _run(whole, folder / f"out-{name}")
        half = _run(_half_of(whole), folder / f"out-half-{name}")
        rows.append(_rated(name, images, run, start, name))
        rows.append(_growth(f"growth in {name}", (images // 2, images), (half.cpu - start, run.cpu - start)))
    return rows


def _of_scenes(folder: Path, side: int, start: float) -> list[Row]:
    """A dense map of a scene, and of one of half its side."""
    small, large = (map_scene(folder / "scenes", each, 40.0, Path(MODEL)) for each in (side // 2, side))
    name = f"windows of a scene of {side:,} × {side:,} pixels"
    run = _Run(large.cpu, large.wall, large.peak_mb)
    return [
        _rated(name, large.windows, run, start, "windows"),
        _growth("growth in windows", (small.windows, large.windows), (small.cpu - start, large.cpu - start)),
    ]


def _rated(case: str, count: int, run: _Run, start: float, items: str) -> Row:
    seconds = max(run.cpu - start, 1e-9)
    return Row(_SECTION, case, seconds, _CPU, rate=count / seconds, items=items, note=f"{count:,}; {_with_memory(run)}")


def _with_memory(run: _Run) -> str:
    return f"{run.wall:.1f} s by the clock, peak of a process {run.peak:,.0f} MB"


def _growth(case: str, counts: Sequence[int], seconds: Sequence[float]) -> Row:
    """The slope of log time over log count, beyond the time to start."""
    few, many = (max(value, 1e-9) for value in seconds)
    exponent = float(np.log(many / few) / np.log(counts[1] / counts[0]))
    note = f"{counts[0]:,} to {counts[1]:,}: {few:.3g} to {many:.3g} s of CPU"
    return Row(_SECTION, case, exponent, _EXPONENT, note=note)


def _stored(folder: Path, dtype: str) -> Row:
    """Bytes a row, and what the dtype loses."""
    exact, stored = _vectors(folder / "out-float32"), _vectors(folder / f"out-{dtype}")
    cosine = (stored * exact).sum(axis=1) / np.linalg.norm(stored, axis=1) / np.linalg.norm(exact, axis=1)
    size = sum(path.stat().st_size for path in embedding_files(folder / f"out-{dtype}")) / len(stored)
    note = f"{stored.shape[1]} numbers a row, least cosine to float32 {cosine.min():.6f}"
    return Row(_SECTION, f"size of a row, {dtype}", size, "bytes", note=note)


def _run(input: Path, output: Path, *flags: str) -> _Run:
    command = embed_command(input, output, *flags)
    began = time.perf_counter()
    used = wait_for(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return _Run(used.cpu, time.perf_counter() - began, used.peak_bytes / 1e6)


def _write_places(path: Path, count: int) -> Path:
    """Random places with a name and a number."""
    random = np.random.default_rng(0)
    lon, lat = random.uniform(-180, 180, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    pq.write_table(
        pa.table({"name": [f"place {n}" for n in range(count)], "lon": lon, "lat": lat, "n": np.arange(count)}), path
    )
    return path


def _half_of(folder: Path) -> Path:
    """Every other file, in a folder beside."""
    half = folder.with_name(f"half of {folder.name}")
    half.mkdir()
    for path in sorted(folder.iterdir())[::2]:
        (half / path.name).hardlink_to(path)
    return half


def _vectors(output: Path) -> np.ndarray:
    return np.concatenate(
        [read_vectors(pq.read_table(path, columns=_columns_of(path))) for path in embedding_files(output)]
    )


def _columns_of(path: Path) -> list[str]:
    return [name for name in ("embedding", "embedding_scale") if name in pq.read_schema(path).names]


if __name__ == "__main__":
    main()
