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
"""An encoded tile: similarities and points as the model computes them."""

import io

import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="the extra demo is not installed")
from modeling_gair import GairConfig, GairModel
from serving.encoded_tile import PIXELS, READINGS, SIDE, EncodedTile, encode_tile, standing

# The hidden layer at the points of the map is kept in 16 bits; the page shows cosines in steps of 1e-4.
_ROUNDING = 1e-4
# Settings of a model and the readings that its tiles offer, the model's own first.
MODELS = {
    "without pixels": ({"pixel_window": 0}, READINGS),
    "without pixels, bicubic": ({"pixel_window": 0, "query_mode": "bicubic"}, READINGS),
    "nili": ({}, (PIXELS, "nili", "bilinear")),
    "bilinear": ({"query_mode": "bilinear"}, (PIXELS, "bilinear", "nili")),
    "bicubic": ({"query_mode": "bicubic"}, (PIXELS, "bicubic", "nili", "bilinear")),
    "mean": ({"query_mode": "mean"}, (PIXELS, "mean", "nili", "bilinear")),
    "a stem on blocks": ({"pixel_window": 3, "pixel_layers": 2, "pixel_pooling": 2}, (PIXELS, "nili", "bilinear")),
}
POINTS = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5), (0.013, 0.71), (0.96, 0.3), (0.003, 0.5)]


def _model(settings: dict) -> GairModel:
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(nili_init="normal", **settings)).eval()
    if model.pixel_query is not None:
        # A new model adds nothing from the pixels. Here it adds about as much as it reads of the tokens.
        torch.nn.init.normal_(model.pixel_query.out_proj.weight, std=0.2)
        torch.nn.init.normal_(model.pixel_query.out_proj.bias)
    return model


@pytest.fixture(scope="module", params=MODELS)
def case(request, pixels):
    """A model, its encoded tile, and the readings that it must offer."""
    settings, readings = MODELS[request.param]
    model = _model(settings)
    return model, encode_tile(model, pixels), readings


def _embedding(model: GairModel, reading: str) -> dict:
    """How the model is asked for a reading."""
    return {"mode": model.config.query_mode if reading == PIXELS else reading, "with_pixels": reading == PIXELS}


def test_a_tile_offers_the_models_own_reading_first(case):
    _, tile, readings = case
    assert tile.readings == readings


def test_similarity_is_the_cosine_of_the_models_embeddings(case, pixels, photo_query):
    model, tile, readings = case
    query = torch.from_numpy(photo_query.embedding)
    for reading in readings:
        with torch.no_grad():
            points = model.get_rs_feature_map(pixels, (SIDE, SIDE), **_embedding(model, reading))[0]
        expected = torch.cosine_similarity(points, query[:, None, None], dim=0)
        tolerance = _ROUNDING if reading == PIXELS else 2e-6
        np.testing.assert_allclose(tile.similarity(photo_query.embedding, reading), expected, atol=tolerance)
    own = tile.similarity(photo_query.embedding)
    np.testing.assert_array_equal(own, tile.similarity(photo_query.embedding, readings[0]))
    # The readings differ, so that none can pass for another.
    others = [tile.similarity(photo_query.embedding, reading) for reading in readings[1:]]
    assert all(np.abs(own - other).max() > 0.05 for other in others)


def test_a_point_is_embedded_as_by_the_model(case, pixels):
    model, tile, readings = case
    with torch.no_grad():
        points = torch.tensor([POINTS])
        expected = model.get_localized_rs_features(pixels, points, **_embedding(model, readings[0]))[0]
    expected = torch.nn.functional.normalize(expected, dim=-1).numpy()
    np.testing.assert_allclose(np.stack([tile.at(x, y) for x, y in POINTS]), expected, atol=1e-5)


def test_the_mean_is_that_of_the_model(case, pixels):
    model, tile, _ = case
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.get_rs_features(pixels), dim=-1)[0]
    np.testing.assert_allclose(tile.mean, expected, atol=2e-6)


def test_stored_arrays_make_the_same_tile(case, photo_query):
    _, tile, readings = case
    file = io.BytesIO()
    np.savez(file, **tile.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        same = EncodedTile.of_arrays(stored)
    assert same.readings == readings
    for reading in readings:
        ours, theirs = (each.similarity(photo_query.embedding, reading) for each in (tile, same))
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(tile.at(0.3, 0.8), same.at(0.3, 0.8))


def test_a_model_in_half_precision_is_read_as_it_computes(pixels, photo_query):
    exact, half = _model({}), _model({}).to(torch.bfloat16)
    ours, theirs = encode_tile(half, pixels), encode_tile(exact, pixels)
    np.testing.assert_allclose(
        ours.similarity(photo_query.embedding), theirs.similarity(photo_query.embedding), atol=0.02
    )
    assert ours.at(0.3, 0.8) @ theirs.at(0.3, 0.8) > 0.999


def test_many_queries_at_once_give_the_maps_of_each(case, photo_query):
    _, tile, readings = case
    queries = np.stack([photo_query.embedding, -photo_query.embedding, np.roll(photo_query.embedding, 1)])
    for reading in readings:
        together = tile.similarity(queries, reading)
        assert together.shape == (3, SIDE, SIDE)
        for query, similarity in zip(queries, together):
            np.testing.assert_allclose(similarity, tile.similarity(query, reading), atol=1e-6)


def test_the_best_point_is_the_centre_of_the_highest_cell_that_is_not_extrapolated(tile_without_pixels):
    tile, cosines = tile_without_pixels.encoded, np.zeros((SIDE, SIDE), np.float32)
    cosines[20, 100] = 0.5
    # The outermost centres of twelve patches are at 128 / 24 = 5.33 cells.
    cosines[4, 60] = cosines[60, SIDE - 5] = 0.9
    assert tile.best_point(cosines) == (100.5 / SIDE, 20.5 / SIDE, 0.5)
    cosines[5, 60] = 0.9
    x, y, _ = tile.best_point(cosines)
    assert (x, y) == (60.5 / SIDE, 5.5 / SIDE) and y > 0.5 / tile.tokens.shape[-1]


def test_a_standing_is_the_share_of_the_tile_that_is_less_similar():
    cosines = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    assert standing(cosines, 0.5 / SIDE, 0.5 / SIDE) == pytest.approx(0, abs=1e-4)
    assert standing(cosines, 1.0, 1.0) == pytest.approx(1, abs=1e-4)
    assert standing(cosines, 0.5 / SIDE, 0.25) == pytest.approx(0.25, abs=1e-4)
    # A map that is the same everywhere says nothing, which is chance.
    assert standing(np.zeros((SIDE, SIDE)), 0.3, 0.7) == 0.5


def test_what_another_version_stored_is_refused(encoded):
    arrays = encoded.arrays()
    with pytest.raises(KeyError):
        EncodedTile.of_arrays({name: array for name, array in arrays.items() if name != "added"})


def test_no_more_numbers_are_kept_at_a_point_than_matter(encoded):
    width = len(encoded.tokens)
    assert encoded.pixels.added.shape == (SIDE * SIDE, min(width, encoded.pixels.out_weight.shape[1]))
    np.testing.assert_allclose(encoded.pixels.basis.T @ encoded.pixels.basis, np.eye(width), atol=1e-5)
