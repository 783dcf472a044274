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
"""Saves that are killed or meet a full disk, signals, and workers that exit with their parent."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate", reason="the extra train is not installed")
from torch.utils.data import DataLoader, IterableDataset

from tests.helpers.checkpoint_run import PATIENCE_S, Run, failed_save, receive, start
from training.common.workers import worker_init
from training.pretraining.checkpointing import StopSignal


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path / "checkpoints")


# Full disks and kills ------------------------------------------------------------------------------------------------


def save_on_a_full_disk(folder: Path, connection: Connection) -> None:
    """Saves files of about 17 kB (model), 35 kB (optimizer) and, if they fit, 100 kB (readers)."""
    run = Run(folder, width=64)
    run.train(1)
    messages = [failed_save(run, 1, None, 8_000)]
    run.checkpoints.save(1, "good")
    messages += [failed_save(run, 2, "x" * 100_000, size) for size in (8_000, 24_000, 60_000)]
    left = os.listdir(folder)
    run.checkpoints.save(2, "after")
    connection.send((messages, left, run.checkpoints.latest().name))


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path):
    process, connection = start(save_on_a_full_disk, tmp_path / "checkpoints")
    (first, *later), left, latest = receive(connection)
    process.join(PATIENCE_S)
    assert (
        first.startswith("The checkpoint of step 1 could not be written to") and "and there is no earlier one" in first
    )
    for message in later:
        assert "step 2 could not be written" in message
        assert "step_00000001, the last good one, is kept: free space or fix" in message
    assert "File too large" in later[0] and "inline_container" in later[1] and "File too large" in later[2]
    assert left == ["step_00000001"] and latest == "step_00000002"


class Killed(BaseException):
    """Simulates kill -9: nothing catches it, so the files stay as they are at that moment."""


class KillAtFileEvent:
    """Raises [`Killed`] when this process is about to make the n-th change to a file or directory in a folder."""

    def __init__(self) -> None:
        self.folder, self.left = "", 0
        # Audit hooks cannot be removed; without a folder, this one does nothing.
        sys.addaudithook(self._hook)

    @contextmanager
    def at(self, folder: Path, event: int) -> Iterator[None]:
        self.folder, self.left = str(folder), event
        try:
            yield
        finally:
            self.folder = ""

    def _hook(self, name: str, arguments: tuple[Any, ...]) -> None:
        if not self.folder or not self._changes_files(name, arguments):
            return
        self.left -= 1
        if self.left == 0:
            self.folder = ""
            raise Killed

    def _changes_files(self, name: str, arguments: tuple[Any, ...]) -> bool:
        if name == "open":
            _, mode, flags = arguments
            changes = bool(set(mode or "") & set("wax")) or bool(flags & (os.O_WRONLY | os.O_RDWR))
        else:
            changes = name in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
        # During the removal of a directory, events name its files without their folder.
        return changes and (str(arguments[0]).startswith(self.folder) or name in ("os.remove", "os.rmdir"))


@pytest.fixture(scope="session")
def killer() -> KillAtFileEvent:
    return KillAtFileEvent()


def test_a_kill_at_any_stage_of_a_save_leaves_a_complete_checkpoint(run, killer):
    folder, reached = run.checkpoints.folder, []
    for event in count(1):
        before, step = 2 * event - 1, 2 * event
        # Also removes what the previous kill left behind.
        run.fill(before)
        run.checkpoints.save(before, {"step": before})
        run.fill(step)
        try:
            with killer.at(folder, event):
                run.checkpoints.save(step, {"step": step})
        except Killed:
            progress = run.checkpoints.load(run.checkpoints.latest())
            assert progress.step in (before, step) and progress.readers == {"step": progress.step}
            assert run.values() == {progress.step}
            reached.append(progress.step == step)
        else:
            # The save makes fewer changes than this.
            break
    # A kill before the rename leaves the old checkpoint; a kill after it leaves the new one.
    assert reached == sorted(reached) and {*reached} == {False, True}
    assert len(os.listdir(folder)) == 2


def save_repeatedly(folder: Path, connection: Connection) -> None:
    """Resumes from the newest checkpoint and saves repeatedly; weights and readers encode the step."""
    run = Run(folder)
    latest = run.checkpoints.latest()
    step = run.checkpoints.load(latest).step if latest else 0
    while True:
        step += 1
        run.fill(step)
        run.checkpoints.save(step, {"step": step})
        connection.send(step)


def kill_during_a_save(folder: Path) -> int:
    """Kills a process during a save; returns a step that it saved earlier."""
    process, connection = start(save_repeatedly, folder)
    first = receive(connection)
    deadline = time.monotonic() + PATIENCE_S
    while not list(folder.glob("*.tmp")):
        assert process.is_alive() and time.monotonic() < deadline
    process.kill()
    process.join(PATIENCE_S)
    return first


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.ci)])
def test_killed_processes_leave_a_complete_checkpoint(run, kills):
    for _ in range(kills):
        first = kill_during_a_save(run.checkpoints.folder)
        latest = run.checkpoints.latest()
        progress = run.checkpoints.load(latest)
        assert progress.step >= first and progress.readers == {"step": progress.step}
        assert run.values() == {progress.step} and latest.name == f"step_{progress.step:08d}"


# Signals and workers -------------------------------------------------------------------------------------------------


def test_a_second_ctrl_c_stops_at_once(capfd):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignal() as stop:
        assert not stop.agreed()
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert stop.agreed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == "\nStopping after this step; a second Ctrl-C stops at once.\n"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class Endless(IterableDataset):
    def __init__(self, size: int):
        self.size = size

    def __iter__(self):
        while True:
            yield b"x" * self.size


def read_from_workers(size: int):
    """Iterates over items of two forked workers, both of which are running."""
    # fmt: off
    items = iter(DataLoader(Endless(size), batch_size=None, num_workers=2, worker_init_fn=worker_init,
                            multiprocessing_context="fork"))
    # fmt: on
    for _ in range(2):
        next(items)
    return items


def leave_workers_blocked(connection: Connection) -> None:
    # Far more than the capacity of a pipe, so the workers block until someone reads.
    items = read_from_workers(10_000_000)
    connection.send("reading")
    threading.Event().wait()
    del items


def test_workers_blocked_on_a_pipe_exit_when_their_parent_is_killed():
    process, connection = start(leave_workers_blocked)
    receive(connection)
    process.kill()
    # The workers also hold the other end, so this is raised only after all of them have exited.
    with pytest.raises(EOFError):
        receive(connection)
    process.join(PATIENCE_S)


def read_on_after_a_signal(connection: Connection) -> None:
    os.setsid()
    with StopSignal() as stop:
        items = read_from_workers(10)
        connection.send(os.getpid())
        while not stop.agreed():
            next(items)
        # More than the buffers can hold.
        for _ in range(50):
            next(items)
        connection.send("read on")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_ignore_signals_to_their_process_group(number):
    process, connection = start(read_on_after_a_signal)
    os.killpg(receive(connection), number)
    assert receive(connection) == "read on"
    process.join(PATIENCE_S)
    assert process.exitcode == 0


def wait_as_a_worker(connection: Connection) -> None:
    worker_init(0)
    connection.send("waiting")
    threading.Event().wait()


def test_a_worker_exits_when_its_parent_terminates_it():
    process, connection = start(wait_as_a_worker)
    receive(connection)
    process.terminate()
    process.join(PATIENCE_S)
    assert process.exitcode == 0
