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
"""Monitoring a run: averages over steps for the progress bar, the trackers, a log file and a figure."""

import json
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType
from tqdm.auto import tqdm

from training.common.distributed import mean_over_ranks
from training.common.files import write_atomically
from training.pretraining.training_figure import training_figure

LOG_FILE = "log.jsonl"
PICTURE = "training.png"
_PROJECT = "gair"
# Photo ids named in the error about a loss that is not finite.
_IDS_NAMED = 5

Log = list[dict[str, float]]


def check_trackers(names: Sequence[str]) -> None:
    """
    Checks the names of trackers, because Accelerate silently drops a tracker whose package is missing.

    Args:
        names (`Sequence[str]`): trackers, as in `report_to`.

    Raises:
        ValueError: Accelerate does not know a tracker, or its package is not installed.
    """
    installed = [str(name) for name in get_available_trackers()]
    known = [str(name) for name in LoggerType.list() if name != "all"]
    for name in names:
        if name not in known:
            raise ValueError(f"report_to names {name!r}; expected none, or one or more of {', '.join(known)}.")
        if name not in installed:
            raise ValueError(f"report_to names {name!r}, but its package is not installed; run pip install {name}.")


class Watch:
    """
    Collects figures of training steps and reports their means every `every` steps: on the progress bar, to the trackers, and
    as one line of `log.jsonl`. Means are over all processes, so every process must make the same calls.

    Args:
        accelerator (`Accelerator`): accelerator created with the trackers.
        settings (`dict`): settings of the run, passed to the trackers.
        output_dir (`Path`): directory of the log.
        start (`int`): the step to resume from; log lines after it are removed.
        last (`int`): the last step.
        every (`int`): steps between two reports.
        flops_per_pair (`float`): FLOPs of forward and backward per pair, without recomputation.
        peak (`float`): FLOP/s that each device reaches in a matrix product.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        settings: dict[str, Any],
        output_dir: Path,
        start: int,
        last: int,
        every: int,
        flops_per_pair: float,
        peak: float,
    ):
        self.accelerator, self.path = accelerator, output_dir / LOG_FILE
        self.last, self.every = last, every
        self.flops_per_pair, self.peak = flops_per_pair, peak
        self.bad: Counter = Counter()
        self.log: Log = []
        self.progress = tqdm(
            total=last, initial=start, unit="step", desc="train", disable=not accelerator.is_main_process
        )
        if accelerator.is_main_process:
            self.log = [line for line in read_log(output_dir) if line["step"] <= start]
            write_atomically(self.path, "".join(_as_line(line) for line in self.log))
        accelerator.init_trackers(_PROJECT, config=_flat(settings))
        self._begin()

    def _begin(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.losses: deque[tuple[int, torch.Tensor, list[str]]] = deque()
        self.photos, self.waited, self.since = 0, 0.0, time.perf_counter()

    def step(
        self, step: int, loss: torch.Tensor, figures: dict[str, torch.Tensor], photo_ids: list[str], waited: float
    ) -> None:
        """
        Records a step, without waiting for the device.

        Args:
            step (`int`): number of the step, from 1.
            loss (scalar `torch.Tensor`): loss of this process.
            figures (`dict[str, torch.Tensor]`): scalars; their means over steps and processes are reported.
            photo_ids (`list[str]`): ids of this process's photos.
            waited (`float`): seconds that this process waited for data.
        """
        for name, value in {"loss": loss, **figures}.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.losses.append((step, loss, photo_ids))
        self.photos += len(photo_ids)
        self.waited += waited
        self.progress.update()

    def due(self, step: int) -> bool:
        """Whether a report is due: after the first step, the last step, and every `every` steps."""
        return step % self.every == 0 or step in (1, self.last)

    def report(self, learning_rate: float) -> None:
        """
        Checks all losses since the last report, and writes the means.

        Args:
            learning_rate (`float`): the current learning rate, written with the means.

        Raises:
            ValueError: a loss or gradient is not finite; the error names the step and the photos.
        """
        self.check_finite()
        steps = len(self.losses)
        seconds = time.perf_counter() - self.since
        figures = {name: value / steps for name, value in self.sums.items()}
        figures |= {"photos": torch.tensor(float(self.photos)), "waiting": torch.tensor(self.waited / seconds)}
        figures |= {f"bad_{kind}": torch.tensor(float(self.bad[kind])) for kind in ("tile", "photo", "place")}
        means = mean_over_ranks(figures)
        processes = self.accelerator.num_processes
        rate = means.pop("photos") * processes / seconds
        means |= {f"bad_{kind}": means[f"bad_{kind}"] * processes for kind in ("tile", "photo", "place")}
        means |= {"pairs_per_s": rate, "mfu": rate * self.flops_per_pair / (self.peak * processes)}
        step = self.losses[-1][0]
        self.write(step, means | {"learning_rate": learning_rate})
        bad = sum(means[f"bad_{kind}"] for kind in ("tile", "photo", "place"))
        self.progress.set_postfix(loss=f"{means['loss']:.3f}", pairs_per_s=f"{rate:.0f}", bad=f"{bad:.0f}")
        self._begin()

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Writes the figures of a step to the trackers and as a line of the log."""
        self.accelerator.log(figures, step=step)
        if self.accelerator.is_main_process:
            self.log.append({"step": step, **figures})
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_as_line(self.log[-1]))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Excludes the time spent inside from the reported training rate."""
        start = time.perf_counter()
        yield
        self.since += time.perf_counter() - start

    def check_finite(self) -> None:
        """
        Checks the losses and gradients since the last report, on all processes.

        Raises:
            ValueError: one of them is not finite.
        """
        worst = torch.stack([loss for _, loss, _ in self.losses])
        broken = ~torch.isfinite(worst)
        # The loss of one process changes the weights of all, so all processes stop.
        share = mean_over_ranks({"broken": broken.any().float(), "norm": self.sums["gradient_norm"]})
        if share["broken"] == 0 and math.isfinite(share["norm"]):
            return
        first = int(broken.float().argmax()) if broken.any() else 0
        step, loss, ids = self.losses[first]
        what = f"The loss is {loss.item()}" if broken.any() else "The gradient is not finite"
        raise ValueError(
            f"{what} at step {step}{'' if broken.any() else ' or soon after'}, in a batch with the photos "
            f"{', '.join(ids[:_IDS_NAMED])} and {max(len(ids) - _IDS_NAMED, 0)} more; the last checkpoint before it was "
            "kept: inspect these pairs, or lower learning_rate."
        )

    def close(self) -> None:
        """Closes the progress bar and draws the figure of the log."""
        self.progress.close()
        if self.accelerator.is_main_process and len(self.log) > 1:
            training_figure(self.path.with_name(PICTURE), self.log)


def read_log(output_dir: Path) -> Log:
    """Reads the lines of a run's log, without a last line that a crash cut off."""
    path = output_dir / LOG_FILE
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _as_line(figures: dict[str, float]) -> str:
    return json.dumps(figures) + "\n"


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested settings to dotted names, because trackers accept only plain values."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return flat
