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
"""A training step: with attention and NILI as published, as here, and in bfloat16; and its trace."""

from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import convert_outputs_to_fp32

from modeling_gair import GairConfig, GairProcessor
from tests.speed.rows import Row, Settings, compare
from tests.speed.training_step import PLAIN, make_module, step_of
from training.objectives.base import PretrainingModule
from training.pretraining.costs import flops_per_pair, random_inputs

_PHOTOS = 4


def measure(settings: Settings) -> list[Row]:
    """Steps with loss, gradients and optimiser as in `training/pretrain.py`."""
    accelerator = Accelerator(cpu=settings.device.type == "cpu")
    rows = []
    for preset, (config, tiles) in _presets(settings).items():
        processor = GairProcessor.for_config(config)
        inputs = random_inputs(processor, tiles, _PHOTOS, settings.device)
        runs = {
            f"{preset}, {name}": step_of(make_module(config, plain).to(settings.device), [inputs], accelerator)
            for name, plain in {"as published": PLAIN["eager, literal"], "as here": None}.items()
        }
        rounded = f"{preset}, as here in bfloat16"
        runs[rounded] = step_of(_rounded_module(config, settings), [inputs], accelerator)
        gflop = flops_per_pair(config, processor, _PHOTOS) * tiles * _PHOTOS / 1e9
        rows += compare(
            "training",
            runs,
            settings,
            items=(tiles * _PHOTOS, "pairs"),
            than=f"{preset}, as published",
            gflop=gflop,
            dtypes=dict.fromkeys(runs, torch.float32) | {rounded: torch.bfloat16},
        )
    return rows


def _rounded_module(config: GairConfig, settings: Settings) -> PretrainingModule:
    """A module in bfloat16, as Accelerate and `training/pretrain.py` prepare it."""
    module = make_module(config).to(settings.device)
    if settings.device.type == "cpu":
        module.model.set_attn_implementation({"rs_config": "eager", "sv_config": "eager"})
    module.forward = convert_outputs_to_fp32(torch.autocast(settings.device.type, torch.bfloat16)(module.forward))
    return module


def write_profile(settings: Settings, file: Path) -> None:
    """Writes a trace of one step of the largest preset; on a GPU, in bfloat16."""
    from torch.profiler import ProfilerActivity, profile

    config, tiles = list(_presets(settings).values())[-1]
    accelerator = Accelerator(cpu=settings.device.type == "cpu")
    inputs = random_inputs(GairProcessor.for_config(config), tiles, _PHOTOS, settings.device)
    on_gpu = settings.device.type == "cuda"
    module = _rounded_module(config, settings) if on_gpu else make_module(config)
    step = step_of(module, [inputs], accelerator)
    step()
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    with profile(activities=kinds) as profiler:
        step()
    file.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(file))


def _presets(settings: Settings) -> dict[str, tuple[GairConfig, int]]:
    """Each preset with its tiles a step."""
    presets = {"tiny": (GairConfig.tiny(), 2 if settings.quick else 32)}
    # About 0.16 GB of activations a photo in float32, and two tiles would leave a GPU idle.
    base = GairConfig(), 32 if settings.device.type == "cuda" else 2
    return presets if settings.quick else {**presets, "base": base}
