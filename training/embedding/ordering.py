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
The inputs of a job in the order of a Hilbert curve, in one parquet file: neighbours on the Earth are neighbours in it. DuckDB
sorts them on disk, so that memory is bounded however many there are.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from training.common.files import temporary_directory, written_whole
from training.embedding.outputs.rows import carried_names

# Why an item cannot be embedded, if it is known when it is listed.
PROBLEM = "gair:problem"
# The number of an item in its input, from 1.
ROW = "gair:row"
# Names of users' columns do not begin so.
RESERVED = "gair:"
_HILBERT = "gair:hilbert"
# What every kind of input tells of each of its items, in this order; further columns are carried.
KEYS = pa.schema(
    [
        ("id", pa.string()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("source", pa.string()),
        ("datetime", pa.timestamp("us", "UTC")),
        (PROBLEM, pa.string()),
    ]
)
_MEMORY = "1GB"
# A power of two times DuckDB's own vectors.
_ROW_GROUP = 8192
_LEVEL = 16


def write_ordered(batches: Iterator[pa.Table], carried: pa.Schema, path: Path) -> tuple[int, bool]:
    """
    Writes the items of an input, ordered.

    Args:
        batches (`Iterator[pa.Table]`): the columns of [`KEYS`], then the carried ones. `id` is the input's own or null, `lon` and
            `lat` are null where they are not known, and `gair:problem` says why an item cannot be embedded.
        carried (`pa.Schema`): the further columns.
        path (`Path`): the file to write. Items keep their ids if these are unique and none is null; else they are named by a hash
            of source and row.

    Returns:
        The number of items, and whether they keep their ids.

    Raises:
        ValueError: what reading a batch raised.
    """
    schema = pa.schema([*KEYS, *carried, (_HILBERT, pa.int64()), (ROW, pa.int64())])
    failures: list[Exception] = []
    reader = pa.RecordBatchReader.from_batches(schema, _numbered(batches, schema, failures))
    with temporary_directory("gair-plan-") as scratch, duckdb.connect(str(Path(scratch) / "inputs.duckdb")) as database:
        database.execute(f"SET memory_limit = '{_MEMORY}'; SET enable_progress_bar = false")
        database.register("given", reader)
        database.execute("CREATE TABLE items AS SELECT * FROM given")
        if failures:
            raise failures[0]
        counted = database.execute("SELECT count(*), count(id), count(DISTINCT id) FROM items").fetchone()
        assert counted is not None
        total, named, distinct = counted
        keeps = total == named == distinct
        id_ = "id" if keeps else f"left(md5(source || chr(0) || {_quoted(ROW)}), 20) AS id"
        names = ", ".join(_quoted(name) for name in [*KEYS.names[1:], ROW, *carried.names])
        lost = ", id AS input_id" if named and not keeps and "input_id" not in carried.names else ""
        with written_whole(path) as temporary:
            database.execute(
                f"COPY (SELECT {id_}, {names}{lost} FROM items ORDER BY {_quoted(_HILBERT)}, {_quoted(ROW)}) TO {_text(str(temporary))} "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
            )
    return total, keeps or not named


def carried_of(path: Path) -> pa.Schema:
    """The carried columns of an ordered file, by the names that they get in the output."""
    fields = [field for field in pq.read_schema(path).remove_metadata() if field.name not in (*KEYS.names, ROW)]
    return pa.schema([field.with_nullable(True) for field in fields])


def renamed(table: pa.Table) -> pa.Table:
    """A table of carried columns by the names that they get in the output."""
    return table.rename_columns(list(carried_names(table.column_names).values()))


def hilbert_distance(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Position `(N,)` of places on a Hilbert curve over the Earth; those that are not known come last."""
    known = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    distance = np.full(len(lon), np.iinfo(np.int64).max)
    points = geopandas.GeoSeries(shapely.points(lon[known], lat[known]))
    if len(points):
        distance[known] = points.hilbert_distance(total_bounds=(-180, -90, 180, 90), level=_LEVEL)
    return distance


def _numbered(batches: Iterator[pa.Table], schema: pa.Schema, failures: list[Exception]) -> Iterator[pa.RecordBatch]:
    row = 0
    try:
        for table in batches:
            lon, lat = (table.column(axis).to_numpy() for axis in ("lon", "lat"))
            table = table.append_column(_HILBERT, pa.array(hilbert_distance(lon, lat)))
            table = table.append_column(ROW, pa.array(np.arange(row, row + len(table)) + 1))
            row += len(table)
            yield from table.cast(schema).to_batches()
    # DuckDB would make errors of its own of what a reader raises.
    except Exception as error:
        failures.append(error)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
