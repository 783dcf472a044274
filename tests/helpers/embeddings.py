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
"""Folders of embeddings as training/embed.py leaves them, made by its own writer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from training.embedding.job import PLAN, Job, write_job
from training.embedding.outputs.rows import EMBEDDINGS, embedding_file, write_embeddings

FINGERPRINT = "0123456789abcdef"


def clustered(rows: int, dimension: int, clusters: int = 200, seed: int = 0) -> np.ndarray:
    """Vectors `(rows, dimension)`, float32, around random centres, of lengths other than 1."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((clusters, dimension), dtype=np.float32)
    vectors = generator.standard_normal((rows, dimension), dtype=np.float32)
    vectors *= 0.7
    vectors += centres[generator.integers(0, clusters, rows)]
    return vectors


def write_folder(
    folder: Path,
    vectors: np.ndarray,
    lon_lat: np.ndarray | None = None,
    files: int = 1,
    dtype: str = "float32",
    columns: dict[str, Sequence[Any]] | None = None,
    geometry: Sequence[Any] | None = None,
    model: str = "made",
    fingerprint: str = FINGERPRINT,
    precision: str = "float32",
) -> Path:
    """
    Writes vectors as a finished job.

    Args:
        folder (`Path`): the folder, which may exist.
        vectors (`np.ndarray` of shape `(n, D)`): float32.
        lon_lat (`np.ndarray` of shape `(n, 2)`, *optional*): degrees; drawn between 60° S and 75° N by default.
        files (`int`): number of files.
        dtype (`str`): how they are stored.
        columns (`dict`, *optional*): carried columns; `id` replaces `row-0`, `row-1`, …
        geometry (`Sequence`, *optional*): footprints; points by default.
        model, fingerprint (`str`): of the job.
        precision (`str`): in which the model multiplied matrices.
    """
    for name in (EMBEDDINGS, PLAN):
        (folder / name).mkdir(parents=True, exist_ok=True)
    count = len(vectors)
    if lon_lat is None:
        lon_lat = np.random.default_rng(1).uniform((-180, -60), (180, 75), (count, 2))
    shapes = shapely.points(lon_lat) if geometry is None else np.array(geometry, object)
    own = {
        "id": [f"row-{number}" for number in range(count)],
        "modality": ["location"] * count,
        "source": ["made"] * count,
    }
    given = pa.table({name: list(values) for name, values in (columns or {}).items()})
    carried = pa.schema([field for field in given.schema if field.name not in own])
    about = {"model": model, "fingerprint": fingerprint, "emb:dimensions": vectors.shape[1], "normalised": False}
    about["precision"] = precision
    for rank, rows in enumerate(np.array_split(np.arange(count), files)):
        part = {name: given.column(name).take(pa.array(rows)) for name in given.column_names}
        part |= {name: [values[row] for row in rows] for name, values in own.items() if name not in part}
        part |= {"lon": lon_lat[rows, 0], "lat": lon_lat[rows, 1], "geometry": shapes[rows]}
        write_embeddings(embedding_file(folder, rank), part, vectors[rows], dtype, about, carried)
    write_job(folder, made_job(files, count, vectors.shape[1], dtype, model, fingerprint), {"model": model})
    return folder


def made_job(
    files: int, rows: int, dimension: int, dtype: str = "float32", model: str = "made", fingerprint: str = FINGERPRINT
) -> Job:
    """The job of some files with about as many rows each."""
    return Job(
        what="places",
        unit="place",
        input="made",
        input_fingerprint="",
        model=model,
        revision=None,
        fingerprint=fingerprint,
        processor="",
        dimension=dimension,
        options={"dtype": dtype},
        planned="",
        tasks=files,
        sizes=[len(part) for part in np.array_split(np.arange(rows), files)],
        details={},
    )
