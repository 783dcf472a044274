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
"""Half precision: places keep theirs wherever a model or its inputs are cast."""

import copy
import pickle

import pytest
import torch

from modeling_gair import GairConfig, GairEncodedTiles, GairModel, GairProcessor, gair_contrastive_loss
from modeling_gair.pretrained_gair import compute_dtype
from modeling_gair.query_gair import localize
from modeling_gair.windows_gair import half_pixel_centers
from tests.helpers.models import pixel_model

HALF = (torch.bfloat16, torch.float16)
PLACES = {"lon": [139.75009, -83.2583], "lat": [35.657349, 42.4823]}
BOUNDS = [(139.74, 35.65, 139.76, 35.67), (-83.27, 42.47, -83.25, 42.49)]


@pytest.fixture(scope="module")
def processor():
    return GairProcessor.for_config(GairConfig.tiny())


@pytest.fixture(scope="module", params=["equal_earth_rff", "spherical_harmonics"])
def model(request):
    """With the published scales, at which half a degree is a different embedding."""
    torch.manual_seed(0)
    location = {"encoder": request.param, "scales": [1.0, 16.0, 256.0], "num_frequencies": 64, "hidden_size": 64}
    return GairModel(GairConfig.tiny(location_config=location, nili_init="normal")).eval().requires_grad_(False)


@pytest.mark.parametrize("cast", [("cpu", torch.bfloat16), (torch.bfloat16,), ("cpu",)])
def test_casting_inputs_casts_pixels_alone(processor, cast):
    inputs = processor(
        rs=torch.rand(2, 10, 96, 96) * 3000 + 500, **PLACES, bands="gair_10", bounds=BOUNDS, return_tensors="pt"
    )
    before = {name: inputs[name].clone() for name in ("coordinates", "query_points")}
    inputs = inputs.to(*cast)
    assert inputs["rs_pixel_values"].dtype == (torch.bfloat16 if torch.bfloat16 in cast else torch.float32)
    for name, values in before.items():
        assert inputs[name].dtype == torch.float32 and torch.equal(inputs[name], values)
    again = pickle.loads(pickle.dumps(inputs)).to(dtype=torch.float16)
    assert again["coordinates"].dtype == torch.float32 and again["rs_pixel_values"].dtype == torch.float16


def test_coordinates_alone_keep_their_precision(processor):
    places = processor.feature_extractor(**PLACES, return_tensors="pt").to("cpu", torch.float16)
    assert places["coordinates"].dtype == torch.float32
    assert processor.feature_extractor(**PLACES).data.keys() == {"coordinates"}


@pytest.mark.parametrize("dtype", HALF)
def test_a_cast_model_with_cast_inputs_embeds_the_same_places(model, processor, dtype):
    exact = model(**processor(**PLACES, return_tensors="pt")).location_embeds
    inputs = processor(**PLACES, return_tensors="pt").to("cpu", dtype)
    half = copy.deepcopy(model).to(dtype)(**inputs).location_embeds
    assert half.dtype == dtype
    assert torch.cosine_similarity(half.float(), exact).min() > 0.999


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_places_and_points_are_refused(model, dtype):
    places, points, tiles = torch.rand(2, 2).to(dtype), torch.rand(2, 1, 2).to(dtype), torch.rand(2, 10, 96, 96)
    embeds = torch.rand(2, 96)
    for call in (
        lambda: model(coordinates=places),
        lambda: model.get_location_features(places),
        lambda: model.location_model(places),
        lambda: gair_contrastive_loss(embeds, embeds, embeds, places),
    ):
        with pytest.raises(ValueError, match=r"coordinates has the dtype torch\.b?float16, which is too coarse"):
            call()
    for mode in ("nili", "bilinear", "bicubic", "mean"):
        with pytest.raises(ValueError, match="query_points has the dtype"):
            model.get_localized_rs_features(tiles, points, mode)


def test_float64_and_whole_degrees_are_taken(model):
    expected = model.get_location_features(torch.tensor([[13.0, 52.0]]))
    for places in (torch.tensor([[13, 52]]), torch.tensor([[13.0, 52.0]], dtype=torch.float64)):
        torch.testing.assert_close(model.get_location_features(places), expected)


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("mode", ["nili", "bilinear", "bicubic"])
def test_positions_in_a_tile_are_not_rounded_with_its_tokens(model, dtype, mode):
    """On a tile of 100 m pixels, bfloat16 positions would be off by up to 4 m; only the features are rounded here."""
    tokens, points = torch.rand(1, 144, 96), torch.rand(1, 200, 2)
    rounded, half = tokens.to(dtype).float(), copy.deepcopy(model.nili).to(dtype)
    exact = copy.deepcopy(half).float()
    for method in ("points", "dense"):
        given = GairEncodedTiles(last_hidden_state=tokens.to(dtype))
        found = localize(half, None, given, points, mode, method).float()
        expected = localize(exact, None, GairEncodedTiles(last_hidden_state=rounded), points, mode, method)
        assert found.shape == expected.shape
        assert (found - expected).abs().max() < 0.02 * expected.abs().max()


@pytest.mark.parametrize("dtype", HALF)
def test_positions_of_pixels_are_not_rounded_with_them(dtype):
    """Between the pixels' centres, too: bfloat16 positions would be off by up to a quarter of a pixel of 20 m."""
    query, points = pixel_model().pixel_query, torch.rand(1, 200, 2)
    # Noise, so that a wrong position gives another value.
    pixels = torch.rand(1, 10, 96, 96).to(dtype)
    half = copy.deepcopy(query).to(dtype)
    exact = copy.deepcopy(half).float()
    with torch.no_grad():
        for method in ("points", "dense"):
            found = half(pixels, points, method).float()
            expected = exact(pixels.float(), points, method)
            assert (found - expected).abs().max() < 0.02 * expected.abs().max()


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("mode", ["nili", "bilinear", "bicubic", "mean"])
@torch.no_grad()
def test_maps_in_half_precision_and_autocast_are_those_of_the_rounded_model(dtype, mode):
    model = pixel_model()
    half = copy.deepcopy(model).to(dtype)
    exact = copy.deepcopy(half).float()
    tokens, pixels, size = torch.randn(2, 144, 96).to(dtype), torch.rand(2, 10, 96, 96).to(dtype), (31, 50)
    given = GairEncodedTiles(last_hidden_state=tokens, rs_pixel_values=pixels)
    as_float = GairEncodedTiles(last_hidden_state=tokens.float(), rs_pixel_values=pixels.float())
    found, expected = half.feature_map(given, size, mode), exact.feature_map(as_float, size, mode)
    assert found.dtype == dtype
    with torch.autocast("cpu", dtype=dtype):
        mixed = exact.feature_map(as_float, size, mode)
    for values in (found, mixed):
        assert (values.float() - expected).abs().max() < 0.02 * expected.abs().max()


def test_pixel_centres_are_exact_in_half_precision():
    for dtype in HALF:
        centers = half_pixel_centers(1000, torch.zeros(1, dtype=dtype))
        assert centers.dtype == torch.float32
        torch.testing.assert_close(centers * 1000 - 0.5, torch.arange(1000.0))


def test_inputs_are_cast_only_to_floating_compute_types():
    quantised = torch.nn.Linear(2, 2)
    quantised.weight = torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.int8), requires_grad=False)
    assert compute_dtype(quantised) == torch.float32
    quantised.weight = torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.float8_e4m3fn), requires_grad=False)
    assert compute_dtype(quantised.to(torch.device("cpu"))) == torch.float32
    assert compute_dtype(torch.nn.Linear(2, 2).to(torch.bfloat16)) == torch.bfloat16
    assert compute_dtype(torch.nn.Identity()) == torch.float32


def test_mixed_precision_keeps_places(model, processor):
    inputs = processor(**PLACES, return_tensors="pt")
    exact = model(**inputs).location_embeds
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(**inputs).location_embeds
    assert torch.cosine_similarity(mixed.float(), exact).min() > 0.999
