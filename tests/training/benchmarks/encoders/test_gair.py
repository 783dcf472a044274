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
"""GAIR models as encoders of benchmarks."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.benchmarks.encoders.encoder import Encoder, PhotoSample, TileFormat, TileSample
from training.benchmarks.encoders.gair import GairEncoder, untrained

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


@pytest.fixture(scope="module")
def encoder() -> GairEncoder:
    torch.manual_seed(1)
    config = GairConfig.tiny()
    return GairEncoder(GairModel(config).eval(), GairProcessor.for_config(config), "tiny")


def test_a_fingerprint_changes_with_weights_and_processor_alone(encoder):
    same = GairEncoder(encoder.model, encoder.processor, "another name")
    assert same.fingerprint == encoder.fingerprint == encoder.revision
    assert untrained(encoder).fingerprint != encoder.fingerprint
    processor = GairProcessor.for_config(encoder.model.config)
    processor.image_processor.digital_number_offset = -1000.0
    assert GairEncoder(encoder.model, processor, "tiny").fingerprint != encoder.fingerprint
    with torch.no_grad():
        weight = encoder.model.nili.affine.bias
        weight += 1
        assert GairEncoder(encoder.model, encoder.processor, "tiny").fingerprint != encoder.fingerprint
        weight -= 1


def test_a_precision_is_part_of_the_fingerprint(encoder):
    rounded = GairEncoder(copy.deepcopy(encoder.model), encoder.processor, "tiny", precision="bfloat16")
    assert rounded.fingerprint == f"{encoder.fingerprint}-bfloat16" != untrained(rounded).fingerprint
    assert untrained(rounded).precision == "bfloat16"
    lon_lat = np.array([[13.4, 52.5], [-180.0, 0.0]])
    found, expected = rounded.embed_locations(lon_lat), encoder.embed_locations(lon_lat)
    assert found.dtype == np.float32 and not np.array_equal(found, expected)
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_untrained_weights_are_the_same_in_every_run(encoder):
    assert untrained(encoder).fingerprint == untrained(encoder).fingerprint and untrained(encoder).baseline


def test_locations_are_embedded_as_the_model_does(encoder):
    lon_lat = np.array([[13.4, 52.5], [-180.0, 0.0], [179.99, -89.0]])
    with torch.no_grad():
        own = encoder.model.get_location_features(torch.from_numpy(lon_lat).float())
    np.testing.assert_allclose(encoder.embed_locations(lon_lat), own.numpy(), atol=1e-6)


def test_tiles_are_read_in_the_format_of_the_data_set(encoder):
    generator = np.random.default_rng(0)
    numbers = generator.integers(200, 3000, (10, 64, 64)).astype(np.uint16)
    plain = TileFormat(BANDS)
    shuffled = TileFormat(BANDS[::-1], units="reflectance")
    tile = encoder.read_tile(TileSample("a", numbers), plain)
    mirrored = encoder.read_tile(TileSample("a", (numbers[::-1] / 10_000).astype(np.float32)), shuffled)
    one, other = encoder.embed_tiles([tile], plain), encoder.embed_tiles([mirrored], shuffled)
    np.testing.assert_allclose(one, other, atol=1e-4)
    layers = encoder.tile_layers([tile, tile], plain)
    assert [tuple(layer.shape) for layer in layers] == [(2, 96, 12, 12)] * 4
    np.testing.assert_allclose(layers[-1].mean(dim=(2, 3))[:1].numpy(), one, atol=1e-5)
    assert encoder.tile_map([tile], plain, (20, 30)).shape == (1, 96, 20, 30)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pixel_window": 0}, ["bilinear", "nili"]),
        ({"pixel_window": 3}, ["bilinear", "nili", "nili_with_pixels"]),
        ({"pixel_window": 3, "query_mode": "bilinear"}, ["nili", "bilinear", "bilinear_with_pixels"]),
        ({"pixel_window": 0, "query_mode": "mean"}, ["bilinear", "nili", "mean"]),
    ],
)
def test_a_model_is_read_in_every_way_and_last_as_it_was_trained(settings, expected):
    torch.manual_seed(2)
    config = GairConfig.tiny(nili_init="normal", **settings)
    model = GairModel(config).eval()
    if model.pixel_query is not None:
        # New models start with zeros.
        torch.nn.init.normal_(model.pixel_query.out_proj.weight)
    own = GairEncoder(model, GairProcessor.for_config(config), "tiny")
    plain = TileFormat(BANDS)
    numbers = np.random.default_rng(0).integers(200, 3000, (10, 64, 64)).astype(np.uint16)
    tile = own.read_tile(TileSample("a", numbers), plain)
    found = own.readings([tile], plain, (20, 30))
    assert list(found) == expected and all(maps.shape == (1, 96, 20, 30) for maps in found.values())
    torch.testing.assert_close(found[expected[-1]], own.tile_map([tile], plain, (20, 30)))
    # Models without a reading of their own are read in the same way, but for the border.
    common, inside = Encoder.readings(own, [tile], plain, (20, 30))["bilinear"], np.s_[..., 2:-2, 2:-2]
    torch.testing.assert_close(found["bilinear"][inside], common[inside], atol=1e-4, rtol=1e-4)
    readings = list(found.values())
    assert all(not torch.allclose(one, other, atol=1e-3) for one, other in pairwise(readings))


def test_photos_are_embedded_and_their_tokens_feed_the_pooler(encoder):
    photo = encoder.read_photo(
        PhotoSample("a", np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8))
    )
    tokens = torch.from_numpy(encoder.photo_tokens([photo]))
    with torch.no_grad():
        pooled = encoder.model.sv_projection(encoder.model.sv_model.pooler(tokens[:, None]))
    np.testing.assert_allclose(encoder.embed_photos([photo]), pooled.numpy(), atol=1e-5)


def test_unreadable_photos_and_tiles_are_refused_by_name(encoder):
    with pytest.raises(ValueError, match="Photo 'broken': The given bytes cannot be decoded"):
        encoder.read_photo(PhotoSample("broken", b"no photo"))
    with pytest.raises(ValueError, match=r"Tile 'odd': .* lacks B8A, B11, B12"):
        encoder.read_tile(TileSample("odd", np.full((7, 8, 8), 900, np.uint16)), TileFormat(BANDS[:7]))
