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
"""Rows of embeddings in GeoParquet, as training/embed.py writes them: places, photos and tiles to search."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serving.model import ServedModel, on_gpu

# 300 MB at the published size. Of more rows, every second, third, … is kept.
MAX_ROWS = 200_000
_COLUMNS = ("id", "lon", "lat", "modality", "embedding")
_ROWS_AT_ONCE = 8192
_LOCATION = "location"
# Of rows of locations, these many are embedded again, to see whether the page's model is theirs.
_CHECKED = 16
# int8 and float16 keep cosines above 0.999.
_LEAST_COSINE = 0.99


@dataclass(frozen=True)
class EmbeddedRows:
    """
    Rows to search.

    Attributes:
        ids (`list[str]`), modalities (`list[str]`): of each of the N rows.
        lon, lat (`np.ndarray` of shape `(N,)`): degrees.
        vectors (`np.ndarray` of shape `(N, D)`): float16, of length 1.
        note (`str`): a sentence on the rows, for visitors.
    """

    ids: list[str]
    modalities: list[str]
    lon: np.ndarray
    lat: np.ndarray
    vectors: np.ndarray
    note: str

    def find(self, query: np.ndarray, count: int) -> list[dict[str, Any]]:
        """
        The rows most similar to an embedding `(D,)` of length 1: `id`, `modality`, `lon`, `lat` and `similarity` (cosine), the most
        similar first.
        """
        parts = [
            self.vectors[start : start + _ROWS_AT_ONCE].astype(np.float32) @ query
            for start in range(0, len(self.vectors), _ROWS_AT_ONCE)
        ]
        cosines = np.concatenate(parts)
        return [
            {
                "id": self.ids[row],
                "modality": self.modalities[row],
                "lon": float(self.lon[row]),
                "lat": float(self.lat[row]),
                "similarity": float(cosines[row]),
            }
            for row in np.argsort(-cosines, kind="stable")[:count]
        ]

    def vector(self, id_: str) -> np.ndarray:
        """
        The embedding `(D,)` of the first row of an id, float32, of length 1.

        Raises:
            ValueError: if there is none.
        """
        if id_ not in self.ids:
            raise ValueError(f"The rows have no id {id_[:40]!r}, expected one that the table lists; choose another.")
        return self.vectors[self.ids.index(id_)].astype(np.float32)


def load_embedded_rows(served: ServedModel, source: str | None = None) -> EmbeddedRows | None:
    """
    Reads the rows that the page searches.

    Args:
        served ([`ServedModel`]): the model that embeds queries.
        source (`str`, *optional*): a folder of parquet files; by default the environment variable `GAIR_EMBEDDINGS`.

    Returns:
        [`EmbeddedRows`], or None without a source.

    Raises:
        ValueError: there are no such files, or another model embedded them.
    """
    source = source or os.environ.get("GAIR_EMBEDDINGS")
    if not source:
        return None
    files = sorted(Path(os.path.expanduser(source)).glob("*.parquet"))
    try:
        total = sum(pq.read_metadata(path).num_rows for path in files)
        if not total:
            raise ValueError("no rows")
        step = -(-total // MAX_ROWS)
        table = pa.concat_tables(_every(files, step))
        vectors = _unit_vectors(table.column("embedding"))
    except (pa.ArrowException, OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(
            f"GAIR_EMBEDDINGS is {source!r}, expected a folder of embeddings written by training/embed.py, OUT/embeddings; check "
            f"the path ({str(error)[:200]})."
        ) from error
    lon, lat = (table.column(axis).to_numpy() for axis in ("lon", "lat"))
    ids, modalities = (table.column(name).to_pylist() for name in ("id", "modality"))
    checked = _check_model(served, vectors, lon, lat, np.array(modalities))
    shown = f"{total:,} rows" if step == 1 else f"{len(ids):,} of {total:,} rows, evenly spread"
    return EmbeddedRows(ids, modalities, lon, lat, vectors, f"The search covers {shown}. {checked}")


def _every(files: list[Path], step: int) -> Iterator[pa.Table]:
    """Every `step`-th row of some files, a few at a time in memory."""
    before = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(_COLUMNS)):
                chosen = np.arange(-before % step, len(batch), step)
                # A copy, so that the rest of the batch is freed.
                yield pa.Table.from_batches([batch.take(pa.array(chosen))])
                before += len(batch)


def _unit_vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Embeddings `(N, D)` of length 1, float16. A scale of int8 embeddings changes no direction."""
    parts = []
    for chunk in column.chunks:
        values = chunk.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        vectors = values.reshape(len(chunk), chunk.type.list_size)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ValueError("an embedding is zero or not finite")
        parts.append((vectors / lengths).astype(np.float16))
    return np.concatenate(parts)


def _check_model(
    served: ServedModel, vectors: np.ndarray, lon: np.ndarray, lat: np.ndarray, modalities: np.ndarray
) -> str:
    """Whether the page's model embedded the rows, as a sentence. Only places can be embedded again here."""
    dimension = on_gpu(served.places)(np.zeros(1), np.zeros(1)).shape[1]
    places = np.flatnonzero(modalities == _LOCATION)[:_CHECKED]
    alike = vectors.shape[1] == dimension
    if alike and len(places):
        again = on_gpu(served.places)(lon[places], lat[places])
        alike = bool(((again * vectors[places].astype(np.float32)).sum(axis=1) > _LEAST_COSINE).all())
    if not alike:
        raise ValueError(
            f"The rows in GAIR_EMBEDDINGS were embedded by another model than {served.name}; set GAIR_MODEL to theirs, or embed them again."
        )
    return "" if len(places) else f"They are taken to be embedded by {served.name}, which cannot be checked here."
