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
"""The pixel query: reads a tile's pixels about any point, at a finer scale than the tokens."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import initialization as init

from .pretrained_gair import standard_score_start
from .windows_gair import linear_weights, product, read_windows


class GairWindowLinear(nn.Linear):
    """A map of a window, channel-major (channel, row, column). A separate class, so that it has its own initialisation."""

    def __init__(self, in_features: int, out_features: int, start: str):
        super().__init__(in_features, out_features)
        self.start = start

    def reset_weights(self) -> None:
        """Starts as `start` says: as standard scores of pixels, as He et al. (2015) for activations, or as any linear map."""
        if self.start == "standard_score":
            standard_score_start(self)
        elif self.start == "he":
            init.normal_(self.weight, std=math.sqrt(2 / self.in_features))


class GairZeroLinear(nn.Linear):
    """A linear map that returns zero before training."""

    def reset_weights(self) -> None:
        """Sets weight and bias to zero."""
        init.zeros_(self.weight)
        init.zeros_(self.bias)


class GairPixelQuery(nn.Module):
    """
    Reads the K × K pixels about a point, `W_out GELU(W_in window(q) + b_in) + b_out`, to be added to the reading of the tokens.

    `window(q)` interpolates bilinearly between the windows about the pixels' centres, whose border is replicated. Reading and
    an affine map commute, so

        W_in window(q) + b_in = bilinear(conv K×K(pixels; W_in, b_in), q; border)

    which `dense` evaluates as written, while `points` gathers and blends the windows before a single matrix product.

    `W_out` and `b_out` start at zero, so that a new model reads as it would without pixels. As in NILI, every form calls the
    maps as modules and never reads their weights.

    Args:
        num_channels (`int`): bands C of the tiles.
        hidden_size (`int`): width D of the output.
        window, width, layers, pooling, start: see `pixel_window`, `pixel_hidden_size`, `pixel_layers`, `pixel_pooling` and
            `pixel_init` of `GairConfig`.
    """

    def __init__(
        self,
        num_channels: int,
        hidden_size: int,
        window: int = 5,
        width: int = 128,
        layers: int = 1,
        pooling: int = 1,
        start: str = "standard_score",
    ):
        super().__init__()
        self.num_channels, self.window, self.pooling = num_channels, window, pooling
        first = GairWindowLinear(num_channels * window**2, width, start)
        later = (GairWindowLinear(width * window**2, width, "he") for _ in range(layers - 1))
        self.window_projs = nn.ModuleList([first, *later])
        self.out_proj = GairZeroLinear(width, hidden_size)

    def forward(
        self,
        rs_pixel_values: torch.Tensor,
        query_points: torch.Tensor,
        method: str = "auto",
        tile_index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, C, H, H)`): tiles, row 0 in the north.
            query_points (`torch.Tensor` of shape `(R, Q, 2)`): x east, y south, in [0, 1]; neither checked nor clamped.
            method (`str`): `"dense"` (a convolution of the tile, four reads per point), `"points"` (a product per point) or
                `"auto"`, the cheaper one for Q points per row.
            tile_index (`torch.Tensor` of shape `(R,)`, *optional*): the tile of each row; without it R = B, in order.

        Returns:
            `torch.Tensor` of shape `(R, Q, D)`.
        """
        values = self.windowed_map(rs_pixel_values)
        if method == "auto":
            method = "dense" if query_points.shape[1] >= values.shape[-1] ** 2 else "points"
        if method == "dense":
            hidden = read_windows(self._at_centers(values, -1), query_points, 1, "replicate", tile_index).flatten(2)
        else:
            windows = read_windows(values, query_points, self.window, "replicate", tile_index)
            hidden = self.window_projs[-1](windows.flatten(2))
        return self.out_proj(F.gelu(hidden))

    def sample_map(self, rs_pixel_values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """
        Reads the tiles at the half-pixel centres of an image of `size` (h, w): one convolution, one resize.

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north; channels last in memory.
        """
        hidden = self.hidden_map(self.windowed_map(rs_pixel_values), size)
        return self.out_proj(hidden.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def hidden_map(self, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """
        The hidden layer at the half-pixel centres of an image of `size` (h, w), which `W_out` and `b_out` turn into the map.

        Args:
            values (`torch.Tensor` of shape `(B, C', H', H')`): from `windowed_map`.

        Returns:
            `torch.Tensor` of shape `(B, width, h, w)`, row 0 in the north.
        """
        if size[0] * size[1] < values.shape[-2] * values.shape[-1]:
            # Reading and the affine map commute: of a coarser image, the windows are read first, so that fewer are mapped.
            return F.gelu(self.window_projs[-1](self._windows_of_grid(values, size))).permute(0, 3, 1, 2)
        hidden = F.interpolate(self._at_centers(values, -1), size=size, mode="bilinear", align_corners=False)
        return F.gelu(hidden)

    def windowed_map(self, rs_pixel_values: torch.Tensor) -> torch.Tensor:
        """
        The map whose windows the last layer reads: the pixels, averaged in blocks, after all layers but the last.

        Returns:
            `torch.Tensor` of shape `(B, C', H', H')`: with one layer and no pooling, the pixels.
        """
        values, shape = rs_pixel_values, tuple(rs_pixel_values.shape)
        if len(shape) != 4 or shape[1] != self.num_channels or shape[2] != shape[3]:
            raise ValueError(
                f"rs_pixel_values has the shape {shape}; expected (B, {self.num_channels}, H, H): pass the tiles that were "
                "encoded."
            )
        side = shape[-1]
        if side % self.pooling:
            raise ValueError(
                f"rs_pixel_values has a side of {side} pixels; expected a multiple of pixel_pooling, {self.pooling} pixels: "
                "resize the tile with the processor."
            )
        if self.pooling > 1:
            values = F.avg_pool2d(values, self.pooling)
        for layer in range(len(self.window_projs) - 1):
            values = F.gelu(self._at_centers(values, layer))
        return values

    def _windows_of_grid(self, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """The windows at the half-pixel centres of an image of `size` (h, w), of shape `(B, h, w, C' K K)`, channel-major."""
        side, reach = values.shape[-1], self.window // 2

        def taps(length: int) -> torch.Tensor:
            """Weights of a line's cells, its replicated border included, for each place in a window: `(K length, side + K - 1)`."""
            weights = linear_weights(length, side, values, border=True)
            return torch.cat([F.pad(weights, (tap, 2 * reach - tap)) for tap in range(self.window)])

        rows, columns = (taps(length).expand(values.shape[0] * values.shape[1], -1, -1) for length in size)
        padded = F.pad(values, [reach] * 4, mode="replicate").to(rows.dtype)
        # Channels first: as long as there are few, products of whole lines are faster.
        read = product(product(rows, padded.flatten(0, 1)), columns.transpose(1, 2)).to(values.dtype)
        windows = read.view(*values.shape[:2], self.window, size[0], self.window, size[1])
        return windows.permute(0, 3, 5, 1, 2, 4).flatten(3)

    def _at_centers(self, values: torch.Tensor, layer: int) -> torch.Tensor:
        """conv K×K(values; W_in, b_in) with a replicated border, of shape `(B, width, H, H)`, channels last in memory."""
        reach = self.window // 2
        windows = F.unfold(F.pad(values, [reach] * 4, mode="replicate"), self.window).transpose(1, 2)
        # In this order the layout is seen to be channels last: after transpose and unflatten, a batch of 1 would be copied.
        return self.window_projs[layer](windows).unflatten(1, values.shape[2:]).permute(0, 3, 1, 2)


__all__ = ["GairPixelQuery"]
