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
"""Logistic regression from few labels, and its accuracy in blocks of the Earth that it has not seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from training.pairs.holdout import Blocks
from training.searching.labels import Labels

# Inverse regularisation of features of unit variance divided by the root of their number, so that it means the same at any width.
_STRENGTHS = (0.3, 3.0, 30.0)
_STEPS = 500
# Sides of blocks in kilometres, the largest first: the first is used in which all classes can be held out.
_SIDES_KM = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2)
FOLDS = 5
# Of a class that the training labels lack.
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class HeldOut:
    """
    What a regression finds for labels in blocks that it was not fitted on.

    Attributes:
        side_km (`float`): side of the blocks.
        blocks (`int`): how many blocks have labels.
        predicted (`np.ndarray` of shape `(L,)`): index of the predicted class of each label.
    """

    side_km: float
    blocks: int
    predicted: np.ndarray

    def accuracy(self, classes: np.ndarray) -> float:
        """Share of the labels that are predicted right."""
        return float((self.predicted == classes).mean())

    def recall(self, classes: np.ndarray, one: int) -> float:
        """Share of a class's labels that are predicted right."""
        return float((self.predicted[classes == one] == one).mean())


class Classifier:
    """
    Logistic regression on standardised embeddings. Means and deviations are those of all rows, since those of a few labels are
    hardly known.

    Args:
        scaler (`StandardScaler`): of all rows.
        vectors (`np.ndarray` of shape `(L, D)`), labels ([`Labels`]): embeddings of the labelled rows, raw, and their classes.

    Raises:
        ValueError: all labels have the same embedding.
    """

    def __init__(self, scaler: StandardScaler, vectors: np.ndarray, labels: Labels):
        if (vectors == vectors[0]).all():
            raise ValueError(
                f"All {len(labels)} labels have the same embedding, as those in one row or cell do, by which no classes can be told apart; "
                "spread the labels, or embed places that lie more densely."
            )
        self._scaler, self._classes = scaler, len(labels.names)
        features = self._features(vectors)
        self.held_out, strength = _held_out(features, labels)
        self.strength = strength
        self._regression = _fitted(features, labels.classes, strength)

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Probabilities `(n, K)`, float32, of each class for raw embeddings `(n, D)`."""
        return self._regression.predict_proba(self._features(vectors)).astype(np.float32)

    def _features(self, vectors: np.ndarray) -> np.ndarray:
        return self._scaler.transform(vectors) / vectors.shape[1] ** 0.5


def fit_scaler(batches: Iterable[np.ndarray]) -> StandardScaler:
    """Means and deviations of all embeddings, from batches `(n, D)`."""
    scaler = StandardScaler()
    for vectors in batches:
        if len(vectors):
            scaler.partial_fit(vectors.astype(np.float64))
    return scaler


def _held_out(features: np.ndarray, labels: Labels) -> tuple[HeldOut | None, float]:
    """
    Predictions for held-out blocks, whose regularisation is chosen by the other blocks alone, and the regularisation chosen by all
    blocks. Without blocks in which all classes can be held out, None and the middle strength.
    """
    found = spatial_blocks(labels)
    if found is None:
        return None, _STRENGTHS[len(_STRENGTHS) // 2]
    side_km, blocks = found
    folds = blocks % FOLDS
    predicted = np.full(len(labels), -1)
    for fold in np.unique(folds):
        train = folds != fold
        strength = _best_strength(features[train], labels.classes[train], folds[train])
        regression = _fitted(features[train], labels.classes[train], strength)
        predicted[~train] = regression.predict(features[~train])
    strength = _best_strength(features, labels.classes, folds)
    return HeldOut(side_km, len(np.unique(blocks)), predicted), strength


def spatial_blocks(labels: Labels) -> tuple[float, np.ndarray] | None:
    """
    Divides labels into blocks of neighbours: about square, of equal area, and as large as possible while each class lies in two of
    the folds or more, so that a class is never tested without having been trained on.

    Returns:
        the side in kilometres and the number of each label's block `(L,)`; None if the labels lie too close together.
    """
    for side_km in _SIDES_KM:
        cells = [Blocks(side_km, 0).block_of(float(lon), float(lat)) for lon, lat in labels.lon_lat]
        _, blocks = np.unique(np.array(cells), axis=0, return_inverse=True)
        # Shuffled, so that the folds do not run from south to north.
        order = np.random.default_rng(0).permutation(blocks.max() + 1)
        blocks = order[blocks.ravel()]
        spread = [len(np.unique(blocks[labels.classes == one] % FOLDS)) for one in range(len(labels.names))]
        if min(spread) >= 2 and len(np.unique(blocks % FOLDS)) == FOLDS:
            return side_km, blocks
    return None


def _best_strength(features: np.ndarray, classes: np.ndarray, folds: np.ndarray) -> float:
    """The strength with the least log loss on held-out folds."""
    losses = [_loss(features, classes, folds, strength) for strength in _STRENGTHS]
    return _STRENGTHS[int(np.argmin(losses))]


def _loss(features: np.ndarray, classes: np.ndarray, folds: np.ndarray, strength: float) -> float:
    loss = 0.0
    for fold in np.unique(folds):
        train = folds != fold
        if len(np.unique(classes[train])) < 2:
            continue
        regression = _fitted(features[train], classes[train], strength)
        probabilities = np.full((int((~train).sum()), classes.max() + 1), _LEAST_PROBABILITY)
        probabilities[:, regression.classes_] = regression.predict_proba(features[~train])
        own = probabilities[np.arange(len(probabilities)), classes[~train]]
        loss -= float(np.log(np.maximum(own, _LEAST_PROBABILITY)).sum())
    return loss


def _fitted(features: np.ndarray, classes: np.ndarray, strength: float) -> Any:
    return LogisticRegression(C=strength, max_iter=_STEPS).fit(features, classes)
