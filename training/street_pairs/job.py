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
"""What a job is: `job.json`, which a run that goes on with it must agree with."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.common.files import check_writable, write_atomically
from training.common.inputs import digest_of_file, digest_of_names, files_in
from training.common.tables import local_path
from training.street_pairs.options import StreetPairsOptions

JOB = "job.json"
# Options that do not change what comes out.
_MAY_DIFFER = {
    "output",
    "stage",
    "executor",
    "workers",
    "cluster",
    "requests_per_second",
    "retry_failed",
    "dry_run",
    "push",
    "private",
    "remove_ids",
    "mapillary_url",
    "kartaview_url",
    "stac_url",
}
CONTENT = "content of the input"


def check_job(options: StreetPairsOptions) -> dict[str, Any]:
    """
    Begins the job of these options in `--output`, or finds it there.

    Returns:
        The options that the result depends on, with a digest of the input.

    Raises:
        ValueError: the folder cannot be written, or holds the job of other options; the message names what differs.
    """
    assert options.output is not None
    check_writable(options.output, "pass another --output")
    wanted, path = _described(options), options.output / JOB
    if not path.is_file():
        write_atomically(path, json.dumps(wanted, indent=2, ensure_ascii=False))
        return wanted
    have = read_job(options.output)
    for name in sorted({*have, *wanted}):
        if have.get(name) != wanted.get(name):
            called = name if name == CONTENT else f"--{name}"
            raise ValueError(
                f"{str(options.output)!r} holds the job of another command: {called} is {wanted.get(name)!r} and was {have.get(name)!r}; "
                "run the same command again, or pass another --output."
            )
    return wanted


def read_job(output: Path) -> dict[str, Any]:
    """
    Raises:
        ValueError: there is no job, or it is not readable.
    """
    try:
        return json.loads((output / JOB).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{str(output)!r} holds no readable {JOB}; pass a folder written by training/streetscapes.py."
        ) from error


def _described(options: StreetPairsOptions) -> dict[str, Any]:
    values = {name: value for name, value in _flat(asdict(options)).items() if name.split(".")[0] not in _MAY_DIFFER}
    return {**values, CONTENT: _digest(str(options.input))}


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Options by their names on the command line; paths are those of the files' names, since folders may be moved."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[before + name] = _named(value)
    return flat


def _named(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_named(one) for one in value]
    if isinstance(value, Path) or (isinstance(value, str) and local_path(value).exists()):
        return local_path(value).resolve().name
    return value


def _digest(input: str) -> str | None:
    """Of the input, if it is on this machine."""
    path = local_path(input)
    if path.is_dir():
        return digest_of_names(path, files_in(path, ("",)))
    return digest_of_file(path) if path.is_file() else None
