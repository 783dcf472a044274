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
"""Python programs that run at the same time and are stopped together."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import BinaryIO, TypeVar

from tqdm.auto import tqdm

Task = TypeVar("Task", bound=Hashable)


class ChildProcesses:
    """
    Runs Python programs, each with its own log. They run in sessions of their own, so Ctrl-C in a terminal does not reach
    them: they end by themselves, or by [`~ChildProcesses.stop`].
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """
        Runs a program until it ends.

        Args:
            arguments (`Sequence[str]`): arguments of `python`.
            log (`Path`): the program's output is appended to it; its folder is created.
            environment (`Mapping[str, str]`): variables to set in addition to those of this process.

        Raises:
            ValueError: the program failed, or was stopped.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            start = output.tell()
            code = self._start(arguments, output, {**os.environ, **environment}).wait()
        if not code and not self._stopped:
            return
        lines = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
        if self._stopped:
            reason = "it was stopped"
        elif code < 0:
            reason = f"it was ended by signal {-code}"
        else:
            reason = lines[-1] if lines else f"it ended with exit status {code} and no output"
        raise ValueError(f"A run failed: {reason} (see {str(log)!r}); fix the cause and run the same command again.")

    def _start(self, arguments: Sequence[str], output: BinaryIO, environment: Mapping[str, str]) -> subprocess.Popen:
        with self._lock:
            if self._stopped:
                raise ValueError("Stopped; the same command resumes.")
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
        """Asks all running programs to save and end, and starts no more. Sends SIGTERM: SIGINT may be ignored."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                if child.poll() is None:
                    child.terminate()


def run_all(
    tasks: Sequence[Task], after: Mapping[Task, Task], work: Callable[[Task, ChildProcesses], None], jobs: int
) -> None:
    """
    Works on tasks, some at the same time. If one fails, or at an interruption, the programs of all others are asked to save
    and end, and no further task begins.

    Args:
        tasks (`Sequence[Task]`): in the order in which they begin.
        after (`Mapping[Task, Task]`): task → an earlier one that must be done before.
        work (`Callable`): does a task, running its programs by the [`ChildProcesses`] that it gets.
        jobs (`int`): largest number of tasks at the same time.

    Raises:
        ValueError: as `work` does.
    """
    children = ChildProcesses()
    futures: dict[Task, Future] = {}

    def run(task: Task) -> None:
        if task in after:
            futures[after[task]].result()
        work(task, children)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for task in tasks:
                futures[task] = pool.submit(run, task)
            for future in tqdm(
                as_completed(futures.values()), total=len(futures), unit="run", desc="train and measure"
            ):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise
