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
from concurrent.futures import ProcessPoolExecutor

import pytest

from training.common.workers import in_order, worker_pool


def test_results_come_in_the_order_of_the_calls():
    with worker_pool(2) as pool:
        assert list(in_order(pool, math.sqrt, [(n * n,) for n in range(9)], ahead=3)) == list(range(9))
        assert next(in_order(pool, os.getenv, [("OMP_NUM_THREADS",)], ahead=1)) == "1"
    assert not multiprocessing.active_children()


def test_a_signal_while_a_worker_starts_leaves_no_process(monkeypatch):
    def interrupted(pool: ProcessPoolExecutor) -> None:
        raise KeyboardInterrupt

    # The pool has started a worker by then, and does not yet watch it.
    monkeypatch.setattr(ProcessPoolExecutor, "_start_executor_manager_thread", interrupted)
    with pytest.raises(KeyboardInterrupt), worker_pool(1) as pool:
        try:
            pool.submit(math.sqrt, 4)
        finally:
            assert multiprocessing.active_children()
    assert not multiprocessing.active_children()
