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
"""Windows of a map about any point: what NILI reads from the tokens, and the pixel query from the pixels."""

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
    padded = F.pad(values, (reach, reach + 1, reach, reach + 1), mode=padding).permute(0, 2, 3, 1)
    taps = torch.arange(window + 1, device=values.device)
    column, row = (first.long()[..., None] + taps).unbind(2)
    cells = padded[tile_index[:, None, None, None], row[..., None], column[:, :, None]]
    blended = torch.lerp(cells[:, :, :window], cells[:, :, 1:], fraction[..., 1:])
    blended = torch.lerp(blended[:, :, :, :window], blended[:, :, :, 1:], fraction[..., :1])
    return blended.permute(0, 1, 4, 2, 3)


def centred(query_points: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Points in [-1, 1] instead of [0, 1], in float32 or the map's better dtype."""
    return (2 * query_points - 1).to(_precise(values.dtype))


def half_pixel_centers(length: int, like: torch.Tensor) -> torch.Tensor:
    """The centres (i + ½) / length of `length` pixels over [0, 1], on the device of `like`, in float32 or its better dtype."""
    return (torch.arange(length, device=like.device, dtype=_precise(like.dtype)) + 0.5) / length


def _precise(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


__all__ = ["centred", "half_pixel_centers", "read_windows"]
