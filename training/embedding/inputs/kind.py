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
"""What the kinds of inputs have in common: how they are planned, and how their tasks are read and encoded part by part."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from modeling_gair import GairProcessor
from training.common.errors import first_line
from training.embedding.encoding import Encoder
from training.embedding.job import Job

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST_READERS = 8


@dataclass
class Plan:
    """
    The tasks of an input.

    Attributes:
        sizes (`list[int]`): number of inputs of each task.
        details (`dict`): what the tasks need to find them, as JSON.
        remarks (`list[str]`): sentences on how the input was understood.
    """

    sizes: list[int]
    details: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass
class Part:
    """
    Inputs that were read and are to be encoded at a time.

    Attributes:
        inputs (`int`): how many there were, bad ones included.
        columns (`dict`): of the rows that they give, in the schema of rows, carried columns included.
        pixels (`Any`): what the kind's `encode` takes.
        errors (`list[dict]`): `source`, `id` and `reason` of each row that cannot be made.
    """

    inputs: int
    columns: dict[str, Any]
    pixels: Any
    errors: list[dict[str, Any]]

    @property
    def rows(self) -> int:
        return len(self.columns["id"])


class Input(Protocol):
    """An input as it is planned, of which only headers are read."""

    what: str
    unit: str
    name: str
    path: str

    def fingerprint(self) -> str:
        """Digest of its content."""
        ...

    def plan(self, folder: Path, items_per_task: int, encoder: Encoder) -> Plan:
        """Writes what its tasks need to `folder`, and cuts it into tasks."""
        ...


class Kind(Protocol):
    """How the tasks of a kind of input are done."""

    @property
    def geometry_types(self) -> tuple[str, ...]:
        """The types that geometries of its rows may have."""
        ...

    def parts(self, output: Path, job: Job, rank: int, processor: GairProcessor) -> Iterator[Callable[[], Part]]:
        """The parts of a task, each read when it is called."""
        ...

    def encode(self, encoder: Encoder, part: Part) -> np.ndarray:
        """The embeddings `(N, D)` of the rows of a part."""
        ...


def read_each(read: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result | str]:
    """What `read` returns for each item, or why it cannot be read; beside a GPU, several are read at a time."""

    def attempt(item: _Item) -> _Result | str:
        try:
            return read(item)
        # Damaged files make decoders raise errors of many kinds.
        except Exception as error:
            return reason_of_bad(error)

    return list((_readers().map if torch.cuda.is_available() else map)(attempt, items))


def reason_of_bad(error: Exception) -> str:
    """Why an input is bad, in a sentence."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {first_line(error)}"


@cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(_MOST_READERS, os.cpu_count() or 1))
