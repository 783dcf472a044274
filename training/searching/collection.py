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
"""The embeddings in a folder that training/embed.py wrote, read in batches of bounded size."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.common.errors import reason
from training.common.precision import Precision
from training.embedding.job import path_of
from training.embedding.outputs.rows import embedding_files, read_vectors

# Columns of the vectors; all others describe the rows.
VECTOR_COLUMNS = ("embedding", "embedding_scale")
# Memory that a batch of float32 vectors takes.
_BATCH_BYTES = 32 * 2**20
# The end of a parquet file: the length of its footer and the magic bytes.
_TAIL_BYTES = 8


@dataclass(frozen=True)
class Collection:
    """
    Files of embeddings of one model.

    Attributes:
        folder (`Path`): the folder, as given.
        files (`tuple[Path, ...]`): its parquet files in order, as its job lists them.
        model (`str`): directory or Hub repository of the model.
        fingerprint (`str`): of the model and its processor.
        precision (`str`): in which the model's towers multiplied matrices.
        dimension (`int`): D.
        schema (`pa.Schema`): of each file.
        geo (`dict`): GeoParquet's metadata of the first file.
    """

    folder: Path
    files: tuple[Path, ...]
    model: str
    fingerprint: str
    precision: Precision
    dimension: int
    schema: pa.Schema
    geo: dict[str, Any]

    @property
    def rows_at_once(self) -> int:
        """How many rows to read at once, so that their vectors take some tens of megabytes."""
        return max(_BATCH_BYTES // (4 * self.dimension), 256)


def open_collection(folder: Path) -> Collection:
    """
    Opens the embeddings in a folder.

    Raises:
        ValueError: there are none, or their files cannot be read.
    """
    files = tuple(embedding_files(folder))
    if not files:
        raise ValueError(
            f"{str(folder)!r} has no rows of embeddings; pass the folder of a finished job of training/embed.py."
        )
    with opened(files[0]) as first:
        schema, footer = first.schema_arrow.remove_metadata(), first.metadata.metadata or {}
    about = json.loads(footer.get(b"emb", b"{}"))
    try:
        fingerprint, dimension = about["fingerprint"], schema.field("embedding").type.list_size
    except (KeyError, AttributeError) as error:
        raise ValueError(
            f"{files[0].name!r} in {str(folder)!r} is not a file of embeddings ({reason(error)}); pass the folder that "
            "training/embed.py wrote."
        ) from error
    geo, precision = json.loads(footer.get(b"geo", b"{}")), about.get("precision", "float32")
    return Collection(folder, files, path_of(folder, "model"), fingerprint, precision, dimension, schema, geo)


def opened(path: Path) -> pq.ParquetFile:
    """
    An open parquet file, to be used with `with`.

    Raises:
        ValueError: the file is missing or damaged.
    """
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read ({reason(error)}); run training/embed.py again to write what is missing."
        ) from error


def batches(collection: Collection, files: Sequence[Path], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """
    Some columns (by default all) of the rows of some files, as tables of at most `rows_at_once` rows, in order.

    Raises:
        ValueError: a file is missing, damaged, or of another job.
    """
    for path in files:
        with opened(path) as file:
            _check_belongs(collection, path, file)
            found = file.iter_batches(collection.rows_at_once, columns=list(columns) if columns else None)
            while (batch := _next_batch(path, found)) is not None:
                yield pa.Table.from_batches([batch])


def _next_batch(path: Path, found: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    try:
        return next(found, None)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{str(path)!r} is damaged ({reason(error)}); delete it, and run the same training/embed.py again to make it anew."
        ) from error


def _check_belongs(collection: Collection, path: Path, file: pq.ParquetFile) -> None:
    about = json.loads((file.metadata.metadata or {}).get(b"emb", b"{}"))
    if about.get("fingerprint") != collection.fingerprint or file.schema_arrow.remove_metadata() != collection.schema:
        raise ValueError(
            f"{str(path)!r} belongs to another job than {collection.files[0].name!r} beside it: its model or its columns differ; restore "
            "the files that training/embed.py wrote, or embed again."
        )


def unit_vectors(table: pa.Table) -> np.ndarray:
    """
    The embeddings of a table's rows, divided by their length: `(n, D)`, float32.

    Raises:
        ValueError: an embedding is not finite or zero, so that it has no direction.
    """
    vectors = read_vectors(table)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    wrong = ~(np.isfinite(lengths) & (lengths > 0)).ravel()
    if wrong.any():
        name = table.column("id")[int(np.flatnonzero(wrong)[0])].as_py()
        raise ValueError(
            f"The embedding of row {name!r} is zero or not finite, so it cannot be compared; embed its input again."
        )
    return vectors / lengths


def state_of(path: Path) -> dict[str, Any]:
    """What tells whether a file has changed: its name, size, time of modification, and a digest of its footer."""
    stat = path.stat()
    return {"name": path.name, "bytes": stat.st_size, "modified_ns": stat.st_mtime_ns, "footer": _footer_digest(path)}


def is_unchanged(path: Path, state: dict[str, Any]) -> bool:
    """
    Whether a file is the one whose state was recorded. Copying a file changes its time; then its footer decides, which holds the
    place and the extremes of every part of the file.
    """
    try:
        stat = path.stat()
        if stat.st_size != state["bytes"]:
            return False
        return stat.st_mtime_ns == state["modified_ns"] or _footer_digest(path) == state["footer"]
    except FileNotFoundError:
        return False


def _footer_digest(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(-_TAIL_BYTES, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-min(length + _TAIL_BYTES, path.stat().st_size), os.SEEK_END)
        return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
