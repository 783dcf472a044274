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
Embeddings as rows of GeoParquet 1.1: one row a place, photo, tile, point in a tile, or window of a raster. Vectors are stored
raw, not normalised, since their length carries information; searches normalise them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from training.common.files import written_whole

EMBEDDINGS, JOB = "embeddings", "job.json"
LOCATION, STREET_VIEW, TILE, TILE_POINT = "location", "street_view", "tile", "tile_point"
DTYPES = {"float32": pa.float32(), "float16": pa.float16(), "int8": pa.int8()}
# Of int8 vectors, whose smallest value, -128, is left to maps for pixels without data.
_LARGEST_LEVEL = 127
_ROW_GROUP_BYTES = 128 * 2**20
_BBOX = pa.struct([(side, pa.float32()) for side in ("xmin", "ymin", "xmax", "ymax")])
_VALUES = "embedding.list.element"


def embedding_schema(dimension: int, dtype: str, carried: pa.Schema | None = None) -> pa.Schema:
    """
    The columns of a file of embeddings.

    Args:
        dimension (`int`): width D of the embeddings.
        dtype (`str`): how they are stored: `"float32"`, `"float16"`, or `"int8"`, then with a scale a row.
        carried (`pa.Schema`, *optional*): further columns, from the input; see [`carried_names`].
    """
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
        pa.field("bbox", _BBOX, nullable=False),
        pa.field("embedding", pa.list_(DTYPES[dtype], dimension), nullable=False),
        *([pa.field("embedding_scale", pa.float32(), nullable=False)] if dtype == "int8" else []),
        pa.field("lon", pa.float64(), nullable=False),
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("datetime", pa.timestamp("us", "UTC")),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("pixel_bbox", pa.list_(pa.int32(), 4)),
        pa.field("valid_fraction", pa.float32()),
    ]
    return pa.schema([*fields, *(carried or ())])


OWN_COLUMNS = tuple(embedding_schema(1, "int8").names)


def carried_names(names: Sequence[str]) -> dict[str, str]:
    """
    What columns of the input are called in the output: their own names, or `input_NAME` where the rows of embeddings have such
    a column of their own, also if only the case differs, since SQL does not tell them apart.

    Raises:
        ValueError: two columns would have the same name.
    """
    renamed = {name: f"input_{name}" if name.lower() in OWN_COLUMNS else name for name in names}
    twice = [name for name, new in renamed.items() if new != name and new in names]
    if twice:
        raise ValueError(
            f"The input has the columns {twice[0]!r} and {renamed[twice[0]]!r}, and the first would be written under the name of the second; rename one."
        )
    return renamed


@contextmanager
def embedding_writer(
    path: Path,
    dimension: int,
    dtype: str,
    metadata: Mapping[str, Any],
    carried: pa.Schema | None = None,
    geometry_types: Sequence[str] = (),
) -> Iterator["EmbeddingWriter"]:
    """
    Writes a file of embeddings batch by batch, so that no more than a row group is held in memory. The file appears under its
    name when it is whole.

    Args:
        path (`Path`): the file.
        dimension (`int`), dtype (`str`), carried (`pa.Schema`, *optional*): as in [`embedding_schema`].
        metadata (`Mapping`): the footer's key `emb`: the fields of the STAC extension, the model and its fingerprint.
        geometry_types (`Sequence[str]`): the types that geometries may have, such as `"Point"`; unknown by default.
    """
    schema = embedding_schema(dimension, dtype, carried)
    texts = [field.name for field in schema if pa.types.is_string(field.type) and field.name != "id"]
    footer = {"geo": json.dumps(_geo(geometry_types)), "emb": json.dumps(dict(metadata))}
    with (
        written_whole(path) as temporary,
        pq.ParquetWriter(
            temporary,
            # Here and not added at the end, since readers of Arrow see only what is part of the schema.
            schema.with_metadata(footer),
            compression="zstd",
            # Of int8, a dictionary saves a third; of floats, it only costs time, and splitting their bytes saves an eighth.
            use_dictionary=[*texts, *([_VALUES] if dtype == "int8" else [])],
            column_encoding={_VALUES: "BYTE_STREAM_SPLIT"} if dtype == "float32" else None,
        ) as writer,
    ):
        rows = EmbeddingWriter(writer, schema, dtype)
        yield rows
        rows.flush()


def write_embeddings(
    path: Path,
    columns: Mapping[str, Any],
    vectors: np.ndarray,
    dtype: str,
    metadata: Mapping[str, Any],
    carried: pa.Schema | None = None,
    geometry_types: Sequence[str] = (),
) -> None:
    """Writes a file of embeddings that fit into memory; see [`embedding_writer`] and [`EmbeddingWriter.write`]."""
    with embedding_writer(path, vectors.shape[1], dtype, metadata, carried, geometry_types) as writer:
        writer.write(columns, vectors)


class EmbeddingWriter:
    """
    Collects rows to row groups; made by [`embedding_writer`].

    Attributes:
        rows (`int`): number of rows so far.
    """

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, dtype: str):
        self.rows = 0
        self._writer, self._schema, self._dtype = writer, schema, dtype
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0

    def write(self, columns: Mapping[str, Any], vectors: np.ndarray) -> None:
        """
        Adds N rows.

        Args:
            columns (`Mapping`): the schema's columns but `bbox` and those of the embedding, each an array or a list of N values;
                `geometry` as shapely's geometries in lon, lat. Of the nullable ones, those that are left out are null.
            vectors (`np.ndarray` of shape `(N, D)`): float32, not normalised.

        Raises:
            ValueError: a vector is not finite, or too large for float16.
        """
        shapes = np.asarray(columns["geometry"], object)
        bbox = _outward(shapely.bounds(shapes))
        given = {**columns, "geometry": shapely.to_wkb(shapes), "bbox": bbox, **stored_vectors(vectors, self._dtype)}
        arrays = [_array(given.get(field.name), field, len(vectors)) for field in self._schema]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        self.rows += len(vectors)
        if self._waiting_bytes >= _ROW_GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what is waiting as a row group."""
        if self._waiting:
            table = pa.concat_tables(self._waiting)
            self._writer.write_table(table, row_group_size=max(len(table), 1))
        self._waiting, self._waiting_bytes = [], 0


def stored_vectors(vectors: np.ndarray, dtype: str) -> dict[str, np.ndarray]:
    """
    Vectors as they are stored: the columns `embedding` and, of int8, `embedding_scale`.

    Args:
        vectors (`np.ndarray` of shape `(N, D)`): float32.
        dtype (`str`): of the file. For int8, each row is divided by its own scale, the largest absolute value / 127, and rounded.

    Raises:
        ValueError: a vector is not finite, or too large for float16.
    """
    if not np.isfinite(vectors).all():
        raise ValueError("An embedding is not finite, expected numbers; check the model's weights.")
    if dtype == "int8":
        largest = np.abs(vectors).max(axis=1, initial=0)
        scale = np.where(largest > 0, largest / _LARGEST_LEVEL, 1).astype(np.float32)
        return {"embedding": np.rint(vectors / scale[:, None]).astype(np.int8), "embedding_scale": scale}
    if dtype == "float16" and np.abs(vectors).max(initial=0) > np.finfo(np.float16).max:
        raise ValueError("An embedding is too large for float16; pass --dtype float32 or int8.")
    return {"embedding": vectors.astype(dtype)}


def read_vectors(table: pa.Table) -> np.ndarray:
    """The embeddings `(N, D)` of some rows, float32, whatever they are stored as; `table` needs `embedding` and the scale."""
    column = table.column("embedding").combine_chunks()
    # flatten, unlike values, respects slices.
    values = column.flatten().to_numpy(zero_copy_only=False)
    vectors = values.reshape(len(column), column.type.list_size).astype(np.float32)
    if "embedding_scale" in table.column_names:
        vectors *= table.column("embedding_scale").to_numpy()[:, None]
    return vectors


def embedding_files(output: Path) -> list[Path]:
    """
    The files of embeddings of a job, in the order of its tasks. The job's own list is read and not the folder, in which a stray
    file would be searched and a missing one would not be missed.

    Args:
        output (`Path`): the folder that `training/embed.py` wrote.

    Raises:
        ValueError: it is no such folder, or the job has not ended.
    """
    try:
        tasks = json.loads((output / JOB).read_text(encoding="utf-8"))["tasks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(output)!r} holds no {JOB}; pass a folder written by training/embed.py.") from error
    files = [embedding_file(output, rank) for rank in range(tasks)]
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise ValueError(
            f"{len(missing)} of the {tasks} files of embeddings in {str(output)!r} are missing, first {missing[0].name!r}; run the same "
            "training/embed.py again to complete it."
        )
    return files


def embedding_file(output: Path, rank: int) -> Path:
    """The file that a task writes."""
    return output / EMBEDDINGS / f"{rank:05d}.parquet"


def _geo(geometry_types: Sequence[str]) -> dict[str, Any]:
    """The footer's key `geo` of GeoParquet 1.1. A missing CRS means lon, lat (OGC:CRS84)."""
    covering = {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
    column = {"encoding": "WKB", "geometry_types": sorted(geometry_types), "covering": {"bbox": covering}}
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _outward(bounds: np.ndarray) -> Mapping[str, np.ndarray]:
    """Bounds `(N, 4)` in float32, rounded outward: filters by them must not lose a place."""
    single = bounds.astype(np.float32)
    low, high = single[:, :2], single[:, 2:]
    low = np.where(low > bounds[:, :2], np.nextafter(low, np.float32(-np.inf)), low)
    high = np.where(high < bounds[:, 2:], np.nextafter(high, np.float32(np.inf)), high)
    return MappingProxyType(dict(zip(("xmin", "ymin", "xmax", "ymax"), np.concatenate([low, high], axis=1).T)))


def _array(values: Any, field: pa.Field, rows: int) -> pa.Array:
    """Values of a column as an array of the field's type; None is a column of nulls."""
    if values is None:
        return pa.nulls(rows, field.type)
    if isinstance(values, Mapping):
        parts = [pa.array(values[part.name], part.type) for part in field.type]
        return pa.StructArray.from_arrays(parts, fields=list(field.type))
    if pa.types.is_fixed_size_list(field.type) and isinstance(values, np.ndarray):
        flat = pa.array(np.ascontiguousarray(values).reshape(-1), field.type.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=field.type)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values if values.type == field.type else pc.cast(values, field.type)
    return pa.array(values, field.type)
