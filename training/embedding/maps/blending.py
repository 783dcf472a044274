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
"""Blending the maps of overlapping windows."""

import numpy as np
import torch

from training.embedding.maps.axis import hann

# Cells with less data are without data.
LEAST_VALID = 0.5


class Blender:
    """
    The weighted mean of overlapping maps over a block of cells. Hann's weights, divided by their sum in each cell: they sum to one
    also where windows are missing, at the map's border and beside windows that could not be read.

    Args:
        top, left (`int`): the block's first row and column of cells.
        height, width (`int`): its size.
        window (`tuple[int, int]`): rows and columns of a window in cells.
        dimension (`int`): width D of the embeddings.
        device (`torch.device` or `str`): where to compute.
    """

    def __init__(
        self,
        top: int,
        left: int,
        height: int,
        width: int,
        window: tuple[int, int],
        dimension: int,
        device: torch.device | str = "cpu",
    ):
        self._top, self._left, self._window = top, left, window
        self._sum = torch.zeros(height, width, dimension, device=device)
        self._weight = torch.zeros(height, width, device=device)
        self._valid = torch.zeros(height, width, device=device)
        rows, columns = (torch.from_numpy(hann(length)).to(device) for length in window)
        self._hann = rows[:, None] * columns

    def add(self, values: torch.Tensor, top: int, left: int, valid: np.ndarray | None = None) -> None:
        """
        Adds the map of a window.

        Args:
            values (`torch.Tensor` of shape `(h, w, D)`): its embeddings, channels last.
            top, left (`int`): its first row and column of cells.
            valid (`np.ndarray` of shape `(h, w)`, *optional*): the share of each cell that contains data; 1 by default.
        """
        rows, inner_rows = _shared(top, self._window[0], self._top, self._sum.shape[0])
        columns, inner_columns = _shared(left, self._window[1], self._left, self._sum.shape[1])
        weight = self._hann[inner_rows, inner_columns]
        self._sum[rows, columns].addcmul_(values[inner_rows, inner_columns], weight[..., None])
        self._weight[rows, columns] += weight
        if valid is not None:
            share = torch.from_numpy(valid[inner_rows, inner_columns].astype(np.float32)).to(weight.device)
            weight = weight * share
        self._valid[rows, columns] += weight

    def result(self) -> np.ndarray:
        """
        The blended map `(height, width, D)`, float32; NaN where no window was added or less than half of the cell contains data.
        The blender must not be used again.
        """
        # Weights are above 0 wherever there was a window.
        absent = (self._weight == 0) | (self._valid < LEAST_VALID * self._weight)
        self._sum /= self._weight.clamp(min=torch.finfo(torch.float32).tiny)[..., None]
        self._sum[absent] = torch.nan
        return self._sum.cpu().numpy()


def _shared(start: int, length: int, first: int, size: int) -> tuple[slice, slice]:
    """The cells that a window shares with a block, counted in the block and counted in the window."""
    begin, end = max(start, first), min(start + length, first + size)
    return slice(begin - first, end - first), slice(begin - start, end - start)
