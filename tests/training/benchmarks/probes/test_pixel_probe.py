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
"""The linear probe of pixels."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, jaccard_score

from training.benchmarks.probes import pixel_probe
from training.benchmarks.probes.pixel_probe import (
    LabelledPixels,
    average_precision,
    fit_pixel_probe,
    ranked_counts,
)

RARE = ("other", "road")
THREE = ("water", "forest", "crop")


def three_clouds(seed: int, pixels: int = 600) -> LabelledPixels:
    """Classes around three points, in features that are neither centred nor of one scale."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, 3, pixels)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    features = (centres[labels] + draws.standard_normal((pixels, 2))) * [0.01, 5.0] + [4.0, -100.0]
    return LabelledPixels(features.astype(np.float32), labels)


def unbalanced_clouds(seed: int, pixels: int) -> LabelledPixels:
    draws = np.random.default_rng(seed)
    labels = draws.choice(3, pixels, p=[0.7, 0.2, 0.1])
    features = draws.standard_normal((pixels, 62))
    features[:, :2] += np.array([[0, 0], [2, 0], [0, 2]])[labels]
    return LabelledPixels(features.astype(np.float32), labels)


def rare_class(seed: int, pixels: int = 4000) -> LabelledPixels:
    """One pixel in twenty, which a single feature tells from the others in part."""
    draws = np.random.default_rng(seed)
    labels = (draws.random(pixels) < 0.05).astype(np.int64)
    features = draws.standard_normal((pixels, 1)) + 2 * labels[:, None]
    return LabelledPixels(features.astype(np.float32), labels)


def mean_iou(probe, pixels: LabelledPixels) -> float:
    found = probe.decide(probe.scores(torch.from_numpy(pixels.features.T[:, :, None]))).ravel()
    return float(jaccard_score(pixels.labels, found, average="macro"))


def log_odds(probe, pixels: LabelledPixels) -> np.ndarray:
    scores = probe.scores(torch.from_numpy(pixels.features.T[:, :, None]))[..., 0]
    return scores[1] - scores[0]


def test_the_probe_reads_features_as_they_are():
    train, validation, test = (three_clouds(seed) for seed in range(3))
    probe = fit_pixel_probe(train, validation, THREE)
    scores = probe.scores(torch.from_numpy(test.features.T.reshape(2, 20, 30)))
    assert scores.shape == (3, 20, 30)
    found = probe.decide(scores).ravel()
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]]) * [0.01, 5.0] + [4.0, -100.0]
    nearest = (((test.features[:, None] - centres) / [0.01, 5.0]) ** 2).sum(axis=2).argmin(axis=1)
    # The nearest centre is the best that any probe could choose.
    assert (found == nearest).mean() > 0.97


def test_the_strength_is_the_best_of_the_validation_pixels(monkeypatch):
    """Of unbalanced classes among 60 useless features, strong penalties find the most frequent alone, and weak ones fit noise."""
    train, validation = unbalanced_clouds(0, 300), unbalanced_clouds(1, 3000)
    chosen = fit_pixel_probe(train, validation, THREE)
    strengths, scores = pixel_probe.INVERSE_STRENGTHS, []
    for strength in strengths:
        monkeypatch.setattr(pixel_probe, "INVERSE_STRENGTHS", [strength])
        scores.append(mean_iou(fit_pixel_probe(train, validation, THREE), validation))
    assert scores[0] < max(scores) - 0.1 and scores[-1] < max(scores) - 0.01
    assert chosen.inverse_strength == strengths[int(np.argmax(scores))]


def test_the_threshold_of_a_rare_class_has_the_best_f1():
    probe = fit_pixel_probe(rare_class(0), validation := rare_class(1), RARE)
    odds = log_odds(probe, validation)
    scores = np.stack([np.zeros_like(odds), odds])
    own = f1_score(validation.labels, probe.decide(scores))
    others = [f1_score(validation.labels, odds >= threshold) for threshold in np.linspace(odds.min(), odds.max(), 200)]
    assert own >= max(others) - 1e-6
    # At even odds, hardly any of the rare pixels would be found.
    assert probe.threshold < 0 and own > f1_score(validation.labels, odds >= 0) + 0.05


def test_average_precision_is_that_of_all_pixels_whatever_tiles_they_are_in():
    probe = fit_pixel_probe(rare_class(0), rare_class(1), RARE)
    tiles = [rare_class(seed, 1000) for seed in range(2, 6)]
    odds = [log_odds(probe, tile) for tile in tiles]
    counts = [ranked_counts(probe, tile.labels, np.stack([np.zeros_like(one), one])) for tile, one in zip(tiles, odds)]
    exact = average_precision_score(np.concatenate([tile.labels for tile in tiles]), np.concatenate(odds))
    assert average_precision(np.sum(counts, axis=0)) == pytest.approx(exact, abs=2e-3)
    # Of pixels that share one rank, it is the share of the class.
    assert average_precision(np.array([[300], [100]])) == pytest.approx(0.25)


def test_a_class_that_was_not_seen_in_training_is_never_found():
    train, validation = three_clouds(0), three_clouds(1)
    for missing in range(3):
        kept = train.labels != missing
        probe = fit_pixel_probe(LabelledPixels(train.features[kept], train.labels[kept]), validation, THREE)
        found = probe.decide(probe.scores(torch.from_numpy(validation.features.T[:, :, None])))
        assert set(np.unique(found)) == {0, 1, 2} - {missing}


def test_pixels_that_cannot_be_learned_from_are_refused():
    pixels = rare_class(0, 100)
    only = LabelledPixels(pixels.features, np.zeros(100, np.int64))
    with pytest.raises(ValueError, match="100 training pixels have one class"):
        fit_pixel_probe(only, pixels, RARE)
    with pytest.raises(ValueError, match="None of the 100 validation pixels is road"):
        fit_pixel_probe(pixels, only, RARE)
    with pytest.raises(ValueError, match="No pixel to measure on"):
        average_precision(np.array([[5], [0]]))
