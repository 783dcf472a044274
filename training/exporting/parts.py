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
"""The exported parts of a model: modules that map tensors to tensors, with a description of inputs and outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from modeling_gair import GairEncodedTiles, GairModel, GairProcessor
from modeling_gair.query_gair import localize

# Dynamic sizes, which may differ between calls.
DYNAMIC_SIZES = ("batch", "points")

Tensors = tuple[torch.Tensor, ...]
# Draws inputs for a batch size and a number of points.
Draw = Callable[[int, int], Tensors]


@dataclass(frozen=True)
class Value:
    """
    An input or output tensor, in float32.

    Attributes:
        name (`str`): its name in the files.
        shape (`tuple[int | str, ...]`): sizes in order; dynamic ones by their name in `DYNAMIC_SIZES`.
        meaning (`str`): content, with units, order and range.
    """

    name: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True)
class Part:
    """
    A part of a model.

    Attributes:
        name (`str`): name of its files.
        module (`nn.Module`): maps tensors to a tensor or a tuple of tensors, without branches on dynamic sizes.
        inputs, outputs (`tuple[Value, ...]`): in order.
        draw (`Draw`): draws inputs to trace and to check with.
        expected (`Callable[..., Tensors]`): the whole model's outputs for such inputs.
    """

    name: str
    module: nn.Module
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    draw: Draw
    expected: Callable[..., Tensors]


class RSTower(nn.Module):
    """Maps tiles to tokens and their mean."""

    def __init__(self, model: GairModel):
        super().__init__()
        self.rs_model = model.rs_model

    def forward(self, rs_pixel_values: torch.Tensor) -> Tensors:
        tile = self.rs_model(rs_pixel_values)
        return tile.last_hidden_state, tile.pooler_output


class SVTower(nn.Module):
    """Maps photos to the shared space."""

    def __init__(self, model: GairModel):
        super().__init__()
        self.sv_model, self.sv_projection = model.sv_model, model.sv_projection

    def forward(self, sv_pixel_values: torch.Tensor) -> torch.Tensor:
        return self.sv_projection(self.sv_model(pixel_values=sv_pixel_values).pooler_output)


class LocationTower(nn.Module):
    """Maps locations to the shared space."""

    def __init__(self, model: GairModel):
        super().__init__()
        self.location_model = model.location_model

    def forward(self, coordinates: torch.Tensor) -> torch.Tensor:
        return self.location_model(coordinates)


class LocalizedQuery(nn.Module):
    """
    Reads tokens at points in the model's own mode, and adds what it reads from the pixels, if it does. The method is fixed:
    choosing it would branch on the number of points.
    """

    def __init__(self, model: GairModel, method: str):
        super().__init__()
        self.mode, self.method = model.config.query_mode, method
        # Other modes would carry NILI's weights without using them.
        self.nili = model.nili if self.mode == "nili" else None
        self.pixel_query = model.pixel_query

    def forward(
        self, rs_tokens: torch.Tensor, query_points: torch.Tensor, rs_pixel_values: torch.Tensor | None = None
    ) -> torch.Tensor:
        tiles = GairEncodedTiles(last_hidden_state=rs_tokens, rs_pixel_values=rs_pixel_values)
        return localize(self.nili, self.pixel_query, tiles, query_points, self.mode, self.method)


def parts_of(model: GairModel, processor: GairProcessor, seed: int = 0) -> list[Part]:
    """
    Lists the three towers, and the localized query by each method.

    Args:
        model ([`GairModel`]): in float32 on the CPU, in evaluation mode.
        processor ([`GairProcessor`]): the model's; states the sizes of its images.
        seed (`int`): seed of the inputs to trace and to check with.
    """
    generator = torch.Generator().manual_seed(seed)
    rs_pixels, rs_tokens = _rs_pixels(processor), _rs_tokens(model, processor)

    def tiles(batch: int, points: int) -> Tensors:
        return (torch.rand(batch, *_fixed(rs_pixels), generator=generator),)

    return [
        _rs_part(model, rs_pixels, rs_tokens, tiles),
        _sv_part(model, processor, generator),
        _location_part(model, generator),
        _query_part(model, "points", (rs_tokens, rs_pixels), tiles, generator),
        _query_part(model, "dense", (rs_tokens, rs_pixels), tiles, generator),
    ]


def _rs_part(model: GairModel, rs_pixels: Value, rs_tokens: Value, tiles: Draw) -> Part:
    def expected(rs_pixel_values: torch.Tensor) -> Tensors:
        return model.rs_model(rs_pixel_values).last_hidden_state, model.get_rs_features(rs_pixel_values)

    embeds = Value("rs_embeds", ("batch", rs_tokens.shape[2]), "the whole tile: mean of the tokens, not normalised")
    return Part("rs_tower", RSTower(model), (rs_pixels,), (rs_tokens, embeds), tiles, expected)


def _sv_part(model: GairModel, processor: GairProcessor, generator: torch.Generator) -> Part:
    pixels = Value(
        "sv_pixel_values",
        ("batch", 3, *_sides(processor.sv_image_processor)),
        "photos as prepared by the processor: red, green, blue; row 0 at the top; normalised as in `preparation.sv`",
    )

    def photos(batch: int, points: int) -> Tensors:
        return (torch.randn(batch, *_fixed(pixels), generator=generator),)

    width = model.rs_model.hidden_size
    embeds = Value("sv_embeds", ("batch", width), "the photo in the shared space, not normalised")
    return Part("sv_tower", SVTower(model), (pixels,), (embeds,), photos, lambda given: (model.get_sv_features(given),))


def _location_part(model: GairModel, generator: torch.Generator) -> Part:
    coordinates = Value(
        "coordinates",
        ("batch", 2),
        "lon, lat in this order, in degrees on WGS 84; lon in [-180, 180), lat in [-90, 90]; neither wrapped nor checked",
    )

    def places(batch: int, points: int) -> Tensors:
        return ((torch.rand(batch, 2, generator=generator) - 0.5) * torch.tensor([360.0, 180.0]),)

    embeds = Value("location_embeds", ("batch", model.rs_model.hidden_size), "the location, not normalised")
    return Part(
        "location_tower",
        LocationTower(model),
        (coordinates,),
        (embeds,),
        places,
        lambda given: (model.get_location_features(given),),
    )


def _query_part(
    model: GairModel, method: str, encoded: tuple[Value, Value], tiles: Draw, generator: torch.Generator
) -> Part:
    """The localized query; `encoded` describes the tokens and the pixels, which are an input if the model reads them."""
    rs_tokens, rs_pixels = encoded
    points_value = Value(
        "query_points",
        ("batch", "points", 2),
        "x, y in this order, from the tile's north-west corner, x to the east, y to the south, in [0, 1]; not checked",
    )
    pixels = () if model.pixel_query is None else (rs_pixels,)

    @torch.no_grad()
    def queries(batch: int, points: int) -> Tensors:
        drawn = torch.rand(batch, points, 2, generator=generator)
        # The first point is a corner, where NILI extrapolates.
        drawn[0, 0] = torch.tensor([0.0, 1.0])
        given = tiles(batch, points)
        return model.rs_model(*given).last_hidden_state, drawn, *(given if pixels else ())

    def expected(tokens: torch.Tensor, places: torch.Tensor, *given: torch.Tensor) -> Tensors:
        encoded = GairEncodedTiles(last_hidden_state=tokens, rs_pixel_values=given[0] if given else None)
        return (model.localize(encoded, places, method=method),)

    meaning = f"the tile at each point, tokens read by {model.config.query_mode}, not normalised"
    return Part(
        f"localized_query_{method}",
        LocalizedQuery(model, method),
        (rs_tokens, points_value, *pixels),
        (Value("localized_rs_embeds", ("batch", "points", rs_tokens.shape[2]), meaning),),
        queries,
        expected,
    )


def _rs_pixels(processor: GairProcessor) -> Value:
    bands = processor.image_processor.bands
    return Value(
        "rs_pixel_values",
        ("batch", len(bands), *_sides(processor.image_processor)),
        f"tiles as prepared by the processor: bands {', '.join(bands)} in this order; row 0 in the north, column 0 in the "
        "west; normalised per band as in `preparation.rs`",
    )


@torch.no_grad()
def _rs_tokens(model: GairModel, processor: GairProcessor) -> Value:
    _, tokens, width = model.rs_model(torch.zeros(1, *_fixed(_rs_pixels(processor)))).last_hidden_state.shape
    return Value(
        "rs_tokens", ("batch", tokens, width), "one token per patch, row-major from the tile's north-west corner"
    )


def _sides(image_processor: Any) -> tuple[int, int]:
    return image_processor.size["height"], image_processor.size["width"]


def _fixed(value: Value) -> list[int]:
    """The sizes after the batch, none of which is dynamic."""
    return [size for size in value.shape if isinstance(size, int)]
