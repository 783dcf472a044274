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
"""Worker processes that leave signals to their parent process and end with it."""

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
    Make this process a worker of its parent. Call it first in the worker: as `worker_init_fn` of a `DataLoader` or as the
    initializer of a pool.

    A terminal, launcher or scheduler may send Ctrl-C and SIGTERM to a whole process group. The parent decides how to react
    and may continue for a while, so workers ignore both signals, except a SIGTERM from the parent itself. They end when the
    parent ends, for whatever reason.

    Args:
        worker (`int`, *optional*): index of the worker, which a `DataLoader` passes; unused.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Only sigwaitinfo reveals the sender of a signal. macOS lacks it; there, and if a library has already started threads
    # in a spawned worker, any SIGTERM ends the worker.
    if hasattr(signal, "sigwaitinfo"):
        # Threads inherit the mask, so that the signal stays pending for the thread that waits for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_at_its_signal, args=(parent,), daemon=True).start()
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()


def _end_at_its_signal(parent: BaseProcess) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid:
        pass
    # As PyTorch's own handler does: the parent would take any other status for a crash of the worker.
    os._exit(0)


def end_with(parent: BaseProcess) -> None:
    """End without cleaning up: a worker that is blocked on a full pipe would wait for its reader forever."""
    parent.join()
    os._exit(1)


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """
    A pool of spawned processes (a fork would copy locks held by other threads), each with one thread for NumPy. On an error
    or Ctrl-C, pending calls are cancelled.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    # The libraries read these when a worker imports them, so they must be in the inherited environment.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=worker_init)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        # A signal that arrives while the pool starts a worker can leave one behind that the pool does not know.
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
            process.join()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def in_order(
    pool: Executor, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], ahead: int
) -> Iterator[Any]:
    """Results of `function(*call)` in the order of the calls, with up to `ahead` calls submitted beyond the awaited one."""
    waiting: deque[Any] = deque()
    for call in calls:
        waiting.append(pool.submit(function, *call))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
