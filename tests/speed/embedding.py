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

    python -m tests.speed.embedding FOLDER [--places 200000] [--images 400]

Prints, for places (parquet), tiles and photos: rate per second of CPU time, wall time and peak memory; whether both grow with the inputs;
what a task costs by itself; one and two workers; and bytes a row and loss of each dtype. The model is the one that the Space bundles,
of tiny size. CPU time, since other programs have less influence on it; asserts nothing.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers.embedding import ROOT, embed_command, jpeg, write_tiles
from training.embedding.outputs.rows import embedding_files, read_vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--places", type=int, default=200_000)
    parser.add_argument("--images", type=int, default=400)
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True)
    start = measured("one place", write_places(folder / "one.parquet", 1), folder / "one", 1, 0.0)
    whole = write_places(folder / "whole.parquet", options.places)
    half = write_places(folder / "half.parquet", options.places // 2)
    measured("places, half", half, folder / "half", options.places // 2, start)
    measured("places", whole, folder / "whole", options.places, start)
    measured("places, two workers", whole, folder / "two", options.places, start, "--workers", "2")
    few, tasks = options.places // 20, 100
    part = write_places(folder / "part.parquet", few)
    one = measured("places, one task", part, folder / "t1", few, start)
    many = measured("places, many tasks", part, folder / "t2", few, start, "--items_per_task", str(few // tasks))
    print(f"A task costs {1000 * (many - one) / (tasks - 1):.0f} ms of CPU by itself.")
    photos = folder / "photos"
    photos.mkdir()
    for number in range(options.images):
        (photos / f"{number}.jpg").write_bytes(jpeg(number / 10, 10, seed=number))
    measured("photos", photos, folder / "out-photos", options.images, start)
    measured("tiles", write_tiles(folder / "tiles", options.images), folder / "out-tiles", options.images, start)
    exact = vectors(folder / "whole")
    for dtype in ("float32", "float16", "int8"):
        output = folder / "whole" if dtype == "float32" else folder / dtype
        if dtype != "float32":
            run(whole, output, "--dtype", dtype)
        stored = vectors(output)
        cosine = (stored * exact).sum(axis=1) / np.linalg.norm(stored, axis=1) / np.linalg.norm(exact, axis=1)
        size = sum(path.stat().st_size for path in embedding_files(output)) / len(stored)
        print(f"{dtype}: {size:.0f} bytes a row of {stored.shape[1]} numbers, least cosine {cosine.min():.6f}")


def measured(name: str, input: Path, output: Path, count: int, start: float, *flags: str) -> float:
    """Prints the figures of a run; `start` is the CPU time of a run that embeds almost nothing. Returns that of this run."""
    cpu, wall, peak = run(input, output, *flags)
    rate = f"{count / max(cpu - start, 1e-9):,.0f} per second of CPU beyond the start, " if start else ""
    print(
        f"{name}: {count:,} in {cpu:.1f} s of CPU, {wall:.1f} s of wall time, {rate}peak memory of a process {peak:.0f} MB",
        flush=True,
    )
    return cpu


def run(input: Path, output: Path, *flags: str) -> tuple[float, float, float]:
    """CPU and wall seconds of a run with all its processes, and the peak memory of the largest in MB."""
    command = embed_command(input, output, *flags)
    began, before = time.perf_counter(), os.times()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status, usage = os.wait4(process.pid, 0)[1:]
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed.")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, time.perf_counter() - began, usage.ru_maxrss / 1000


def write_places(path: Path, count: int) -> Path:
    """Random places with a name and a number."""
    random = np.random.default_rng(0)
    lon, lat = random.uniform(-180, 180, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    pq.write_table(
        pa.table({"name": [f"place {n}" for n in range(count)], "lon": lon, "lat": lat, "n": np.arange(count)}), path
    )
    return path


def vectors(output: Path) -> np.ndarray:
    return np.concatenate(
        [read_vectors(pq.read_table(path, columns=columns_of(path))) for path in embedding_files(output)]
    )


def columns_of(path: Path) -> list[str]:
    return [name for name in ("embedding", "embedding_scale") if name in pq.read_schema(path).names]


if __name__ == "__main__":
    main()
