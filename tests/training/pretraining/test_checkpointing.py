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
"""Checkpoints after every kind of interruption, signal handling, and workers that exit with their parent."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="the extra train is not installed")
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import nn
from torch.distributed.fsdp import StateDictType
from torch.utils.data import DataLoader, IterableDataset

from training.common.workers import worker_init
from training.pretraining.checkpointing import COMPLETE_FILE, Checkpoints, StopSignal

SETTINGS = {"seed": 0, "betas": (0.9, 0.95), "model": {"preset": "tiny", "rs_config": {"depth": 2}}}
# Forking from a server that has imported this module is much faster than importing it in each process.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])
PATIENCE_S = 60


class Run:
    """A small training that uses all random states: dropout and data (PyTorch), data (NumPy) and a factor (Python)."""

    def __init__(self, folder: Path, seed: int = 0, width: int = 8, **changes: Any):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.accelerator = Accelerator()
        net = nn.Sequential(nn.Linear(width, width), nn.Dropout(0.5), nn.Linear(width, width))
        # Tied weights, which safetensors rejects without special handling.
        net[2].weight = net[0].weight
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        self.net, self.optimizer = self.accelerator.prepare(net, optimizer)
        self.accelerator.register_for_checkpointing(self.schedule)
        options = {"run": SETTINGS, "num_workers": 2, "keep": 2, "allow_inexact_resume": False, **changes}
        self.checkpoints = Checkpoints(folder, self.accelerator, **options)
        self.width = width

    def train(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            made = torch.randn(4, self.width) + torch.from_numpy(np.random.rand(4, self.width)).float()
            loss = self.net(made.to(self.accelerator.device)).square().mean() * random.random()
            self.accelerator.backward(loss)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    @torch.no_grad()
    def fill(self, value: float) -> None:
        for weight in self.net.parameters():
            weight.fill_(value)

    def values(self) -> set[float]:
        return {value for weight in self.net.parameters() for value in weight.flatten().tolist()}


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path / "checkpoints")


def start(function: Callable, *arguments: Any) -> tuple[multiprocessing.Process, Connection]:
    """Starts a process that calls `function(*arguments, connection)`; returns it and our end of the connection."""
    own, other = PROCESSES.Pipe()
    process = PROCESSES.Process(target=function, args=(*arguments, other))
    process.start()
    # With our copy closed, the reader sees the end of the stream when the process exits.
    other.close()
    return process, own


def receive(connection: Connection) -> Any:
    assert connection.poll(PATIENCE_S), "the process sent nothing"
    return connection.recv()


# Contents ------------------------------------------------------------------------------------------------


def test_training_resumes_exactly(run, tmp_path):
    run.train(3)
    run.checkpoints.save(3, {"streams": [{"row": 5}], "worker": "a"})
    expected = run.train(3)

    undisturbed = Run(tmp_path / "unused")
    undisturbed.train(3)
    assert undisturbed.train(3) == expected

    resumed = Run(run.checkpoints.folder, seed=7)
    latest = resumed.checkpoints.latest()
    resumed.checkpoints.check(latest)
    progress = resumed.checkpoints.load(latest)
    assert (progress.step, progress.readers) == (3, {"streams": [{"row": 5}], "worker": "a"})
    assert resumed.train(3) == expected


def test_a_checkpoint_lists_its_step_settings_and_files(run):
    assert run.checkpoints.latest() is None
    run.checkpoints.save(120, None)
    path = run.checkpoints.latest()
    assert path.name == "step_00000120"
    complete = json.loads((path / COMPLETE_FILE).read_text())
    assert (complete["step"], complete["processes"], complete["workers"]) == (120, 1, 2)
    assert complete["run"]["betas"] == [0.9, 0.95]
    assert set(complete["versions"]) == {"torch", "transformers", "accelerate", "datasets", "gair"}
    assert set(complete["files"]) == {file.name for file in path.iterdir()} - {COMPLETE_FILE}
    assert {"model.safetensors", "optimizer.bin", "random_states_0.pkl", "readers_0.json"} < set(complete["files"])


def test_the_newest_checkpoints_by_step_are_kept(run):
    for step in (1, 2, 99_999_999, 100_000_000):
        run.checkpoints.save(step, None)
    assert [path.name for path in sorted(run.checkpoints.folder.iterdir())] == ["step_100000000", "step_99999999"]
    assert run.checkpoints.latest().name == "step_100000000"


def without(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    return lambda path: os.truncate(path / name, (path / name).stat().st_size - 1)


def unfinished(path: Path) -> None:
    path.rename(path.with_name(path.name + ".tmp"))


# fmt: off
SPOILT = [without(COMPLETE_FILE), cut(COMPLETE_FILE), without("optimizer.bin"), cut("model.safetensors"),
          cut("readers_0.json"), unfinished]
# fmt: on


@pytest.mark.parametrize("spoil", SPOILT)
def test_incomplete_checkpoints_are_skipped_and_deleted(run, spoil):
    for step in (1, 2):
        run.checkpoints.save(step, None)
    newest = run.checkpoints.latest()
    spoil(newest)
    assert run.checkpoints.latest().name == "step_00000001"
    with pytest.raises(
        ValueError, match=r"step_00000002' is not a complete checkpoint; name one whose COMPLETE.json matches"
    ):
        run.checkpoints.check(newest)
    run.checkpoints.save(3, None)
    assert sorted(os.listdir(run.checkpoints.folder)) == ["step_00000001", "step_00000003"]


def test_leftovers_of_a_killed_save_are_not_mixed_in(run):
    left = run.checkpoints.folder / "step_00000004.tmp"
    left.mkdir(parents=True)
    (left / "optimizer_1.bin").write_text("from an earlier save")
    run.checkpoints.save(4, None)
    assert not (run.checkpoints.latest() / "optimizer_1.bin").exists()


def test_other_files_in_the_folder_are_kept(run):
    others = [run.checkpoints.folder / name for name in ("step_notes", "model")]
    for other in others:
        other.mkdir(parents=True)
    for step in range(4):
        run.checkpoints.save(step, None)
    assert len(os.listdir(run.checkpoints.folder)) == 4 and all(other.is_dir() for other in others)


def test_a_step_is_not_written_twice(run):
    run.checkpoints.save(5, "first")
    inode = (run.checkpoints.latest() / COMPLETE_FILE).stat().st_ino
    run.checkpoints.save(5, "second")
    resumed = Run(run.checkpoints.folder)
    resumed.checkpoints.load(resumed.checkpoints.latest())
    resumed.checkpoints.save(5, "third")
    assert (run.checkpoints.latest() / COMPLETE_FILE).stat().st_ino == inode


def test_a_run_that_starts_over_removes_later_checkpoints_of_the_old_run(run):
    for step in (10, 20):
        run.checkpoints.save(step, "old")
    again = Run(run.checkpoints.folder)
    again.checkpoints.save(10, "new")
    assert os.listdir(run.checkpoints.folder) == ["step_00000010"]
    assert again.checkpoints.load(again.checkpoints.latest()).readers == "new"


# Refusals -----------------------------------------------------------------------------------------------------


# fmt: off
CHANGED = [
    ({**SETTINGS, "seed": 1}, "saved with seed 0, but this run sets 1"),
    ({**SETTINGS, "betas": [0.9, 0.99]}, r"saved with betas \[0.9, 0.95\], but this run sets \[0.9, 0.99\]"),
    ({**SETTINGS, "model": {"preset": "tiny", "rs_config": {"depth": 3}}}, "saved with model.rs_config.depth 2, but .* 3"),
    ({**SETTINGS, "queue": 4096}, "saved with queue None, but this run sets 4096"),
    ({"seed": 0, "betas": [0.9, 0.95]}, "saved with model {'preset'.*}, but this run sets None"),
]
# fmt: on


@pytest.mark.parametrize(("changed", "message"), CHANGED)
def test_other_settings_are_refused(run, changed, message):
    run.checkpoints.save(1, None)
    other = Run(run.checkpoints.folder, run=changed, allow_inexact_resume=True).checkpoints
    with pytest.raises(ValueError, match=message + "; use the same settings, or start over with --resume none"):
        other.check(other.latest())


def test_a_changed_number_of_workers_is_refused_or_on_request_allowed_with_a_warning(run, capsys):
    run.checkpoints.save(1, {"row": 1})
    run.fill(3)
    path = run.checkpoints.latest()
    with pytest.raises(
        ValueError, match=r"saved by 1 processes with 2 workers each, but .* 4 workers each.*--allow_inex"
    ):
        Run(run.checkpoints.folder, num_workers=4).checkpoints.check(path)
    allowed = Run(run.checkpoints.folder, num_workers=4, allow_inexact_resume=True).checkpoints
    allowed.check(path)
    assert "Warning: " in capsys.readouterr().out
    progress = allowed.load(path)
    assert (progress.step, progress.readers) == (1, None)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "random_states_0.pkl", "readers_0.json"])
def test_a_damaged_file_is_reported(run, name):
    run.checkpoints.save(1, {"row": 1})
    file = run.checkpoints.latest() / name
    file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(ValueError, match=r"step_00000001' is damaged \(.+\); delete it to resume from the one before"):
        run.checkpoints.load(run.checkpoints.latest())


class Malicious:
    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["custom_checkpoint_0.pkl", "random_states_0.pkl", "optimizer.bin"])
def test_code_in_a_checkpoint_is_not_executed(run, tmp_path, name):
    run.checkpoints.save(1, None)
    path = run.checkpoints.latest()
    torch.save(Malicious(tmp_path / "intruded"), path / name)
    with pytest.raises(ValueError, match="is damaged"):
        run.checkpoints.load(path)
    assert not (tmp_path / "intruded").exists()


def test_a_sharded_model_must_be_saved_in_shards(tmp_path):
    plugin = SimpleNamespace(state_dict_type=StateDictType.FULL_STATE_DICT)
    accelerator = SimpleNamespace(distributed_type=DistributedType.FSDP, state=SimpleNamespace(fsdp_plugin=plugin))
    with pytest.raises(ValueError, match=r"fsdp_state_dict_type is FULL_STATE_DICT, .* set it to SHARDED_STATE_DICT"):
        Checkpoints(tmp_path, accelerator, SETTINGS, num_workers=0, keep=1, allow_inexact_resume=False)


# Full disks and kills ------------------------------------------------------------------------------------------------


def limit_files(size: int) -> None:
    """Makes writes beyond a file size fail, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def failed_save(run: Run, step: int, readers: Any, size: int) -> str:
    """The error message of a save under a limit on file sizes."""
    limit_files(size)
    try:
        run.checkpoints.save(step, readers)
    except ValueError as error:
        return str(error)
    finally:
        limit_files(resource.RLIM_INFINITY)
    return "saved"


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


# Two processes -------------------------------------------------------------------------------------------------------


def run_rank(rank: int, folder: Path) -> dict[str, Any]:
    """One of two processes that save, load, stop on a signal, and fail together."""
    run = Run(folder, seed=rank)
    told: dict[str, Any] = {"wrapped": type(run.net).__name__}
    run.train(2)
    run.checkpoints.save(2, {"rank": rank})
    told["weights"] = run.accelerator.unwrap_model(run.net)[0].weight.tolist()
    told["expected"] = run.train(2)

    resumed = Run(folder, seed=rank + 5)
    resumed.checkpoints.check(resumed.checkpoints.latest())
    told["readers"] = resumed.checkpoints.load(resumed.checkpoints.latest()).readers
    told["resumed"] = resumed.train(2)

    with StopSignal() as stop:
        for step in range(10):
            if (rank, step) == (1, 3):
                os.kill(os.getpid(), signal.SIGTERM)
            if stop.agreed():
                told["stopped at"] = step
                break

    told["failure"] = failed_save(resumed, 4, {"rank": rank}, 100 if rank == 1 else resource.RLIM_INFINITY)
    told["latest"], told["left"] = resumed.checkpoints.latest().name, sorted(os.listdir(folder))
    return told


@pytest.fixture(scope="module")
def two(two_processes, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """The checkpoint folder of two processes, and the report of each."""
    folder = tmp_path_factory.mktemp("two") / "checkpoints"
    return folder, two_processes.run(run_rank, folder)


def test_each_of_two_processes_resumes_exactly(two):
    for rank, told in enumerate(two[1]):
        assert told["wrapped"] == "DistributedDataParallel"
        assert told["readers"] == {"rank": rank}
        assert told["resumed"] == told["expected"]
    assert two[1][0]["expected"] != two[1][1]["expected"]


def test_a_signal_to_one_process_stops_both_after_the_same_step(two):
    assert [told["stopped at"] for told in two[1]] == [3, 3]


def test_a_write_error_in_one_process_fails_both(two):
    (_, (first, second)) = two
    assert "step 4 could not be written" in first["failure"] and "another process failed" in first["failure"]
    assert "step 4 could not be written" in second["failure"] and "inline_container" in second["failure"]
    for told in two[1]:
        assert (told["latest"], told["left"]) == ("step_00000002", ["step_00000002"])


def test_one_process_resumes_a_checkpoint_of_two_only_on_request(two, tmp_path):
    shutil.copytree(two[0], tmp_path, dirs_exist_ok=True)
    strict = Run(tmp_path).checkpoints
    with pytest.raises(
        ValueError, match=r"by 2 processes with 2 workers each, but this run has 1 processes .* start the same number"
    ):
        strict.check(strict.latest())
    allowed = Run(tmp_path, allow_inexact_resume=True)
    allowed.checkpoints.check(allowed.checkpoints.latest())
    progress = allowed.checkpoints.load(allowed.checkpoints.latest())
    assert (progress.step, progress.readers) == (2, None)
    assert allowed.net[0].weight.tolist() == two[1][0]["weights"]


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
