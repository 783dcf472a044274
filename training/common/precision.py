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
"""
How a model's towers multiply matrices: in float32, or in bfloat16, which GPUs and some processors multiply several times as fast.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import torch
from accelerate.utils import convert_to_fp32

from modeling_gair import GairModel
from training.common.matrix_rate import matrix_rate

Precision = Literal["float32", "bfloat16"]


def compute_in(model: GairModel, precision: Precision) -> None:
    """
    Lets a model's towers multiply matrices in a precision from now on, whoever calls them.

    In bfloat16, they compute under `torch.autocast`, and what they return is cast to float32. Weights and coordinates stay in float32, as does
    reading at points of a tile, which is bound by memory rather than by products.

    Args:
        model ([`GairModel`]): in float32.
        precision (`str`): `"float32"` leaves the model as it is.
    """
    if precision == "bfloat16":
        for tower in (model.rs_model, model.sv_model, model.sv_projection, model.location_model):
            tower.__dict__["forward"] = _in_bfloat16(tower, tower.forward)


def slowness(precision: Precision, device: torch.device) -> list[str]:
    """A sentence if a device multiplies matrices in this precision slower than in float32, as processors without bfloat16 do."""
    if precision == "float32":
        return []
    share = matrix_rate(device, torch.bfloat16) / matrix_rate(device, torch.float32)
    if share >= 1:
        return []
    return [
        f"This machine multiplies {precision} at {share:.2g} times its rate in float32; leave out --precision to be faster here."
    ]


def _in_bfloat16(tower: torch.nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def rounded(*args: Any, **kwargs: Any) -> Any:
        device = next(tower.parameters()).device
        with torch.autocast(device.type, torch.bfloat16):
            found = forward(*args, **kwargs)
        return convert_to_fp32(found)

    return rounded
