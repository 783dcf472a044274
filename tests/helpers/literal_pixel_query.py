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
"""The pixel query by its definition: the reference for the fast forms."""

import torch
import torch.nn.functional as F


def literal_pixel_query(
    pixels: torch.Tensor, query_points: torch.Tensor, layers: list[torch.nn.Linear], out: torch.nn.Linear, window: int
) -> torch.Tensor:
    """
    One window after another: those about the pixels' centres by plain indexing, then four of them blended for each point.

    Args:
        pixels: (B, C, H, H), row 0 in the north.
        query_points: (B, Q, 2), x east, y south, in [0, 1].
        layers: Linear(C K², h), …, channel-major (channel, row, column); all but the last act on whole maps.
        out: Linear(h, D).
        window: K.

    Returns:
        (B, Q, D)
    """
    for layer in layers[:-1]:
        side = pixels.shape[-1]
        rows = [
            torch.stack([F.gelu(layer(_window(pixels, row, column, window))) for column in range(side)], dim=-1)
            for row in range(side)
        ]
        pixels = torch.stack(rows, dim=-2)
    side = pixels.shape[-1]
    found = []
    for tile, points in zip(pixels, query_points):
        for x, y in points.tolist():
            # From the first pixel's centre, no farther than the outermost centres.
            column, row = (min(max(value * side - 0.5, 0), side - 1) for value in (x, y))
            left, top = (min(int(value), max(side - 2, 0)) for value in (column, row))
            right, below = (min(value + 1, side - 1) for value in (left, top))
            read = sum(
                part_y * part_x * _window(tile[None], at_row, at_column, window)
                for at_row, part_y in ((top, 1 - (row - top)), (below, row - top))
                for at_column, part_x in ((left, 1 - (column - left)), (right, column - left))
            )
            found.append(out(F.gelu(layers[-1](read)))[0])
    return torch.stack(found).unflatten(0, query_points.shape[:2])


def _window(pixels: torch.Tensor, row: int, column: int, window: int) -> torch.Tensor:
    """The K × K pixels about the centre of one, `(B, C K²)`; pixels beyond the border equal the nearest one."""
    side, reach = pixels.shape[-1], window // 2
    rows, columns = (torch.arange(middle - reach, middle + reach + 1).clamp(0, side - 1) for middle in (row, column))
    return pixels[:, :, rows][:, :, :, columns].flatten(1)
