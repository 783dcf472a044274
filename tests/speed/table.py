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
"""The suite's table: printed, kept as a history of JSON lines, and compared with an earlier run."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tests.speed.rows import Row, Settings
from training.common.files import check_output_file, reason_of

# What two runs must have in common for their times to be compared.
_ALIKE = ("processor", "cores", "threads", "device", "quick")


def machine(settings: Settings) -> dict[str, Any]:
    """What the figures of a run depend on besides the code."""
    flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[-1].split("\n", 1)[0] if _linux() else ""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if _linux() else os.cpu_count(),
        "bfloat16": "amx_bf16" in flags or "avx512_bf16" in flags,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(settings.device) if settings.device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "quick": settings.quick,
    }


def head(earlier: dict[tuple[str, str], float] | None = None) -> str:
    """The first two lines of a Markdown table of rows."""
    names = ["section", "case", "median", "±", "rate", "ratio", "note"] + (["earlier / now"] if earlier else [])
    return "| " + " | ".join(names) + " |\n" + "|" + "---|" * len(names)


def line(row: Row, earlier: dict[tuple[str, str], float] | None = None) -> str:
    """A row of the table, with the ratio to an earlier run's value if there is one."""
    cells = [
        row.section,
        row.case,
        _quantity(row.value, row.unit),
        f"{row.spread:.0%}" if row.spread else "",
        f"{row.rate:,.3g} {row.items}/s" if row.rate else "",
        f"{row.ratio:.2f} × {row.than}" if row.ratio else "",
        row.note,
    ]
    if earlier:
        before = earlier.get((row.section, row.case))
        cells.append(f"{before / row.value:.2f}" if before and row.value else "")
    return "| " + " | ".join(cells) + " |"


def show(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    return "\n".join([head(), *map(line, rows)])


def check_history(path: Path) -> None:
    """
    Checks that a run can be added to a history, before it is measured.

    Raises:
        ValueError: nothing can be written there.
    """
    check_output_file(path, [], "pass another --json")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{str(path)!r} may not be written; pass another --json.")


def append(path: Path, about: dict[str, Any], rows: Sequence[Row]) -> None:
    """Adds a run to a history: one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**about, "rows": [row.as_dict() for row in rows]}) + "\n")


def last_run(path: Path, about: dict[str, Any]) -> dict[tuple[str, str], float]:
    """
    The values of the last run in a history that can be compared with this one, by section and case: on the same machine and device, with
    as many threads, and as quick.

    Args:
        path (`Path`): the history.
        about (`dict`): this run, from [`machine`].

    Raises:
        ValueError: the file does not hold such a run.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ValueError(
            f"--against is {str(path)!r}, which cannot be read ({reason_of(error)}); name a file that --json wrote."
        ) from error
    runs = [_run(line, f"line {number} of {str(path)!r}") for number, line in enumerate(lines, start=1)]
    alike = [values for conditions, values in runs if conditions == _conditions(about)]
    if not alike:
        wanted = ", ".join(f"{name} {value}" for name, value in _conditions(about).items())
        raise ValueError(f"--against is {str(path)!r}, which has no run with {wanted}; make one with --json.")
    return alike[-1]


def _run(line: str, where: str) -> tuple[dict[str, Any], dict[tuple[str, str], float]]:
    """A line of a history: the conditions and the values of a run."""
    try:
        run = json.loads(line)
        return _conditions(run), {(row["section"], row["case"]): float(row["value"]) for row in run["rows"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"--against: {where} is no run; remove it, or name a file that --json wrote.") from error


def _conditions(run: dict[str, Any]) -> dict[str, Any]:
    return {name: run[name] for name in _ALIKE}


def _quantity(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:,.3g} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1 or name == "µs":
            return f"{value * factor:.3g} {name}"
    raise AssertionError(value)


def _linux() -> bool:
    return platform.system() == "Linux"


def _processor() -> str:
    if _linux():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
