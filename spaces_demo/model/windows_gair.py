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
"""
Reading maps about any point (windows: what NILI reads from the tokens, and the pixel query from the pixels), and at all points
of a regular grid at once.
"""

import torch
import torch.nn.functional as F


def read_windows(
    values: torch.Tensor,
    query_points: torch.Tensor,
    window: int,
    padding: str,
    tile_index: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Reads the windows about points. The windows about the cells' centres are interpolated bilinearly; beyond the outermost
    centres they stay those of the nearest cell.

    Neighbouring windows overlap, so that one patch of `window + 1` cells per side holds all four that are blended.

    Args:
        values (`torch.Tensor` of shape `(B, C, P, P)`): a map, row 0 in the north.
        query_points (`torch.Tensor` of shape `(R, Q, 2)`): x east, y south, in [0, 1], in float32 or better.
        window (`int`): K, the side of a window in cells; odd.
        padding (`str`): what surrounds the map: `"constant"` (zeros) or `"replicate"` (its border).
        tile_index (`torch.Tensor` of shape `(R,)`, *optional*): the map of each row; without it R = B, in order.

    Returns:
        `torch.Tensor` of shape `(R, Q, C, K, K)`.
    """
    if tile_index is None:
        tile_index = torch.arange(values.shape[0], device=values.device)
    side, reach = values.shape[-1], window // 2
    # In units of cells from the first centre.
    cell = (((centred(query_points, values) + 1) * side - 1) / 2).clamp(0, side - 1)
    first = cell.detach().floor().clamp(max=max(side - 2, 0))
    fraction = (cell - first).to(values.dtype)[:, :, None, None, :]
    taps = torch.arange(window + 1, device=values.device)
    if padding == "constant":
        values = F.pad(values, (reach, reach + 1, reach, reach + 1))
    else:
        # Clamped indices repeat the border without a copy of the map.
        taps = taps - reach
    column, row = (first.long()[..., None] + taps).clamp(0, values.shape[-1] - 1).unbind(2)
    cells = values.permute(0, 2, 3, 1)[tile_index[:, None, None, None], row[..., None], column[:, :, None]]
    blended = torch.lerp(cells[:, :, :window], cells[:, :, 1:], fraction[..., 1:])
    blended = torch.lerp(blended[:, :, :, :window], blended[:, :, :, 1:], fraction[..., :1])
    return blended.permute(0, 1, 4, 2, 3)


def read_grid(
    values: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, onto: torch.Tensor | None = None
) -> torch.Tensor:
    """
    Reads maps at all points of a regular grid, where any interpolation that treats x and y alike is `rows V columnsᵀ`.

    Large maps are bound by memory, so that what is added to a reading should be summed while it is written: `onto` is
    overwritten where no gradient needs it.

    Args:
        values (`torch.Tensor` of shape `(B, P, Q, D)`): V, channels last in memory too.
        rows (`torch.Tensor` of shape `(h, P)`), columns (`torch.Tensor` of shape `(w, Q)`): the weights of the map's rows and
            columns, in float32 or better: in half precision they would move points.
        onto (`torch.Tensor` of shape `(B, h, w, D)`, *optional*): is added; the caller must not use it again.

    Returns:
        `torch.Tensor` of shape `(B, h, w, D)`, contiguous, in the dtype of `values`.
    """
    batch, _, _, channels = values.shape
    shape = (batch, len(rows), len(columns), channels)
    lines = product(rows.expand(batch, -1, -1), values.to(rows.dtype).flatten(2))
    lines, columns = lines.reshape(-1, columns.shape[1], channels), columns.expand(batch * len(rows), -1, -1)
    if onto is not None and onto.dtype == values.dtype == rows.dtype and not onto.requires_grad:
        return onto.flatten(0, 1).baddbmm_(columns, lines).view(shape)
    read = product(columns, lines).view(shape).to(values.dtype)
    return read if onto is None else onto + read


def product(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """A batched matrix product; in place, because autocast would round what it passes to the others."""
    made = other.new_empty(one.shape[0], one.shape[1], other.shape[2])
    return made.baddbmm_(one, other, beta=0)


def linear_weights(length: int, side: int, like: torch.Tensor, border: bool) -> torch.Tensor:
    """
    Weights of linear interpolation at the centres of `length` pixels over a line of `side` cells.

    Args:
        length (`int`), side (`int`): numbers of pixels and cells.
        like (`torch.Tensor`): states the device, and the dtype unless float32 is better.
        border (`bool`): whether the outermost cells are repeated beyond the border; else zeros are.

    Returns:
        `torch.Tensor` of shape `(length, side)`.
    """
    distance = _distance_from_cells(length, side, like, border)
    return (1 - distance).clamp(min=0)


def cubic_weights(length: int, side: int, like: torch.Tensor) -> torch.Tensor:
    """Weights of cubic convolution (Keys, 1981, with a = -¾) with zeros beyond the border; see [`linear_weights`]."""
    distance, a = _distance_from_cells(length, side, like, border=False), -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))


def _distance_from_cells(length: int, side: int, like: torch.Tensor, border: bool) -> torch.Tensor:
    """Distances of pixels' centres from cells' centres, in cells, of shape `(length, side)`."""
    cell = half_pixel_centers(length, like) * side - 0.5
    if border:
        cell = cell.clamp(0, side - 1)
    return (cell[:, None] - torch.arange(side, device=like.device)).abs()


def centred(query_points: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Points in [-1, 1] instead of [0, 1], in float32 or the map's better dtype."""
    return (2 * query_points - 1).to(_precise(values.dtype))


def half_pixel_centers(length: int, like: torch.Tensor) -> torch.Tensor:
    """The centres (i + ½) / length of `length` pixels over [0, 1], on the device of `like`, in float32 or its better dtype."""
    return (torch.arange(length, device=like.device, dtype=_precise(like.dtype)) + 0.5) / length


def _precise(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


__all__ = ["centred", "cubic_weights", "half_pixel_centers", "linear_weights", "product", "read_grid", "read_windows"]
