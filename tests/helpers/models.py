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
"""Models that read pixels, and saved models whose weights are damaged."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from modeling_gair import GairConfig, GairModel

_WEIGHT = "nili.affine.bias"


def pixel_model(**overrides) -> GairModel:
    """A tiny model in evaluation mode whose pixels count: a new model's add nothing. NILI is drawn, too."""
    torch.manual_seed(0)
    return draw_pixels(GairModel(GairConfig.tiny(**{"nili_init": "normal", **overrides})).eval())


@torch.no_grad()
def draw_pixels(model: GairModel) -> GairModel:
    """Draws what a model adds from the pixels, as if it were trained."""
    generator = torch.Generator().manual_seed(1)
    for weight in model.pixel_query.out_proj.parameters():
        weight.normal_(std=0.05, generator=generator)
    return model


def drop_weight(model: Path, name: str = _WEIGHT) -> None:
    """Saves a model's folder without one weight, for which transformers takes random numbers."""
    _change(model, lambda weights: weights.pop(name))


def drop_pixels(model: Path) -> None:
    """Saves a model's folder without the weights of the pixel query, which its config asks for."""
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"pixel_window": 5}))
    _change(model, _without_pixels)


def _without_pixels(weights: dict[str, torch.Tensor]) -> None:
    for name in [name for name in weights if name.startswith("pixel_query.")]:
        del weights[name]


def spoil_weight(model: Path) -> None:
    """Saves a model's folder with NaN in one weight."""
    _change(model, lambda weights: weights[_WEIGHT].fill_(torch.nan))


def _change(model: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(model / "model.safetensors")
    change(weights)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
