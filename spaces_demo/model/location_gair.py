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
"""Location encoders: map lon, lat in degrees to an embedding."""

import math
from functools import reduce
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from transformers import initialization as init

from .configuration_gair import LOCATION_ENCODERS, GairLocationConfig

# Not used here. Loading remote code from a local folder, older releases of transformers copy only files imported here.
from .keywords_gair import FORWARD_KEYWORDS  # noqa: F401
from .pretrained_gair import GairPreTrainedModel, check_precise, compute_dtype

# Equal Earth projection: Šavrič, Patterson and Jenny (2019), doi:10.1080/13658816.2018.1504949.
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
# The published encoder multiplies the projected plane by the first number, then divides it by the second.
_PLANE_SCALE, _PLANE_DIVISOR = 66.50336, 180.0
# ω₀ of a SIREN's first layer, as in its paper and in SatCLIP; later layers use 1, as in SatCLIP.
_FIRST_FREQUENCY = 30.0


def equal_earth(coordinates: torch.Tensor) -> torch.Tensor:
    """
    Projects the unit sphere to the plane by the Equal Earth projection.

    Args:
        coordinates (`torch.Tensor` of shape `(..., 2)`): lon, lat in degrees, not wrapped.

    Returns:
        `torch.Tensor` of shape `(..., 2)`: x (east) and y (north) on the plane, in units of the radius;
        |x| ≤ 2.71, |y| ≤ 1.32.
    """
    longitude, latitude = torch.deg2rad(coordinates).unbind(-1)
    theta = torch.asin(math.sqrt(3) / 2 * torch.sin(latitude))
    theta2 = theta * theta
    theta6 = theta2 * theta2 * theta2
    # Numerator and denominator as in the paper: x = 2√3 λ cos θ / (3 (9 A4 θ⁸ + 7 A3 θ⁶ + 3 A2 θ² + A1)).
    x = (2 * math.sqrt(3) * longitude * torch.cos(theta)) / (
        3 * (9 * _A4 * theta6 * theta2 + 7 * _A3 * theta6 + 3 * _A2 * theta2 + _A1)
    )
    y = _A4 * theta6 * theta2 * theta + _A3 * theta6 * theta + _A2 * theta2 * theta + _A1 * theta
    return torch.stack([x, y], dim=-1)


class GairGaussianFeatures(nn.Module):
    """
    Random Fourier features `[cos(2π B v), sin(2π B v)]` with fixed Gaussian frequencies B (Tancik et al., 2020).

    Frequencies and phases stay in float32, whatever dtype the model is cast to: at σ = 256 a bfloat16 phase is wrong by
    whole periods.
    """

    frequencies: torch.Tensor

    def __init__(self, num_frequencies: int, scale: float):
        super().__init__()
        self.scale = scale
        # Saved with the weights: the drawn frequencies are part of the model.
        self.register_buffer("frequencies", torch.empty(num_frequencies, 2, dtype=torch.float32))
        self.reset_weights()

    def reset_weights(self) -> None:
        """Draws the frequencies."""
        init.normal_(self.frequencies, std=self.scale)

    def _apply(self, fn, recurse=True):
        # `.to(dtype)`, `.half()` and the like call this method; they may move the frequencies but must not round them.
        frequencies = self.frequencies
        super()._apply(fn, recurse)
        if self.frequencies.dtype != torch.float32:
            self.frequencies = frequencies.to(self.frequencies.device)
        return self

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        # Autocast would round the product to half precision.
        with torch.autocast(plane.device.type, enabled=False):
            phase = (2 * math.pi * plane.float()) @ self.frequencies.T
        return torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)


class GairLocationLinear(nn.Linear):
    """A linear layer with Kaiming initialisation: without norms, signals would vanish through layers with small weights."""

    def reset_weights(self) -> None:
        """Draws the weights; biases stay zero."""
        init.kaiming_normal_(self.weight, nonlinearity="relu")


class GairLocationCapsule(nn.Module):
    """One scale of the location encoder: Gaussian Fourier features and an MLP."""

    def __init__(self, config: GairLocationConfig, scale: float):
        super().__init__()
        self.features = GairGaussianFeatures(config.num_frequencies, scale)
        widths = [2 * config.num_frequencies] + [config.hidden_size] * config.num_hidden_layers
        self.layers = nn.ModuleList(GairLocationLinear(width, following) for width, following in pairwise(widths))
        self.head = GairLocationLinear(config.hidden_size, cast(int, config.output_size))

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        hidden_states = self.features(plane).to(compute_dtype(self))
        for layer in self.layers:
            # In place: nothing else needs a layer's output, not even its gradient.
            hidden_states = F.relu(layer(hidden_states), inplace=True)
        return self.head(hidden_states)


class GairLocationPreTrainedModel(GairPreTrainedModel):
    """Base of the location encoders: loading and saving, standalone or as part of a [`GairModel`]."""

    config: GairLocationConfig  # type: ignore[assignment]
    config_class = GairLocationConfig
    base_model_prefix = "location_model"
    main_input_name = "coordinates"
    input_modalities = []
    supports_gradient_checkpointing = False
    # The other parts of a GAIR model, when the encoder alone is loaded from one.
    _keys_to_ignore_on_load_unexpected = [r"^(rs_model|sv_model|sv_projection|nili|pixel_query)\."]

    def __init__(self, config: GairLocationConfig):
        super().__init__(config)
        if config.output_size is None:
            raise ValueError(
                "GairLocationConfig.output_size is None; expected the embedding width of a standalone location encoder; "
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
    The published location encoder: the Equal Earth projection, then the sum of one capsule per scale.

    It neither wraps nor checks coordinates (the processor does): 180° and −180° give different embeddings, and a pole has a
    different embedding at every longitude. [`GairSphericalHarmonicsEncoder`] has neither discontinuity.

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

        Raises:
            ValueError: for coordinates in half precision.
        """
        check_precise("coordinates", coordinates)
        # In float32, first multiplied and then divided: the same order of rounding as in the release.
        plane = equal_earth(coordinates.float()) * _PLANE_SCALE / _PLANE_DIVISOR
        return reduce(torch.add, (capsule(plane) for capsule in self.capsules))


def spherical_harmonics(coordinates: torch.Tensor, degree: int) -> torch.Tensor:
    """
    Computes the real spherical harmonics, orthonormal on the unit sphere, without the Condon-Shortley phase:

        Y_lm = P̄_l^|m|(sin lat) · (√2 sin |m| lon for m < 0, 1 for m = 0, √2 cos m lon for m > 0)

    P̄ are the normalised associated Legendre functions, computed by the "forward column" recurrence over the degree of
    Holmes and Featherstone (2002, doi:10.1007/s00190-002-0216-2), which needs no factorials and is stable in float64 up to
    degrees near 1,900. It handles all orders of a degree at once and never divides by a cosine, so that values and
    gradients are exact at the poles.

    Args:
        coordinates (`torch.Tensor` of shape `(..., 2)`): lon, lat in degrees; longitudes are periodic in 360.
        degree (`int`): the highest degree L (inclusive).

    Returns:
        `torch.Tensor` of shape `(..., (L + 1)²)`: order m of degree l at index l² + l + m; in float64, since the order
        multiplies the error of a longitude (float32 on Apple GPUs, which lack float64).
    """
    dtype = torch.float32 if coordinates.device.type == "mps" else torch.float64
    longitude, latitude = torch.deg2rad(coordinates.to(dtype)).unbind(-1)
    orders = torch.arange(degree + 1, device=coordinates.device, dtype=dtype)
    phase = longitude[..., None] * orders[1:]
    sines, cosines = math.sqrt(2) * torch.sin(phase), math.sqrt(2) * torch.cos(phase)
    # Functions of longitude, for the orders -L to L.
    waves = torch.cat([sines.flip(-1), torch.ones_like(longitude)[..., None], cosines], dim=-1)

    sine, cosine = torch.sin(latitude)[..., None], torch.cos(latitude)[..., None]
    # Functions of latitude: the orders 0 to l of degree l, and those of the previous degree, padded with zeros.
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


def sine_frequency(index: int) -> float:
    """ω₀ of a SIREN's layer."""
    return _FIRST_FREQUENCY if index == 0 else 1.0


class GairSineLinear(nn.Linear):
    """
    The linear map of a SIREN layer `sin(ω₀ (W x + b))` (Sitzmann et al., 2020, arXiv:2006.09661), in float32 whatever dtype
    the model is cast to, as phases need it. The encoder applies ω₀ and the sine, so that they remain where a quantised or
    adapted map replaces this one.

    Args:
        in_features, out_features (`int`): widths of input and output.
        index (`int`): position of the layer; the first has small weights.
    """

    def __init__(self, in_features: int, out_features: int, index: int):
        super().__init__(in_features, out_features)
        # Weights and biases are uniform within ± this bound, which preserves the variance of the phases between layers.
        self.initial_bound = 1 / in_features if index == 0 else math.sqrt(6 / in_features) / sine_frequency(index)

    def reset_weights(self) -> None:
        """Draws weights and biases."""
        for parameter in (self.weight, self.bias):
            init.uniform_(parameter, -self.initial_bound, self.initial_bound)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(hidden_states.device.type, enabled=False):
            return F.linear(hidden_states.float(), self.weight.float(), self.bias.float())


class GairSphericalHarmonicsEncoder(GairLocationPreTrainedModel):
    """
    A location encoder that is continuous on the sphere: spherical harmonics and a SIREN, as in SatCLIP (Klemmer et al., 2023,
    arXiv:2311.17179). Neighbours across ±180° have similar embeddings, and each pole has one embedding at all longitudes.

    Args:
        config (`GairLocationConfig`): the degree and the sizes of the SIREN; `output_size` is the width D of the
            embeddings.
    """

    def __init__(self, config: GairLocationConfig):
        super().__init__(config)
        self.degree = config.degree
        widths = [(config.degree + 1) ** 2] + [config.hidden_size] * config.num_hidden_layers
        self.layers = nn.ModuleList(
            GairSineLinear(width, following, index) for index, (width, following) in enumerate(pairwise(widths))
        )
        self.head = GairLocationLinear(config.hidden_size, cast(int, config.output_size))
        self.post_init()

    def forward(self, coordinates: torch.Tensor) -> torch.Tensor:
        """
        Args:
            coordinates (`torch.Tensor` of shape `(..., 2)`): lon, lat in degrees.

        Returns:
            `torch.Tensor` of shape `(..., D)`.

        Raises:
            ValueError: for coordinates in half precision.
        """
        check_precise("coordinates", coordinates)
        hidden_states = spherical_harmonics(coordinates, self.degree)
        for index, layer in enumerate(self.layers):
            hidden_states = torch.sin(sine_frequency(index) * layer(hidden_states.float()).float())
        return self.head(hidden_states.to(compute_dtype(self.head)))


# By `GairLocationConfig.encoder`.
LOCATION_ENCODER_CLASSES: dict[str, type[GairLocationEncoder | GairSphericalHarmonicsEncoder]] = {
    "equal_earth_rff": GairLocationEncoder,
    "spherical_harmonics": GairSphericalHarmonicsEncoder,
}

__all__ = ["GairLocationEncoder", "GairSphericalHarmonicsEncoder", "equal_earth", "spherical_harmonics"]
