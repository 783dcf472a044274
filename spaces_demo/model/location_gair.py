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
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from transformers import initialization as init

from .configuration_gair import LOCATION_ENCODERS, GairLocationConfig
from .pretrained_gair import GairPreTrainedModel

# Equal Earth projection: Šavrič, Patterson and Jenny (2019), doi:10.1080/13658816.2018.1504949.
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
# The published encoder scales the projected plane by these two numbers, in this order.
_PLANE_SCALE, _PLANE_DIVISOR = 66.50336, 180.0
# ω₀ of a SIREN's first layer, in its paper and in SatCLIP; the layers after it have 1, as in SatCLIP.
_FIRST_FREQUENCY = 30.0


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
        self.reset_weights()

    def reset_weights(self) -> None:
        """Draws the frequencies."""
        init.normal_(self.frequencies, std=self.scale)

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
    """A Linear that starts as `kaiming_normal_` draws it: through layers without norms a small draw would fade."""

    def reset_weights(self) -> None:
        """Draws the weights; the biases start at zero."""
        init.kaiming_normal_(self.weight, nonlinearity="relu")


class GairLocationCapsule(nn.Module):
    """One scale of the location encoder: Gaussian features and an MLP."""

    def __init__(self, config: GairLocationConfig, scale: float):
        super().__init__()
        self.features = GairGaussianFeatures(config.num_frequencies, scale)
        widths = [2 * config.num_frequencies] + [config.hidden_size] * config.num_hidden_layers
        self.layers = nn.ModuleList(GairLocationLinear(width, following) for width, following in pairwise(widths))
        self.head = GairLocationLinear(config.hidden_size, cast(int, config.output_size))

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        hidden_states = self.features(plane).to(self.head.weight.dtype)
        for layer in self.layers:
            hidden_states = nn.functional.relu(layer(hidden_states))
        return self.head(hidden_states)


class GairLocationPreTrainedModel(GairPreTrainedModel):
    """What the location encoders share: loading and saving, alone or from within a [`GairModel`]."""

    config: GairLocationConfig  # type: ignore[assignment]
    config_class = GairLocationConfig
    base_model_prefix = "location_model"
    main_input_name = "coordinates"
    input_modalities = []
    supports_gradient_checkpointing = False
    # The rest of a whole GAIR model, when the encoder alone is loaded from one.
    _keys_to_ignore_on_load_unexpected = [r"^(rs_model|sv_model|sv_projection|nili)\."]

    def __init__(self, config: GairLocationConfig):
        super().__init__(config)
        if config.output_size is None:
            raise ValueError(
                "GairLocationConfig.output_size is None; a location encoder on its own needs the width of its embeddings: "
                "pass output_size=..., e.g. 768 as published."
            )
        if type(self).__name__ != LOCATION_ENCODERS[config.encoder]:
            raise ValueError(
                f"GairLocationConfig.encoder is {config.encoder!r}, which {type(self).__name__} does not implement; use "
                f"{LOCATION_ENCODERS[config.encoder]}."
            )

    def get_input_embeddings(self) -> nn.Module | None:  # type: ignore[override]
        """None: the inputs are coordinates."""
        return None


class GairLocationEncoder(GairLocationPreTrainedModel):
    """
    The published location encoder: Equal Earth, then one capsule per scale, their outputs summed.

    It neither wraps nor checks coordinates (the processor does): 180° and −180° give different embeddings, and so does a
    pole at every longitude. [`GairSphericalHarmonicsEncoder`] has neither fault.

    Args:
        config (`GairLocationConfig`): sizes and scales; `output_size` is the width D of the embeddings.
    """

    def __init__(self, config: GairLocationConfig):
        super().__init__(config)
        self.capsules = nn.ModuleList(GairLocationCapsule(config, scale) for scale in config.scales)
        self.post_init()

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


def spherical_harmonics(coordinates: torch.Tensor, degree: int) -> torch.Tensor:
    """
    The real spherical harmonics, orthonormal on the unit sphere, without the Condon-Shortley phase:

        Y_lm = P̄_l^|m|(sin lat) · (√2 sin |m| lon for m < 0, 1 for m = 0, √2 cos m lon for m > 0)

    P̄ are the associated Legendre functions normalised so that no factorial ever appears, by the recurrence in the degree
    that Holmes and Featherstone (2002, doi:10.1007/s00190-002-0216-2) call forward column: stable in float64 to degrees
    near 1,900. It runs over the degrees, for all orders at once, and divides by no cosine: it is exact at the poles, and
    so are its gradients.

    Args:
        coordinates (`torch.Tensor` of shape `(..., 2)`): lon, lat in degrees; any longitude is taken modulo 360.
        degree (`int`): the highest degree L, itself included.

    Returns:
        `torch.Tensor` of shape `(..., (L + 1)²)`: order m of degree l at index l² + l + m; in float64, as orders multiply
        the error of a longitude (float32 on Apple's GPUs, which have no float64).
    """
    dtype = torch.float32 if coordinates.device.type == "mps" else torch.float64
    longitude, latitude = torch.deg2rad(coordinates.to(dtype)).unbind(-1)
    orders = torch.arange(degree + 1, device=coordinates.device, dtype=dtype)
    phase = longitude[..., None] * orders[1:]
    sines, cosines = math.sqrt(2) * torch.sin(phase), math.sqrt(2) * torch.cos(phase)
    # Along the parallel, for the orders -L to L.
    waves = torch.cat([sines.flip(-1), torch.ones_like(longitude)[..., None], cosines], dim=-1)

    sine, cosine = torch.sin(latitude)[..., None], torch.cos(latitude)[..., None]
    # Along the meridian: the orders 0 to l of degree l, and those of the degree before, filled up with zeros.
    legendre = torch.full_like(sine, math.sqrt(1 / (4 * math.pi)))
    before = torch.zeros_like(legendre)
    harmonics = [legendre]
    for l in range(1, degree + 1):  # noqa: E741
        squares = orders[:l] ** 2
        a = torch.sqrt((4 * l**2 - 1) / (l**2 - squares))
        b = torch.sqrt(((l - 1) ** 2 - squares) / (4 * (l - 1) ** 2 - 1))
        diagonal = math.sqrt((2 * l + 1) / (2 * l)) * cosine * legendre[..., -1:]
        following = torch.cat([a * (sine * legendre - b * before), diagonal], dim=-1)
        before, legendre = F.pad(legendre, (0, 1)), following
        both_signs = torch.cat([legendre[..., 1:].flip(-1), legendre], dim=-1)
        harmonics.append(both_signs * waves[..., degree - l : degree + l + 1])
    return torch.cat(harmonics, dim=-1)


class GairSineLinear(nn.Linear):
    """
    A SIREN's layer, `sin(ω₀ (W x + b))` (Sitzmann et al., 2020, arXiv:2006.09661), its phase in float32 whatever the model
    is cast to.

    Args:
        in_features, out_features (`int`): widths of input and output.
        first (`bool`): whether it is the first layer, which has ω₀ = 30 and small weights; the others have 1.
    """

    def __init__(self, in_features: int, out_features: int, first: bool):
        super().__init__(in_features, out_features)
        self.frequency = _FIRST_FREQUENCY if first else 1.0
        # Weights and biases start uniform within ± this, which keeps the phases' variance from layer to layer.
        self.initial_bound = 1 / in_features if first else math.sqrt(6 / in_features) / self.frequency

    def reset_weights(self) -> None:
        """Draws weights and biases."""
        for parameter in (self.weight, self.bias):
            init.uniform_(parameter, -self.initial_bound, self.initial_bound)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(hidden_states.device.type, enabled=False):
            phase = F.linear(hidden_states.float(), self.weight.float(), self.bias.float())
            return torch.sin(self.frequency * phase)


class GairSphericalHarmonicsEncoder(GairLocationPreTrainedModel):
    """
    A location encoder without seam: spherical harmonics and a SIREN, SatCLIP's design (Klemmer et al., 2023,
    arXiv:2311.17179). Neighbours across ±180° have neighbouring embeddings, and a pole has one, whatever its longitude.

    Args:
        config (`GairLocationConfig`): the degree and the sizes of the SIREN; `output_size` is the width D of the
            embeddings.
    """

    def __init__(self, config: GairLocationConfig):
        super().__init__(config)
        self.degree = config.degree
        widths = [(config.degree + 1) ** 2] + [config.hidden_size] * config.num_hidden_layers
        self.layers = nn.ModuleList(
            GairSineLinear(width, following, first=index == 0)
            for index, (width, following) in enumerate(pairwise(widths))
        )
        self.head = GairLocationLinear(config.hidden_size, cast(int, config.output_size))
        self.post_init()

    def forward(self, coordinates: torch.Tensor) -> torch.Tensor:
        """
        Args:
            coordinates (`torch.Tensor` of shape `(..., 2)`): lon, lat in degrees.

        Returns:
            `torch.Tensor` of shape `(..., D)`.
        """
        hidden_states = spherical_harmonics(coordinates, self.degree)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return self.head(hidden_states.to(self.head.weight.dtype))


# By `GairLocationConfig.encoder`.
LOCATION_ENCODER_CLASSES: dict[str, type[GairLocationEncoder | GairSphericalHarmonicsEncoder]] = {
    "equal_earth_rff": GairLocationEncoder,
    "spherical_harmonics": GairSphericalHarmonicsEncoder,
}

__all__ = ["GairLocationEncoder", "GairSphericalHarmonicsEncoder", "equal_earth", "spherical_harmonics"]
