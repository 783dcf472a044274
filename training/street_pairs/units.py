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
Units of work: what a task of a stage gives is one parquet file, which is there whole or not at all, with what failed inside it. A file
that is there is a unit that is done; there is no other record to agree with it.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from training.common.files import written_whole

_FAILURES = b"failures"
_LEVEL = 1
# Rows are read one tile at a time later on, in another order: groups hold a tile, or a dozen photos.
_GROUP_BYTES = 2**18


@dataclass(frozen=True)
class Failure:
    """
    Something that a unit could not make.

    Attributes:
        id (`str`): of the photo, query or tile.
        kind (`str`): a short name, such as `"gone"` or `"cloudy"`, to count by.
        permanent (`bool`): whether another try would end the same.
        message (`str`): one sentence for readers.
    """

    id: str
    kind: str
    permanent: bool
    message: str


def unit_file(output: Path, stage: str, rank: int) -> Path:
    """Where a unit of a stage is."""
    return output / stage / f"{rank:05d}.parquet"


def write_unit(path: Path, table: pa.Table, failures: Sequence[Failure] = ()) -> None:
    """
    Writes a unit whole or not at all, with the same bytes for the same content.

    Args:
        path (`Path`): as [`unit_file`] gives it; its folder is created if necessary.
        table (`pa.Table`): the rows.
        failures (`Sequence[Failure]`): what could not be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = json.dumps([asdict(failure) for failure in failures], ensure_ascii=False)
    table = table.replace_schema_metadata({_FAILURES: listed.encode()})
    rows = max(1, _GROUP_BYTES * len(table) // max(table.nbytes, 1))
    with written_whole(path) as temporary:
        pq.write_table(table, temporary, row_group_size=rows, compression="zstd", compression_level=_LEVEL)


def read_failures(path: Path) -> list[Failure]:
    """What a unit could not make."""
    metadata = pq.read_schema(path).metadata or {}
    return [Failure(**failure) for failure in json.loads(metadata.get(_FAILURES, b"[]"))]


def earlier_rows(output: Path, stage: str, rank: int) -> pa.Table | None:
    """
    The rows that a unit has already, if it was done before and some of it failed in passing: `run` of a stage keeps them, and does
    again only what is neither among them nor a permanent failure.
    """
    path = unit_file(output, stage, rank)
    return pq.read_table(path) if path.is_file() else None


def unit_files(output: Path, stage: str) -> list[Path]:
    """The units of a stage that are done, in order."""
    return sorted(path for path in (output / stage).glob("[0-9]*.parquet") if path.stem.isdecimal())


def has_passing_failures(path: Path) -> bool:
    """Whether something failed in a unit for which another try may succeed."""
    return not all(failure.permanent for failure in read_failures(path))


def count_failures(path: Path) -> dict[str, int]:
    """Numbers of the failures of a unit by kind."""
    return dict(Counter(failure.kind for failure in read_failures(path)))
