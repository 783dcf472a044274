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
"""
A limit of requests to a host that all processes of a machine keep together: each takes the next free moment from a file, and waits
for it. No library does this across processes without a server.
"""

import os
import re
import tempfile
import threading
import time
from pathlib import Path

from filelock import FileLock

_POLL_S = 0.002


class RateLimit:
    """
    At most some requests a second to a host.

    Args:
        host (`str`): name and port of the host.
        per_second (`float`): the most requests a second, by all processes of this user on the machine.
        folder (`Path`, *optional*): of the files, by default one in the folder for temporary files.
    """

    def __init__(self, host: str, per_second: float, folder: Path | None = None):
        self._interval = 1 / per_second
        folder = folder or Path(tempfile.gettempdir()) / f"gair-requests-{os.getuid()}"
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / re.sub(r"[^A-Za-z0-9.-]", "_", host)
        # Threads wait for each other here, and only one of them for other processes, which it can but ask again and again.
        self._threads = threading.Lock()
        self._processes = FileLock(f"{self._file}.lock", poll_interval=_POLL_S)

    def wait(self) -> None:
        """Takes the next free moment, and sleeps until then."""
        with self._threads, self._processes:
            moment = max(time.time(), self._next())
            self._set(moment + self._interval)
        time.sleep(max(0.0, moment - time.time()))

    def pause(self, seconds: float) -> None:
        """Lets nobody ask the host for some time, as it asked for."""
        with self._threads, self._processes:
            self._set(max(self._next(), time.time() + seconds))

    def _next(self) -> float:
        try:
            return float(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0.0

    def _set(self, moment: float) -> None:
        # Read and written by whoever holds the lock; a moment that was cut off by a kill reads as none.
        self._file.write_text(repr(moment), encoding="utf-8")
