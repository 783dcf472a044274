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
"""Folders that are expensive to make: made once per session and shared by the workers of pytest-xdist."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """
    The folder `name`, made by the first worker that asks for it while the others wait. Tests must not change it.

    Args:
        factory (`pytest.TempPathFactory`): pytest's fixture `tmp_path_factory`.
        name (`str`): names the folder within the session.
        make (`Callable[[Path], None]`): fills the folder, which does not exist yet. Where it fails, the next worker tries again.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not folder.exists():
            # Made under another name, so that an incomplete folder is not used.
            unfinished = factory.mktemp(f"{name}-unfinished") / name
            make(unfinished)
            unfinished.rename(folder)
    return folder


def write_small_world(folder: Path) -> None:
    """Write the sample world with 48 training tiles of 2 photos and 16 held-out tiles of 4."""
    from training.world.settings import WorldSettings
    from training.world.writer import write_sample_dataset

    write_sample_dataset(folder, WorldSettings(tiles=48, photos=2, held_out_tiles=16, held_out_photos=4), workers=1)


def train_small_model(folder: Path, world: Path) -> None:
    """Run `training/pretrain.py` for a few steps of the tiny preset on the small world."""
    # fmt: off
    command = [sys.executable, "training/pretrain.py", "--data", str(world), "--output_dir", str(folder), "--max_steps", "12",
               "--warmup_steps", "2", "--batch_size", "8", "--photos_per_tile", "2", "--num_workers", "0",
               "--retrieval_every", "0", "--report_to", "none"]
    # fmt: on
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
