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
"""Overlapping windows along one side of a map."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """
    Windows along one side of a map, each half a window after the one before. They depend on the side alone, so that any part
    of a map is computed from the same windows. The last one ends where the map ends.

    Attributes:
        cells (`int`): length of the side.
        window (`int`): length of a window in cells; even. If it exceeds the side, the only window begins with the side.
    """

    cells: int
    window: int

    @property
    def starts(self) -> np.ndarray:
        """The first cell of each window, ascending."""
        last = max(self.cells - self.window, 0)
        return np.append(np.arange(0, last, self.window // 2), last)

    def touching(self, first: int, end: int) -> np.ndarray:
        """The first cell of each window that shares cells with `[first, end)`."""
        starts = self.starts
        return starts[(starts < end) & (starts + self.window > first)]


def hann(length: int) -> np.ndarray:
    """
    Weights sin²(π (i + ½) / length) of the cells of a window, float32: at half a window's distance, those of two windows sum to
    one. They are nowhere zero.
    """
    return (np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2).astype(np.float32)
