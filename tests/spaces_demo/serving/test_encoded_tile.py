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

import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.encoded_tile import READINGS, SIDE, best_point


@pytest.mark.parametrize("reading", READINGS)
def test_similarity_is_the_cosine_of_the_models_embeddings(tiny_model, pixels, encoded, photo_query, reading):
    with torch.no_grad():
        points = tiny_model.get_rs_feature_map(pixels, (SIDE, SIDE), reading)[0]
    expected = torch.cosine_similarity(points, torch.from_numpy(photo_query.embedding)[:, None, None], dim=0)
    np.testing.assert_allclose(encoded.similarity(photo_query.embedding, reading), expected, atol=2e-6)


def test_a_point_is_embedded_as_by_the_model(tiny_model, pixels, encoded):
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5), (0.013, 0.71), (0.96, 0.3)]
    with torch.no_grad():
        expected = tiny_model.get_localized_rs_features(pixels, torch.tensor([corners]))[0]
    expected = torch.nn.functional.normalize(expected, dim=-1).numpy()
    np.testing.assert_allclose(np.stack([encoded.at(x, y) for x, y in corners]), expected, atol=2e-6)


def test_the_mean_is_that_of_the_model(tiny_model, pixels, encoded):
    with torch.no_grad():
        expected = torch.nn.functional.normalize(tiny_model.get_rs_features(pixels), dim=-1)[0]
    np.testing.assert_allclose(encoded.mean, expected, atol=2e-6)


def test_the_best_point_is_the_centre_of_the_highest_cell():
    cosines = np.zeros((SIDE, SIDE), np.float32)
    cosines[3, 100] = 0.5
    assert best_point(cosines) == (100.5 / SIDE, 3.5 / SIDE, 0.5)
