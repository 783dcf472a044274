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
"""Towers and maps in bfloat16 (`--precision bfloat16`) beside float32: how much faster, and how far the embeddings differ."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from modeling_gair import GairConfig, GairModel
from tests.speed.rows import Row, Settings, compare, cosines
from training.common.precision import compute_in

_MAP_SIDE = 96


@torch.inference_mode()
def measure(settings: Settings) -> list[Row]:
    """Batches as in `training/embed.py`, on random weights; the base size has the pixel query."""
    torch.manual_seed(0)
    exact = GairModel(GairConfig.tiny() if settings.quick else GairConfig.base()).eval()
    # A new query returns zero, which nothing could change.
    torch.nn.init.normal_(exact.pixel_query.out_proj.weight, std=0.02)
    exact = exact.to(settings.device)
    rounded = copy.deepcopy(exact)
    compute_in(rounded, "bfloat16")
    rows = []
    for case, (embed, inputs) in _cases(exact, settings).items():
        inputs = inputs.to(settings.device)
        runs = {
            f"{case}, float32": partial(embed, exact, inputs),
            f"{case}, bfloat16": partial(embed, rounded, inputs),
        }
        note = cosines(embed(exact, inputs), embed(rounded, inputs))
        of_float32, of_bfloat16 = compare("precision", runs, settings, than=f"{case}, float32")
        rows += [of_float32, replace(of_bfloat16, note=note)]
    return rows


def _cases(model: GairModel, settings: Settings) -> dict[str, tuple[Callable, torch.Tensor]]:
    rs, photo = model.config.rs_config, model.config.sv_config.image_size
    tiles = torch.rand(8, rs.num_channels, rs.image_size, rs.image_size)
    photos = torch.randn(8, 3, photo, photo)
    count = 1000 if settings.quick else 8192
    places = torch.rand(count, 2) * torch.tensor([360.0, 160.0]) - torch.tensor([180.0, 80.0])
    return {
        "a tile": (GairModel.get_rs_features, tiles[:1]),
        "8 tiles": (GairModel.get_rs_features, tiles),
        "a photo": (GairModel.get_sv_features, photos[:1]),
        "8 photos": (GairModel.get_sv_features, photos),
        f"{len(places):,} places": (GairModel.get_location_features, places),
        f"maps of {_MAP_SIDE} × {_MAP_SIDE} points of 4 tiles": (_map, tiles[:4]),
    }


def _map(model: GairModel, tiles: torch.Tensor) -> torch.Tensor:
    return model.get_rs_feature_map(tiles, (_MAP_SIDE, _MAP_SIDE)).flatten(2).transpose(1, 2)
