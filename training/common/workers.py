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
"""Worker processes, which leave signals to the process that started them and end with it."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def worker_init(worker: int | None = None) -> None:
    """
    Makes this process a worker of the one that started it: called first in it, as `worker_init_fn` of a `DataLoader` or as
    the initializer of a pool.

    Ctrl-C and SIGTERM reach the workers as well where a terminal, a launcher or a scheduler sends them to a whole group of
    processes; the one that started them decides what they mean and may continue for a while, so they ignore both, except a
    SIGTERM that it sent itself. They end when it ends, for whatever reason.

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


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """
    Fresh processes (a fork would copy locks that other threads hold), each with one thread for NumPy. On an error or
    Ctrl-C what waits is dropped.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    # Read by the libraries when a worker imports them, so that it must be in the environment that it inherits.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=worker_init)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def in_order(
    pool: Executor, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], ahead: int
) -> Iterator[Any]:
    """Results of `function(*call)` in the order of the calls, of which `ahead` are under way beyond the one awaited."""
    waiting: deque[Any] = deque()
    for call in calls:
        waiting.append(pool.submit(function, *call))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
