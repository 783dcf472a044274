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
"""GAIR through rs-embed gives what the model gives, whatever else the data hold."""

import numpy as np
import pytest
import torch

pytest.importorskip("rs_embed", reason="rs-embed is not installed; it needs Python 3.12 or newer, see CONTRIBUTING.md")
import rs_embed
from rs_embed.core.types import FetchResult

from tests.bad_inputs.case import MODEL
from training.common.models import load_gair
from training.embedding.rs_embed_adapter import _BANDS, GairEmbedder

# The bands of Level-2A on Earth Engine, of which GAIR takes ten.
BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")


@pytest.fixture(scope="module")
def data():
    pixels = np.random.default_rng(0).integers(200, 4000, (len(BANDS), 192, 192)).astype(np.float32)
    place = rs_embed.PointBuffer(lon=13.4, lat=52.52, buffer_m=960)
    return rs_embed.UserData(
        data=pixels,
        collection="COPERNICUS/S2_SR_HARMONIZED",
        bands=BANDS,
        spatial=place,
        temporal=rs_embed.TemporalSpec.year(2024),
        scale_m=10,
    )


@pytest.fixture(scope="module")
def expected(data):
    """The model's pixels by its own processor."""
    model, processor = load_gair(str(MODEL))
    names = [f"B{name[1:]:0>2}" for name in BANDS]
    return model, processor(rs=data.data, bands=names, return_tensors="pt")["rs_pixel_values"]


def test_a_tile_is_embedded_as_by_the_model(data, expected):
    model, pixels = expected
    found = rs_embed.get_embedding_from_data("gair", data, weights=str(MODEL), device="cpu")
    with torch.no_grad():
        own = model.get_rs_features(pixels)[0].numpy()
    assert found.data.shape == own.shape
    np.testing.assert_allclose(np.asarray(found.data), own, rtol=1e-4, atol=1e-5)


def test_a_grid_has_the_model_s_patches(data, expected):
    model, pixels = expected
    output = rs_embed.OutputSpec.grid()
    found = rs_embed.get_embedding_from_data("gair", data, output=output, weights=str(MODEL), device="cpu")
    side = model.config.rs_config.image_size // model.config.rs_config.patch_size
    with torch.no_grad():
        own = model.get_rs_feature_map(pixels, (side, side))[0].numpy()
    np.testing.assert_allclose(np.asarray(found.data), own, rtol=1e-4, atol=1e-5)


def test_pixels_that_are_not_given_are_fetched_by_rs_embed(data, expected, monkeypatch):
    model, pixels = expected
    ten = data.data[[BANDS.index(name) for name in _BANDS]]
    monkeypatch.setattr(GairEmbedder, "_get_provider", lambda self, backend: backend)
    monkeypatch.setattr(GairEmbedder, "fetch_input", lambda self, provider, **asked: FetchResult(data=ten, meta={}))
    found = GairEmbedder().get_embedding(
        spatial=data.spatial,
        temporal=data.temporal,
        sensor=None,
        output=rs_embed.OutputSpec.pooled(),
        backend="gee",
        device="cpu",
        model_config={"weights": str(MODEL)},
    )
    with torch.no_grad():
        np.testing.assert_allclose(found.data, model.get_rs_features(pixels)[0].numpy(), rtol=1e-4, atol=1e-5)


def test_weights_must_be_named(data):
    with pytest.raises(Exception, match="pass weights=DIR_OR_REPO"):
        rs_embed.get_embedding_from_data("gair", data, device="cpu")
