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
Throughput of pre-training by processes, batch size and workers, in real runs:

    python -m tests.speed.throughput

Runs `training/pretrain.py` on a small sample world and prints medians over the entries of its log; asserts nothing. The
processes share the machine's cores.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from training.pretraining.monitoring import read_log
from training.world.settings import WorldSettings
from training.world.writer import write_sample_dataset

PROCESSES, BATCHES, WORKERS = (1, 2), (16, 64), (0, 2)
STEPS, EVERY = 30, 5
# Caches and readers warm up during the first log entries.
WARM_UP = 2


def run(world: Path, output_dir: Path, processes: int, batch_size: int, workers: int) -> dict[str, float]:
    """Medians of the logged values over the first steps of a run, which is then stopped."""
    # fmt: off
    flags = ["--data", str(world), "--output_dir", str(output_dir), "--num_workers", str(workers), "--report_to", "none",
             "--batch_size", str(batch_size // processes), "--logging_steps", str(EVERY), "--retrieval_every", "0"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--rdzv_backend", "c10d",
               "--rdzv_endpoint", "localhost:0", "training/pretrain.py", *flags]
    # fmt: on
    threads = str(max((os.cpu_count() or 1) // processes, 1))
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(line["step"] >= STEPS for line in read_log(output_dir)):
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode} before step {STEPS}.")
        time.sleep(0.2)
    process.terminate()
    process.wait()
    lines = [line for line in read_log(output_dir) if "pairs_per_s" in line][WARM_UP:]
    return {name: statistics.median(line[name] for line in lines) for name in ("pairs_per_s", "waiting", "mfu")}


def main(tiles: int = 128) -> None:
    print(f"tiny preset, 4 photos per tile, {os.cpu_count()} cores")
    print(f"{'processes':>9}{'tiles per step':>15}{'workers':>9}{'pairs/s':>9}{'waiting':>9}{'MFU':>6}")
    with tempfile.TemporaryDirectory() as temporary:
        settings = WorldSettings(tiles=tiles, held_out_tiles=8, held_out_photos=4)
        world = write_sample_dataset(Path(temporary) / "world", settings)
        for number, (processes, batch_size, workers) in enumerate(product(PROCESSES, BATCHES, WORKERS)):
            found = run(world, Path(temporary) / str(number), processes, batch_size, workers)
            print(
                f"{processes:>9}{batch_size:>15}{workers:>9}{found['pairs_per_s']:>9.0f}{found['waiting']:>9.0%}"
                f"{found['mfu']:>6.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
