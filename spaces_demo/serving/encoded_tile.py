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
A tile encoded once, and the cosine similarity of any query to every point of it.

The embedding of a point is affine in the tile's tokens, so its dot product with a query is interpolated from one number a
token instead of D; the norms to divide by do not depend on the query.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

# Points of a similarity map along each side.
SIDE = 128
# How the embedding of a point is interpolated from the tokens.
READINGS = ("nili", "bilinear")


@dataclass(frozen=True)
class EncodedTile:
    """
    Embeddings of a tile of P × P tokens of width D, about 1 MB at the published size. The model is not needed any more.

    Attributes:
        grids (`np.ndarray` of shape `(2, P, P, D)`): float32, row 0 in the north, in the order of `READINGS`: NILI at the
            token centres, and the tokens themselves.
        lengths (`np.ndarray` of shape `(2, SIDE, SIDE)`): norms of the embeddings at the points of the map.
        slopes (`np.ndarray` of shape `(2, D)`): what NILI adds along x and y for each step beyond the outermost centres.
    """

    grids: np.ndarray
    lengths: np.ndarray
    slopes: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The embedding `(D,)` of the whole tile, of length 1."""
        mean = self.grids[READINGS.index("bilinear")].mean(axis=(0, 1))
        return mean / np.linalg.norm(mean)

    def similarity(self, query: np.ndarray, reading: str = "nili") -> np.ndarray:
        """
        Cosine similarities of a query to the points ((j + ½) / SIDE, (i + ½) / SIDE).

        Args:
            query (`np.ndarray` of shape `(D,)`): an embedding of length 1.
            reading (`str`, defaults to `"nili"`): one of `READINGS`.

        Returns:
            `np.ndarray` of shape `(SIDE, SIDE)`, float32, in [-1, 1], row 0 in the north.
        """
        which = READINGS.index(reading)
        products = _at_map_points(torch.from_numpy(self.grids[which] @ query)[None])[0].numpy()
        if reading == "nili":
            beyond = _beyond_centres((np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE, len(self.grids[0]))
            slope_x, slope_y = self.slopes @ query
            products = products + slope_x * beyond + slope_y * beyond[:, None]
        return np.clip(products / np.maximum(self.lengths[which], 1e-12), -1, 1)

    def at(self, x: float, y: float) -> np.ndarray:
        """
        The embedding of one point by NILI.

        Args:
            x, y (`float`): eastwards and southwards in [0, 1] from the north-west corner.

        Returns:
            `np.ndarray` of shape `(D,)`, float32, of length 1.
        """
        grid = self.grids[READINGS.index("nili")]
        patches = len(grid)
        point = np.array([x, y])
        cell = np.clip(point * patches - 0.5, 0, patches - 1)
        first = np.minimum(cell.astype(int), max(patches - 2, 0))
        (right, down), last = cell - first, np.minimum(first + 1, patches - 1)
        north, south = ((1 - right) * grid[row, first[0]] + right * grid[row, last[0]] for row in (first[1], last[1]))
        read = (1 - down) * north + down * south + _beyond_centres(point, patches) @ self.slopes
        return (read / np.linalg.norm(read)).astype(np.float32)


@torch.no_grad()
def encode_tile(model: Any, rs_pixel_values: torch.Tensor) -> EncodedTile:
    """
    Encodes one tile.

    Args:
        model (`GairModel`): in evaluation mode.
        rs_pixel_values (`torch.Tensor` of shape `(1, 10, H, H)`): as prepared by the processor.

    Returns:
        [`EncodedTile`]
    """
    tiles = model.encode_tiles(rs_pixel_values.to(model.device))
    patches = round(tiles.last_hidden_state.shape[1] ** 0.5)
    grids = [
        model.feature_map(tiles, (patches, patches), reading, with_pixels=False)[0].float() for reading in READINGS
    ]
    lengths = [
        model.feature_map(tiles, (SIDE, SIDE), "nili", with_pixels=False)[0].float().norm(dim=0),
        # The model's bilinear interpolation fades out beyond the outermost centres, which no cosine reveals.
        _at_map_points(grids[1]).norm(dim=0),
    ]
    # On the border, half a cell from the first centre, NILI has taken one step back along x, or along y.
    border = torch.tensor([[[0.0, 0.5 / patches], [0.5 / patches, 0.0]]], device=model.device)
    slopes = grids[0][:, 0, 0] - model.localize(tiles, border, "nili", with_pixels=False)[0].float()
    return EncodedTile(
        torch.stack(grids).permute(0, 2, 3, 1).contiguous().cpu().numpy(),
        torch.stack(lengths).cpu().numpy(),
        slopes.contiguous().cpu().numpy(),
    )


def best_point(similarity: np.ndarray) -> tuple[float, float, float]:
    """The point of the highest cosine in a map, as x eastwards and y southwards in [0, 1], and that cosine."""
    row, column = np.unravel_index(int(similarity.argmax()), similarity.shape)
    height, width = similarity.shape
    return (int(column) + 0.5) / width, (int(row) + 0.5) / height, float(similarity[row, column])


def _at_map_points(grid: torch.Tensor) -> torch.Tensor:
    """Interpolates `(C, P, P)` bilinearly to `(C, SIDE, SIDE)`; constant beyond the outermost centres."""
    return F.interpolate(grid[None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)[0]


def _beyond_centres(position: np.ndarray, patches: int) -> np.ndarray:
    """The offset `P · (c - clip(c, ±(1 - 1/P)))` with c = 2 position - 1, by which NILI extrapolates beyond the centres."""
    centred = 2 * position - 1
    return patches * (centred - np.clip(centred, 1 / patches - 1, 1 - 1 / patches))
