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
"""The towers' forward passes, beside the rate at which the device multiplies matrices."""

from collections.abc import Callable
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from modeling_gair import GairConfig, GairModel
from tests.speed.rows import Row, Settings, compare

_PLACES = 1000


def measure(settings: Settings) -> list[Row]:
    """Each tower at several batch sizes with eager, fused and compiled attention, in float32, and in bfloat16 on a GPU."""
    torch.manual_seed(0)
    config = GairConfig.tiny() if settings.quick else GairConfig()
    model = GairModel(config).eval().to(settings.device)
    rows = []
    for dtype in _dtypes(settings):
        for tower, (embed, make) in _towers(model).items():
            for batch in _batches(settings):
                inputs = make(batch).to(settings.device)
                name = f"{tower}, {len(inputs):,}, {str(dtype).removeprefix('torch.')}"
                runs = {
                    f"{name}, {form}": partial(
                        _forward, model, run, inputs, dtype, "eager" if form == "eager" else "sdpa"
                    )
                    for form, run in _forms(embed, tower, settings).items()
                }
                items = (len(inputs), "places" if tower == "location" else "images")
                gflop = _gflop(embed, inputs, model)
                dtypes = dict.fromkeys(runs, dtype)
                rows += compare(
                    "towers", runs, settings, items=items, than=next(iter(runs)), gflop=gflop, dtypes=dtypes
                )
    return rows


def _batches(settings: Settings) -> tuple[int, ...]:
    if settings.quick:
        return (1, 8)
    return (1, 8, 64, 256) if settings.device.type == "cuda" else (1, 8, 64)


def _dtypes(settings: Settings) -> list[torch.dtype]:
    return [torch.float32, torch.bfloat16] if settings.device.type == "cuda" else [torch.float32]


def _towers(model: GairModel) -> dict[str, tuple[Callable, Callable[[int], torch.Tensor]]]:
    """Each tower: what embeds, and what makes a batch. A batch of places is a thousand times as large."""
    config = model.config
    rs, sv = config.rs_config, config.sv_config
    return {
        "RS": (model.get_rs_features, lambda batch: torch.rand(batch, rs.num_channels, rs.image_size, rs.image_size)),
        "SV": (model.get_sv_features, lambda batch: torch.rand(batch, 3, sv.image_size, sv.image_size)),
        "location": (model.get_location_features, lambda batch: 90 * torch.rand(batch * _PLACES, 2)),
    }


def _forms(embed: Callable, tower: str, settings: Settings) -> dict[str, Callable]:
    if tower == "location":
        return {"eager": embed}
    forms = {"eager": embed, "sdpa": embed}
    # Compiling takes longer than all the rest.
    return forms if settings.quick else {**forms, "compiled": torch.compile(embed)}


@torch.inference_mode()
def _forward(model: GairModel, embed: Callable, inputs: torch.Tensor, dtype: torch.dtype, attention: str) -> None:
    model.set_attn_implementation({"rs_config": attention, "sv_config": attention})
    with torch.autocast(inputs.device.type, dtype, enabled=dtype != torch.float32):
        embed(inputs)


def _gflop(embed: Callable, inputs: torch.Tensor, model: GairModel) -> float:
    model.set_attn_implementation({"rs_config": "eager", "sv_config": "eager"})
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        embed(inputs[:1])
    return counter.get_total_flops() / 1e9 * len(inputs)
