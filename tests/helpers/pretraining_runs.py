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
"""Runs of `training/pretrain.py` in forked processes, alone or as two, that may be sent signals at given moments."""

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.helpers.forks import FORKS
from tests.helpers.sharding_accelerator import ShardingAccelerator
from tests.helpers.two_processes import join_two
from training.pretraining import checkpointing, loop
from training.pretraining.monitoring import read_log
from training.pretraining.settings import load_settings

# fmt: off
SMALL = ["--model.rs_config.num_hidden_layers", "1", "--model.sv_config.num_hidden_layers", "1",
         "--model.sv_config.attention_probs_dropout_prob", "0.1", "--objective.queue_size", "64",
         "--augmentation.rs_flip", "0.5", "--augmentation.sv_jitter", "0.5",
         "--batch_size", "4", "--photos_per_tile", "2", "--logging_steps", "1", "--report_to", "none"]
# fmt: on
STEPS = 12
_PATIENCE_S = 300


def run_main(arguments: list[str], output: Path, options: dict) -> None:
    """Does the work of `python training/pretrain.py` in a forked process."""
    os.environ |= options.get("environment", {})
    with output.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, options.get("sigint", signal.SIG_DFL))
    if "file_size" in options:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["file_size"], options["file_size"]))
    if "signal_at" in options:
        send_signal_at(*options["signal_at"])
    if "killed_after" in options:
        kill_after(*options["killed_after"])
    if "rank" in options:
        join_two(*options["rank"])
    if options.get("sharded"):
        loop.Accelerator = ShardingAccelerator
    try:
        loop.pretrain(load_settings(arguments))
    except ValueError as error:
        sys.exit(f"{error}")


def send_signal_at(place: str, step: int, number: int) -> None:
    """
    Makes this process send itself a signal at a given moment.

    Args:
        place (`str`): `"training"` (after an optimizer step), `"saving"` (after the states of a checkpoint are written, before
            it is complete) or `"saved"` (after it is complete).
        step (`int`): step, from 1.
        number (`int`): signal number.
    """
    owner, name = {
        "training": (loop.Trainer, "step"),
        "saving": (checkpointing.Checkpoints, "_write"),
        "saved": (checkpointing.Checkpoints, "save"),
    }[place]
    original, calls = getattr(owner, name), []

    def patched(*arguments):
        result = original(*arguments)
        calls.append(arguments)
        # Calls that save have the step as an argument; calls that train are counted.
        reached = len(calls) if place == "training" else next(one for one in arguments if isinstance(one, int))
        if reached == step:
            os.kill(os.getpid(), number)
        return result

    setattr(owner, name, patched)


def kill_after(steps: int, seconds: float) -> None:
    """
    Makes the system end this process, wherever it is, when it has used some seconds of CPU time after some of its steps. How busy
    the machine is changes nothing.
    """
    original, calls = loop.Trainer.step, []

    def patched(*arguments):
        result = original(*arguments)
        calls.append(arguments)
        if len(calls) == steps:
            signal.setitimer(signal.ITIMER_PROF, seconds)
        return result

    loop.Trainer.step = patched
    if not steps:
        signal.setitimer(signal.ITIMER_PROF, seconds)


class Run:
    """
    A training run in another process.

    Args:
        pairs (`Path`): the pairs CSV.
        output_dir (`Path`): output directory; the printed text goes to a file next to it.
        flags (`str`): further settings.
        options: `environment`, `file_size` (limit on file sizes in bytes), `sigint` (initial handler of SIGINT), `signal_at`
            (arguments of [`send_signal_at`]), `killed_after` (arguments of [`kill_after`]), and of one of two processes its `rank` (with a folder for their rendezvous),
            and whether the model is `sharded`.
    """

    def __init__(self, pairs: Path, output_dir: Path, *flags: str, **options: Any):
        rank = f".{options['rank'][0]}" if "rank" in options else ""
        self.output_dir, self.output = output_dir, output_dir.with_suffix(f"{rank}.txt")
        common = ["--data", str(pairs), "--output_dir", str(output_dir), "--max_steps", str(STEPS), *SMALL]
        self.output.unlink(missing_ok=True)
        self.process = FORKS.Process(target=run_main, args=(merged([*common, *flags]), self.output, options))
        self.process.start()

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""

    def end(self) -> str:
        """Waits for the process to exit; returns the printed text."""
        self.process.join(_PATIENCE_S)
        assert self.process.exitcode is not None, self.text
        return self.text

    def done(self) -> str:
        text = self.end()
        assert self.process.exitcode == 0, text
        return text

    def killed(self, number: int = signal.SIGKILL) -> None:
        """Waits until a signal has ended the process."""
        text = self.end()
        assert self.process.exitcode == -number, text

    def wait_for_step(self, step: int) -> None:
        """Waits until the step is in the log, which earlier runs in the same directory have begun."""
        self.wait_for(lambda: last_step(self.output_dir) >= step)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            assert self.process.is_alive() and time.monotonic() < deadline, self.text
            time.sleep(0.005)


class TwoRuns:
    """A training run of two processes; the arguments are those of [`Run`]."""

    def __init__(self, pairs: Path, output_dir: Path, *flags: str, **options: Any):
        folder = Path(tempfile.mkdtemp(dir=output_dir.parent))
        self.ranks = [Run(pairs, output_dir, *flags, rank=(rank, folder), **options) for rank in range(2)]

    def done(self) -> str:
        """Waits for both to end well; returns what they printed."""
        return "".join(run.done() for run in self.ranks)


def merged(flags: list[str]) -> list[str]:
    """Merges flags, so that later values replace earlier ones."""
    given: dict[str, list[str]] = {}
    for flag in flags:
        if flag.startswith("--"):
            given[flag] = []
            last = flag
        else:
            given[last].append(flag)
    return [part for flag, values in given.items() for part in (flag, *values)]


def last_step(output_dir: Path) -> int:
    """The last step in the log, 0 without any."""
    log = read_log(output_dir)
    return int(log[-1]["step"]) if log else 0
