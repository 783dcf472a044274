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

import io
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image
from torch.profiler import ProfilerActivity, profile

from tests.helpers.embedding import ROOT

_FEWEST_ROUNDS = 3


def printed_numbers(program: str) -> tuple[float, float]:
    """The two numbers that a program in Python prints, in a process of its own in the root of the repository."""
    output = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    first, second = map(float, output.split())
    return first, second


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


def seconds_in_turn(
    runs: Mapping[str, Callable[[], Any]],
    repeats: int,
    calls: Mapping[str, int] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    enough_s: float = math.inf,
) -> dict[str, list[float]]:
    """
    Times of each function. They run in turn, so that drift of the machine affects all alike, after one warm-up call.

    Args:
        runs: the functions by name.
        repeats: number of rounds.
        calls (*optional*): calls of each function per round, by default one.
        clock: `time.process_time` measures CPU time, on which other programs have less influence.
        enough_s: seconds by the clock after which three rounds are enough.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    begun = time.perf_counter()
    for done in range(repeats):
        if done >= _FEWEST_ROUNDS and time.perf_counter() - begun > enough_s:
            break
        for name, run in runs.items():
            for _ in range((calls or {}).get(name, 1)):
                start = clock()
                run()
                seconds[name].append(clock() - start)
    return seconds


def median_seconds(
    runs: Mapping[str, Callable[[], Any]],
    repeats: int,
    calls: Mapping[str, int] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median time of each function; see [`seconds_in_turn`]."""
    return {name: statistics.median(values) for name, values in seconds_in_turn(runs, repeats, calls, clock).items()}


def camera_photo(width: int, height: int) -> np.ndarray:
    """A photo `(height, width, 3)`, uint8: smooth, with the noise of a camera, so that its JPEG is about as large as a real one."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    colours = np.stack([np.sin(9 * x + 5 * y), np.cos(7 * x * y), np.sin(11 * y)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 1))
    return (128 + 90 * colours + noise).clip(0, 255).astype(np.uint8)


def as_jpeg(photo: np.ndarray) -> bytes:
    """A photo as a JPEG of good quality."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()
