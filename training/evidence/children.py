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
"""Programs that are started beside one another, and stopped together."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


class Children:
    """
    Python programs, each with a log of its own. Ctrl-C in a terminal does not reach them: they end when they are done, or
    by [`~Children.stop`].
    """

    def __init__(self):
        self._running: set[subprocess.Popen] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """
        Runs Python until it ends.

        Args:
            arguments (`Sequence[str]`): after `python`.
            log (`Path`): what it prints is added to it; its folder is made.
            environment (`Mapping[str, str]`): variables to set beside those of this process.

        Raises:
            ValueError: it failed, or all have been stopped.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            start = output.tell()
            code = self._start(arguments, output, {**os.environ, **environment}).wait()
        if not code and not self._stopped:
            return
        said = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
        if self._stopped:
            why = "it was stopped"
        elif code < 0:
            why = f"it was ended by signal {-code}"
        else:
            why = said[-1] if said else f"it ended with code {code} and said nothing"
        raise ValueError(f"A run failed: {why} (more in {str(log)!r}); mend it and give the same command again.")

    def _start(self, arguments: Sequence[str], output, environment: Mapping[str, str]) -> subprocess.Popen:
        with self._lock:
            if self._stopped:
                raise ValueError("Stopped; the same command goes on.")
            child = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
            self._running.add(child)
            return child

    def stop(self) -> None:
        """Asks all that run to save and end (by SIGTERM, which is not ignored where SIGINT may be), and starts none from now on."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                if child.poll() is None:
                    child.terminate()
