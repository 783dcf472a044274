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
Embeddings on disk, computed once for each model, data set and way of reading it. They are stored in parts: several processes
compute different parts, and an interruption loses at most one part. The folder only saves time: where nothing can be written,
embeddings stay in memory.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tqdm.auto import tqdm

import modeling_gair
import training.benchmarks
import training.measuring
import training.pairs
from training.common.errors import first_line
from training.common.files import write_atomically, written_whole
from training.common.fingerprints import fingerprint_of_code
from training.common.iterables import chunked

Item = TypeVar("Item")
Columns = dict[str, np.ndarray]
_COMPLETE = "complete.json"
# The folders of the code that reads data and embeds them.
_CODE = tuple(
    Path(package.__path__[0]) for package in (modeling_gair, training.benchmarks, training.measuring, training.pairs)
)


@dataclass(frozen=True)
class FeatureStore:
    """
    A folder of features.

    Args:
        folder (`Path`): the folder; shared by all processes and all runs.
        rank, processes (`int`): this process computes the parts whose number modulo `processes` is `rank`.
    """

    folder: Path
    rank: int = 0
    processes: int = 1

    def collect(
        self,
        key: Mapping[str, Any],
        items: Callable[[], Iterable[Item]],
        compute: Callable[[list[Item]], Columns],
        part_size: int = 256,
    ) -> Columns:
        """
        The columns that `compute` returns for all items, read from disk if present, else computed.

        With several processes, each computes its share of the parts and returns an empty dictionary; afterwards a store with
        one process on the same folder finds everything.

        Args:
            key (`Mapping`): everything the columns depend on (the model's fingerprint, the data's revision, the format …);
                columns are only found by the same key. The code that reads and embeds, and the size of the parts, are added.
            items (`Callable`): returns the data in a fixed order; called only if something must be computed.
            compute (`Callable`): up to `part_size` items → columns, all of one length (labels may be among them).
            part_size (`int`): items per part.

        Returns:
            `dict[str, np.ndarray]`: the columns over all items.

        Raises:
            ValueError: there are no items; also whatever `compute` raises.
        """
        key = {**key, "code": fingerprint_of_code(*_CODE), "part_size": part_size}
        folder = self.folder / digest_of(key)
        parts = _parts_in(folder)
        unsaved: dict[int, Columns] = {}
        if parts is None:
            parts, unsaved = self._fill(folder, key, items, compute, part_size)
        if self.processes > 1:
            return {}
        loaded = [unsaved[number] if number in unsaved else load_file(_part(folder, number)) for number in range(parts)]
        return {name: np.concatenate([part[name] for part in loaded]) for name in loaded[0]}

    def _fill(
        self,
        folder: Path,
        key: Mapping[str, Any],
        items: Callable[[], Iterable[Item]],
        compute: Callable[[list[Item]], Columns],
        part_size: int,
    ) -> tuple[int, dict[int, Columns]]:
        """Saves the missing parts; returns the number of parts, and those that could not be saved."""
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "key.json", json.dumps(key, indent=2, default=str))
        parts = 0
        unsaved: dict[int, Columns] = {}
        title = f"embed for {key.get('kind', 'tasks')}"
        chunks = tqdm(chunked(items(), part_size), desc=title, unit="part", leave=False, disable=self.rank > 0)
        for number, chunk in enumerate(chunks):
            parts += 1
            path = _part(folder, number)
            if number % self.processes == self.rank and not os.path.isfile(path):
                columns = {name: np.ascontiguousarray(values) for name, values in compute(chunk).items()}
                try:
                    with written_whole(path) as temporary:
                        save_file(columns, temporary)
                except (OSError, SafetensorError) as error:
                    if not unsaved:
                        tqdm.write(
                            f"Embeddings cannot be kept in {str(self.folder)!r} ({first_line(error)}); going on."
                        )
                    unsaved[number] = columns
        if parts == 0:
            raise ValueError("The data have no rows to embed; check the split and the columns.")
        if self.processes == 1 and not unsaved:
            with suppress(OSError):
                write_atomically(folder / _COMPLETE, json.dumps({"parts": parts}))
        return parts, unsaved


def digest_of(key: Mapping[str, Any]) -> str:
    """Digest of a key, 16 hexadecimal digits."""
    text = json.dumps(key, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _parts_in(folder: Path) -> int | None:
    """Number of parts in a complete folder; None for one that is incomplete or cannot be read."""
    try:
        return json.loads((folder / _COMPLETE).read_text(encoding="utf-8"))["parts"]
    except (OSError, ValueError):
        return None


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.safetensors"
