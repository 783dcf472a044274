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
"""How fast a device multiplies matrices: the reference for the speed of models."""

import time
from collections.abc import Callable

import torch

# Side of the square matrices that are multiplied.
_MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
# The shortest time counts, because the first one includes warm-up.
_PRODUCTS = 8


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """
    Measures the FLOP/s at which a device multiplies large square matrices (best of several), the reference for a model's rate.

    Args:
        device (`torch.device`): the device to measure.
        dtype (`torch.dtype`): data type of the matrices.
    """
    multiply, flops = matrix_product(device, dtype)
    seconds = []
    for _ in range(_PRODUCTS):
        start = now(device)
        multiply()
        seconds.append(now(device) - start)
    return flops / min(seconds)


def matrix_product(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], torch.Tensor], int]:
    """What multiplies two large square matrices on a device, and its FLOPs."""
    side = _MATRIX_SIDE.get(device.type, _MATRIX_SIDE["cpu"])
    matrix = torch.randn(side, side, device=device, generator=torch.Generator(device)).to(dtype)
    return lambda: torch.mm(matrix, matrix), 2 * side**3


def now(device: torch.device) -> float:
    """The clock in seconds, once the device has done all that it was given."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)
    return time.perf_counter()
