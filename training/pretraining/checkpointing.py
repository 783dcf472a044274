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
"""Checkpoints that are whole however a run ends, and the signals that ask it to stop."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import RNG_STATE_NAME, DistributedType
from accelerate.utils import load as load_pickle
from torch.distributed.checkpoint import CheckpointException

from modeling_gair import __version__
from training.common.distributed import any_rank, together, unwrapped
from training.common.errors import first_line
from training.common.files import flush_to_disk

COMPLETE_FILE = "COMPLETE.json"
_UNFINISHED = ".tmp"
_NAME = re.compile(r"step_\d+")


@dataclass
class Progress:
    """
    How far a run has come.

    Args:
        step (`int`): optimizer steps done.
        readers (`Any`): states of this process's data readers; None if they do not fit this run's readers.
    """

    step: int
    readers: Any | None


class Checkpoints:
    """
    The checkpoints of a run: directories such as `step_00000120` in a folder that all processes can access. Each holds
    what `accelerator.save_state` writes, the states of each process's data readers, and `COMPLETE.json`. That file is
    written last and lists the other files with their sizes; a directory without it, or whose files do not match, is
    ignored.

    A run may start over, or resume from an older checkpoint, in the same folder. Its first save then removes the
    checkpoints of later steps, which belong to the run that was given up.

    Args:
        folder (`Path`): created when it is needed.
        accelerator (`Accelerator`): with model and optimizer prepared, and everything else with a state registered.
        run (`dict[str, Any]`): the settings that decide what is trained, serialisable as JSON.
        num_workers (`int`): data workers of each process.
        keep (`int`): how many of the newest checkpoints to keep, at least 1.
        allow_inexact_resume (`bool`): also resume with another number of processes or workers, which changes the order of
            the data.

    Raises:
        ValueError: a sharded model would be collected on one process to be written.
    """

    def __init__(
        self,
        folder: Path,
        accelerator: Accelerator,
        run: dict[str, Any],
        num_workers: int,
        keep: int,
        allow_inexact_resume: bool,
    ):
        if accelerator.distributed_type == DistributedType.FSDP:
            _check_sharded(accelerator.state.fsdp_plugin.state_dict_type.name)
        self.folder, self.accelerator, self.keep = folder, accelerator, keep
        # As it is read back from JSON, where tuples become lists.
        self.run = json.loads(json.dumps(run))
        self.layout = {"processes": accelerator.num_processes, "workers": num_workers}
        self.allow_inexact_resume = allow_inexact_resume
        self._last_step: int | None = None
        accelerator.register_save_state_pre_hook(self._save_unwrapped)
        accelerator.register_load_state_pre_hook(self._load_unwrapped)

    def latest(self) -> Path | None:
        """The newest complete checkpoint."""
        return next(iter(self._complete()), None)

    def check(self, path: Path) -> None:
        """
        Checks that this run can resume from a checkpoint; warns if the order of the data will differ.

        Raises:
            ValueError: the checkpoint is incomplete, or was saved with other settings or by another number of processes or
                workers.
        """
        saved = _read_complete(path)
        if saved is None:
            raise ValueError(
                f"{str(path)!r} is not a complete checkpoint; name one whose {COMPLETE_FILE} matches its files."
            )
        difference = first_difference(saved["run"], self.run)
        if difference is not None:
            key, before, now = difference
            raise ValueError(
                f"{str(path)!r} was saved with {key} {before!r}, but this run sets {now!r}; use the same settings, or start "
                "over with --resume none or another --output_dir."
            )
        if self._is_exact(saved):
            return
        differs = (
            f"{str(path)!r} was saved by {_describe(saved)}, but this run has {_describe(self.layout)}, so the order of the "
            "data would differ"
        )
        if not self.allow_inexact_resume:
            raise ValueError(f"{differs}; start the same number, or pass --allow_inexact_resume.")
        self.accelerator.print(
            f"Warning: {differs}; the data are read from the beginning, because of --allow_inexact_resume."
        )

    def save(self, step: int, readers: Any) -> None:
        """
        Saves all states as the checkpoint of a step, then removes all but the newest `keep` checkpoints. All processes
        must call this. It draws no random numbers, and does nothing for the step that was saved or loaded last.

        Args:
            step (`int`): optimizer steps done.
            readers (`Any`): states of this process's data readers: dicts, lists, integers and strings.

        Raises:
            ValueError: some process could not write. It is raised on all processes; earlier checkpoints are kept.
        """
        if step == self._last_step:
            return
        path = self.folder / f"step_{step:08d}"
        unfinished = path.with_name(path.name + _UNFINISHED)
        for work in (
            lambda: self._begin(unfinished),
            lambda: self._write(unfinished, step, readers),
            lambda: self._finish(unfinished, path, step),
        ):
            failure = _together(work)
            if failure is not None:
                self._give_up(unfinished, step, failure)
        self._last_step = step

    def load(self, path: Path) -> Progress:
        """
        Restores all states from a checkpoint that passed [`check`]. All processes must call this.

        Raises:
            ValueError: some process could not read a file. It is raised on all processes.
        """
        loaded: list[Progress] = []
        failure = _together(lambda: loaded.append(self._read(path)))
        if failure is not None:
            raise ValueError(
                f"The checkpoint {str(path)!r} is damaged ({first_line(failure)}); delete it to resume from the one before it."
            ) from failure
        self._last_step = loaded[0].step
        return loaded[0]

    def _complete(self) -> list[Path]:
        """Newest first."""
        named = [path for path in self.folder.glob("step_*") if _NAME.fullmatch(path.name)]
        return [path for path in sorted(named, key=_step, reverse=True) if _read_complete(path) is not None]

    def _is_exact(self, saved: dict[str, Any]) -> bool:
        return all(saved[name] == count for name, count in self.layout.items())

    def _begin(self, unfinished: Path) -> None:
        if self.accelerator.is_main_process:
            if unfinished.exists():
                shutil.rmtree(unfinished)
            unfinished.mkdir(parents=True)

    def _write(self, unfinished: Path, step: int, readers: Any) -> None:
        self.accelerator.save_state(str(unfinished), safe_serialization=True)
        with self._readers_file(unfinished).open("w", encoding="utf-8") as file:
            json.dump({"step": step, "readers": readers}, file)

    def _finish(self, unfinished: Path, path: Path, step: int) -> None:
        if not self.accelerator.is_main_process:
            return
        files = {file.relative_to(unfinished).as_posix(): file.stat().st_size for file in _files(unfinished)}
        complete = {"step": step, **self.layout, "versions": _versions(), "run": self.run, "files": files}
        (unfinished / COMPLETE_FILE).write_text(json.dumps(complete, indent=2), encoding="utf-8")
        # Everything must be on disk before the rename makes it a checkpoint, in case the machine crashes.
        for written in (*unfinished.rglob("*"), unfinished):
            flush_to_disk(written)
        if path.exists():
            shutil.rmtree(path)
        unfinished.rename(path)
        flush_to_disk(self.folder)
        self._prune(step)

    def _prune(self, step: int) -> None:
        kept = [path for path in self._complete() if _step(path) <= step][: self.keep]
        for path in self.folder.glob("step_*"):
            if path not in kept and _NAME.fullmatch(path.name.removesuffix(_UNFINISHED)):
                # Files still open on a network disk cannot be removed now; the next save tries again.
                shutil.rmtree(path, ignore_errors=True)

    def _give_up(self, unfinished: Path, step: int, failure: BaseException) -> None:
        if self.accelerator.is_main_process:
            shutil.rmtree(unfinished, ignore_errors=True)
        # The error is raised once the folder is in its final state.
        self.accelerator.wait_for_everyone()
        last = self.latest()
        kept = f"{last.name}, the last good one, is kept" if last else "there is no earlier one"
        raise ValueError(
            f"The checkpoint of step {step} could not be written to {str(self.folder)!r} ({first_line(failure)}), and "
            f"{kept}: free space or fix the problem there, then run the same command again."
        ) from failure

    def _read(self, path: Path) -> Progress:
        saved = json.loads((path / COMPLETE_FILE).read_text(encoding="utf-8"))
        exact = self._is_exact(saved)
        # Accelerate ignores random states that it cannot read, and unpickles registered objects without restrictions. So
        # both are loaded here first, in a mode that allows plain values only.
        for file in path.glob("custom_checkpoint_*.pkl"):
            load_pickle(file, map_location="cpu")
        if exact:
            load_pickle(path / f"{RNG_STATE_NAME}_{self.accelerator.process_index}.pkl", map_location="cpu")
        readers = json.loads(self._readers_file(path).read_text(encoding="utf-8"))["readers"] if exact else None
        self.accelerator.load_state(str(path))
        return Progress(saved["step"], readers)

    def _readers_file(self, path: Path) -> Path:
        return path / f"readers_{self.accelerator.process_index}.json"

    def _save_unwrapped(self, models: list[torch.nn.Module], weights: list[dict[str, Any]], folder: str) -> None:
        """
        Saves weights without the prefixes of DistributedDataParallel and compilers, so that a single process can read
        what several wrote, compiled or not.
        """
        # A sharded model has written its own weights; the list is empty then.
        weights[:] = [unwrapped(model, self.accelerator).state_dict() for model in models[: len(weights)]]

    def _load_unwrapped(self, models: list[torch.nn.Module], folder: str) -> None:
        models[:] = [unwrapped(model, self.accelerator) for model in models]


class StopSignal:
    """
    A context in which SIGTERM and Ctrl-C (SIGINT) ask the run to stop after the current step; a second Ctrl-C ends it.

    Launchers and schedulers kill a process that does not stop within some time (30 s with torchrun); the checkpoint must be
    saved by then.
    """

    def __init__(self) -> None:
        self._received: set[int] = set()
        self._is_main = PartialState().is_main_process

    def __enter__(self) -> "StopSignal":
        self._before = {number: signal.signal(number, self._receive) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def agreed(self) -> bool:
        """Whether any process has received a signal. All processes must ask after the same step, and get the same answer."""
        return any_rank(bool(self._received))

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in self._received:
            raise KeyboardInterrupt
        if self._is_main and not self._received:
            # Not print, which the signal may have interrupted.
            os.write(2, b"\nStopping after this step; a second Ctrl-C stops at once.\n")
        self._received.add(number)


def _check_sharded(kind: str) -> None:
    if kind != "SHARDED_STATE_DICT":
        raise ValueError(
            f"fsdp_state_dict_type is {kind}, with which one process writes while all others wait, for ever if it fails; set it "
            "to SHARDED_STATE_DICT."
        )


def _together(work: Callable[[], None]) -> BaseException | None:
    """Does the work on all processes and waits for them. Returns the failure if there was one on any process."""
    try:
        together(work)
    # Libraries raise different errors for a full disk (RuntimeError, SafetensorError).
    except (Exception, CheckpointException) as error:
        return error
    return None


def _read_complete(path: Path) -> dict[str, Any] | None:
    """The content of a checkpoint's COMPLETE.json, or None if a file that it lists is missing or has another size."""
    try:
        complete = json.loads((path / COMPLETE_FILE).read_text(encoding="utf-8"))
        sizes = {name: (path / name).stat().st_size for name in complete["files"]}
    except (OSError, ValueError):
        return None
    return complete if sizes == complete["files"] else None


def first_difference(saved: Any, now: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """The dotted key of the first setting that differs, with both values (None if it is not set); None if all are equal."""
    if not (isinstance(saved, dict) and isinstance(now, dict)):
        return None if saved == now else (key, saved, now)
    for name in {**saved, **now}:
        difference = first_difference(saved.get(name), now.get(name), f"{key}.{name}" if key else name)
        if difference is not None:
            return difference
    return None


def _describe(layout: dict[str, Any]) -> str:
    return f"{layout['processes']} processes with {layout['workers']} workers each"


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step_"))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _versions() -> dict[str, str]:
    libraries = ("torch", "transformers", "accelerate", "datasets")
    return {**{name: version(name) for name in libraries}, "gair": __version__}
