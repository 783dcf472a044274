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
"""A small training with checkpoints, and processes to run it in."""

import random
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tests.helpers.forks import FORKS
from training.pretraining.checkpointing import Checkpoints

SETTINGS = {"seed": 0, "betas": (0.9, 0.95), "model": {"preset": "tiny", "rs_config": {"depth": 2}}}
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


def start(function: Callable, *arguments: Any) -> tuple[ForkServerProcess, Connection]:
    """Starts a process that calls `function(*arguments, connection)`; returns it and our end of the connection."""
    own, other = FORKS.Pipe()
    process = FORKS.Process(target=function, args=(*arguments, other))
    process.start()
    # With our copy closed, the reader sees the end of the stream when the process exits.
    other.close()
    return process, own


def receive(connection: Connection) -> Any:
    assert connection.poll(PATIENCE_S), "the process sent nothing"
    return connection.recv()


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
