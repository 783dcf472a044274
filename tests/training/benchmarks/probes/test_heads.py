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
"""Heads on features of photos."""

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn", reason="the extra train is not installed")

from training.benchmarks.probes.heads import HeadSettings, LabelledFeatures, number_scores, train_head

CPU = torch.device("cpu")


def rows(count: int, seed: int, labels_of) -> LabelledFeatures:
    features = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32) * [1, 1, 1, 50, 0.01, 1] + 7
    features[:, 5] = 7.0
    return LabelledFeatures(features.astype(np.float32), labels_of(features - 7))


def fitted(labels_of, classes: int, pooler: bool, settings: HeadSettings) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels of rows that the head has not seen."""
    train, validation, test = (rows(count, seed, labels_of) for count, seed in ((600, 0), (200, 1), (400, 2)))
    head = train_head(train, validation, classes, pooler, settings, 0, CPU)
    return head.predict(test.features), test.labels


def test_classes_are_learned_from_features_of_any_scale():
    """One feature is 5,000 times another, and one is constant: all are standardised."""
    found, labels = fitted(lambda f: (f[:, 4] > 0).astype(int) + 2 * (f[:, 3] > 0), 4, False, HeadSettings(epochs=60))
    assert found.shape == (400, 4) and (found.argmax(axis=1) == labels).mean() > 0.9


def test_numbers_are_learned_in_their_own_units():
    found, labels = fitted(lambda f: 1e4 + 300 * f[:, 0] + 4 * f[:, 3], 0, False, HeadSettings(epochs=150))
    scores = number_scores(labels, found[:, 0])
    assert scores["r2"] > 0.95 and scores["rmse"] < 90


def test_a_pooler_learns_what_a_linear_head_cannot():
    def labels_of(features: np.ndarray) -> np.ndarray:
        return (features[:, 0] * features[:, 1] > 0).astype(int)

    settings = HeadSettings(epochs=100, learning_rate=2e-2)
    line, labels = fitted(labels_of, 2, False, settings)
    pooled, _ = fitted(labels_of, 2, True, settings)
    assert (line.argmax(axis=1) == labels).mean() < 0.65
    assert (pooled.argmax(axis=1) == labels).mean() > 0.85


def test_the_best_epoch_on_validation_is_kept():
    """With noise for labels the loss on other rows only grows: what is kept is near chance, not what fits the noise."""
    noise = np.random.default_rng(3)
    found, labels = fitted(lambda f: noise.normal(size=len(f)), 0, True, HeadSettings(epochs=60, learning_rate=1e-2))
    assert number_scores(labels, found[:, 0])["r2"] > -0.1


def test_the_same_seed_repeats_a_head_and_keeps_the_global_random_state():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, _ = fitted(lambda f: (f[:, 0] > 0).astype(int), 2, True, HeadSettings(epochs=3))
    assert torch.equal(torch.random.get_rng_state(), before)
    second, _ = fitted(lambda f: (f[:, 0] > 0).astype(int), 2, True, HeadSettings(epochs=3))
    np.testing.assert_array_equal(first, second)


def test_a_single_label_is_refused():
    with pytest.raises(ValueError, match="The 20 training photos have one label"):
        train_head(
            rows(20, 0, lambda f: np.zeros(len(f), int)),
            rows(5, 1, lambda f: np.zeros(len(f), int)),
            2,
            False,
            HeadSettings(),
            0,
            CPU,
        )
    with pytest.raises(ValueError, match="The 3 test photos have one label"):
        number_scores(np.ones(3), np.zeros(3))


def test_scores_of_numbers():
    scores = number_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))
    assert scores == {"r2": pytest.approx(1 - 9 / 2), "rmse": pytest.approx(3**0.5)}
