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
"""Plans a job: what is to be embedded, in which tasks; or finds the plan of a run that was stopped."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from filelock import FileLock, Timeout

from training.common.checks import check_empty
from training.common.files import check_writable
from training.common.fingerprints import fingerprint_of
from training.common.models import load_gair
from training.common.precision import slowness
from training.common.tables import local_path
from training.common.wording import counted
from training.embedding.encoding import Encoder
from training.embedding.inputs.kind import Input, Part
from training.embedding.inputs.pairs import PairRows
from training.embedding.job import LOCAL_ONLY, LOGS, PLAN, Job, check_same, read_job, write_job
from training.embedding.kinds import kind_of, open_input
from training.embedding.maps.input import PIXELS
from training.embedding.maps.plan import MapPlan
from training.embedding.options import FOR_GEOTIFFS, FOR_RASTERS, RASTERS, EmbedOptions
from training.embedding.outputs.rows import EMBEDDINGS, JOB

PLACES_PER_BATCH, IMAGES_PER_BATCH = 4096, 32
_PLACES_PER_TASK = 100_000
# An image costs about two operations a parameter and token, so that tasks of any model take minutes on a core.
_PARAMETERS_PER_TASK, _LEAST_IMAGES, _MOST_IMAGES = 10**11, 100, 10_000
_BYTES = {"float32": 4, "float16": 2, "int8": 1}
_BYTES_BESIDE = 160
_LOCK = "run.lock"


@dataclass(frozen=True)
class Planned:
    """
    A job that is to be done.

    Attributes:
        job ([`Job`]): the job.
        remarks (`list[str]`): sentences on how the input was understood; none if the job was planned before.
        input ([`Input`]): what is embedded.
    """

    job: Job
    remarks: list[str]
    input: Input

    def check_unchanged(self) -> None:
        """
        Checks that the input is still what was planned, since tasks read it as they come to it.

        Raises:
            ValueError: it is not.
        """
        if self.input.fingerprint() != self.job.input_fingerprint:
            raise ValueError(
                f"The input {self.job.input!r} was changed while it was embedded, so that the files may hold either state; delete the output "
                "folder, and run the same command again."
            )


@contextmanager
def plan(options: EmbedOptions) -> Iterator[Planned]:
    """
    Plans a job in `--output`, or finds it there. Meanwhile no other run can.

    Raises:
        ValueError: the model or the input cannot be read, or the folder holds another job or other files, or another run is at work in it.
    """
    output = options.output
    assert output is not None and options.model is not None
    found = open_input(options)
    model, processor = load_gair(options.model, precision=options.precision)
    wanted = _wanted(options, found, model, processor)
    check_writable(output, "pass another --output")
    if not (output / JOB).is_file():
        _check_nothing_else(output)
    with _alone_in(output):
        if (output / JOB).is_file():
            job = read_job(output)
            check_same(job, wanted, output)
            # Files may have been moved since.
            write_job(output, job, _paths(options, found))
            yield Planned(job, [], found)
        else:
            for name in (PLAN,) if found.what == PIXELS else (PLAN, EMBEDDINGS):
                (output / name).mkdir(exist_ok=True)
            yield _planned(options, found, wanted, output, Encoder(model, processor))


def dry_run(options: EmbedOptions) -> str:
    """
    Says how many tasks, bytes and hours a job would be, after embedding its first batch. Nothing is left on disk.

    Raises:
        ValueError: as [`plan`].
    """
    assert options.model is not None
    found = open_input(options)
    model, processor = load_gair(options.model, precision=options.precision)
    wanted = _wanted(options, found, model, processor)
    with TemporaryDirectory(prefix="gair-embed-") as scratch:
        output, encoder = Path(scratch), Encoder(model, processor)
        (output / PLAN).mkdir()
        planned = _planned(options, found, wanted, output, encoder)
        job = planned.job
        part, seconds = _first_part(output, job, encoder)
    total, rows = sum(job.sizes), sum(job.sizes) * (part.rows + len(part.errors)) / part.inputs
    what = f"about {rows:,.0f} rows"
    size = rows * (job.dimension * _BYTES[job.dtype] + _BYTES_BESIDE)
    if job.what == PIXELS:
        height, width = MapPlan.from_json(job.details["map"]).shape
        what, size = f"{height * width:,} cells", float(height * width * job.dimension * _BYTES[job.dtype])
    lines = [
        *planned.remarks,
        f"Dry run: {counted(total, job.unit)} in {counted(job.tasks, 'task')}; {what} and {_size_text(size)}.",
        f"About {_duration(total * seconds / options.workers)} with {counted(options.workers, 'worker')} on this CPU, by the time of the first "
        f"{part.inputs:,} ({1 / seconds:,.3g} {job.unit}s per second), beside the time to start. Nothing was written.",
    ]
    return "\n".join(lines)


def _size_text(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def _duration(seconds: float) -> str:
    unit, size = next((one for one in (("seconds", 1), ("minutes", 60)) if seconds < 90 * one[1]), ("hours", 3600))
    return f"{seconds / size:.2g} {unit}"


@contextmanager
def _alone_in(output: Path) -> Iterator[None]:
    """Keeps other runs on the same files out of a folder; the system releases it however a run ends."""
    (output / LOGS).mkdir(exist_ok=True)
    lock = FileLock(output / LOGS / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"Another run is at work in {str(output)!r}; wait until it has ended, or pass another --output."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _planned(options: EmbedOptions, found: Input, wanted: dict[str, Any], output: Path, encoder: Encoder) -> Planned:
    """Plans an input, and writes the job."""
    planned = found.plan(output / PLAN, wanted["options"]["items_per_task"], encoder)
    job = Job(
        **wanted,
        planned=datetime.now(UTC).isoformat(timespec="seconds"),
        tasks=len(planned.sizes),
        sizes=planned.sizes,
        details={**planned.details, "listed": not isinstance(found, PairRows)},
    )
    write_job(output, job, _paths(options, found))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Planned(job, [*planned.remarks, *slowness(options.precision, device)], found)


def _first_part(output: Path, job: Job, encoder: Encoder) -> tuple[Part, float]:
    """The first part of a job, and how many seconds reading and encoding one of its inputs takes."""
    kind = kind_of(job.what, job.details["listed"])
    # Twice, since the first time is slower than the others.
    for _ in range(2):
        start = time.perf_counter()
        part = next(kind.parts(output, job, 0, encoder.processor))()
        kind.encode(encoder, part)
    return part, (time.perf_counter() - start) / part.inputs


def _wanted(options: EmbedOptions, found: Input, model: Any, processor: Any) -> dict[str, Any]:
    """The fields of the job that a resumed run must agree with, and the model's."""
    assert options.model is not None
    places = found.what == "places"
    name = local_path(options.model)
    parameters = sum(weight.numel() for weight in model.parameters())
    images = min(max(_PARAMETERS_PER_TASK // parameters, _LEAST_IMAGES), _MOST_IMAGES)
    settings = {
        "dtype": options.dtype,
        "precision": options.precision,
        "batch_size": options.batch_size or (PLACES_PER_BATCH if places else IMAGES_PER_BATCH),
        "items_per_task": options.items_per_task or (_PLACES_PER_TASK if places else images),
        "column": options.column,
        **{name: getattr(options, name) for name in FOR_GEOTIFFS if found.what in ("tiles", *RASTERS)},
        **{name: getattr(options, name) for name in FOR_RASTERS if options.what in RASTERS},
    }
    return {
        "what": found.what,
        "unit": found.unit,
        "input": found.name,
        "input_fingerprint": found.fingerprint(),
        "model": name.resolve().name if name.exists() else options.model,
        "revision": getattr(model.config, "_commit_hash", None),
        "fingerprint": fingerprint_of(model, processor),
        "processor": blake2b(
            dumps(processor.to_dict(), sort_keys=True, default=str).encode(), digest_size=8
        ).hexdigest(),
        "dimension": model.rs_model.hidden_size,
        "options": settings,
    }


def _paths(options: EmbedOptions, found: Input) -> Mapping[str, str]:
    assert options.model is not None
    name = local_path(options.model)
    local = Path(found.path)
    return {
        "model": str(name.resolve()) if name.exists() else options.model,
        "input": str(local.resolve()) if found.path and local.exists() else found.path,
    }


def _check_nothing_else(output: Path) -> None:
    """What a run that was stopped while planning has left may stay; nothing else is overwritten."""
    others = [path for path in output.iterdir() if path.name not in (*LOCAL_ONLY, EMBEDDINGS)]
    if others:
        check_empty(output, "pass a new folder as --output")
