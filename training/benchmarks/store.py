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
Embeddings on disk: computed once for a model, a data set and a way of reading it, in parts that processes share and that
an interruption leaves behind.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import load_file, save_file
from tqdm.auto import tqdm

from training.common.files import write_atomically
from training.common.iterables import chunked

Item = TypeVar("Item")
Columns = dict[str, np.ndarray]
_COMPLETE = "complete.json"


@dataclass(frozen=True)
class FeatureStore:
    """
    A folder of features.

    Args:
        folder (`Path`): where they are kept; shared by all processes and all runs.
        rank, processes (`int`): which share of the parts this process computes.
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
        The columns that `compute` makes of all items: from disk where they are there, computed where they are not.

        With several processes, each computes its share of the parts and returns nothing of use; once all have done so,
        a store of one process on the same folder finds everything.

        Args:
            key (`Mapping`): all that the columns depend on (the model's fingerprint, the data's revision, the format …);
                another key never finds them.
            items (`Callable`): gives the data in a fixed order; called only where something is to compute.
            compute (`Callable`): up to `part_size` items → columns, all of one length (labels may be among them).
            part_size (`int`): items at a time, and lost at most by an interruption.

        Returns:
            `dict[str, np.ndarray]`: the columns over all items.

        Raises:
            ValueError: there are no items; and whatever `compute` raises.
        """
        folder = self.folder / digest_of(key)
        if not (folder / _COMPLETE).is_file():
            self._fill(folder, key, items, compute, part_size)
        if self.processes > 1:
            return {}
        parts = json.loads((folder / _COMPLETE).read_text(encoding="utf-8"))["parts"]
        loaded = [load_file(_part(folder, number)) for number in range(parts)]
        return {name: np.concatenate([part[name] for part in loaded]) for name in loaded[0]}

    def _fill(
        self,
        folder: Path,
        key: Mapping[str, Any],
        items: Callable[[], Iterable[Item]],
        compute: Callable[[list[Item]], Columns],
        part_size: int,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "key.json", json.dumps(key, indent=2, default=str).encode())
        parts = 0
        title = f"embed for {key.get('kind', 'tasks')}"
        chunks = tqdm(chunked(items(), part_size), desc=title, unit="part", leave=False, disable=self.rank > 0)
        for number, chunk in enumerate(chunks):
            parts += 1
            path = _part(folder, number)
            if number % self.processes == self.rank and not path.is_file():
                columns = {name: np.ascontiguousarray(values) for name, values in compute(chunk).items()}
                temporary = path.with_name(f"{path.name}.{os.getpid()}")
                save_file(columns, temporary)
                temporary.replace(path)
        if parts == 0:
            raise ValueError("The data hold no rows to embed; check the split and the columns.")
        if self.processes == 1:
            write_atomically(folder / _COMPLETE, json.dumps({"parts": parts}).encode())


def digest_of(key: Mapping[str, Any]) -> str:
    """16 digits that stand for a key."""
    text = json.dumps(key, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.safetensors"
