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
"""
Maps from a few labelled places: logistic regression on embeddings, and its accuracy in parts of the Earth that it has not seen.

The method is that of `training/search.py classify` for files of embeddings (described in docs/embedding.md): embeddings are
standardised by all of the world's, the strength of the regularisation is chosen by labels held out, and accuracy is measured on
blocks of neighbours held out whole, since near places are alike.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from serving.labels import PLUS, Labels
from serving.layers import Classes, Layer
from serving.model import ServedModel, on_gpu
from serving.similarity import Scale
from serving.turns import always

# Inverse regularisation of features of unit variance divided by the root of their number, so that it means the same at any width.
_STRENGTHS = (0.3, 3.0, 30.0)
_STEPS = 500
# Sides of blocks in kilometres, the largest first: the first is used in which all classes can be held out. Clicks on a map of
# the world are far apart; labels nearer than ten kilometres say the same twice.
_SIDES_KM = (2000.0, 1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0)
_FOLDS = 5
# Of a class that the labels fitted lack.
_LEAST_PROBABILITY = 1e-6
_KM_PER_DEGREE = math.radians(6371.0088)


@dataclass(frozen=True)
class HeldOut:
    """
    What a regression finds for labels in blocks that it was not fitted on.

    Attributes:
        side_km (`float`): side of the blocks.
        blocks (`int`): how many blocks have labels.
        accuracy (`float`): share of the labels that are found right.
        commonest (`float`): share of the commonest class, which an answer that is always the same would reach.
    """

    side_km: float
    blocks: int
    accuracy: float
    commonest: float


@dataclass(frozen=True)
class Taught:
    """
    A regression fitted to labels.

    Attributes:
        probabilities (`Callable`): embeddings `(n, D)` → probabilities `(n, K)` of the classes.
        held_out ([`HeldOut`], *optional*): None if the labels are too few, or too close together.
    """

    probabilities: Callable[[np.ndarray], np.ndarray]
    held_out: HeldOut | None


class Teaching:
    """Fits regressions to labels, on the embeddings of one model, and draws their maps."""

    def __init__(self, served: ServedModel):
        self._served, self._grids = served, served.grids

    def draw(
        self, labels: Labels, view: Sequence[float], sea: bool = False, current: Callable[[], bool] = always
    ) -> tuple[HeldOut | None, Iterator[Layer]]:
        """
        Learns labels.

        Args:
            labels ([`Labels`]): of two classes or more.
            view (west, south, east, north): what to draw, in degrees.

        Returns:
            the accuracy on labels held out, if it can be measured, and the maps, coarse cells first if fine ones take time: the
            probability of "like this", or the most probable class.

        Raises:
            ValueError: if there are fewer than two classes.
        """
        if len(labels.names) < 2:
            here = f"of the class {labels.names[0]!r} alone" if labels.names else "of no class"
            raise ValueError(f"There are labels {here}, expected two classes; mark places of another kind.")
        taught = self._taught(labels)
        return taught.held_out, self._maps(taught, labels, view, sea, current)

    def _maps(
        self, taught: Taught, labels: Labels, view: Sequence[float], sea: bool, current: Callable[[], bool]
    ) -> Iterator[Layer]:
        function: Callable[[np.ndarray], np.ndarray]
        drawn_as: Scale | Classes
        if labels.are_plus_and_minus:
            title, drawn_as = (
                "Where it is like the places marked +",
                Scale(0.0, 1.0, "0 to 1", f"probability of “{PLUS}”"),
            )
            function = lambda cells: taught.probabilities(cells)[:, 1]  # noqa: E731
        else:
            title, drawn_as = "The most probable of the classes taught", Classes(labels.names)
            function = lambda cells: taught.probabilities(cells).argmax(axis=1)  # noqa: E731
        title = f"{title}: {_in_short(taught.held_out)}"
        key = f"taught {labels.lon_lat.tolist()} {labels.classes.tolist()} {labels.names}"
        for region, values, coarse in self._grids.steps(view, function, sea, current):
            yield Layer(region, values, drawn_as, title, view, key, coarse, marks=labels.marks())

    def _taught(self, labels: Labels) -> Taught:
        mean, spread = self._standard
        standardised = lambda cells: (cells - mean) / spread  # noqa: E731
        with self._grids.turns.turn(0):
            features = standardised(on_gpu(self._served.places)(*labels.lon_lat.T))
            held_out, strength = _held_out(features, labels)
            regression = _fitted(features, labels.classes, strength)
        return Taught(lambda cells: regression.predict_proba(standardised(cells)).astype(np.float32), held_out)

    @cached_property
    def _standard(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation `(D,)` of the embeddings of land, the latter times √D."""
        _, lat, embeddings = self._grids.land()
        areas = np.cos(np.radians(lat)).astype(np.float32)
        areas /= areas.sum()
        embeddings = embeddings.astype(np.float32)
        mean = areas @ embeddings
        deviation = np.sqrt(areas @ (embeddings - mean) ** 2)
        return mean, np.maximum(deviation, 1e-6) * embeddings.shape[1] ** 0.5


def _in_short(held_out: HeldOut | None) -> str:
    """The accuracy, in the title of a map."""
    if held_out is None:
        return "too few labels to measure its accuracy"
    return f"right for {held_out.accuracy:.0%} of labels held out (the commonest class alone: {held_out.commonest:.0%})"


def accuracy_text(held_out: HeldOut | None, labels: Labels) -> str:
    """A sentence on the accuracy of a map."""
    if held_out is None:
        return (
            f"How accurate the map is cannot be measured with these {len(labels)} labels: it takes five or more in different places, "
            f"at least {_SIDES_KM[-1]:g} km apart, and of each class in two of them."
        )
    return (
        f"Accuracy {held_out.accuracy:.0%} (always the commonest class: {held_out.commonest:.0%}), on {len(labels)} labels in "
        f"{held_out.blocks} blocks of {held_out.side_km:,g} km, each predicted from labels in other blocks."
    )


def spatial_blocks(labels: Labels) -> tuple[float, np.ndarray] | None:
    """
    Divides labels into blocks of neighbours: about square, of equal area, and as large as possible while each class lies in two of
    the folds or more, so that a class is never tested without having been trained on.

    Returns:
        the side in kilometres and the number of each label's block `(L,)`; None if the labels lie too close together.
    """
    for side_km in _SIDES_KM:
        _, blocks = np.unique(_blocks_of(labels.lon_lat, side_km), axis=0, return_inverse=True)
        # Shuffled, so that the folds do not run from south to north.
        blocks = np.random.default_rng(0).permutation(blocks.max() + 1)[blocks.ravel()]
        folds = blocks % _FOLDS
        spread = [len(np.unique(folds[labels.classes == one])) for one in range(len(labels.names))]
        if min(spread) >= 2 and len(np.unique(folds)) == _FOLDS:
            return side_km, blocks
    return None


def _blocks_of(lon_lat: np.ndarray, side_km: float) -> np.ndarray:
    """Row and column `(L, 2)` of the blocks at places; each row has a whole number of blocks around the Earth."""
    lon, lat = lon_lat.T
    rows = round(180 * _KM_PER_DEGREE / side_km)
    row = np.clip(((lat + 90) / 180 * rows).astype(int), 0, rows - 1)
    columns = np.maximum(np.rint(2 * rows * np.cos(np.radians((row + 0.5) / rows * 180 - 90))).astype(int), 1)
    return np.stack([row, ((lon + 180) % 360 / 360 * columns).astype(int) % columns], axis=1)


def _held_out(features: np.ndarray, labels: Labels) -> tuple[HeldOut | None, float]:
    """
    Accuracy in held-out blocks, for which the regularisation is chosen by the other blocks alone, and the regularisation chosen by
    all blocks. Without blocks in which all classes can be held out, None and the middle strength.
    """
    found = spatial_blocks(labels)
    if found is None:
        return None, _STRENGTHS[len(_STRENGTHS) // 2]
    side_km, blocks = found
    classes, folds = labels.classes, blocks % _FOLDS
    right = 0
    for fold in np.unique(folds):
        train = folds != fold
        strength = _best_strength(features[train], classes[train], folds[train])
        predicted = _fitted(features[train], classes[train], strength).predict(features[~train])
        right += int((predicted == classes[~train]).sum())
    commonest = float(np.bincount(classes).max() / len(classes))
    held_out = HeldOut(side_km, len(np.unique(blocks)), right / len(classes), commonest)
    return held_out, _best_strength(features, classes, folds)


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
    # Here, since it takes a second and 60 MB that not every visitor needs.
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=_STEPS).fit(features, classes)
