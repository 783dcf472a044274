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
In which precision the towers of a model multiply matrices, as `--precision` of `training/embed.py` has it: the environment variable
`GAIR_PRECISION`.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

FLOAT32, BFLOAT16 = "float32", "bfloat16"
_TOWERS = ("rs_model", "sv_model", "sv_projection", "location_model")


def chosen_precision() -> str:
    """
    What `GAIR_PRECISION` says, float32 by default.

    Raises:
        ValueError: if it says anything else.
    """
    named = os.environ.get("GAIR_PRECISION") or FLOAT32
    if named not in (FLOAT32, BFLOAT16):
        raise ValueError(f"GAIR_PRECISION is {named!r}, expected {FLOAT32} or {BFLOAT16}.")
    return named


def compute_in(model: Any, precision: str) -> None:
    """
    Lets the towers of a model compute under `torch.autocast` if the precision is bfloat16, and return float32. Weights, coordinates and
    reading at points stay in float32.
    """
    if precision == BFLOAT16:
        for tower in (getattr(model, name) for name in _TOWERS):
            tower.__dict__["forward"] = _in_bfloat16(tower, tower.forward)


def _in_bfloat16(tower: torch.nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def rounded(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(next(tower.parameters()).device.type, torch.bfloat16):
            found = forward(*args, **kwargs)
        return _in_float32(found)

    return rounded


def _in_float32(found: Any) -> Any:
    """A tensor, or an output of transformers with tensors, in float32."""
    if isinstance(found, torch.Tensor):
        return found.float()
    return type(found)(**{name: _in_float32(part) for name, part in found.items()})
