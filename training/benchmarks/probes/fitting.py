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
"""Probes on frozen features: ridge and logistic regression, neighbours, constants. They take plain arrays only."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, r2_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import BallTree, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modeling_gair.geo_gair import EARTH_RADIUS_M
from training.benchmarks.probes.folds import Holdout, inner_folds

# CoordBench's grid of ridge strengths.
RIDGE_ALPHAS = 10.0 ** np.arange(-4.0, 6.5, 0.5)
# torchgeo-bench's grid of inverse strengths of the logistic probe.
LOGISTIC_CS = np.logspace(-6, 4, 40)
NEIGHBOURS = 5
_LEAST_STD = 1e-6

_LOGISTIC_STEPS = 1000

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Probed:
    """
    The result of a probe on a holdout.

    Args:
        fold_scores (`tuple[float, ...]`): R² or accuracy of each fold.
        rows (`np.ndarray` of shape `(T,)`): the tested rows, fold after fold.
        predictions (`np.ndarray` of shape `(T,)`): the prediction for each of them: a value or a class.
    """

    fold_scores: tuple[float, ...]
    rows: np.ndarray
    predictions: np.ndarray

    @property
    def score(self) -> float:
        """The mean over the folds."""
        return float(np.mean(self.fold_scores))


# Ridge ---------------------------------------------------------------------------------------------------------------


def ridge(
    features: np.ndarray,
    labels: np.ndarray,
    holdout: Holdout,
    *,
    classify: bool,
    penalize_intercept: bool = False,
    nested: bool = True,
) -> Probed:
    """
    CoordBench's linear probe: ridge regression on z-scored features; for classes one output each, of which the largest wins.

    The strength is chosen in each fold from the training rows alone, by the mean score over [`inner_folds`]. Without `nested`, one
    strength serves all folds and is chosen by the mean score over the folds that are reported, as in CoordBench's published
    figures, which is optimistic. On an official split the strength is always chosen from the training rows.

    One eigendecomposition of a fold's Gram matrix serves all strengths: `w(α) = V (Λ + α)⁻¹ Vᵀ Xᵀ y`.

    Args:
        features (`np.ndarray` of shape `(N, D)`): finite.
        labels (`np.ndarray` of shape `(N,)`): values, or classes from 0.
        holdout ([`Holdout`]): the folds.
        classify (`bool`): whether labels are classes.
        penalize_intercept (`bool`): whether the intercept is shrunk like a weight.
        nested (`bool`): see above.

    Raises:
        ValueError: a fold has too few rows, or labels without variation.
    """
    targets = np.eye(labels.max() + 1)[labels] if classify else labels[:, None].astype(np.float64)
    _check_folds(labels, holdout, classify)
    scores, predictions = [], []
    for number, (train, test) in enumerate(holdout.folds):
        best = list(range(len(RIDGE_ALPHAS)))
        if nested or holdout.official:
            # The same rule as for the reported folds, but without the test rows.
            usable = [fold for fold in inner_folds(holdout, number) if not _problem(labels, fold, classify)]
            if not usable:
                raise ValueError(
                    f"The {len(train)} training rows of fold {number + 1} of holdout {holdout.name} are too few to choose the ridge "
                    "strength by; add rows, or choose another holdout."
                )
            inner = [_ridge_scores(features, targets, labels, fold, classify, penalize_intercept)[0] for fold in usable]
            best = [int(np.argmax(np.mean(inner, axis=0)))]
        found = _ridge_scores(features, targets, labels, (train, test), classify, penalize_intercept, best)
        scores.append(found[0])
        predictions.append(found[1])
    chosen = int(np.argmax(np.mean(scores, axis=0)))
    return Probed(
        tuple(float(score[chosen]) for score in scores),
        np.concatenate([test for _, test in holdout.folds]),
        np.concatenate([prediction[chosen] for prediction in predictions]),
    )


def _ridge_scores(
    features: np.ndarray,
    targets: np.ndarray,
    labels: np.ndarray,
    fold: tuple[np.ndarray, np.ndarray],
    classify: bool,
    penalize_intercept: bool,
    strengths: Sequence[int] = range(len(RIDGE_ALPHAS)),
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Scores `(A,)` and predictions, A of shape `(T,)`, of one fold for A strengths at these positions of the grid."""
    train, test = fold
    inputs = features[train].astype(np.float64)
    mean, std = inputs.mean(axis=0), np.maximum(inputs.std(axis=0, ddof=1), _LEAST_STD)
    inputs = (inputs - mean) / std
    values, vectors = np.linalg.eigh(inputs.T @ inputs)
    values = np.maximum(values, 0)
    # The features have mean 0, so the intercept does not depend on the weights.
    level = targets[train].mean(axis=0)
    projected = vectors.T @ (inputs.T @ (targets[train] - level))
    rotated = ((features[test].astype(np.float64) - mean) / std) @ vectors
    scores, predictions = [], []
    for alpha in RIDGE_ALPHAS[list(strengths)]:
        intercept = level * (len(train) / (len(train) + alpha)) if penalize_intercept else level
        outputs = rotated @ (projected / (values + alpha)[:, None]) + intercept
        predicted = outputs.argmax(axis=1) if classify else outputs[:, 0]
        scores.append(accuracy_score(labels[test], predicted) if classify else r2_score(labels[test], predicted))
        predictions.append(predicted)
    return np.array(scores), predictions


def _check_folds(labels: np.ndarray, holdout: Holdout, classify: bool) -> None:
    for number, fold in enumerate(holdout.folds, start=1):
        if problem := _problem(labels, fold, classify):
            raise ValueError(
                f"Fold {number} of {len(holdout.folds)} of holdout {holdout.name} {problem}; choose another cell size, or random."
            )


def _problem(labels: np.ndarray, fold: tuple[np.ndarray, np.ndarray], classify: bool) -> str:
    """Why a fold cannot be trained or tested on; empty if it can."""
    train, test = fold
    if len(train) < 2 or labels[train].min() == labels[train].max():
        return f"trains on {len(train)} rows of one {'class' if classify else 'value'}"
    if not classify and (len(test) < 2 or np.ptp(labels[test]) == 0):
        return f"tests on {len(test)} rows of one value, so R² is not defined"
    return ""


# Neighbours ----------------------------------------------------------------------------------------------------------


def knn(features: np.ndarray, labels: np.ndarray, holdout: Holdout) -> Probed:
    """
    CoordBench's non-parametric probe for classes: see [`knn_classify`].

    Args:
        features (`np.ndarray` of shape `(N, D)`), labels (`np.ndarray` of shape `(N,)`): classes from 0.
        holdout ([`Holdout`]): the folds.
    """
    _check_folds(labels, holdout, classify=True)
    predictions = [knn_classify(features[train], labels[train], features[test]) for train, test in holdout.folds]
    return _of_classes(labels, holdout, predictions)


def knn_classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """
    The most frequent class among the five nearest training rows in standardised features (Euclidean distance). Ties go to
    the lowest class.

    Args:
        train (`np.ndarray` of shape `(N, D)`), labels (`np.ndarray` of shape `(N,)` or 0/1 `(N, K)`), test (`np.ndarray` of
            shape `(M, D)`).

    Returns:
        `np.ndarray` of shape `(M,)`, or `(M, K)`.
    """
    probe = make_pipeline(StandardScaler(), KNeighborsClassifier(min(NEIGHBOURS, len(train))))
    return probe.fit(train, labels).predict(test)


def inverse_distance(lon_lat: np.ndarray, labels: np.ndarray, holdout: Holdout, *, classify: bool) -> Probed:
    """
    Interpolation between the nearest training places, weighted by 1/distance² on the sphere: ten places for values, five
    for classes. A training place gets its own label.

    Args:
        lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees.
        labels (`np.ndarray` of shape `(N,)`): values, or classes from 0.
        holdout ([`Holdout`]): the folds.
        classify (`bool`): whether labels are classes.
    """
    _check_folds(labels, holdout, classify)
    targets = np.eye(labels.max() + 1)[labels] if classify else labels[:, None].astype(np.float64)
    lat_lon = np.radians(lon_lat[:, ::-1])
    predictions = []
    for train, test in holdout.folds:
        count = min(NEIGHBOURS if classify else 2 * NEIGHBOURS, len(train))
        distance, nearest = BallTree(lat_lon[train], metric="haversine").query(lat_lon[test], count)
        # Places within a centimetre are the same.
        weight = 1 / np.maximum(distance * EARTH_RADIUS_M / 1000, 1e-5) ** 2
        outputs = (weight[..., None] * targets[train][nearest]).sum(axis=1) / weight.sum(axis=1)[:, None]
        predictions.append(outputs.argmax(axis=1) if classify else outputs[:, 0])
    if classify:
        return _of_classes(labels, holdout, predictions)
    scores = [r2_score(labels[test], predicted) for (_, test), predicted in zip(holdout.folds, predictions)]
    return Probed(tuple(scores), np.concatenate([test for _, test in holdout.folds]), np.concatenate(predictions))


def constant(labels: np.ndarray, holdout: Holdout, *, classify: bool) -> Probed:
    """A prediction without features: the mean of the training rows, or their most frequent class."""
    _check_folds(labels, holdout, classify)
    if classify:
        guesses = [np.bincount(labels[train]).argmax() for train, _ in holdout.folds]
        return _of_classes(
            labels, holdout, [np.full(len(test), guess) for guess, (_, test) in zip(guesses, holdout.folds)]
        )
    predictions = [np.full(len(test), labels[train].mean()) for train, test in holdout.folds]
    scores = [r2_score(labels[test], predicted) for (_, test), predicted in zip(holdout.folds, predictions)]
    return Probed(tuple(scores), np.concatenate([test for _, test in holdout.folds]), np.concatenate(predictions))


def _of_classes(labels: np.ndarray, holdout: Holdout, predictions: Sequence[np.ndarray]) -> Probed:
    tests = [test for _, test in holdout.folds]
    scores = tuple(float(accuracy_score(labels[test], guess)) for test, guess in zip(tests, predictions))
    return Probed(scores, np.concatenate(tests), np.concatenate(predictions))


# Logistic regression -------------------------------------------------------------------------------------------------


def logistic_probabilities(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], test: np.ndarray
) -> np.ndarray:
    """
    torchgeo-bench's linear probe: multinomial logistic regression (LBFGS) on standardised features, with the strength
    chosen on the validation rows, then refitted on training and validation rows.

    Args:
        train, validation: features `(N, D)` and labels: classes `(N,)` or, with several labels per row, 0/1 `(N, K)`.
        test (`np.ndarray` of shape `(M, D)`): features to classify.

    Returns:
        `np.ndarray` of shape `(M, K)`: probabilities; column k is class k, whether it occurs in the training rows or not.

    Raises:
        ValueError: all training rows have one class.
    """
    multilabel = train[1].ndim == 2
    if not multilabel and len(np.unique(train[1])) < 2:
        raise ValueError(f"The {len(train[1])} training rows have one class; a probe needs at least two.")
    scores = [_logistic_score(train, validation, c, multilabel) for c in LOGISTIC_CS]
    both = tuple(np.concatenate(parts) for parts in zip(train, validation))
    probe = _fit_logistic(both, LOGISTIC_CS[int(np.argmax(scores))], multilabel)
    found = probe.predict_proba(test)
    if multilabel:
        return found
    classes = max(int(both[1].max()) + 1, found.shape[1])
    probabilities = np.zeros((len(test), classes))
    probabilities[:, probe.classes_] = found
    return probabilities


def _logistic_score(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], c: float, multilabel: bool
) -> float:
    probe = _fit_logistic(train, c, multilabel)
    if multilabel:
        return average_precision_score(validation[1], probe.predict_proba(validation[0]), average="micro")
    return accuracy_score(validation[1], probe.predict(validation[0]))


def _fit_logistic(rows: tuple[np.ndarray, ...], c: float, multilabel: bool):
    logistic = LogisticRegression(C=c, max_iter=_LOGISTIC_STEPS)
    probe = make_pipeline(StandardScaler(), OneVsRestClassifier(logistic) if multilabel else logistic)
    with warnings.catch_warnings():
        # With weak regularisation the accuracy settles long before the solver converges.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return probe.fit(*rows)


# Measures ------------------------------------------------------------------------------------------------------------


def reciprocal_rank(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """MRR: the mean of 1 / rank of the true class; equal probabilities share their mean rank."""
    own = probabilities[np.arange(len(labels)), labels][:, None]
    better, equal = (probabilities > own).sum(axis=1), (probabilities == own).sum(axis=1)
    return float((1 / (better + (equal + 1) / 2)).mean())
