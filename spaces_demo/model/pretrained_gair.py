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
"""The base class of all GAIR models (initialisation, loading and saving of weights), and the dtypes of their inputs."""

import math
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from .configuration_gair import GairConfig


class GairPreTrainedModel(PreTrainedModel):
    """Weight initialisation, loading and saving of the GAIR models."""

    config: GairConfig
    base_model_prefix = "gair"
    main_input_name = "rs_pixel_values"
    input_modalities = ["image"]
    supports_gradient_checkpointing = True
    _no_split_modules = ["GairRSLayer"]
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    # The Gaussian frequencies of the location encoder: see `GairGaussianFeatures`.
    _keep_in_fp32_modules_strict = {"frequencies"}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialises one module; GAIR's modules that need more than transformers' defaults have `reset_weights`."""
        super()._init_weights(module)
        reset = getattr(module, "reset_weights", None)
        if reset is not None:
            reset()


def standard_score_start(layer: nn.Linear | nn.Conv2d) -> None:
    """
    Initialises a map of pixels so that it starts as a map of their standard scores, with unit variance.

    The processor maps mean ± 2 standard deviations of a band to 0 and 1, so a standard score is `4 (pixel - ½)`; hence
    `W ~ N(0, (4 / √fan_in)²)` and `b = -½ Σ W` over the inputs.

    Args:
        layer (`nn.Linear` or `nn.Conv2d`): with a bias; its inputs are tiles from the processor.
    """
    fan_in = layer.weight[0].numel()
    weight = torch.randn_like(layer.weight) * (4 / math.sqrt(fan_in))
    bias: Any = layer.bias
    init.copy_(layer.weight, weight)
    init.copy_(bias, -weight.flatten(1).sum(dim=1) / 2)


def compute_dtype(module: nn.Module) -> torch.dtype:
    """
    The dtype in which a module computes, to which its inputs are cast: that of its first parameter in 16 or more floating
    bits. Quantised weights are of other dtypes, in which inputs would be lost; without any other parameter, it is float32.
    """
    return next((weight.dtype for weight in module.parameters() if _floating_bits(weight) >= 16), torch.float32)


def check_precise(name: str, values: torch.Tensor) -> None:
    """
    Refuses coordinates and points in half precision.

    Raises:
        ValueError: they have fewer than 32 floating bits.
    """
    if 0 < _floating_bits(values) < 32:
        raise ValueError(
            f"{name} has the dtype {values.dtype}, which is too coarse for places: bfloat16 moves some by 50 km; expected "
            "float32, in which the processor returns it and in which inputs.to(device, dtype) leaves it."
        )


def _floating_bits(values: torch.Tensor) -> int:
    return torch.finfo(values.dtype).bits if values.is_floating_point() else 0


__all__ = ["GairPreTrainedModel", "standard_score_start"]
