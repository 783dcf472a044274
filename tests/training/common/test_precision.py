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
"""Towers that multiply in bfloat16: close to float32, with float32 outputs, and with coordinates and query points as exact as before."""

from functools import partial

import pytest
import torch

from modeling_gair import GairConfig, GairModel
from tests.bad_inputs.case import MODEL
from training.common import precision
from training.common.fingerprints import fingerprint_of
from training.common.models import load_gair
from training.common.precision import compute_in, slowness

_TEN_METRES_LAT = 10 / 111_000


@pytest.fixture(scope="module")
def exact():
    return load_gair(str(MODEL))


@pytest.fixture(scope="module")
def rounded():
    return load_gair(str(MODEL), precision="bfloat16")


@pytest.fixture(scope="module")
def inputs(exact):
    generator = torch.Generator().manual_seed(0)
    processor = exact[1]
    tile, photo = processor.image_processor.size["height"], processor.sv_image_processor.size["height"]
    return {
        "rs_pixel_values": torch.rand(3, 10, tile, tile, generator=generator),
        "sv_pixel_values": torch.randn(3, 3, photo, photo, generator=generator),
        "coordinates": torch.tensor([[13.4, 52.52], [-60.02, -3.1], [144.63, -35.97]]),
        "query_points": torch.rand(3, 5, 2, generator=generator),
    }


def cosines(one, other):
    return torch.nn.functional.cosine_similarity(one, other, dim=-1)


@torch.no_grad()
def test_embeddings_are_float32_and_close_to_those_of_float32(exact, rounded, inputs):
    expected, found = exact[0](**inputs), rounded[0](**inputs)
    for name in ("rs_embeds", "localized_rs_embeds", "sv_embeds", "location_embeds"):
        assert found[name].dtype == torch.float32
        assert cosines(found[name], expected[name]).min() > 0.999
        assert not torch.equal(found[name], expected[name]), name
    assert rounded[0].rs_model(inputs["rs_pixel_values"]).last_hidden_state.dtype == torch.float32


@torch.no_grad()
def test_dense_maps_are_read_in_float32(exact, rounded, inputs):
    expected, found = (
        model.get_rs_feature_map(inputs["rs_pixel_values"], (48, 48)).flatten(2).transpose(1, 2)
        for model in (exact[0], rounded[0])
    )
    assert found.dtype == torch.float32 and cosines(found, expected).min() > 0.999
    # Of the same tokens, both read the same.
    tiles = exact[0].encode_tiles(inputs["rs_pixel_values"])
    read = [model.localize(tiles, inputs["query_points"]) for model in (exact[0], rounded[0])]
    assert torch.equal(*read)


@torch.no_grad()
@pytest.mark.parametrize("encoder", ["equal_earth_rff", "spherical_harmonics"])
def test_coordinates_are_not_rounded(encoder):
    """In bfloat16, places near Sydney would move by up to 50 km."""
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(location_config={"encoder": encoder})).eval()
    places = torch.tensor([[151.21, -33.87], [151.21, -33.87 + _TEN_METRES_LAT], [151.3, -33.87]])
    expected = model.get_location_features(places)
    moved = model.get_location_features(places.bfloat16().float())
    compute_in(model, "bfloat16")
    found = model.get_location_features(places)
    assert cosines(found, expected).min() > max(0.9995, cosines(moved, expected).min())
    # Places 10 m apart stay apart, by as much as in float32.
    apart, of_float32 = found[1] - found[0], expected[1] - expected[0]
    assert apart.norm() > 0
    torch.testing.assert_close(apart, of_float32, rtol=0, atol=0.02 * expected.abs().max().item())


def test_weights_and_fingerprint_stay_and_float32_changes_nothing(exact, rounded, inputs):
    assert {weight.dtype for weight in rounded[0].parameters()} == {torch.float32}
    assert fingerprint_of(*rounded) == fingerprint_of(*exact)
    forward = exact[0].rs_model.forward
    compute_in(exact[0], "float32")
    assert exact[0].rs_model.forward == forward


def test_a_machine_that_is_slower_in_bfloat16_is_told(monkeypatch):
    rates = {torch.float32: 1e12, torch.bfloat16: 2e11}
    monkeypatch.setattr(precision, "matrix_rate", lambda device, dtype: rates[dtype])
    told = partial(slowness, device=torch.device("cpu"))
    assert told("float32") == []
    assert told("bfloat16") == [
        "This machine multiplies bfloat16 at 0.2 times its rate in float32; leave out --precision to be faster here."
    ]
    rates[torch.bfloat16] = 2e12
    assert told("bfloat16") == []
