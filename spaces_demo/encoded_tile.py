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
A tile encoded once, and the cosine of any query to every point of it.

How the tile is read at a point is affine in its tokens, so the product with a query is read from one number a token instead
of D; the lengths to divide by do not depend on the query.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

# Points of a similarity map along each side.
SIDE = 128
# How a tile is read at a point.
READINGS = ("nili", "bilinear")


@dataclass(frozen=True)
class EncodedTile:
    """
    What is kept of a tile of P × P tokens of width D, on the CPU: at the published size about 1 MB.

    Attributes:
        tokens (`np.ndarray` of shape `(P * P, D)`): of the RS tower, float32, row-major from the north-west.
        cells (`np.ndarray` of shape `(P * P, D)`): NILI at the tokens' centres.
        lengths (`np.ndarray` of shape `(2, SIDE, SIDE)`): of the embeddings at the map's points, by `READINGS`.
    """

    tokens: np.ndarray
    cells: np.ndarray
    lengths: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The whole tile's embedding `(D,)`, of length 1."""
        mean = self.tokens.mean(axis=0)
        return mean / np.linalg.norm(mean)


@torch.no_grad()
def encode(model: Any, rs_pixel_values: torch.Tensor) -> EncodedTile:
    """
    Encodes one tile.

    Args:
        model (`GairModel`): in evaluation mode.
        rs_pixel_values (`torch.Tensor` of shape `(1, 10, H, H)`): as the processor prepares it.

    Returns:
        [`EncodedTile`]
    """
    tokens = model.rs_model(rs_pixel_values.to(model.device)).last_hidden_state
    patches = round(tokens.shape[1] ** 0.5)
    cells = model.feature_map(tokens, (patches, patches), "nili").flatten(2).transpose(1, 2)
    lengths = [model.feature_map(tokens, (SIDE, SIDE), reading)[0].float().norm(dim=0) for reading in READINGS]
    return EncodedTile(*(part.float().cpu().numpy() for part in (tokens[0], cells[0], torch.stack(lengths))))


@torch.no_grad()
def similarity_map(model: Any, tile: EncodedTile, query: np.ndarray, reading: str = "nili") -> np.ndarray:
    """
    Cosines of a query to the points ((j + ½) / SIDE, (i + ½) / SIDE) of a tile.

    Args:
        model (`GairModel`): that encoded the tile.
        tile ([`EncodedTile`]): the tile.
        query (`np.ndarray` of shape `(D,)`): an embedding of length 1.
        reading (`str`, defaults to `"nili"`): one of `READINGS`.

    Returns:
        `np.ndarray` of shape `(SIDE, SIDE)`, float32, in [-1, 1], row 0 in the north.
    """
    if reading == "nili":
        products = _nili_products(model, tile.cells @ query, query)
    else:
        # The reading is linear and knows no width: tokens may as well have one number.
        scalars = torch.from_numpy(tile.tokens @ query)[None, :, None]
        products = model.feature_map(scalars, (SIDE, SIDE), reading)[0, 0].numpy()
    return np.clip(products / np.maximum(tile.lengths[READINGS.index(reading)], 1e-12), -1, 1)


def _nili_products(model: Any, cells: np.ndarray, query: np.ndarray) -> np.ndarray:
    """
    Products `(SIDE, SIDE)` of a query with NILI: between the tokens' centres NILI is bilinear, and beyond the outermost it
    adds its offset term, `W_r · P · (c - clip(c, ±(1 - 1/P)))` for c from -1 to 1 over the tile.
    """
    patches = round(len(cells) ** 0.5)
    grid = torch.from_numpy(cells).view(1, 1, patches, patches)
    inside = F.interpolate(grid, size=(SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0].numpy()
    centres = (2 * np.arange(SIDE, dtype=np.float32) + 1) / SIDE - 1
    offset = patches * (centres - np.clip(centres, 1 / patches - 1, 1 - 1 / patches))
    slope_x, slope_y = query @ model.nili.affine.weight[:, -2:].float().cpu().numpy()
    return inside + slope_x * offset + slope_y * offset[:, None]


@torch.no_grad()
def embedding_at(model: Any, tile: EncodedTile, x: float, y: float) -> np.ndarray:
    """
    NILI at one point of a tile.

    Args:
        model (`GairModel`): that encoded the tile.
        tile ([`EncodedTile`]): the tile.
        x, y (`float`): eastwards and southwards in [0, 1] from the north-west corner.

    Returns:
        `np.ndarray` of shape `(D,)`, float32, of length 1.
    """
    weight = model.nili.affine.weight
    tokens, points = torch.from_numpy(tile.tokens)[None], torch.tensor([[[x, y]]])
    read = model.localize(tokens.to(weight), points.to(weight.device), "nili", "points")[0, 0]
    return F.normalize(read.float(), dim=0).cpu().numpy()


def best_point(similarity: np.ndarray) -> tuple[float, float, float]:
    """x, y in [0, 1] (east, south) of the greatest cosine of a map, and the cosine."""
    row, column = np.unravel_index(int(similarity.argmax()), similarity.shape)
    height, width = similarity.shape
    return (int(column) + 0.5) / width, (int(row) + 0.5) / height, float(similarity[row, column])
