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

What is read of the tokens at a point is affine in them, so its dot product with a query is interpolated from one number a token
instead of D. What is added from the pixels is affine in a hidden layer, `W_out GELU(…) + b_out`, so its dot product with a query
`q` is that of the hidden layer with `W_outᵀ q`. Only min(D, h) of its h dimensions matter, those of an orthonormal basis of what `W_out` gives.
The norms to divide by do not depend on the query.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

# Points of a similarity map along each side.
SIDE = 128
# Points that are multiplied at a time.
_POINTS_AT_ONCE = 1024
# How the embedding of a point is interpolated from the tokens, for any model.
READINGS = ("nili", "bilinear")
# A model's own reading, if it adds what it reads from the pixels.
PIXELS = "pixels"


@dataclass(frozen=True)
class TilePixels:
    """
    What a model reads of a tile's pixels, about 5 MB at the published size.

    Attributes:
        values (`np.ndarray` of shape `(C, H, H)`): float32, row 0 in the north: the map whose windows are read.
        window_weight (`np.ndarray` of shape `(h, C · K · K)`), window_bias (`np.ndarray` of shape `(h,)`): map a window,
            channel-major, to the hidden layer.
        out_weight (`np.ndarray` of shape `(D, h)`), out_bias (`np.ndarray` of shape `(D,)`): map the hidden layer to what is
            added.
        basis (`np.ndarray` of shape `(D, r)`), added (`np.ndarray` of shape `(SIDE · SIDE, r)`): what is added at the points of the map,
            row by row, without its bias, in an orthonormal basis of r = min(D, h) directions; `added` is float16, whose rounding
            changes cosines by less than 1e-4.
    """

    values: np.ndarray
    window_weight: np.ndarray
    window_bias: np.ndarray
    out_weight: np.ndarray
    out_bias: np.ndarray
    basis: np.ndarray
    added: np.ndarray

    def products(self, queries: np.ndarray) -> np.ndarray:
        """Dot products of queries `(Q, D)` with what is added at the points of the map, `(Q, SIDE, SIDE)`."""
        weights = torch.from_numpy(queries @ self.basis).T
        # In pieces that stay in a processor's cache; the whole in float32 would take 8 MB.
        pieces = torch.from_numpy(self.added).split(_POINTS_AT_ONCE)
        products = torch.cat([piece.float() @ weights for piece in pieces]).T.reshape(-1, SIDE, SIDE).numpy()
        return products + (queries @ self.out_bias)[:, None, None]

    def at(self, x: float, y: float) -> np.ndarray:
        """What is added at a point, `(D,)`, in float32."""
        side, window = self.values.shape[-1], round((self.window_weight.shape[1] / len(self.values)) ** 0.5)
        # The windows beyond the outermost centres are those of the nearest pixel; their own pixels repeat the border.
        middle = torch.tensor([x, y]).clamp(0.5 / side, 1 - 0.5 / side)
        steps = (torch.arange(window) - window // 2) / side
        points = middle + torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
        read = _sampled(torch.from_numpy(self.values), points, "bilinear", "border").flatten().numpy()
        hidden = F.gelu(torch.from_numpy(self.window_weight @ read + self.window_bias)).numpy()
        return self.out_weight @ hidden + self.out_bias


@dataclass(frozen=True)
class EncodedTile:
    """
    Embeddings of a tile of P × P tokens of width D, about 1 MB at the published size without pixels. The model is not needed
    any more.

    Attributes:
        tokens (`np.ndarray` of shape `(D, P, P)`): float32, row 0 in the north.
        centres (`np.ndarray` of shape `(D, P, P)`): NILI at the centres of the tokens.
        slopes (`np.ndarray` of shape `(2, D)`): what NILI adds along x and y for each step beyond the outermost centres.
        mode (`str`): how the model itself reads the tokens, its `query_mode`.
        lengths (`np.ndarray` of shape `(R, SIDE, SIDE)`): norms of the embeddings at the points of the map, for each of
            `readings`.
        pixels ([`TilePixels`], *optional*): what a model that reads pixels adds.
    """

    tokens: np.ndarray
    centres: np.ndarray
    slopes: np.ndarray
    mode: str
    lengths: np.ndarray
    pixels: TilePixels | None = None

    @property
    def readings(self) -> tuple[str, ...]:
        """
        How the embedding of a point can be read, the one that represents the model first: with pixels, without them, and by
        NILI and bilinear interpolation of the tokens in any case.
        """
        return _readings(self.mode, self.pixels is not None)

    @property
    def mean(self) -> np.ndarray:
        """The embedding `(D,)` of the whole tile, of length 1."""
        mean = self.tokens.mean(axis=(1, 2))
        return mean / np.linalg.norm(mean)

    def similarity(self, query: np.ndarray, reading: str | None = None) -> np.ndarray:
        """
        Cosine similarities of a query to the points ((j + ½) / SIDE, (i + ½) / SIDE).

        Args:
            query (`np.ndarray` of shape `(D,)` or `(Q, D)`): embeddings of length 1.
            reading (`str`, *optional*): one of `readings`, by default the first.

        Returns:
            `np.ndarray` of shape `(SIDE, SIDE)` or `(Q, SIDE, SIDE)`, float32, in [-1, 1], row 0 in the north.
        """
        reading, queries = reading or self.readings[0], np.atleast_2d(query)
        products = self._of_tokens(reading, _MAP_POINTS, queries)
        if reading == PIXELS and self.pixels is not None:
            products = products + self.pixels.products(queries)
        cosines = np.clip(products / np.maximum(self.lengths[self.readings.index(reading)], 1e-12), -1, 1)
        return cosines[0] if query.ndim == 1 else cosines

    def best_point(self, similarity: np.ndarray) -> tuple[float, float, float]:
        """
        The most similar point of a map `(SIDE, SIDE)`: x eastwards and y southwards in [0, 1], and its cosine. Points less than
        half a patch from the border are left out: what is read of the tokens there is extrapolated, and wins too often.
        """
        border = math.ceil(SIDE / (2 * self.tokens.shape[-1]) - 0.5)
        inner = similarity[border : SIDE - border, border : SIDE - border]
        row, column = np.unravel_index(int(inner.argmax()), inner.shape)
        return (int(column) + border + 0.5) / SIDE, (int(row) + border + 0.5) / SIDE, float(inner[row, column])

    def at(self, x: float, y: float) -> np.ndarray:
        """
        The embedding of one point by the first of `readings`.

        Args:
            x, y (`float`): eastwards and southwards in [0, 1] from the north-west corner.

        Returns:
            `np.ndarray` of shape `(D,)`, float32, of length 1.
        """
        read = self._of_tokens(self.readings[0], torch.tensor([[[x, y]]]))[:, 0, 0]
        if self.pixels is not None:
            read = read + self.pixels.at(x, y)
        return (read / np.linalg.norm(read)).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, to be stored; [`EncodedTile.of_arrays`] reads it."""
        own = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self) if field.name != "pixels"}
        return own if self.pixels is None else {**own, **vars(self.pixels)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "EncodedTile":
        """The tile that `arrays` stored. Raises a `KeyError` if one is missing."""
        pixels = None
        if "values" in arrays:
            pixels = TilePixels(**{field.name: arrays[field.name] for field in fields(TilePixels)})
        own = {field.name: arrays[field.name] for field in fields(cls) if field.name not in ("pixels", "mode")}
        return cls(**own, mode=str(arrays["mode"]), pixels=pixels)

    def _of_tokens(self, reading: str, points: torch.Tensor, queries: np.ndarray | None = None) -> np.ndarray:
        """
        What is read of the tokens at points `(h, w, 2)`, x and y in [0, 1].

        Returns:
            `np.ndarray` of shape `(D, h, w)`, or `(Q, h, w)`: the dot products with `queries` `(Q, D)`, if they are given.
        """
        mode = self.mode if reading == PIXELS else reading
        values, slopes = (self.centres if mode == "nili" else self.tokens), self.slopes
        if queries is not None:
            values, slopes = np.tensordot(queries, values, axes=1), slopes @ queries.T
        if mode == "mean":
            return np.broadcast_to(values.mean(axis=(1, 2))[:, None, None], (len(values), *points.shape[:2]))
        padding, order = ("border", "bilinear") if mode == "nili" else ("zeros", mode)
        read = _sampled(torch.from_numpy(values), points, order, padding).numpy()
        if mode == "nili":
            read = read + np.tensordot(slopes.T, _beyond_centres(points.numpy(), values.shape[1]), axes=(1, 2))
        return read


# Stands for what is stored, in names of files.
LAYOUT = " ".join(field.name for kind in (EncodedTile, TilePixels) for field in fields(kind))


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
    tokens = tiles.last_hidden_state[0].float()
    patches, mode = round(len(tokens) ** 0.5), model.config.query_mode
    centres = model.feature_map(tiles, (patches, patches), "nili", with_pixels=False)[0].float()
    # On the border, half a cell from the first centre, NILI has taken one step back along x, or along y.
    border = torch.tensor([[[0.0, 0.5 / patches], [0.5 / patches, 0.0]]], device=model.device)
    slopes = centres[:, 0, 0] - model.localize(tiles, border, "nili", with_pixels=False)[0].float()
    lengths = [
        model.feature_map(tiles, (SIDE, SIDE), mode if reading == PIXELS else reading, with_pixels=reading == PIXELS)[0]
        .float()
        .norm(dim=0)
        for reading in _readings(mode, model.pixel_query is not None)
    ]
    return EncodedTile(
        _numbers(tokens.T.unflatten(1, (patches, patches))),
        _numbers(centres),
        _numbers(slopes),
        mode,
        _numbers(torch.stack(lengths)),
        None if model.pixel_query is None else _pixels(model.pixel_query, tiles.rs_pixel_values),
    )


def standing(similarity: np.ndarray, x: float, y: float) -> float:
    """
    The share of the points of a map `(SIDE, SIDE)` that are less similar than the point at x eastwards, y southwards in [0, 1].

    Equal points count half, so that 0.5 is chance, also for a map that is the same everywhere.
    """
    row, column = (min(int(at * SIDE), SIDE - 1) for at in (y, x))
    own = similarity[row, column]
    return float((similarity < own).mean() + (similarity <= own).mean()) / 2


def _readings(mode: str, with_pixels: bool) -> tuple[str, ...]:
    return tuple(dict.fromkeys((PIXELS, mode, *READINGS))) if with_pixels else READINGS


def _pixels(pixel_query: Any, rs_pixel_values: torch.Tensor) -> TilePixels:
    # In float32 whatever the model's dtype, in which responses to single inputs would be rounded.
    query = copy.deepcopy(pixel_query).float()
    values = query.windowed_map(rs_pixel_values.float())
    hidden = query.hidden_map(values, (SIDE, SIDE))[0]
    window = _affine(query.window_projs[-1], values.shape[1] * query.window**2, values)
    out = _affine(query.out_proj, len(hidden), values)
    basis, of_hidden = np.linalg.qr(out[0])
    added = _numbers(hidden.flatten(1).T) @ of_hidden.T
    return TilePixels(_numbers(values[0]), *window, *out, basis, added.astype(np.float16))


def _affine(module: Any, inputs: int, like: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of an affine map, from its responses: the weight itself may be quantised or adapted."""
    responses = module(torch.cat([torch.zeros(1, inputs), torch.eye(inputs)]).to(like))
    return _numbers((responses[1:] - responses[0]).T), _numbers(responses[0])


def _numbers(values: torch.Tensor) -> np.ndarray:
    return values.float().contiguous().cpu().numpy()


def _sampled(values: torch.Tensor, points: torch.Tensor, order: str, padding: str) -> torch.Tensor:
    """Interpolates `(C, P, P)` at points `(h, w, 2)`, x and y in [0, 1], to `(C, h, w)`."""
    return F.grid_sample(values[None], 2 * points[None] - 1, mode=order, padding_mode=padding, align_corners=False)[0]


def _map_points() -> torch.Tensor:
    steps = (torch.arange(SIDE) + 0.5) / SIDE
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)


# The points of the map, `(SIDE, SIDE, 2)`: x east, y south.
_MAP_POINTS = _map_points()


def _beyond_centres(position: np.ndarray, patches: int) -> np.ndarray:
    """The offset `P · (c - clip(c, ±(1 - 1/P)))` with c = 2 position - 1, by which NILI extrapolates beyond the centres."""
    centred = 2 * position - 1
    return patches * (centred - np.clip(centred, 1 / patches - 1, 1 - 1 / patches))
