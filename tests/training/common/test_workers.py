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
"""Worker processes: they return results in order, and none outlives its pool."""

import math
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess

import pytest

from training.common.workers import in_order, worker_pool


@pytest.fixture
def new_processes() -> Callable[[], set[BaseProcess]]:
    """The processes started since the beginning of the test; the session may have others."""
    others = set(multiprocessing.active_children())
    return lambda: set(multiprocessing.active_children()) - others


def test_results_come_in_the_order_of_the_calls(new_processes):
    with worker_pool(2) as pool:
        assert list(in_order(pool, math.sqrt, [(n * n,) for n in range(9)], ahead=3)) == list(range(9))
        assert next(in_order(pool, os.getenv, [("OMP_NUM_THREADS",)], ahead=1)) == "1"
    assert not new_processes()


def test_a_signal_while_a_worker_starts_leaves_no_process(new_processes, monkeypatch):
    def interrupted(pool: ProcessPoolExecutor) -> None:
        raise KeyboardInterrupt

    # By then the pool has started a worker but does not watch it yet.
    monkeypatch.setattr(ProcessPoolExecutor, "_start_executor_manager_thread", interrupted)
    with pytest.raises(KeyboardInterrupt), worker_pool(1) as pool:
        try:
            pool.submit(math.sqrt, 4)
        finally:
            assert new_processes()
    assert not new_processes()
