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
"""How time grows with the size of the input: the exponent of a power law, 1 where twice the input takes twice the time."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from modeling_gair import GairConfig, GairModel
from tests.speed.rows import Row, Settings, timed


@torch.inference_mode()
def measure(settings: Settings) -> list[Row]:
    """Points of a tile, cells of a map, batch and places, at the size of the tiny preset."""
    torch.manual_seed(0)
    config = GairConfig.tiny()
    model = GairModel(config).eval().to(settings.device)
    rs = config.rs_config
    tile = model.encode_tiles(torch.rand(1, rs.num_channels, rs.image_size, rs.image_size, device=settings.device))
    factors = (1, 2) if settings.quick else (1, 2, 4, 8)

    def points(count: int) -> Callable[[], object]:
        return partial(model.localize, tile, torch.rand(1, count, 2, device=settings.device), "nili", with_pixels=True)

    def cells(count: int) -> Callable[[], object]:
        side = round(count**0.5)
        return partial(model.feature_map, tile, (side, side), "nili", True)

    def tiles(count: int) -> Callable[[], object]:
        pixels = torch.rand(count, rs.num_channels, rs.image_size, rs.image_size, device=settings.device)
        return partial(model.get_rs_features, pixels)

    def places(count: int) -> Callable[[], object]:
        return partial(model.get_location_features, 90 * torch.rand(count, 2, device=settings.device))

    return [
        _row("points of a tile", points, [20_000 * factor for factor in factors], settings),
        _row("cells of a map", cells, [128 * 128 * factor for factor in factors], settings),
        _row("tiles of a batch", tiles, [16 * factor for factor in factors], settings),
        _row("places", places, [8192 * factor for factor in factors], settings),
    ]


def _row(case: str, make: Callable[[int], Callable], counts: Sequence[int], settings: Settings) -> Row:
    """The slope of log time over log count, from the shortest of several calls at each count."""
    runs = [make(count) for count in counts]
    for run in runs:
        run()
    shortest = [min(timed(run, settings.device) for _ in range(settings.repeats)) for run in runs]
    exponent = np.polyfit(np.log(counts), np.log(shortest), 1)[0]
    note = f"{counts[0]:,} to {counts[-1]:,}: {1e3 * shortest[0]:.3g} to {1e3 * shortest[-1]:.3g} ms"
    return Row("growth", case, float(exponent), "(exponent)", note=note)
