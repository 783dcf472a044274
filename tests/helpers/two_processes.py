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
"""Two processes in one gloo process group that run functions of the tests; started once per session."""

import io
import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate.state import AcceleratorState

from tests.helpers.forks import FORKS

_PATIENCE = timedelta(minutes=3)


class TwoProcesses:
    """
    Runs functions on both processes at once.

    Args:
        folder (`Path`): an empty folder for the rendezvous of the processes.
    """

    def __init__(self, folder: Path):
        self._connections, self._processes = [], []
        for rank in range(2):
            here, there = FORKS.Pipe()
            process = FORKS.Process(target=_serve, args=(rank, folder, there), daemon=True)
            process.start()
            there.close()
            self._connections.append(here)
            self._processes.append(process)

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """
        Calls `function(rank, *arguments)` on both processes.

        Args:
            function (`Callable`): from the top level of a module; may use `torch.distributed` and Accelerate.
            arguments: picklable.

        Returns:
            What each process returned, by rank.
        """
        for connection in self._connections:
            connection.send((function, arguments))
        answers = [
            torch.load(io.BytesIO(connection.recv_bytes()), weights_only=False) for connection in self._connections
        ]
        errors = [f"process {rank}:\n{answer[1]}" for rank, answer in enumerate(answers) if not answer[0]]
        assert not errors, "\n".join(errors)
        return [answer[1] for answer in answers]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()


def join_two(rank: int, folder: Path) -> None:
    """Makes this process one of two in a gloo group, as a launcher would, with one thread and its rendezvous in a folder."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"ACCELERATE_USE_CPU": "true", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", _PATIENCE, rank=rank, world_size=2)


def _serve(rank: int, folder: Path, connection: Connection) -> None:
    join_two(rank, folder)
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            # The session has ended. Destroying the group would wait for the other process.
            os._exit(0)
        try:
            answer = True, function(rank, *arguments)
        except Exception:
            answer = False, traceback.format_exc()
        # Accelerate keeps its state for the whole process.
        AcceleratorState._reset_state(reset_partial_state=True)
        sent = io.BytesIO()
        torch.save(answer, sent)
        connection.send_bytes(sent.getvalue())
