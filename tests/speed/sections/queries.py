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
"""Reading an encoded tile at points, by NILI's closed forms and by its definition, and with pixels."""

from collections.abc import Callable
from functools import partial

import torch

from modeling_gair import GairConfig, GairModel
from modeling_gair.nili_gair import as_map
from tests.helpers.literal_nili import literal_nili
from tests.speed.rows import Row, Settings, compare

# Sides of square grids of points: one, the tokens' number, the pixels' number, and a large map.
_SIDES = (1, 12, 96, 512)
# The definition holds nine tokens a point: more would not fit into memory.
_MOST_BY_DEFINITION = 96 * 96
_SMALL_SV = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}


@torch.inference_mode()
def measure(settings: Settings) -> list[Row]:
    """One tile, read at more and more points."""
    torch.manual_seed(0)
    config = GairConfig.tiny() if settings.quick else GairConfig(pixel_window=5, sv_config=_SMALL_SV)
    model = GairModel(config).eval().to(settings.device)
    rs = config.rs_config
    tile = model.encode_tiles(torch.rand(1, rs.num_channels, rs.image_size, rs.image_size, device=settings.device))
    # A new query returns zero, whose products some processors compute faster.
    torch.nn.init.normal_(model.pixel_query.out_proj.weight)
    tokens = as_map(tile.last_hidden_state)
    rows = []
    for side in _SIDES[:3] if settings.quick else _SIDES:
        points = _grid(side).to(settings.device)
        count = side * side
        runs: dict[str, Callable] = {}
        if count <= _MOST_BY_DEFINITION:
            runs[f"{count:,} points, by definition"] = partial(literal_nili, tokens, points, model.nili.affine)
        runs[f"{count:,} points, NILI"] = partial(model.localize, tile, points, "nili", with_pixels=False)
        runs[f"{count:,} points, NILI + pixels"] = partial(model.localize, tile, points, "nili", with_pixels=True)
        if side > 1:
            runs[f"{count:,} points, map by NILI"] = partial(model.feature_map, tile, (side, side), "nili", False)
            runs[f"{count:,} points, map by NILI + pixels"] = partial(
                model.feature_map, tile, (side, side), "nili", True
            )
        than = next(iter(runs))
        rows += compare("queries", runs, settings, items=(count, "points"), than=than)
    return rows


def _grid(side: int) -> torch.Tensor:
    line = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).reshape(1, -1, 2)
