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

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, f1_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.benchmarks.data import revision_of
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple import BandStatistics
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, Score
from training.benchmarks.kinds.scoring import errors_by_place, single_split_scores
from training.benchmarks.layouts.registry import open_images
from training.benchmarks.layouts.samples import SPLITS, ImageSet, LabelledImage
from training.benchmarks.probes.fitting import NEIGHBOURS, logistic_probabilities
from training.benchmarks.store import Columns
from training.benchmarks.tasks.task import Task

PROBES = ("knn", "logistic")
_TILES_PER_BATCH = 32


class TileClassification(Kind):
    """
    KNN and logistic regression (`probes`) on embeddings of tiles, with one class per tile (accuracy, macro-F1) or several
    (`target_type: multilabel`; micro-averaged mAP). For the options see [`open_images`].
    """

    def rivals(self, task: Task) -> Sequence[Encoder]:
        return (BandStatistics(),)

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        data = open_images(task)
        for split in SPLITS:
            tile_features(task, data, encoder, bench, split)

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        data = open_images(task)
        train, validation, test = (tile_features(task, data, encoder, bench, split) for split in SPLITS)
        scores, places = [], None
        for probe in task.probes or PROBES:
            probabilities = _PROBES[probe](train, validation, test["features"])
            scores += _scores(task, data, probe, train, test, probabilities)
            if test["label"].ndim == 1:
                places = errors_by_place(test["place"], test["label"], probabilities.argmax(axis=1), classify=True)
        return Outcome(scores, places, data.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """The class frequencies of the training tiles, predicted for every tile: the most frequent class, or chance."""
        data = open_images(task)
        parts = {name: np.stack([image.label for image in data.splits[name]]) for name in ("train", "test")}
        shares = _one_hot(parts["train"], len(data.classes)).mean(axis=0)
        train, test = ({"label": labels, "features": np.zeros((len(labels), 0))} for labels in parts.values())
        guesses = np.tile(shares, (len(test["label"]), 1))
        return Outcome(_scores(task, data, "majority", train, test, guesses, model="majority"))


def class_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """
    Args:
        labels (`np.ndarray` of shape `(M,)`, or 0/1 `(M, K)`): the true class of each row, or all its true classes.
        probabilities (`np.ndarray` of shape `(M, K)`)

    Returns:
        `dict[str, float]`: `accuracy` and `macro_f1` (over the classes that occur or are predicted); with several classes
        per row `micro_map` (average precision over all rows and classes together).

    Raises:
        ValueError: rows of a multi-label task have no classes.
    """
    if labels.ndim == 2:
        if not labels.any():
            raise ValueError("No test row has any class; check the labels.")
        return {"micro_map": float(average_precision_score(labels, probabilities, average="micro"))}
    found = probabilities.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(labels, found)),
        "macro_f1": float(f1_score(labels, found, average="macro")),
    }


def tile_features(task: Task, data: ImageSet, encoder: Encoder, bench: Bench, split: str) -> Columns:
    """`features (N, D)`, `label (N, …)` and `place (N, 2)` (lon, lat, or NaN) of a split, stored or computed."""
    key = {
        "model": encoder.fingerprint,
        "data": revision_of(task),
        "task": task.name,
        "split": split,
        "format": asdict(data.tile_format) if data.tile_format else None,
        "columns": task.columns,
        "options": task.options,
    }
    return bench.store.collect(key, lambda: iter(data.splits[split]), partial(_embed_tiles, encoder, data))


def labels_and_places(images: Sequence[LabelledImage]) -> Columns:
    """`label (N, …)` and `place (N, 2)`: lon, lat in degrees, NaN if unknown."""
    return {
        "label": np.stack([np.asarray(image.label) for image in images]),
        "place": np.array([image.place or (np.nan, np.nan) for image in images], np.float64),
    }


def _embed_tiles(encoder: Encoder, data: ImageSet, images: list[LabelledImage]) -> Columns:
    assert data.tile_format is not None
    features = []
    for start in range(0, len(images), _TILES_PER_BATCH):
        part = images[start : start + _TILES_PER_BATCH]
        tiles = [encoder.read_tile(image.sources[-1], data.tile_format) for image in part]
        features.append(encoder.embed_tiles(tiles, data.tile_format))
    return {"features": np.concatenate(features), **labels_and_places(images)}


def _knn_probabilities(train: Columns, validation: Columns, test: np.ndarray) -> np.ndarray:
    """
    The share of each class among the nearest training rows in standardised features. Validation rows are not used, as in
    torchgeo-bench. Ties go to the lowest class.
    """
    classes = int(max(train["label"].max(), validation["label"].max())) + 1
    neighbours = KNeighborsRegressor(min(NEIGHBOURS, len(train["label"])))
    probe = make_pipeline(StandardScaler(), neighbours).fit(train["features"], _one_hot(train["label"], classes))
    return probe.predict(test)


def _logistic_probabilities(train: Columns, validation: Columns, test: np.ndarray) -> np.ndarray:
    rows = tuple((part["features"], part["label"]) for part in (train, validation))
    return logistic_probabilities(rows[0], rows[1], test)


_PROBES = {"knn": _knn_probabilities, "logistic": _logistic_probabilities}


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Classes `(N,)` as rows `(N, K)` of zeros and a one; labels `(N, K)` as they are."""
    return labels.astype(np.float64) if labels.ndim == 2 else np.eye(classes)[labels]


def _scores(
    task: Task,
    data: ImageSet,
    method: str,
    train: Columns,
    test: Columns,
    probabilities: np.ndarray,
    model: str = "",
) -> list[Score]:
    labels = test["label"]
    return single_split_scores(
        task,
        [lambda drawn: class_scores(labels[drawn], probabilities[drawn])],
        method=method,
        n_samples=len(train["label"]),
        n_test=len(labels),
        feature_dim=test["features"].shape[1],
        model=model,
        dropped=data.dropped,
    )
