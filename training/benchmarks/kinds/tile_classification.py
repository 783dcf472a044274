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
"""Classes of whole tiles, from frozen embeddings: torchgeo-bench's nearest neighbours and logistic regression."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, f1_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.benchmarks.data import revision_of
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple_features import BandStatistics
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, PlaceErrors, Score, bootstrap
from training.benchmarks.layouts.images import SPLITS, ImageSet, LabelledImage, open_images
from training.benchmarks.probes.fitting import NEIGHBOURS, logistic_probabilities
from training.benchmarks.store import Columns
from training.benchmarks.tasks.task import Task

PROBES = ("knn", "logistic")
# Tiles embedded at a time.
_BATCH = 32


class TileClassification(Kind):
    """
    KNN and logistic regression (`probes`) on embeddings of tiles; one class a tile (accuracy, macro-F1), or several
    (`target_type: multilabel`: micro-averaged mAP). For the options see [`open_images`].
    """

    def rivals(self, task: Task) -> Sequence[Encoder]:
        return (BandStatistics(),)

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        for split in SPLITS:
            _collect(task, open_images(task), encoder, bench, split)

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        data = open_images(task)
        train, validation, test = (_collect(task, data, encoder, bench, split) for split in SPLITS)
        scores, places = [], None
        for probe in task.probes or PROBES:
            probabilities = _PROBES[probe](train, validation, test["features"])
            scores += _as_scores(task, data, probe, train, test, probabilities)
            places = _places(test, probabilities)
        return Outcome(scores, places, data.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """The training tiles' shares of the classes, for every tile: the commonest class, or chance."""
        data = open_images(task)
        parts = {name: np.stack([image.label for image in data.splits[name]]) for name in ("train", "test")}
        shares = _as_rows(parts["train"], len(data.classes)).mean(axis=0)
        train, test = ({"label": labels, "features": np.zeros((len(labels), 0))} for labels in parts.values())
        guesses = np.tile(shares, (len(test["label"]), 1))
        return Outcome(_as_scores(task, data, "majority", train, test, guesses, model="majority"))


def class_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """
    Args:
        labels (`np.ndarray` of shape `(M,)`, or 0/1 `(M, K)`): the true class of each row, or which are true.
        probabilities (`np.ndarray` of shape `(M, K)`).

    Returns:
        `dict[str, float]`: `accuracy` and `macro_f1` (over the classes that occur or are predicted); of several classes a
        row `micro_map` (average precision over all rows and classes together).

    Raises:
        ValueError: of several classes a row, none is true in any row.
    """
    if labels.ndim == 2:
        if not labels.any():
            raise ValueError("No row to test on has any class; check the labels.")
        return {"micro_map": float(average_precision_score(labels, probabilities, average="micro"))}
    found = probabilities.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(labels, found)),
        "macro_f1": float(f1_score(labels, found, average="macro")),
    }


def _collect(task: Task, data: ImageSet, encoder: Encoder, bench: Bench, split: str) -> Columns:
    """`features (N, D)`, `label` and `place (N, 2)` (lon, lat, or NaN) of a split, from the store or computed."""
    key = {
        "model": encoder.fingerprint,
        "data": revision_of(task),
        "task": task.name,
        "split": split,
        "format": asdict(data.tile_format) if data.tile_format else None,
        "columns": task.columns,
        "options": task.options,
    }
    return bench.store.collect(key, lambda: iter(data.splits[split]), partial(_embed, encoder, data))


def _embed(encoder: Encoder, data: ImageSet, images: list[LabelledImage]) -> Columns:
    assert data.tile_format is not None
    features = []
    for start in range(0, len(images), _BATCH):
        tiles = [encoder.read_tile(image.sources[-1], data.tile_format) for image in images[start : start + _BATCH]]
        features.append(encoder.embed_tiles(tiles, data.tile_format))
    return {"features": np.concatenate(features), **labels_and_places(images)}


def labels_and_places(images: Sequence[LabelledImage]) -> Columns:
    """`label (N, …)` and `place (N, 2)`, lon, lat in degrees, NaN where it is not known."""
    return {
        "label": np.stack([np.asarray(image.label) for image in images]),
        "place": np.array([image.place or (np.nan, np.nan) for image in images], np.float64),
    }


def _by_neighbours(train: Columns, validation: Columns, test: np.ndarray) -> np.ndarray:
    """
    The share of each class among the nearest training rows in standardised features; validation rows are not used, as in
    torchgeo-bench. Of equal shares the lowest class counts.
    """
    classes = int(max(train["label"].max(), validation["label"].max())) + 1
    neighbours = KNeighborsRegressor(min(NEIGHBOURS, len(train["label"])))
    probe = make_pipeline(StandardScaler(), neighbours).fit(train["features"], _as_rows(train["label"], classes))
    return probe.predict(test)


def _by_logistic(train: Columns, validation: Columns, test: np.ndarray) -> np.ndarray:
    rows = tuple((part["features"], part["label"]) for part in (train, validation))
    return logistic_probabilities(rows[0], rows[1], test)


_PROBES = {"knn": _by_neighbours, "logistic": _by_logistic}


def _as_rows(labels: np.ndarray, classes: int) -> np.ndarray:
    """Classes as rows of zeros and a one; rows of zeros and ones as they are."""
    return labels.astype(np.float64) if labels.ndim == 2 else np.eye(classes)[labels]


def _places(test: Columns, probabilities: np.ndarray) -> PlaceErrors | None:
    known = np.isfinite(test["place"]).all(axis=1)
    if test["label"].ndim == 2 or not known.any():
        return None
    lon, lat = test["place"][known].T
    wrong = (probabilities.argmax(axis=1) != test["label"])[known]
    return PlaceErrors(lon, lat, wrong.astype(np.float64), "wrong", "test")


def _as_scores(
    task: Task,
    data: ImageSet,
    method: str,
    train: Columns,
    test: Columns,
    probabilities: np.ndarray,
    model: str = "",
) -> list[Score]:
    labels = test["label"]
    spreads = spreads_of(len(labels), lambda drawn: class_scores(labels[drawn], probabilities[drawn]))
    return [
        Score(
            method=method,
            split="test",
            metric=metric,
            value=value,
            n_samples=len(train["label"]),
            n_test=len(labels),
            feature_dim=test["features"].shape[1],
            spread=spreads[metric],
            model=model,
            dropped=data.dropped,
        )
        for metric, value in class_scores(labels, probabilities).items()
        if metric in task.metrics
    ]


def spreads_of(rows: int, scores_of: Callable[[np.ndarray], dict[str, float]]) -> dict[str, tuple[float, float]]:
    """
    The interval of each figure over test rows drawn with replacement; draws that cannot be measured are left out.

    Args:
        rows (`int`): how many were tested.
        scores_of (`Callable`): the figures on rows at given positions.

    Returns:
        `dict`: figure → [`bootstrap`]'s interval.
    """
    # The same rows are drawn for each figure.
    known: dict[bytes, dict[str, float]] = {}

    def figure(name: str, drawn: np.ndarray) -> float:
        key = drawn.tobytes()
        if key not in known:
            try:
                known[key] = scores_of(drawn)
            except ValueError:
                # Drawn rows of one label only, say.
                known[key] = {}
        return known[key].get(name, float("nan"))

    return {name: bootstrap(rows, partial(figure, name)) for name in scores_of(np.arange(rows))}
