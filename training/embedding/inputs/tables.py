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
"""Users' tables in batches: parquet files are streamed, and a CSV, whose cells together say what they mean, is read whole."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.common.errors import first_line
from training.common.table_places import place_columns
from training.common.tables import PARQUET_SUFFIXES, Table, read_table
from training.embedding.ordering import RESERVED

# A CSV takes some ten times its size in memory.
_MOST_CSV_BYTES = 2**28
_BATCH_ROWS = 2**16
_CODE = r"^[-+]?0[0-9]"


def table_batches(path: Path) -> Iterator[Table]:
    """
    The rows of a table in order. Columns of a CSV in which every cell is a number, or empty, are numbers.

    Raises:
        ValueError: the file cannot be read, has no rows, or is a CSV too large for memory.
    """
    if path.suffix.lower() in PARQUET_SUFFIXES:
        yield from map(_with_clear_names, _parquet_batches(path))
        return
    if path.is_file() and path.stat().st_size > _MOST_CSV_BYTES:
        raise ValueError(
            f"{path.name!r} has {path.stat().st_size / 2**20:.0f} MB, and a CSV is read whole, expected at most {_MOST_CSV_BYTES // 2**20} MB; "
            "write it as parquet, which is read piece by piece."
        )
    table = _with_clear_names(read_table(path))
    # Places keep their text, since its notation is understood where they are read.
    places = place_columns(table)
    columns = {
        name: table.data[name] if name in places else typed(table.data[name]) for name in table.data.column_names
    }
    yield Table(table.name, pa.table(columns), table.semicolons, table.remarks)


def _with_clear_names(table: Table) -> Table:
    """
    A table whose columns all have names, as the numbers of rows that pandas writes do not.

    Raises:
        ValueError: SQL would not tell two columns apart.
    """
    names = [name or f"column_{number}" for number, name in enumerate(table.data.column_names, start=1)]
    remarks = [
        f"Column {names.index(name) + 1} of {table.name} has no name and becomes {name!r}."
        for name in names
        if name not in table.data.column_names
    ]
    seen: dict[str, str] = {}
    for name in names:
        if name.startswith(RESERVED):
            raise ValueError(
                f"{table.name} has a column {name!r}, and names that begin with {RESERVED} are the program's own; rename it."
            )
        if name.lower() in seen:
            raise ValueError(
                f"{table.name} has the columns {seen[name.lower()]!r} and {name!r}, whose names must differ by more than case; rename one."
            )
        seen[name.lower()] = name
    data = table.data.rename_columns(names).replace_schema_metadata(table.data.schema.metadata)
    return replace(table, data=data, remarks=(*table.remarks, *remarks))


def _parquet_batches(path: Path) -> Iterator[Table]:
    try:
        with pq.ParquetFile(path) as file:
            if not file.metadata.num_rows:
                raise ValueError(f"{path.name!r} has no rows; add rows.")
            for batch in file.iter_batches(_BATCH_ROWS):
                data = pa.Table.from_batches([batch]).replace_schema_metadata(file.schema_arrow.metadata)
                yield Table(repr(path.name), data)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path.name!r} cannot be read as a parquet file ({first_line(error)[:200]}); write or download it again."
        ) from error


def typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as numbers if all of it is, as 007 is not."""
    filled = pc.if_else(pc.equal(column, ""), None, column)
    if filled.null_count == len(filled) or pc.any(pc.match_substring_regex(filled, _CODE)).as_py():
        return column
    for kind in (pa.int64(), pa.float64()):
        try:
            return pc.cast(filled, kind)
        except pa.ArrowInvalid:
            continue
    return column
