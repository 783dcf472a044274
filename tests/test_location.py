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
import math

import pytest
import torch

from modeling_gair import GairLocationConfig, GairLocationEncoder
from modeling_gair.location_gair import equal_earth


@pytest.fixture
def encoder() -> GairLocationEncoder:
    torch.manual_seed(0)
    return GairLocationEncoder(GairLocationConfig(scales=[1, 256], num_frequencies=16, hidden_size=32), 24)


def test_projection_at_known_places():
    # The equator's half length 2.70663 and the pole's half length and height, from the projection's paper.
    plane = equal_earth(torch.tensor([[180.0, 0.0], [-180.0, 0.0], [0.0, 90.0], [180.0, 90.0]]))
    torch.testing.assert_close(plane[0], torch.tensor([2.70663, 0.0]), rtol=0, atol=1e-4)
    torch.testing.assert_close(plane[1], -plane[0])
    torch.testing.assert_close(plane[2], torch.tensor([0.0, 1.31736]), rtol=0, atol=1e-4)
    assert 1.58 < plane[3, 0] < 1.61


def test_projection_keeps_areas():
    """Equal area: the Jacobian determinant over cos(lat) is the same everywhere."""
    coordinates = torch.tensor([[10.0, 5.0], [-120.0, 60.0], [77.0, -45.0]], dtype=torch.float64)
    for place in coordinates:
        jacobian = torch.autograd.functional.jacobian(equal_earth, place)
        area = torch.linalg.det(jacobian) * (180 / math.pi) ** 2 / torch.cos(torch.deg2rad(place[1]))
        assert abs(area - 1) < 1e-4


def test_any_leading_shape(encoder):
    coordinates = torch.rand(2, 3, 4, 2) * 100 - 50
    assert encoder(coordinates).shape == (2, 3, 4, 24)
    torch.testing.assert_close(encoder(coordinates)[1, 2], encoder(coordinates[1, 2]))


def test_it_is_the_sum_of_the_capsules(encoder):
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


def test_the_seam_is_real_and_documented(encoder):
    """The published encoder jumps at the antimeridian; the processor, not the model, wraps longitudes."""
    west, east = encoder(torch.tensor([[-180.0, 10.0], [180.0, 10.0]]))
    assert (west - east).abs().max() > 1e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_casting_never_rounds_the_frequencies(encoder, dtype):
    before = [capsule.features.frequencies.clone() for capsule in encoder.capsules]
    encoder.to(dtype)
    for capsule, frequencies in zip(encoder.capsules, before):
        assert capsule.features.frequencies.dtype == torch.float32
        assert torch.equal(capsule.features.frequencies, frequencies)
        assert capsule.head.weight.dtype == dtype
    assert encoder(torch.tensor([[1.0, 2.0]])).dtype == dtype


def test_mixed_precision_leaves_the_phase_alone(encoder):
    plane = torch.rand(50, 2)
    features = encoder.capsules[1].features
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = features(plane)
    torch.testing.assert_close(mixed, features(plane))
