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
"""Ends a job: checks that nothing is lost, and writes the list of bad inputs, the catalogue, the data card and a picture."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.common.files import written_whole
from training.embedding.job import ERRORS, Job, read_record
from training.embedding.outputs.card import make_card
from training.embedding.outputs.extent import Extent, extent_of
from training.embedding.outputs.preview import draw_preview
from training.embedding.outputs.rows import EMBEDDINGS, embedding_file, embedding_files
from training.embedding.outputs.stac import write_catalogue

_REASONS_SHOWN = 3


@dataclass(frozen=True)
class Finished:
    """
    What a job gave.

    Attributes:
        rows (`int`), errors (`int`): numbers of embeddings, and of those that could not be made.
        reasons (`list[str]`): the first reasons, with their sources.
    """

    rows: int
    errors: int
    reasons: list[str]


def is_written(output: Path, job: Job, rank: int) -> bool:
    """Whether what a task wrote is still there, and not cut off."""
    try:
        pq.read_metadata(embedding_file(output, rank))
        read_record(output, rank)
    except (OSError, ValueError, pa.ArrowException):
        return False
    return True


def finish(output: Path, job: Job, licence: str | None) -> Finished:
    """
    Ends a job whose tasks are complete.

    Args:
        output (`Path`): its folder.
        job ([`Job`]): the job.
        licence (`str`, *optional*): of the embeddings, for catalogue and card.

    Raises:
        ValueError: a file is missing, or does not hold as many rows as it should.
    """
    files = embedding_files(output)
    for unfinished in (output / EMBEDDINGS).glob(".*.parquet"):
        # Of tasks that were killed.
        unfinished.unlink()
    extents = [extent_of(path) for path in files]
    errors = _checked_errors(output, job, files, extents)
    return complete(
        output, job, files, extents, errors, "source", lambda path: draw_preview(path, files, extents, job), licence
    )


def complete(
    output: Path,
    job: Job,
    files: Sequence[Path],
    extents: Sequence[Extent],
    errors: Iterable[dict[str, Any]],
    shown: str,
    draw: Callable[[Path], bool],
    licence: str | None,
) -> Finished:
    """
    Writes the list of bad inputs, the catalogue, the picture and the data card.

    Args:
        output (`Path`), job ([`Job`]): its folder, and what it is.
        files (`Sequence[Path]`), extents (`Sequence[Extent]`): what the catalogue has an item for, and what each covers.
        errors (`Iterable[dict]`): entries of the list, written as they come.
        shown (`str`): the key that names a bad input in the first reasons.
        draw (`Callable`): draws the picture to a path, and says whether there was anything to draw.
        licence (`str`, *optional*): of the embeddings.
    """
    count, reasons = 0, list[str]()
    with written_whole(output / ERRORS) as temporary, temporary.open("w", encoding="utf-8") as file:
        for error in errors:
            file.write(json.dumps(error, ensure_ascii=False) + "\n")
            count += 1
            if len(reasons) < _REASONS_SHOWN:
                row = f", row {error['row']}" if "row" in error else ""
                reasons.append(f"{error[shown]}{row}: {error['reason']}")
    rows = sum(extent.rows for extent in extents)
    write_catalogue(output, job, extents, files, licence)
    drawn = draw(output / "preview.png")
    make_card(job, extents, rows, count, licence, drawn).save(output / "README.md")
    return Finished(rows, count, reasons)


def _checked_errors(
    output: Path, job: Job, files: Sequence[Path], extents: Sequence[Extent]
) -> Iterator[dict[str, Any]]:
    """The entries of all tasks, each after a check that its rows and errors are those of its inputs."""
    for rank, extent in enumerate(extents):
        record = read_record(output, rank)
        whole = record.rows + len(record.errors) == record.expected and record.inputs == job.sizes[rank]
        if record.rows != extent.rows or not whole:
            raise ValueError(
                f"{files[rank].name!r} holds {extent.rows} rows, and {len(record.errors)} inputs are bad, of {record.expected} rows and "
                f"{job.sizes[rank]} inputs; delete it and logs/completions/{rank:05d}, and run the same command again."
            )
        yield from record.errors
