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
"""What a query costs: parameters, FLOPs, and the time of a map."""

import time
from collections.abc import Mapping
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from modeling_gair import GairModel, GairProcessor
from modeling_gair.query_gair import GairEncodedTiles

# Points of a map along each side.
_SIDE = 128
_REPEATS = 9


@torch.no_grad()
def query_costs(model: GairModel, processor: GairProcessor) -> dict[str, float]:
    """
    Counts what the model and a map of it cost.

    Returns:
        `dict`: `parameters`, of the whole model, and `MFLOP a map`, of 128 × 128 points of a tile that is encoded already.
    """
    tile = _encoded(model, processor)
    with FlopCounterMode(display=False) as counter:
        model.feature_map(tile, (_SIDE, _SIDE))
    return {
        "parameters": float(sum(parameter.numel() for parameter in model.parameters())),
        "MFLOP a map": counter.get_total_flops() / 1e6,
    }


@torch.no_grad()
def map_milliseconds(models: Mapping[str, GairModel]) -> dict[str, float]:
    """
    Times a map of 128 × 128 points of an encoded tile for each model, in turns, so that all share the machine's moods.

    Args:
        models (`Mapping[str, GairModel]`): by name.

    Returns:
        `dict[str, float]`: the median of several repeats, by name.
    """
    tiles = {name: _encoded(model, GairProcessor.for_config(model.config)) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(_REPEATS + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model.feature_map(tiles[name], (_SIDE, _SIDE))
            seconds[name].append(time.perf_counter() - start)
    # The first of each allocates.
    return {name: 1000 * median(times[1:]) for name, times in seconds.items()}


def _encoded(model: GairModel, processor: GairProcessor) -> GairEncodedTiles:
    side = processor.image_processor.size["height"]
    return model.encode_tiles(torch.rand(1, len(processor.image_processor.bands), side, side))
