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
"""Does a task of a job: its inputs are read, embedded and written to one file, part by part."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.common.jobs import TaskProgress
from training.common.workers import in_order
from training.embedding.encoding import Encoder, encoder_of
from training.embedding.inputs.kind import Kind, Part
from training.embedding.job import LOGS, TASKS, Job, TaskRecord, read_job, write_record
from training.embedding.kinds import carried_columns_of, kind_of
from training.embedding.outputs.rows import EmbeddingWriter, embedding_file, embedding_writer
from training.embedding.outputs.stac import footer_of

_NOT_FINITE = "its embedding is not finite; check its pixels and the model's weights."


def run_task(output: Path, rank: int) -> None:
    """
    Writes the file of a task and the record of what became of its inputs. A task that is done again overwrites both with the
    same.

    Args:
        output (`Path`): the folder of the job.
        rank (`int`): number of the task.

    Raises:
        ValueError: the model has changed since the job was planned, or the disk is full.
    """
    job, encoder = read_job(output), encoder_of(output)
    listed = job.details["listed"]
    kind, carried = kind_of(job.what, listed), carried_columns_of(output, listed)
    (output / LOGS / TASKS).mkdir(parents=True, exist_ok=True)
    progress, errors = TaskProgress(output / LOGS, rank), list[dict[str, Any]]()
    with embedding_writer(
        embedding_file(output, rank), job.dimension, job.dtype, footer_of(job), carried, kind.geometry_types
    ) as writer:
        for part in _read_ahead(kind.parts(output, job, rank, encoder.processor)):
            errors += _write_part(writer, part, kind, encoder)
            progress.add(part.inputs)
    lost = _lost(job.sizes[rank] - progress.items, job)
    errors += lost
    write_record(output, rank, TaskRecord(progress.items + len(lost), writer.rows + len(errors), writer.rows, errors))


def _lost(count: int, job: Job) -> list[dict[str, Any]]:
    """The entries of inputs that a damaged file of a data set no longer holds."""
    reason = "it lies in a damaged part of a file; download the file again."
    return [{"source": job.input, "id": None, "reason": reason}] * count


def _read_ahead(parts: Iterator[Callable[[], Part]]) -> Iterator[Part]:
    """The parts, the next of which is read while one is encoded."""
    with ThreadPoolExecutor(1) as pool:
        yield from in_order(pool, _call, ((part,) for part in parts), ahead=1)


def _call(part: Callable[[], Part]) -> Part:
    return part()


def _write_part(writer: EmbeddingWriter, part: Part, kind: Kind, encoder: Encoder) -> list[dict[str, Any]]:
    """Writes the rows of a part; returns the entries of those that cannot be made."""
    errors = list(part.errors)
    if part.rows:
        vectors = kind.encode(encoder, part)
        finite = np.isfinite(vectors).all(axis=1)
        columns = part.columns
        if not finite.all():
            for row in np.flatnonzero(~finite).tolist():
                errors.append(
                    {"source": _value(columns["source"], row), "id": _value(columns["id"], row), "reason": _NOT_FINITE}
                )
            columns = {name: _kept(values, finite) for name, values in columns.items()}
        writer.write(columns, vectors[finite])
    return errors


def _value(values: Any, row: int) -> Any:
    return values[row].as_py() if isinstance(values, pa.ChunkedArray) else values[row]


def _kept(values: Any, mask: np.ndarray) -> Any:
    if isinstance(values, pa.ChunkedArray):
        return values.filter(pa.array(mask))
    return values[mask] if isinstance(values, np.ndarray) else [value for value, keep in zip(values, mask) if keep]
