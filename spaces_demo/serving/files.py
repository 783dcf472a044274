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
"""Cache files that are written whole or not at all, and only if they can be, and arrays that are mapped from them."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import IO

import numpy as np

# Folders that live as long as the process.
_temporary: list[TemporaryDirectory] = []


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """
    Writes a temporary file beside `path` and renames it, so that a reader never sees a partial file.

    Args:
        path (`Path`): the file to write or replace; its folder is created if necessary.
        write (`Callable`): writes the content to the binary file that it is given.

    Raises:
        OSError: if the file cannot be written; no temporary file is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as made:
        temporary = Path(made.name)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def keep_if_possible(path: Path, write: Callable[[IO[bytes]], object]) -> bool:
    """
    Writes a cache file as [`write_atomically`] does, and returns whether it could be written. If not, the next start computes its
    content again.
    """
    try:
        write_atomically(path, write)
        return True
    except OSError as error:
        _say_once(
            f"Nothing is kept in {str(path.parent)!r} ({error.strerror}), which costs memory, and time at the next start."
        )
        return False


def write_record(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as the fields of one record, in NumPy's format, for [`mapped_record`]."""
    kind = np.dtype([(name, array.dtype, array.shape) for name, array in arrays.items()], align=True)
    record = np.empty((), kind)
    for name, array in arrays.items():
        record[name] = array
    np.save(file, record)


def mapped_record(path: Path) -> dict[str, np.ndarray]:
    """
    The arrays that [`write_record`] wrote, by name. They stay in the file, so that the system can take their memory back when it
    needs it; what is written to them changes this process's copy alone.

    Raises:
        OSError, ValueError, EOFError: if the file is missing, shorter than it was, or another one.
    """
    record = np.load(path, mmap_mode="c", allow_pickle=False)
    return {name: np.asarray(record[name]) for name in record.dtype.names or ()}


@cache
def _say_once(sentence: str) -> None:
    print(sentence)


def writable_folder(folder: Path) -> Path:
    """
    The folder itself, created if necessary, or a temporary one if nothing can be written to it.

    Raises:
        ValueError: nothing can be written to the temporary folder either.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            return folder
    except OSError as error:
        problem = error
    try:
        _temporary.append(TemporaryDirectory(prefix="gair-"))
    except OSError as error:
        raise ValueError(
            f"Nothing can be written to {str(folder)!r} ({problem.strerror}), nor to a temporary folder ({error.strerror}); set "
            "TMPDIR to a folder that can be written."
        ) from error
    return Path(_temporary[-1].name)
