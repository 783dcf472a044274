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
"""Location encoders of GAIR: from lon, lat in degrees to an embedding."""

import math
from itertools import pairwise

import torch
from torch import nn

from .configuration_gair import GairLocationConfig

# Equal Earth projection: Šavrič, Patterson and Jenny (2019), doi:10.1080/13658816.2018.1504949.
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
# The published encoder scales the projected plane by these two numbers, in this order.
_PLANE_SCALE, _PLANE_DIVISOR = 66.50336, 180.0


def equal_earth(coordinates: torch.Tensor) -> torch.Tensor:
    """
    The Equal Earth projection of the unit sphere.

    Args:
        coordinates (`torch.Tensor` of shape `(..., 2)`): lon, lat in degrees, not wrapped.

    Returns:
        `torch.Tensor` of shape `(..., 2)`: x (east) and y (north) on the plane, in radii; |x| ≤ 2.71, |y| ≤ 1.32.
    """
    longitude, latitude = torch.deg2rad(coordinates).unbind(-1)
    theta = torch.asin(math.sqrt(3) / 2 * torch.sin(latitude))
    theta2 = theta * theta
    theta6 = theta2 * theta2 * theta2
    # Numerator and denominator as the source states them: x = 2√3 λ cos θ / (3 (9 A4 θ⁸ + 7 A3 θ⁶ + 3 A2 θ² + A1)).
    x = (2 * math.sqrt(3) * longitude * torch.cos(theta)) / (
        3 * (9 * _A4 * theta6 * theta2 + 7 * _A3 * theta6 + 3 * _A2 * theta2 + _A1)
    )
    y = _A4 * theta6 * theta2 * theta + _A3 * theta6 * theta + _A2 * theta2 * theta + _A1 * theta
    return torch.stack([x, y], dim=-1)


class GairGaussianFeatures(nn.Module):
    """
    Random Fourier features `[cos(2π B v), sin(2π B v)]` with fixed Gaussian frequencies B (Tancik et al., 2020).

    The frequencies stay in float32, and so does the phase, whatever the model is cast to: at σ = 256 a bfloat16 phase
    is off by whole turns.
    """

    frequencies: torch.Tensor

    def __init__(self, num_frequencies: int, scale: float):
        super().__init__()
        self.scale = scale
        # Saved with the weights: the draw is part of the model.
        self.register_buffer("frequencies", torch.empty(num_frequencies, 2, dtype=torch.float32))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the frequencies anew."""
        nn.init.normal_(self.frequencies, std=self.scale)

    def _apply(self, fn, recurse=True):
        # `.to(dtype)`, `.half()` and their like come through here; they may move the frequencies, never round them.
        frequencies = self.frequencies
        super()._apply(fn, recurse)
        if self.frequencies.dtype != torch.float32:
            self.frequencies = frequencies.to(self.frequencies.device)
        return self

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        # Mixed precision would round the product to half precision.
        with torch.autocast(plane.device.type, enabled=False):
            phase = (2 * math.pi * plane.float()) @ self.frequencies.T
        return torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)


class GairLocationLinear(nn.Linear):
    """A Linear that starts as `kaiming_normal_` draws it: through ReLU layers without norms a small draw would fade."""


class GairLocationCapsule(nn.Module):
    """One scale of the location encoder: Gaussian features and an MLP."""

    def __init__(self, config: GairLocationConfig, scale: float, output_size: int):
        super().__init__()
        self.features = GairGaussianFeatures(config.num_frequencies, scale)
        widths = [2 * config.num_frequencies] + [config.hidden_size] * config.num_hidden_layers
        self.layers = nn.ModuleList(GairLocationLinear(width, following) for width, following in pairwise(widths))
        self.head = GairLocationLinear(config.hidden_size, output_size)

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        hidden_states = self.features(plane).to(self.head.weight.dtype)
        for layer in self.layers:
            hidden_states = nn.functional.relu(layer(hidden_states))
        return self.head(hidden_states)


class GairLocationEncoder(nn.Module):
    """
    The published location encoder: Equal Earth, then one capsule per scale, their outputs summed.

    It neither wraps nor checks coordinates (the processor does): 180° and −180° give different embeddings.

    Args:
        config (`GairLocationConfig`): sizes and scales.
        output_size (`int`): width D of the embedding.
    """

    def __init__(self, config: GairLocationConfig, output_size: int):
        super().__init__()
        self.capsules = nn.ModuleList(GairLocationCapsule(config, scale, output_size) for scale in config.scales)

    def forward(self, coordinates: torch.Tensor) -> torch.Tensor:
        """
        Args:
            coordinates (`torch.Tensor` of shape `(..., 2)`): lon, lat in degrees.

        Returns:
            `torch.Tensor` of shape `(..., D)`.
        """
        # float32 throughout, multiplied and then divided: the release's own order of rounding.
        plane = equal_earth(coordinates.float()) * _PLANE_SCALE / _PLANE_DIVISOR
        return torch.stack([capsule(plane) for capsule in self.capsules]).sum(dim=0)


__all__ = ["GairLocationEncoder", "equal_earth"]
