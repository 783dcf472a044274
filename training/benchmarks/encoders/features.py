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
"""Helpers of encoders: tensors as arrays and maps, the class token of a tower."""

from typing import Any

import numpy as np
import torch

# Locations embedded at a time.
LOCATIONS_PER_BATCH = 8192


def class_tokens(tower: Any, pixels: torch.Tensor) -> torch.Tensor:
    """
    The class token of a tower's output, or the mean of its tokens if it has none.

    Args:
        tower: an image model of transformers.
        pixels (`torch.Tensor` of shape `(B, C, H, W)`)

    Returns:
        `torch.Tensor` of shape `(B, D)`.
    """
    hidden = tower(pixel_values=pixels).last_hidden_state
    if hidden.ndim == 4:
        return hidden.mean(dim=(2, 3))
    patches = getattr(tower.config, "patch_size", None)
    grid = None if patches is None else (pixels.shape[-2] // patches) * (pixels.shape[-1] // patches)
    return hidden.mean(dim=1) if hidden.shape[1] == grid else hidden[:, 0]


def as_numpy(values: torch.Tensor) -> np.ndarray:
    """The tensor as a float32 array."""
    return values.float().cpu().numpy()


def as_map(tokens: torch.Tensor) -> torch.Tensor:
    """Tokens `(B, P², D)`, row by row from the north, as a map `(B, D, P, P)`."""
    side = int(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side))
