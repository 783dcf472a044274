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
"""CPU time and peak memory of processes."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_LOOKS_EVERY_S = 0.02


@dataclass(frozen=True)
class Used:
    """What a process and its own processes took: CPU seconds, and the peak memory of the largest in bytes."""

    cpu: float
    peak_bytes: int


def wait_for(process: subprocess.Popen) -> Used:
    """
    Waits until a process ends and measures it, on Linux.

    Peaks are read while it runs. The maximum that `wait4` and `getrusage` report would not do: it is at least what the parent used when
    it started the process, and a test or a measuring program may use more than the process itself.

    Raises:
        subprocess.CalledProcessError: the process failed.
    """
    peak = 0
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        peak = max(peak, *map(peak_bytes, [process.pid, *_descendants(process.pid)]))
        time.sleep(_LOOKS_EVERY_S)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Used(ended[2].ru_utime + ended[2].ru_stime, peak)


def _descendants(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def peak_bytes(pid: int | str = "self") -> int:
    """Peak memory of a running process so far, in bytes; 0 once it has ended. On Linux."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
