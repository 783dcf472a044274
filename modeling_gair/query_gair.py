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
"""Reading encoded tiles at points: what reads the tokens, and the pixels that are added."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers.utils import ModelOutput

from .configuration_gair import QUERY_MODES
from .nili_gair import GairNILI, as_map, sample_tokens
from .pixel_query_gair import GairPixelQuery
from .pretrained_gair import check_precise, compute_dtype
from .windows_gair import cubic_weights, linear_weights, read_grid

QUERY_METHODS = ("auto", "dense", "points")


@dataclass
class GairEncodedTiles(ModelOutput):
    """
    Tiles encoded once, from which any number of points can be read.

    Args:
        last_hidden_state (`torch.Tensor` of shape `(B, N, D)`): the tokens, row-major from the north-west.
        pooler_output (`torch.Tensor` of shape `(B, D)`): the embeddings of the whole tiles, the mean of their tokens.
        rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`, *optional*): the pixels, if the model reads them.
    """

    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    rs_pixel_values: torch.Tensor | None = None


def localize(
    nili: GairNILI | None,
    pixel_query: GairPixelQuery | None,
    tiles: GairEncodedTiles,
    query_points: torch.Tensor,
    mode: str,
    method: str = "auto",
    tile_index: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Reads tiles at points, without pixels if `pixel_query` is None; other modes than `"nili"` do not need `nili`. See
    [`GairModel.localize`] for arguments and output.

    Raises:
        ValueError: for tiles that are not encoded, an unknown mode or method, or points of the wrong shape or in half
            precision.
    """
    rs_tokens = _tokens_of(tiles)
    _check_choice("mode", mode, QUERY_MODES)
    _check_choice("method", method, QUERY_METHODS)
    check_precise("query_points", query_points)
    shape, rows = tuple(query_points.shape), (rs_tokens if tile_index is None else tile_index).shape[0]
    if len(shape) != 3 or shape[0] != rows or shape[2] != 2:
        raise ValueError(
            f"query_points has the shape {shape}; expected ({rows}, Q, 2): x, y of Q points in each of {rows} "
            f"{'tiles' if tile_index is None else 'rows of tile_index'}."
        )
    read = _read_tokens(nili, rs_tokens, query_points, mode, method, tile_index)
    if pixel_query is None:
        return read
    return read + pixel_query(_pixels_of(tiles, pixel_query), query_points, method, tile_index)


def feature_map(
    nili: GairNILI, pixel_query: GairPixelQuery | None, tiles: GairEncodedTiles, size: tuple[int, int], mode: str
) -> torch.Tensor:
    """
    Reads tiles at every pixel of an image, without their pixels if `pixel_query` is None. See [`GairModel.feature_map`].

    Raises:
        ValueError: for tiles that are not encoded, an unknown mode or an empty size.
    """
    rs_tokens = _tokens_of(tiles)
    _check_choice("mode", mode, QUERY_MODES)
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size is {tuple(size)}; expected (h, w), each at least 1.")
    # With channels last, the layout of tokens and of linear maps, sums of large maps read and write memory once.
    added = None
    if pixel_query is not None:
        added = pixel_query.sample_map(_pixels_of(tiles, pixel_query), (height, width)).permute(0, 2, 3, 1)
    if mode == "nili":
        return nili.sample_map(as_map(rs_tokens), (height, width), added)
    values = as_map(rs_tokens.mean(dim=1, keepdim=True) if mode == "mean" else rs_tokens).permute(0, 2, 3, 1)
    rows, columns = (_line_weights(mode, length, values) for length in (height, width))
    return read_grid(values, rows, columns, added).permute(0, 3, 1, 2)


def _line_weights(mode: str, length: int, values: torch.Tensor) -> torch.Tensor:
    side = values.shape[1]
    if mode == "bicubic":
        return cubic_weights(length, side, values)
    return linear_weights(length, side, values, border=mode == "mean")


def _read_tokens(
    nili: Any,
    rs_tokens: torch.Tensor,
    query_points: torch.Tensor,
    mode: str,
    method: str,
    tile_index: torch.Tensor | None,
) -> torch.Tensor:
    if mode == "nili":
        return nili(as_map(rs_tokens), query_points, method, tile_index)
    if mode == "mean":
        means = rs_tokens.mean(dim=1, keepdim=True)
        return (means if tile_index is None else means[tile_index]).expand(-1, query_points.shape[1], -1)
    return sample_tokens(as_map(rs_tokens if tile_index is None else rs_tokens[tile_index]), query_points, mode)


def _tokens_of(tiles: Any) -> torch.Tensor:
    if not isinstance(tiles, GairEncodedTiles) or tiles.last_hidden_state is None:
        raise ValueError(
            f"tiles is {type(tiles).__name__}, expected encoded tiles; pass what model.encode_tiles(rs_pixel_values) returns."
        )
    return tiles.last_hidden_state


def _pixels_of(tiles: GairEncodedTiles, pixel_query: GairPixelQuery) -> torch.Tensor:
    if tiles.rs_pixel_values is None:
        raise ValueError(
            "The tiles were encoded without their pixels, which this model reads; encode them with this model's encode_tiles."
        )
    # Not len(), which would fix the batch size of an exported model.
    pixels, tokens = tiles.rs_pixel_values.shape[0], _tokens_of(tiles).shape[0]
    if pixels != tokens:
        raise ValueError(
            f"The encoded tiles hold the tokens of {tokens} tiles and the pixels of {pixels}; expected those of the same tiles: "
            "select both alike."
        )
    return tiles.rs_pixel_values.to(compute_dtype(pixel_query))


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}.")


__all__ = ["GairEncodedTiles"]
