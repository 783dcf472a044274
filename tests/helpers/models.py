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
"""Saved models whose weights are damaged."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_WEIGHT = "nili.affine.bias"


def drop_weight(model: Path) -> None:
    """Saves a model's folder without one weight, for which transformers takes random numbers."""
    _change(model, lambda weights: weights.pop(_WEIGHT))


def spoil_weight(model: Path) -> None:
    """Saves a model's folder with NaN in one weight."""
    _change(model, lambda weights: weights[_WEIGHT].fill_(torch.nan))


def _change(model: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(model / "model.safetensors")
    change(weights)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
