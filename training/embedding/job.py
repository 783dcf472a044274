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
"""What a job is: `job.json`, which a resumed run must agree with, and the record that each task leaves."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.common.files import write_atomically
from training.common.precision import Precision
from training.embedding.outputs.rows import JOB

PLAN, LOGS, TASKS, ERRORS = "plan", "logs", "tasks", "errors.jsonl"
# What stays on this machine: paths, and what only the engine reads.
LOCAL_ONLY = (PLAN, LOGS)
_LOCAL = "paths.json"
# What a resumed run must agree with, and how a message calls it.
_SAME = {
    "what": "--what",
    "input": "the name of the input",
    "input_fingerprint": "the content of the input",
    "fingerprint": "the fingerprint of the model",
    "processor": "the settings of its processor",
    "options": "the options",
}


@dataclass(frozen=True)
class Job:
    """
    Attributes:
        what (`str`): what is embedded; of a data set, names joined by +.
        unit (`str`): what an input is called.
        input (`str`): name of the input, for readers.
        input_fingerprint (`str`): digest of the input.
        model (`str`): name of the model, for readers.
        revision (`str`, *optional*): its commit on the Hub.
        fingerprint (`str`), processor (`str`): digests of the model with its processor, and of the processor's settings.
        dimension (`int`): width D of the embeddings.
        options (`dict`): those that the files depend on.
        planned (`str`): when the job was planned (UTC, ISO 8601).
        tasks (`int`): number of tasks, which is that of the files.
        sizes (`list[int]`): number of inputs of each task.
        details (`dict`): what else the tasks of this kind of input need.
    """

    what: str
    unit: str
    input: str
    input_fingerprint: str
    model: str
    revision: str | None
    fingerprint: str
    processor: str
    dimension: int
    options: dict[str, Any]
    planned: str
    tasks: int
    sizes: list[int]
    details: dict[str, Any]

    @property
    def dtype(self) -> str:
        return self.options["dtype"]

    @property
    def precision(self) -> Precision:
        return self.options.get("precision", "float32")

    @property
    def batch_size(self) -> int:
        return self.options["batch_size"]


@dataclass(frozen=True)
class TaskRecord:
    """
    What a task did, for the check that nothing is lost.

    Attributes:
        inputs (`int`): inputs of the task.
        expected (`int`): embeddings that they should give: more than one for a tile with photos.
        rows (`int`): embeddings written.
        errors (`list[dict]`): `source`, `id` and `reason` of each embedding that could not be made.
    """

    inputs: int
    expected: int
    rows: int
    errors: list[dict[str, Any]]


def check_same(job: Job, wanted: Mapping[str, Any], output: Path) -> None:
    """
    Checks that a job that exists is the one that is wanted.

    Raises:
        ValueError: it differs; the message names what differs.
    """
    for name, called in _SAME.items():
        have, want = getattr(job, name), wanted[name]
        if have == want:
            continue
        if isinstance(have, dict):
            # An option that the job does not know is one that was not given.
            key = next((key for key in sorted({*have, *want}) if have.get(key) != want.get(key)), None)
            if key is None:
                continue
            called, have, want = f"--{key}", have.get(key), want.get(key)
        raise ValueError(
            f"{str(output)!r} holds the job of another command: {called} is {want!r} and was {have!r}; run the same command again, "
            "or pass another --output."
        )


def write_job(output: Path, job: Job, paths: Mapping[str, str]) -> None:
    """Writes `job.json`, and beside it the `paths` on this machine of the model and the input, which are never published."""
    write_atomically(output / PLAN / _LOCAL, json.dumps(dict(paths), indent=2))
    write_atomically(output / JOB, json.dumps(asdict(job), indent=2))


def read_job(output: Path) -> Job:
    """
    Raises:
        ValueError: there is no job, or it is not readable.
    """
    try:
        return Job(**json.loads((output / JOB).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{str(output)!r} holds no readable {JOB}; pass a folder written by training/embed.py, or delete it."
        ) from error


def path_of(output: Path, name: str) -> str:
    """Where the `model` or the `input` of a job is: on the machine that planned it its path, elsewhere its name."""
    return recorded_path(output, name) or str(getattr(read_job(output), name))


def recorded_path(output: Path, name: str) -> str | None:
    """The path of the `model` or the `input` on the machine that planned the job; None elsewhere."""
    try:
        return json.loads((output / PLAN / _LOCAL).read_text(encoding="utf-8"))[name]
    except (OSError, ValueError, KeyError):
        return None


def local_files(output: Path) -> list[Path]:
    """What the tasks of a job read on the machine that planned it, besides its own folder."""
    paths = [Path(path) for name in ("model", "input") if (path := recorded_path(output, name))]
    return [path for path in paths if path.exists()]


def write_record(output: Path, rank: int, record: TaskRecord) -> None:
    """Writes what became of the inputs of a task; reasons name the input as the job does, since paths stay on this machine."""
    path, name = recorded_path(output, "input"), read_job(output).input
    for error in record.errors:
        if path:
            # Files that a table names lie beside it.
            error["reason"] = error["reason"].replace(path, name).replace(f"{Path(path).parent}{os.sep}", "")
    write_atomically(_record_file(output, rank), json.dumps(asdict(record), ensure_ascii=False))


def read_record(output: Path, rank: int) -> TaskRecord:
    return TaskRecord(**json.loads(_record_file(output, rank).read_text(encoding="utf-8")))


def _record_file(output: Path, rank: int) -> Path:
    return output / LOGS / TASKS / f"{rank:05d}.json"
