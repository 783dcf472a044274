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
"""Worker processes that leave signals to the process that started them, and end with it."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess


def worker_init(worker: int | None = None) -> None:
    """
    Makes this process a worker of the one that started it: called first in it, as `worker_init_fn` of a `DataLoader` or as
    the initializer of a pool.

    Ctrl-C and SIGTERM reach the workers as well where a terminal, a launcher or a scheduler sends them to a whole group of
    processes; the one that started them decides what they mean and may go on for a while, so they ignore both, save a
    SIGTERM that it sent itself. They end when it ends, however that is.

    Args:
        worker (`int`, *optional*): the worker's number, which a `DataLoader` passes; all are treated alike.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Only this tells who sent a signal. macOS lacks it; there, and where a library of a spawned worker has started threads
    # before this, any SIGTERM ends the worker.
    if hasattr(signal, "sigwaitinfo"):
        # Threads inherit what is blocked, so that the signal waits for the one that asks for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_at_its_signal, args=(parent,), daemon=True).start()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_at_its_signal(parent: BaseProcess) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid:
        pass
    # As PyTorch's own handler does: the parent would take any other code for a crash of the worker.
    os._exit(0)


def _end_with(parent: BaseProcess) -> None:
    """Ends without cleaning up: a worker that is blocked in a full pipe would wait for its reader for ever."""
    parent.join()
    os._exit(1)
