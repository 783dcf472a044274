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
"""Files in the layout of CROMA's published weights."""

from pathlib import Path
from typing import Any

import torch


def encoder(width: int = 32, depth: int = 2) -> dict[str, torch.Tensor]:
    """Random weights of CROMA's optical encoder by their published names: 12 bands in patches of 8 pixels."""
    torch.manual_seed(7)
    shapes = {"linear_input.weight": (width, 12 * 64), "linear_input.bias": (width,)}
    for index in range(depth):
        block = f"transformer.layers.{index}"
        shapes |= {f"{block}.{part}.input_norm.{kind}": (width,) for part in (0, 1) for kind in ("weight", "bias")}
        shapes |= {f"{block}.0.to_qkv.weight": (3 * width, width)}
        shapes |= {f"{block}.0.to_out.weight": (width, width), f"{block}.0.to_out.bias": (width,)}
        shapes |= {f"{block}.1.net.0.weight": (4 * width, width), f"{block}.1.net.0.bias": (4 * width,)}
        shapes |= {f"{block}.1.net.3.weight": (width, 4 * width), f"{block}.1.net.3.bias": (width,)}
    shapes |= {"transformer.norm_out.weight": (width,), "transformer.norm_out.bias": (width,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def croma_file(path: Path, optical: dict[str, torch.Tensor], **more: Any) -> str:
    """A file with CROMA's layout; every part except the optical encoder has a single tensor."""
    others = ("s1_encoder", "s1_GAP_FFN", "s2_GAP_FFN", "joint_encoder")
    torch.save({**{part: {"0.weight": torch.zeros(3)} for part in others}, "s2_encoder": optical, **more}, path)
    return str(path)
