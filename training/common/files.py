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
"""Writing files completely or not at all, and folders that cannot be written."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from training.common.errors import first_line


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """
    Yields a temporary name beside `path`, with its suffix, for the body to write. The file is then flushed to disk and
    renamed, so that readers see either the old file or the new one, even after an error, an interruption or a power failure.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        flush_to_disk(temporary)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # A full disk is reported without the file.
            error.filename = str(path)
        raise


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file whole or not at all, as [`written_whole`] does; text is written as UTF-8."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def files_written_whole(folder: Path) -> Iterator[Path]:
    """
    Yields a new folder inside `folder` for the body to write files into, for libraries that name their files themselves.
    Then each file replaces the one of its name in `folder`; after an error, `folder` is as it was.
    """
    with TemporaryDirectory(dir=folder, prefix=".unfinished-") as scratch:
        yield Path(scratch)
        written = sorted(path for path in Path(scratch).rglob("*") if path.is_file())
        for path in written:
            flush_to_disk(path)
        for path in written:
            target = folder / path.relative_to(scratch)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def check_writable(folder: Path, advice: str) -> None:
    """
    Creates a folder if necessary, and checks that files can be written to it. Programs call it before their work.

    Args:
        folder (`Path`): the folder.
        advice (`str`): what the user can do, such as "pass another --output_dir".

    Raises:
        ValueError: no file can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            # A full disk accepts a file but not its content.
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise ValueError(f"Nothing can be written to {str(folder)!r} ({reason_of(error)}); {advice}.") from error


def check_output_file(path: Path, inputs: Iterable[Path], advice: str) -> None:
    """
    Checks that a file can be written, and that it is none of the inputs. Programs call it before their work.

    Args:
        path (`Path`): the file.
        inputs (`Iterable[Path]`): files that the program reads.
        advice (`str`): what the user can do, such as "pass another --output".

    Raises:
        ValueError: it is a folder or an input, or nothing can be written to its folder.
    """
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder, expected the name of a file; {advice}.")
    if path.exists() and any(one.exists() and path.samefile(one) for one in inputs):
        raise ValueError(f"{str(path)!r} is an input, which would be overwritten; {advice}.")
    check_writable(path.parent, advice)


def temporary_directory(prefix: str) -> TemporaryDirectory:
    """
    A new temporary folder, deleted when it goes out of scope.

    Raises:
        ValueError: there is none that can be written.
    """
    try:
        return TemporaryDirectory(prefix=prefix)
    except OSError as error:
        raise ValueError(
            f"No temporary folder can be written ({reason_of(error)}); set TMPDIR to a folder that can be written."
        ) from error


def reason_of(error: OSError) -> str:
    """What the operating system says, such as "No space left on device"; the message names the path itself."""
    return error.strerror or first_line(error)


def flush_to_disk(path: Path) -> None:
    """Flush a file's content, or a directory's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
