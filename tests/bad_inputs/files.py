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
"""Programs and caches in folders that cannot be written, and files that are replaced."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import constants
from transformers import dynamic_module_utils

from tests.bad_inputs.case import MODEL, ROOT, Case, Program, Refused, Right
from training.benchmarks.store import FeatureStore
from training.common.files import check_writable, files_written_whole, written_whole
from training.common.models import load_gair
from training.world.settings import WorldSettings
from training.world.writer import ensure_sample_dataset, write_sample_dataset

# A folder whose parent is a file cannot be made by anyone, not even by root.
_NOWHERE = "file/below/it"


def _nowhere(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / _NOWHERE


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Puts the cache of the Hugging Face libraries into a folder, also that of code beside weights."""
    before = constants.HF_HOME, dynamic_module_utils.HF_MODULES_CACHE
    constants.HF_HOME, dynamic_module_utils.HF_MODULES_CACHE = str(folder), str(folder / "modules")
    try:
        yield
    finally:
        constants.HF_HOME, dynamic_module_utils.HF_MODULES_CACHE = before


def _without_cache(work: Callable[[], Any]) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        with _cache_at(_nowhere(folder)):
            return work()

    return run


def _output(program: str, *arguments: str, flag: str = "--output_dir") -> Program:
    """A program whose output folder cannot be made."""
    return Program(
        f"{program} into a folder that cannot be made",
        program,
        lambda folder: [*arguments, flag, _nowhere(folder)],
        r"Nothing can be written to .*file/below.*Not a directory.*(pass another|choose another|choose a folder)",
    )


def _as_plain_user(*command: str) -> subprocess.CompletedProcess:
    """Runs a program for which permissions hold: root without the capabilities that override them."""
    capabilities = "-dac_override,-dac_read_search"
    plain = ["setpriv", f"--inh-caps={capabilities}", f"--bounding-set={capabilities}"]
    known = os.getuid() == 0 and shutil.which("setpriv")
    return subprocess.run(
        [*(plain if known else []), sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def _read_only(folder: Path) -> subprocess.CompletedProcess:
    locked = folder / "locked"
    locked.mkdir()
    if os.getuid() == 0:
        # Permissions of the group and others, to which root does not belong then.
        os.chown(locked, 65534, 65534)
    locked.chmod(0o555)
    return _as_plain_user("-m", "training.world", "--output", str(locked / "world"), "--tiles", "1")


def _interrupted(folder: Path, error: type[BaseException]) -> dict[str, bytes]:
    (folder / "a.json").write_bytes(b"old")
    for writing in (written_whole(folder / "a.json"), files_written_whole(folder)):
        try:
            with writing as path:
                (path if path.suffix else path / "a.json").write_bytes(b"half")
                raise error
        except error:
            pass
    return {path.name: path.read_bytes() for path in folder.rglob("*")}


def _is_old(found: dict[str, bytes]) -> bool:
    return found == {"a.json": b"old"}


def _features(folder: Path) -> list[float]:
    store = FeatureStore(_nowhere(folder))
    return store.collect({}, lambda: range(5), lambda part: {"x": np.array(part)}, part_size=2)["x"].tolist()


def _small_world() -> Path:
    return ensure_sample_dataset(WorldSettings(tiles=1, held_out_tiles=1))


CASES: list[Case] = [
    _output("training.pretrain", "--num_workers", "0", "--report_to", "none"),
    _output("training.evaluate", "--model", str(MODEL), "--tasks", "world-location"),
    _output("training.export", "--model", str(MODEL), flag="--output"),
    _output("training.world.__main__", flag="--output"),
    _output("training.evidence.__main__"),
    _output("training.hub.space_files", "--model", str(MODEL), flag="--output"),
    Refused(
        "the sample world in a cache that cannot be written", _without_cache(_small_world), "set HF_HOME to a folder"
    ),
    Refused(
        "a world into a folder that cannot be made",
        lambda folder: write_sample_dataset(_nowhere(folder), WorldSettings()),
        "choose a folder",
    ),
    Refused(
        "a folder that cannot be made", lambda folder: check_writable(_nowhere(folder), "name another"), "name another"
    ),
    Right(
        "a model whose code cannot be cached",
        _without_cache(lambda: load_gair(str(MODEL))),
        lambda found: len(found) == 2,
    ),
    Right("embeddings that cannot be cached", _features, lambda found: found == [0, 1, 2, 3, 4]),
    Right("an interruption while a file is written", lambda folder: _interrupted(folder, KeyboardInterrupt), _is_old),
    Right("a full disk while a file is written", lambda folder: _interrupted(folder, OSError), _is_old),
    Right(
        "a program launched by an ordinary user on a read-only folder",
        _read_only,
        lambda done: (
            done.returncode == 1
            and "Permission denied" in done.stderr
            and "Traceback" not in done.stderr
            and len(done.stderr.strip().splitlines()) == 1
        ),
    ),
]
