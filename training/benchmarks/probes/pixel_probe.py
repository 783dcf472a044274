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
"""A linear probe of the pixels of maps: one logistic regression, whose strength is chosen on the pixels of other tiles."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.preprocessing import StandardScaler

from training.benchmarks.probes.upernet.scores import confusion, segmentation_scores

# Inverse strengths of the L2 penalty, weakest last: each fit starts from the one before.
INVERSE_STRENGTHS = 10.0 ** np.arange(-4, 2)
_MOST_STEPS = 500
# The range of log-odds is divided into so many bins to rank pixels by.
_BINS = 1024


@dataclass(frozen=True)
class LabelledPixels:
    """
    Pixels drawn from tiles.

    Attributes:
        features (`np.ndarray` of shape `(N, D)`): float32.
        labels (`np.ndarray` of shape `(N,)`): classes from 0.
    """

    features: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class PixelProbe:
    """
    An affine map from features to a score for each class. With two classes, the second is found where its log-odds reach a
    threshold; with more, the class with the largest score wins.

    Attributes:
        weight (`np.ndarray` of shape `(K, D)`), bias (`np.ndarray` of shape `(K,)`): float32, of features as they are.
        inverse_strength (`float`): the chosen one.
        threshold (`float`): of the log-odds of the second of two classes.
        ranked (`tuple[float, float]`): the range of log-odds in which [`ranked_counts`] tells pixels apart.
    """

    weight: np.ndarray
    bias: np.ndarray
    inverse_strength: float
    threshold: float = 0.0
    ranked: tuple[float, float] = (0.0, 0.0)

    def scores(self, maps: torch.Tensor) -> np.ndarray:
        """Scores `(K, h, w)` of a map of features `(D, h, w)`."""
        weight, bias = (torch.from_numpy(values).to(maps.device) for values in (self.weight, self.bias))
        return (torch.einsum("kd,dhw->khw", weight, maps.float()) + bias[:, None, None]).cpu().numpy()

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Classes `(…)`, int64, by scores `(K, …)`."""
        if len(scores) == 2:
            return (scores[1] - scores[0] >= self.threshold).astype(np.int64)
        return scores.argmax(axis=0)


def fit_pixel_probe(train: LabelledPixels, validation: LabelledPixels, classes: Sequence[str]) -> PixelProbe:
    """
    Fits a multinomial logistic regression (LBFGS, L2 penalty) to standardised features of the training pixels. Its strength
    is the one with the best mIoU on the validation pixels or, with two classes, the best average precision of the second,
    whose threshold then is the one with the best F1, and so the best IoU, on the same pixels.

    Raises:
        ValueError: the training pixels have one class, or of two classes the validation pixels lack the second.
    """
    if len(np.unique(train.labels)) < 2:
        raise ValueError(
            f"The {len(train.labels)} training pixels have one class; a probe needs at least two: draw more pixels or tiles."
        )
    if len(classes) == 2 and not (validation.labels == 1).any():
        raise ValueError(
            f"None of the {len(validation.labels)} validation pixels is {classes[1]}, so that nothing can be chosen by them; "
            "draw more pixels or tiles."
        )
    scaler = StandardScaler().fit(train.features)
    inputs = scaler.transform(train.features)
    regression = LogisticRegression(warm_start=True, max_iter=_MOST_STEPS)
    found = []
    for inverse_strength in INVERSE_STRENGTHS:
        with warnings.catch_warnings():
            # With weak regularisation the scores settle long before the solver converges.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.set_params(C=inverse_strength).fit(inputs, train.labels)
        found.append(_on_raw_features(regression, scaler, len(classes)))
    best = max(found, key=lambda probe: _validation_score(probe, validation, classes))
    return _with_threshold(best, validation) if len(classes) == 2 else best


def ranked_counts(probe: PixelProbe, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """
    Pixels by class and rank, int64 `(2, bins)`, for [`average_precision`].

    Args:
        probe ([`PixelProbe`]): of two classes.
        labels (`np.ndarray` of shape `(N,)`): 0 or 1.
        scores (`np.ndarray` of shape `(2, N)`): of the probe.
    """
    low, high = probe.ranked
    place = (scores[1] - scores[0] - low) / max(high - low, 1e-12)
    bins = np.clip(place * _BINS, 0, _BINS - 1).astype(np.int64)
    return np.bincount(labels * _BINS + bins, minlength=2 * _BINS).reshape(2, _BINS)


def average_precision(counts: np.ndarray) -> float:
    """
    The average precision of pixels that were counted by [`ranked_counts`]; the pixels of a bin share their rank.

    Raises:
        ValueError: no pixel is of the second class.
    """
    # From the highest log-odds on.
    negatives, positives = counts[:, ::-1]
    if not positives.any():
        raise ValueError("No pixel to measure on is of the class that is looked for; add tiles that show it.")
    right, wrong = positives.cumsum(), negatives.cumsum()
    precision = right / np.maximum(right + wrong, 1)
    return float((precision * positives).sum() / right[-1])


def _on_raw_features(regression: Any, scaler: Any, classes: int) -> PixelProbe:
    """The fitted regression as a map of features that are not standardised; a class without training pixels never wins."""
    coefficients, intercepts = regression.coef_.astype(np.float64), regression.intercept_.astype(np.float64)
    if len(regression.classes_) == 2:
        coefficients, intercepts = np.stack([0 * coefficients[0], coefficients[0]]), np.array([0.0, intercepts[0]])
    weight, bias = np.zeros((classes, coefficients.shape[1])), np.full(classes, -np.inf)
    weight[regression.classes_] = coefficients / scaler.scale_
    bias[regression.classes_] = intercepts - weight[regression.classes_] @ scaler.mean_
    return PixelProbe(weight.astype(np.float32), bias.astype(np.float32), float(regression.C))


def _scores_of(probe: PixelProbe, pixels: LabelledPixels) -> np.ndarray:
    return probe.weight @ pixels.features.T + probe.bias[:, None]


def _validation_score(probe: PixelProbe, validation: LabelledPixels, classes: Sequence[str]) -> float:
    scores = _scores_of(probe, validation)
    if len(classes) == 2:
        return float(average_precision_score(validation.labels, scores[1] - scores[0]))
    return segmentation_scores(confusion(validation.labels, probe.decide(scores), len(classes)), classes)["miou"]


def _with_threshold(probe: PixelProbe, validation: LabelledPixels) -> PixelProbe:
    scores = _scores_of(probe, validation)
    odds = scores[1] - scores[0]
    precision, recall, reached = precision_recall_curve(validation.labels, odds)
    best = int(np.argmax((2 * precision * recall / np.maximum(precision + recall, 1e-12))[:-1]))
    # Halfway between the last pixel that is found and the first that is not.
    threshold = reached[max(best - 1, 0) : best + 1].mean()
    return replace(probe, threshold=float(threshold), ranked=(float(odds.min()), float(odds.max())))
