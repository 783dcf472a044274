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

"""The parts of a model that are exported, each a module of tensors alone, with what goes in and what comes out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from modeling_gair import GairModel, GairProcessor

# Sizes of an export that may differ from call to call.
DYNAMIC_SIZES = ("batch", "points")

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Value:
    """
    A tensor that goes in or comes out; float32.

    Attributes:
        name (`str`): as the files call it.
        shape (`tuple[int | str, ...]`): sizes in order; those of `DYNAMIC_SIZES` by name.
        meaning (`str`): what it holds, with units, order and range.
    """

    name: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True)
class Part:
    """
    A part of a model.

    Attributes:
        name (`str`): of its files.
        module (`nn.Module`): tensors to a tensor or a tuple of them, without any branch on dynamic sizes.
        inputs, outputs (`tuple[Value, ...]`): in order.
        draw (`Callable[[int, int], Tensors]`): inputs for a batch and a number of points, to trace and to check with.
        expected (`Callable[..., Tensors]`): what the whole model gives for them.
    """

    name: str
    module: nn.Module
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    draw: Callable[[int, int], Tensors]
    expected: Callable[..., Tensors]


class RSTower(nn.Module):
    """Tiles to tokens, and to their mean."""

    def __init__(self, model: GairModel):
        super().__init__()
        self.rs_model = model.rs_model

    def forward(self, rs_pixel_values: torch.Tensor) -> Tensors:
        tokens = self.rs_model(rs_pixel_values).last_hidden_state
        return tokens, tokens.mean(dim=1)


class SVTower(nn.Module):
    """Street views to the shared space."""

    def __init__(self, model: GairModel):
        super().__init__()
        self.sv_model, self.sv_projection = model.sv_model, model.sv_projection

    def forward(self, sv_pixel_values: torch.Tensor) -> torch.Tensor:
        return self.sv_projection(self.sv_model(pixel_values=sv_pixel_values).pooler_output)


class LocationTower(nn.Module):
    """Places to the shared space."""

    def __init__(self, model: GairModel):
        super().__init__()
        self.location_model = model.location_model

    def forward(self, coordinates: torch.Tensor) -> torch.Tensor:
        return self.location_model(coordinates)


class LocalizedQuery(nn.Module):
    """Tokens read at points by NILI; the method is fixed, as choosing it would branch on the number of points."""

    def __init__(self, model: GairModel, method: str, patches_per_side: int):
        super().__init__()
        self.nili, self.method, self.patches_per_side = model.nili, method, patches_per_side

    def forward(self, rs_tokens: torch.Tensor, query_points: torch.Tensor) -> torch.Tensor:
        sides = (self.patches_per_side, self.patches_per_side)
        return self.nili(rs_tokens.transpose(1, 2).unflatten(2, sides), query_points, self.method)


def parts_of(model: GairModel, processor: GairProcessor, seed: int = 0) -> list[Part]:
    """
    The three towers, and the localized query by either method.

    Args:
        model ([`GairModel`]): in float32 on the CPU, in evaluation mode.
        processor ([`GairProcessor`]): the model's, which states the sizes of its images.
        seed (`int`): of the inputs to trace and to check with.
    """
    generator = torch.Generator().manual_seed(seed)
    rs_size, sv_size = (_sides(part) for part in (processor.image_processor, processor.sv_image_processor))
    bands = processor.image_processor.bands
    tokens, width = _grid(model, (1, len(bands), *rs_size))

    def tiles(batch: int, points: int) -> Tensors:
        return (torch.rand(batch, len(bands), *rs_size, generator=generator),)

    def photos(batch: int, points: int) -> Tensors:
        return (torch.randn(batch, 3, *sv_size, generator=generator),)

    def places(batch: int, points: int) -> Tensors:
        drawn = torch.rand(batch, 2, generator=generator)
        return ((drawn - 0.5) * torch.tensor([360.0, 180.0]),)

    def queries(batch: int, points: int) -> Tensors:
        drawn = torch.rand(batch, points, 2, generator=generator)
        # The first point of all is a corner, where NILI extrapolates.
        drawn[0, 0] = torch.tensor([0.0, 1.0])
        with torch.no_grad():
            return model.rs_model(*tiles(batch, points)).last_hidden_state, drawn

    def embedded_tiles(rs_pixel_values: torch.Tensor) -> Tensors:
        return model.rs_model(rs_pixel_values).last_hidden_state, model.get_rs_features(rs_pixel_values)

    pixels = Value(
        "rs_pixel_values",
        ("batch", len(bands), *rs_size),
        f"tiles as the processor prepares them: bands {', '.join(bands)} in this order, row 0 in the north, column 0 in "
        "the west, normalised per band as `preparation.rs` says",
    )
    photo = Value(
        "sv_pixel_values",
        ("batch", 3, *sv_size),
        "photos as the processor prepares them: red, green, blue, row 0 at the top, normalised as `preparation.sv` says",
    )
    place = Value(
        "coordinates",
        ("batch", 2),
        "lon, lat in this order, degrees on WGS 84; lon in [-180, 180), lat in [-90, 90]; neither wrapped nor checked",
    )
    rs_tokens = Value(
        "rs_tokens", ("batch", tokens, width), "one token a patch, row-major from the tile's north-west corner"
    )
    points = Value(
        "query_points",
        ("batch", "points", 2),
        "x, y in this order from the tile's north-west corner, x eastwards, y southwards, in [0, 1]; not checked",
    )

    def query(method: str) -> Part:
        localized = Value("localized_rs_embeds", ("batch", "points", width), "the tile at each point, not normalised")
        return Part(
            f"localized_query_{method}",
            LocalizedQuery(model, method, math.isqrt(tokens)),
            (rs_tokens, points),
            (localized,),
            queries,
            lambda tokens, given: (model.localize(tokens, given, method=method),),
        )

    return [
        Part(
            "rs_tower",
            RSTower(model),
            (pixels,),
            (rs_tokens, Value("rs_embeds", ("batch", width), "the whole tile: the tokens' mean, not normalised")),
            tiles,
            embedded_tiles,
        ),
        Part(
            "sv_tower",
            SVTower(model),
            (photo,),
            (Value("sv_embeds", ("batch", width), "the photo, projected to the shared space, not normalised"),),
            photos,
            lambda given: (model.get_sv_features(given),),
        ),
        Part(
            "location_tower",
            LocationTower(model),
            (place,),
            (Value("location_embeds", ("batch", width), "the place, not normalised"),),
            places,
            lambda given: (model.get_location_features(given),),
        ),
        query("points"),
        query("dense"),
    ]


def _sides(image_processor: Any) -> tuple[int, int]:
    return image_processor.size["height"], image_processor.size["width"]


@torch.no_grad()
def _grid(model: GairModel, shape: tuple[int, ...]) -> tuple[int, int]:
    """Number and width of a tile's tokens."""
    _, tokens, width = model.rs_model(torch.zeros(shape)).last_hidden_state.shape
    return tokens, width
