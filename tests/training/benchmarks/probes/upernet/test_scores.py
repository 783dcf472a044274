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
"""Metrics of dense predictions, and predictions from overlapping windows."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score, r2_score

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.segmentation_tiles import FORMAT, halves
from training.benchmarks.layouts.samples import Images
from training.benchmarks.probes.upernet.decoder import resized
from training.benchmarks.probes.upernet.maps import Backbone, TileMaps
from training.benchmarks.probes.upernet.scores import (
    predict,
    regression_scores,
    segmentation_scores,
)
from training.benchmarks.probes.upernet.settings import UperNetSettings

SMALL = UperNetSettings(channels=8)


def test_overlapping_windows_are_averaged(encoder):
    """A tile in one window gives what the whole gives; in several, each pixel is the mean of those that cover it."""
    image = halves(1)
    backbone = Backbone(encoder, FORMAT, "layers")
    decoder = backbone.new_decoder(backbone.read(image), 2, SMALL).eval()
    images = Images([image.name], [image].__getitem__)
    whole, _ = predict(decoder, TileMaps(images, backbone, None), 0)
    one, _ = predict(decoder, TileMaps(images, backbone, 96), 0)
    np.testing.assert_allclose(one, whole, atol=1e-5)
    slid, _ = predict(decoder, TileMaps(images, backbone, 64), 0)
    tile = backbone.read(image)
    corner = resized(decoder(backbone.maps([tile[..., :64, :64]])), (64, 64))[0].detach().numpy()
    np.testing.assert_allclose(slid[:, :32, :32], corner[:, :32, :32], atol=1e-5)
    parts = [
        resized(decoder(backbone.maps([tile[..., r : r + 64, c : c + 64]])), (64, 64))[0]
        .detach()
        .numpy()[:, 48 - r, 48 - c]
        for r in (0, 32)
        for c in (0, 32)
    ]
    np.testing.assert_allclose(slid[:, 48, 48], np.mean(parts, axis=0), atol=1e-5)


def test_scores_match_scikit_learn():
    draws = np.random.default_rng(0)
    truth, found = draws.integers(0, 3, 500), draws.integers(0, 3, 500)
    confusion = np.bincount(truth * 3 + found, minlength=9).reshape(3, 3)
    scores = segmentation_scores(confusion, ("a", "b", "c"))
    assert scores["miou"] == pytest.approx(jaccard_score(truth, found, average="macro"))
    assert scores["iou b"] == pytest.approx(jaccard_score(truth, found, average=None)[1])
    numbers, guesses = draws.random(100), draws.random(100)
    sums = np.array([100, numbers.sum(), (numbers**2).sum(), ((numbers - guesses) ** 2).sum()])
    assert regression_scores(sums)["r2"] == pytest.approx(r2_score(numbers, guesses))
    assert regression_scores(sums)["rmse"] == pytest.approx(np.sqrt(((numbers - guesses) ** 2).mean()))


def test_a_class_that_never_occurs_does_not_count():
    scores = segmentation_scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("a", "b", "c"))
    assert scores["miou"] == pytest.approx((3 / 4 + 4 / 5) / 2) and "iou c" not in scores
    with pytest.raises(ValueError, match="No tile to measure on has a labelled pixel"):
        segmentation_scores(np.zeros((2, 2), int), ("a", "b"))
