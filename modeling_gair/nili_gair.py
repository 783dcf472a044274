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
"""Reading a tile at any point: NILI (neural implicit local interpolation) and the simpler modes it is compared with."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import initialization as init

from .windows_gair import centred, half_pixel_centers, linear_weights, read_grid, read_windows


class GairNILIAffine(nn.Linear):
    """
    NILI's affine map, `Linear(9 D + 2, D)`: the features of a 3x3 neighbourhood first (channel-major: channel, row,
    column), then the offset x, y. A separate class, so that it has its own initialisation.

    Args:
        hidden_size (`int`): D.
        start (`str`): the initialisation; see `GairConfig.nili_init`.
    """

    def __init__(self, hidden_size: int, start: str):
        super().__init__(9 * hidden_size + 2, hidden_size)
        self.start = start

    def reset_weights(self) -> None:
        """Sets the weight to the identity on the centre token if `start` is `"center_token"`."""
        if self.start == "center_token":
            init.copy_(self.weight, self.center_token_weight())

    def center_token_weight(self) -> torch.Tensor:
        """The weight that returns the neighbourhood's centre token."""
        weight = torch.zeros_like(self.weight)
        weight[:, 4:-2:9] = torch.eye(self.out_features, dtype=weight.dtype, device=weight.device)
        return weight


class GairNILI(nn.Module):
    """
    Neural implicit local interpolation: returns the tile's representation at any point.

    By definition (LIIF's local ensemble with an affine decoder), one affine map is applied to the 3x3 neighbourhood of each
    of the four cells around a point and to the point's offset from that cell's centre; the four results are blended by
    area. As the map is affine, this equals, for `c = 2 q - 1` and P cells per side,

        bilinear(conv3x3(F; W_U, b), c; border) + W_r · P · (c - clip(c, ±(1 - 1/P)))

    which `dense` evaluates as written, while `points` blends the neighbourhoods before a single matrix product. On the lines
    x = 1 - 1/(2P) and y = 1 - 1/(2P) the definition is degenerate; this is its continuous extension.

    Every form calls the affine map as a module and never reads its weight, which may be quantised, offloaded or adapted
    (LoRA). Positions are computed in float32 or better, whatever the dtype of the tokens.

    Args:
        hidden_size (`int`): width D of the tokens and of the output.
        start (`str`): the initialisation; see `GairConfig.nili_init`.
    """

    def __init__(self, hidden_size: int, start: str = "normal"):
        super().__init__()
        self.affine = GairNILIAffine(hidden_size, start)

    def forward(
        self,
        feature_map: torch.Tensor,
        query_points: torch.Tensor,
        method: str = "auto",
        tile_index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Args:
            feature_map (`torch.Tensor` of shape `(B, D, P, P)`): tokens as a map, row 0 in the north.
            query_points (`torch.Tensor` of shape `(R, Q, 2)`): x east, y south, in [0, 1]; neither checked nor clamped.
            method (`str`): `"dense"` (one convolution of the map, four reads per point), `"points"` (one product per
                point) or `"auto"`, the cheaper one for Q points per row. Do not use `"auto"` when exporting with a dynamic
                Q.
            tile_index (`torch.Tensor` of shape `(R,)`, *optional*): the tile of each row; without it R = B, in order.

        Returns:
            `torch.Tensor` of shape `(R, Q, D)`.
        """
        if method == "auto":
            method = "dense" if query_points.shape[1] >= feature_map.shape[-1] ** 2 else "points"
        return (self._dense if method == "dense" else self._points)(feature_map, query_points, tile_index)

    def sample_map(
        self, feature_map: torch.Tensor, size: tuple[int, int], onto: torch.Tensor | None = None
    ) -> torch.Tensor:
        """
        Reads the map at the half-pixel centres of an image of `size` (h, w).

        On a regular grid the offset term is the sum of a row and a column. As the weights of an interpolation sum to 1, the
        two slopes are one more cell at the end of each row and of each column, whose weight is the offset.

        Args:
            feature_map (`torch.Tensor` of shape `(B, D, P, P)`): tokens as a map, row 0 in the north.
            size (`tuple[int, int]`): h, w.
            onto (`torch.Tensor` of shape `(B, h, w, D)`, *optional*): is added; the caller must not use it again.

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north; channels last in memory.
        """
        values = F.pad(self._at_centers(feature_map), (0, 0, 0, 1, 0, 1))
        values[:, :-1, -1], values[:, -1, :-1] = self._slopes(feature_map)
        rows, columns = (self._line_weights(length, feature_map.shape[-1], values) for length in size)
        return read_grid(values, rows, columns, onto).permute(0, 3, 1, 2)

    def _slopes(self, feature_map: torch.Tensor) -> torch.Tensor:
        """
        What is added for each step beyond the outermost cell centres, W_r: the affine map's responses to an offset alone.

        Args:
            feature_map (`torch.Tensor` of shape `(B, D, P, P)`): tokens as a map; states width, dtype and device.

        Returns:
            `torch.Tensor` of shape `(2, D)`: for x (east) and y (south), in units of half a cell.
        """
        probes = feature_map.new_zeros(3, 9 * feature_map.shape[1] + 2)
        probes[0, -2] = probes[1, -1] = 1
        responses = self.affine(probes)
        return responses[:2] - responses[2]

    def _dense(
        self, feature_map: torch.Tensor, query_points: torch.Tensor, tile_index: torch.Tensor | None
    ) -> torch.Tensor:
        position = centred(query_points, feature_map)
        # Channels first in memory: reading many points from a map with channels last takes twice as long.
        values = self._at_centers(feature_map).permute(0, 3, 1, 2).contiguous()
        if tile_index is not None:
            values = values[tile_index]
        sampled = F.grid_sample(
            values.to(position.dtype), position[:, None], mode="bilinear", padding_mode="border", align_corners=False
        )
        offset = self._border_offset(position, feature_map.shape[-1]).to(values.dtype)
        return sampled[:, :, 0].transpose(1, 2).to(values.dtype) + offset @ self._slopes(feature_map)

    def _points(
        self, feature_map: torch.Tensor, query_points: torch.Tensor, tile_index: torch.Tensor | None
    ) -> torch.Tensor:
        neighbourhood = read_windows(feature_map, query_points, 3, "constant", tile_index).flatten(2)
        offset = self._border_offset(centred(query_points, feature_map), feature_map.shape[-1]).to(feature_map.dtype)
        return self.affine(torch.cat([neighbourhood, offset], dim=-1))

    def _at_centers(self, feature_map: torch.Tensor) -> torch.Tensor:
        """The values at the cells' centres, conv3x3(F; W_U, b), of shape `(B, P, P, D)`."""
        neighbourhoods = F.unfold(feature_map, 3, padding=1).transpose(1, 2)
        return self.affine(F.pad(neighbourhoods, (0, 2))).unflatten(1, feature_map.shape[2:])

    def _line_weights(self, length: int, side: int, like: torch.Tensor) -> torch.Tensor:
        """Weights of `side` cells of a line, and of its slope, for `length` pixels; of shape `(length, side + 1)`."""
        position = centred(half_pixel_centers(length, like), like)
        offset = self._border_offset(position, side)
        return torch.cat([linear_weights(length, side, like, border=True), offset[:, None]], dim=1)

    @staticmethod
    def _border_offset(position: torch.Tensor, patches_per_side: int) -> torch.Tensor:
        limit = 1 - 1 / patches_per_side
        return patches_per_side * (position - position.clamp(-limit, limit))


def sample_tokens(feature_map: torch.Tensor, query_points: torch.Tensor, mode: str) -> torch.Tensor:
    """
    Interpolates the tokens, at half-pixel centres and with zeros outside, for comparison with NILI.

    Args:
        feature_map (`torch.Tensor` of shape `(B, D, P, P)`): tokens as a map.
        query_points (`torch.Tensor` of shape `(B, Q, 2)`): x east, y south, in [0, 1].
        mode (`str`): `"bilinear"` or `"bicubic"`.

    Returns:
        `torch.Tensor` of shape `(B, Q, D)`.
    """
    position = centred(query_points, feature_map)[:, None]
    values = feature_map.to(position.dtype)
    sampled = F.grid_sample(values, position, mode=mode, padding_mode="zeros", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2).to(feature_map.dtype)


def as_map(rs_tokens: torch.Tensor) -> torch.Tensor:
    """Arranges tokens `(B, N, D)` as a map `(B, D, P, P)`."""
    patches_per_side = math.isqrt(rs_tokens.shape[1])
    return rs_tokens.transpose(1, 2).unflatten(2, (patches_per_side, patches_per_side))


__all__ = ["GairNILI", "as_map", "sample_tokens"]
