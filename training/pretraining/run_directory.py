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
"""The directory of a run: one run writes to it at a time, and nobody's files are overwritten."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from accelerate import Accelerator
from filelock import BaseFileLock, FileLock, Timeout

from training.common.distributed import together
from training.common.files import check_writable
from training.pretraining.monitoring import LOG_FILE, PICTURE

CHECKPOINTS, TRACKER_LOGS = "checkpoints", "logs"
_LOCK = ".lock"
# What a run writes into its directory before it finishes.
_UNFINISHED_RUN = {CHECKPOINTS, TRACKER_LOGS, _LOCK, LOG_FILE, PICTURE}
# How long a new run waits for one that is stopping: it needs a moment to save.
_LOCK_SECONDS = 60


@contextmanager
def claimed(output_dir: Path, resume: str, accelerator: Accelerator) -> Iterator[None]:
    """
    Holds the directory for this run alone. All processes must enter it.

    Args:
        output_dir (`Path`): created if it does not exist.
        resume (`str`): with `"none"`, an existing directory is renamed and kept, and the run starts in an empty one.
        accelerator (`Accelerator`): its main process takes the lock.

    Raises:
        ValueError: another run writes to the directory, or it holds files but no run that could be resumed.
    """
    lock = together(lambda: _claim(output_dir, resume) if accelerator.is_main_process else None)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _claim(output_dir: Path, resume: str) -> BaseFileLock:
    lock = _locked(output_dir)
    content = {path.name for path in output_dir.iterdir()}
    if resume == "none" and content != {_LOCK}:
        names = (output_dir.with_name(f"{output_dir.name}.{number}") for number in count(1))
        kept = output_dir.rename(next(name for name in names if not name.exists()))
        print(f"Starting over; the previous content of {str(output_dir)!r} is kept as {str(kept)!r}.")
        lock.release()
        return _locked(output_dir)
    if CHECKPOINTS not in content and content - _UNFINISHED_RUN:
        lock.release()
        raise ValueError(
            f"{str(output_dir)!r} is not empty and holds no checkpoint to resume from; pass a new --output_dir, or "
            "--resume none, which keeps the old directory under another name."
        )
    return lock


def _locked(output_dir: Path) -> BaseFileLock:
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"{str(output_dir)!r} is a file, expected a directory; pass a new --output_dir.")
    check_writable(output_dir, "pass another --output_dir")
    lock = FileLock(output_dir / _LOCK)
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        raise ValueError(
            f"Another run is writing to {str(output_dir)!r}; wait until it ends, or pass another --output_dir."
        ) from error
    return lock
