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
"""The files of the data set: their names, which rows go into which, and their checksums."""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from training.common.files import write_atomically

DATASET, DATA, SUMS = "dataset", "data", "SHA256SUMS"
SPLITS = ("train", "test")
_NAMES = "shards.json"


def shard_names(rows: dict[str, int], rows_per_shard: int) -> list[str]:
    """
    Names of the files, those of a split one after the other, as data sets on the Hub call theirs.

    Args:
        rows (`dict[str, int]`): number of rows of each split.
        rows_per_shard (`int`): the most rows of a file.
    """
    names = []
    for split in SPLITS:
        count = -(-rows.get(split, 0) // rows_per_shard)
        names += [f"{split}-{number:05d}-of-{count:05d}.parquet" for number in range(count)]
    return names


def write_names(output: Path, names: Sequence[str]) -> None:
    """Keeps the names of the files for [`shard_file`]."""
    write_atomically(output / "pack" / _NAMES, json.dumps(names))


def shard_file(output: Path, rank: int) -> Path:
    """Where a file of the data set is."""
    path = output / "pack" / _NAMES
    return output / DATASET / DATA / _read_names(path, path.stat().st_mtime_ns)[rank]


@lru_cache(maxsize=2)
def _read_names(path: Path, modified: int) -> list[str]:
    return json.loads(path.read_text(encoding="utf-8"))


def write_sums(folder: Path) -> None:
    """Writes the checksums of all files of a data set, in the format of `sha256sum --check`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    write_atomically(folder / SUMS, "".join(lines))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
