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
import copy
import math

import numpy as np
import pytest
import torch

from modeling_gair import (
    GairConfig,
    GairLocationConfig,
    GairLocationEncoder,
    GairModel,
    GairSphericalHarmonicsEncoder,
)
from modeling_gair.configuration_gair import LOCATION_ENCODERS
from modeling_gair.location_gair import LOCATION_ENCODER_CLASSES, equal_earth, spherical_harmonics


@pytest.fixture
def encoder() -> GairLocationEncoder:
    torch.manual_seed(0)
    return GairLocationEncoder(GairLocationConfig(scales=[1, 256], num_frequencies=16, hidden_size=32, output_size=24))


@pytest.fixture(scope="module")
def seamless() -> GairSphericalHarmonicsEncoder:
    """An encoder as a model initialises it."""
    torch.manual_seed(0)
    config = GairConfig.tiny(location_config={"encoder": "spherical_harmonics", "hidden_size": 64})
    return GairModel(config).location_model.requires_grad_(False)


def random_places(count: int) -> torch.Tensor:
    """Uniform in lon and lat, in float64."""
    generator = torch.Generator().manual_seed(0)
    places = 2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1
    return places * torch.tensor([180.0, 90.0], dtype=torch.float64)


def coordinates_of(vectors: torch.Tensor) -> torch.Tensor:
    """Converts unit vectors to lon, lat in degrees."""
    x, y, z = vectors.unbind(-1)
    return torch.rad2deg(torch.stack([torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y))], dim=-1))


def test_the_projection_is_right_at_known_places():
    # The equator's half length 2.70663 and the pole's half length and height, from the projection's paper.
    plane = equal_earth(torch.tensor([[180.0, 0.0], [-180.0, 0.0], [0.0, 90.0], [180.0, 90.0]]))
    torch.testing.assert_close(plane[0], torch.tensor([2.70663, 0.0]), rtol=0, atol=1e-4)
    torch.testing.assert_close(plane[1], -plane[0])
    torch.testing.assert_close(plane[2], torch.tensor([0.0, 1.31736]), rtol=0, atol=1e-4)
    assert 1.58 < plane[3, 0] < 1.61


def test_the_projection_preserves_areas():
    """Equal area: the Jacobian determinant divided by cos(lat) is constant."""
    coordinates = torch.tensor([[10.0, 5.0], [-120.0, 60.0], [77.0, -45.0]], dtype=torch.float64)
    for place in coordinates:
        jacobian = torch.autograd.functional.jacobian(equal_earth, place)
        area = torch.linalg.det(jacobian) * (180 / math.pi) ** 2 / torch.cos(torch.deg2rad(place[1]))
        assert abs(area - 1) < 1e-4


def test_coordinates_may_have_any_leading_shape(encoder):
    coordinates = torch.rand(2, 3, 4, 2) * 100 - 50
    assert encoder(coordinates).shape == (2, 3, 4, 24)
    torch.testing.assert_close(encoder(coordinates)[1, 2], encoder(coordinates[1, 2]))


def test_the_encoder_sums_its_capsules(encoder):
    coordinates = torch.tensor([[13.4, 52.5]])
    plane = equal_earth(coordinates) * 66.50336 / 180
    expected = 0
    for capsule in encoder.capsules:
        phase = 2 * math.pi * plane @ capsule.features.frequencies.T
        hidden = torch.cat([phase.cos(), phase.sin()], -1)
        for layer in capsule.layers:
            hidden = torch.relu(hidden @ layer.weight.T + layer.bias)
        expected = expected + hidden @ capsule.head.weight.T + capsule.head.bias
    torch.testing.assert_close(encoder(coordinates), expected, rtol=1e-3, atol=1e-3)


def test_the_published_encoder_is_discontinuous_at_the_antimeridian_as_documented(encoder):
    """The processor, not the model, wraps longitudes."""
    west, east = encoder(torch.tensor([[-180.0, 10.0], [180.0, 10.0]]))
    assert (west - east).abs().max() > 1e-2


def test_the_published_encoder_is_discontinuous_at_the_poles_as_documented(encoder):
    """On the plane a pole is a line, so that each longitude has a different embedding there."""
    pole = encoder(torch.tensor([[-120.0, 90.0], [0.0, 90.0], [60.0, 90.0]]))
    assert (pole[0] - pole[1]).abs().max() > 1e-2 and (pole[2] - pole[1]).abs().max() > 1e-2
    assert "every longitude" in GairLocationEncoder.__doc__


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_casting_never_rounds_the_frequencies(encoder, dtype):
    before = [capsule.features.frequencies.clone() for capsule in encoder.capsules]
    encoder.to(dtype)
    for capsule, frequencies in zip(encoder.capsules, before):
        assert capsule.features.frequencies.dtype == torch.float32
        assert torch.equal(capsule.features.frequencies, frequencies)
        assert capsule.head.weight.dtype == dtype
    assert encoder(torch.tensor([[1.0, 2.0]])).dtype == dtype


def test_mixed_precision_does_not_round_the_phase(encoder):
    plane = torch.rand(50, 2)
    features = encoder.capsules[1].features
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = features(plane)
    torch.testing.assert_close(mixed, features(plane))


def test_harmonics_equal_those_of_scipy():
    """Up to degree 40, at random places, at both poles and on both sides of the antimeridian."""
    scipy_special = pytest.importorskip("scipy.special", reason="scipy is not installed")
    if not hasattr(scipy_special, "sph_harm_y"):
        pytest.skip("scipy is older than 1.15 and has no sph_harm_y")
    special = [[0.0, 90.0], [50.0, -90.0], [180.0, 3.0], [-180.0, 3.0], [7.0, 89.9999]]
    places = torch.cat([random_places(50), torch.tensor(special, dtype=torch.float64)])
    longitude, latitude = torch.deg2rad(places).numpy().T
    found = spherical_harmonics(places, 40)
    assert found.shape == (55, 41**2) and found.dtype == torch.float64
    for l in range(41):  # noqa: E741
        for m in range(l + 1):
            # SciPy's are complex and include the Condon-Shortley phase.
            theirs = torch.from_numpy((-1) ** m * scipy_special.sph_harm_y(l, m, math.pi / 2 - latitude, longitude))
            center = l * l + l
            if m == 0:
                torch.testing.assert_close(found[:, center], theirs.real, rtol=0, atol=1e-12)
            else:
                torch.testing.assert_close(found[:, center + m], math.sqrt(2) * theirs.real, rtol=0, atol=1e-12)
                torch.testing.assert_close(found[:, center - m], math.sqrt(2) * theirs.imag, rtol=0, atol=1e-12)


def test_the_first_harmonics_equal_their_closed_forms():
    places = random_places(20)
    longitude, latitude = torch.deg2rad(places).unbind(-1)
    x, y, z = latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()
    expected = torch.stack([torch.ones_like(z), math.sqrt(3) * y, math.sqrt(3) * z, math.sqrt(3) * x], dim=-1)
    torch.testing.assert_close(spherical_harmonics(places, 1), expected / math.sqrt(4 * math.pi))


def test_harmonics_are_orthonormal():
    """Gauss-Legendre in sin lat and equal steps in longitude integrate products up to degree 2 L exactly."""
    degree = 12
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(degree + 1))
    latitude = torch.rad2deg(torch.asin(nodes))
    longitude = torch.arange(2 * degree + 1, dtype=torch.float64) * 360 / (2 * degree + 1)
    places = torch.stack(torch.meshgrid(longitude, latitude, indexing="xy"), dim=-1)
    area = weights[:, None] * 2 * math.pi / (2 * degree + 1)
    harmonics = spherical_harmonics(places, degree)
    products = torch.einsum("yx,yxi,yxj->ij", area.expand(-1, 2 * degree + 1), harmonics, harmonics)
    torch.testing.assert_close(products, torch.eye((degree + 1) ** 2, dtype=torch.float64), rtol=0, atol=1e-12)


def test_high_degrees_stay_finite_and_keep_the_addition_theorem():
    """The squares of a degree's harmonics sum to (2 l + 1) / 4π everywhere, so all together to (L + 1)² / 4π."""
    harmonics = spherical_harmonics(torch.cat([random_places(5), torch.tensor([[3.0, 90.0]]).double()]), 200)
    torch.testing.assert_close((harmonics**2).sum(-1), torch.full((6,), 201**2 / (4 * math.pi), dtype=torch.float64))


def test_gradients_are_right_at_the_poles():
    places = torch.tensor([[13.4, 52.5], [40.0, 90.0], [-180.0, -90.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda coordinates: spherical_harmonics(coordinates, 6), places)


def test_the_antimeridian_is_continuous(seamless):
    latitude = torch.linspace(-90, 90, 19)
    west, east = (seamless(torch.stack([torch.full_like(latitude, lon), latitude], -1)) for lon in (-180.0, 180.0))
    torch.testing.assert_close(west, east, rtol=0, atol=1e-5)


def test_a_pole_has_one_embedding(seamless):
    longitude = torch.linspace(-180, 180, 25)
    for latitude in (-90.0, 90.0):
        pole = seamless(torch.stack([longitude, torch.full_like(longitude, latitude)], -1))
        torch.testing.assert_close(pole, pole[:1].expand_as(pole), rtol=0, atol=1e-5)


@pytest.mark.parametrize("crossed", ["antimeridian", "north pole", "south pole"])
def test_embeddings_are_continuous_along_great_circles(seamless, crossed):
    """Along a circle across the antimeridian or a pole, equal steps change the embedding by nearly equal amounts."""
    angle = torch.linspace(-0.02, 0.02, 40, dtype=torch.float64)
    along, up = angle.sin(), angle.cos()
    if crossed == "antimeridian":
        vectors = torch.stack([-up * math.cos(0.3), along, up * math.sin(0.3)], dim=-1)
    else:
        sign = 1 if crossed == "north pole" else -1
        vectors = torch.stack([along * math.cos(0.7), along * math.sin(0.7), sign * up], dim=-1)
    coordinates = coordinates_of(vectors)
    # The circle does cross it.
    assert coordinates[:, 0].diff().abs().max() > 150
    steps = seamless(coordinates).diff(dim=0).norm(dim=-1)
    assert steps.min() > 1e-5 and steps.max() < 1.5 * steps.min()


def test_the_published_encoder_fails_the_same_test_of_continuity():
    torch.manual_seed(0)
    encoder = GairModel(GairConfig.tiny()).location_model.requires_grad_(False)
    longitude = torch.tensor([179.7, 179.8, 179.9, -180.0, -179.9, -179.8])
    steps = encoder(torch.stack([longitude, torch.full((6,), 17.0)], dim=-1)).diff(dim=0).norm(dim=-1)
    assert steps[2] > 5 * steps[[0, 1, 3, 4]].max()


def test_full_turns_change_nothing(seamless):
    places = random_places(10)
    turned = places + torch.tensor([360.0, 0.0])
    torch.testing.assert_close(seamless(places), seamless(turned), rtol=0, atol=1e-5)


def test_a_siren_starts_with_phases_of_moderate_size(seamless):
    """Phases are neither all in the linear range nor noise, and of the same size in all layers except the first (ω₀ = 30)."""
    hidden_states = spherical_harmonics(random_places(500), 10)
    bounds = [1 / 121, math.sqrt(6 / 64), math.sqrt(6 / 64)]
    for layer, bound, frequency in zip(seamless.layers, bounds, [30, 1, 1], strict=True):
        for parameter in (layer.weight, layer.bias):
            assert 0.8 * bound < parameter.abs().max() <= bound
        hidden_states = torch.sin(frequency * layer(hidden_states))
        assert 0.2 < torch.asin(hidden_states).std() < 1.2
    torch.testing.assert_close(seamless(random_places(500)), seamless.head(hidden_states))


def test_casting_a_seamless_encoder_keeps_its_phases(seamless):
    exact = seamless(random_places(50))
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        cast = copy.deepcopy(seamless).to(dtype)(random_places(50))
        assert cast.dtype == dtype
        assert torch.cosine_similarity(cast.float(), exact).min() > 0.999
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = seamless(random_places(50))
    assert torch.cosine_similarity(mixed.float(), exact).min() > 0.999


def test_a_seamless_encoder_accepts_any_leading_shape(seamless):
    coordinates = random_places(24).reshape(2, 3, 4, 2)
    assert seamless(coordinates).shape == (2, 3, 4, 96)
    torch.testing.assert_close(seamless(coordinates)[1, 2], seamless(coordinates[1, 2]))


def test_every_encoder_of_the_config_has_its_class():
    assert {name: cls.__name__ for name, cls in LOCATION_ENCODER_CLASSES.items()} == LOCATION_ENCODERS
