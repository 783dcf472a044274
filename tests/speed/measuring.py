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
"""Time and memory of calls, for the benchmarks in this folder."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from torch.profiler import ProfilerActivity, profile


def peak_bytes(run: Callable[[], Any]) -> int:
    """Peak of memory allocated during the call, beyond what was allocated before, from the allocator's events."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = run()
    live = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    del result
    return peak


def median_seconds(
    runs: Mapping[str, Callable[[], Any]],
    repeats: int,
    calls: Mapping[str, int] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """
    Median time of each function. They run in turn, so that drift of the machine affects all alike, after one warm-up call.

    Args:
        runs: the functions by name.
        repeats: number of rounds.
        calls (*optional*): calls of each function per round, by default one.
        clock: `time.process_time` measures CPU time, on which other programs have less influence.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            for _ in range((calls or {}).get(name, 1)):
                start = clock()
                run()
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
