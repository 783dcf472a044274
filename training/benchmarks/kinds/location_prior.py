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
"""LocBench's classification of images with the help of their locations."""

from dataclasses import dataclass, replace

import numpy as np

from training.benchmarks.data import ruled_labels
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.kinds.kind import Bench, Outcome, Score
from training.benchmarks.kinds.location import dropped_remark
from training.benchmarks.kinds.places import (
    TEST,
    VALIDATION,
    PlacesKind,
    PlaceTable,
    location_features,
    read_places,
)
from training.benchmarks.kinds.scoring import errors_by_place, single_split_scores
from training.benchmarks.probes.fitting import logistic_probabilities, reciprocal_rank
from training.benchmarks.probes.folds import FOLDS, OFFICIAL
from training.benchmarks.tasks.task import Task


class LocationPrior(PlacesKind):
    """
    What a location adds to an image. Two logistic probes, one on precomputed image features and one on the frozen location
    embedding, each tuned on the validation rows; their probabilities are multiplied,
    `P(y | image, place) ∝ P(y | image) P(y | place)` (Mac Aodha et al., 2019, who assume that image and place are
    independent given the class, and that classes are equally frequent).

    Columns: `lon`, `lat`, `target`, `image_features` (a list of numbers), and a `split` with train, val and test rows.
    Without val rows, every fifth training row serves for validation.
    """

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        table = read_places(task)
        rows = _read_rows(task, table)
        features = location_features(table.lon_lat, encoder, bench.store)
        place = rows.probabilities(features)
        both = place * rows.probabilities(rows.image_features)
        scores = rows.scores(task, "logistic", place, features.shape[1])
        scores += rows.scores(
            task, "logistic, image × location", both, features.shape[1] + rows.image_features.shape[1]
        )
        truth, found = rows.labels[rows.test], both.argmax(axis=1)
        places = errors_by_place(table.lon_lat[rows.test], truth, found, classify=True, split=OFFICIAL)
        return Outcome(scores, places, table.remarks + rows.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        rows = _read_rows(task, read_places(task))
        majority = np.zeros((len(rows.test), rows.labels.max() + 1))
        majority[:, np.bincount(rows.labels[rows.train]).argmax()] = 1
        image = rows.probabilities(rows.image_features)
        scores = [replace(score, model="majority") for score in rows.scores(task, "none", majority, 0)]
        scores += [
            replace(score, model="image features alone")
            for score in rows.scores(task, "logistic", image, rows.image_features.shape[1])
        ]
        return Outcome(scores)


@dataclass(frozen=True)
class _Rows:
    """Labels `(N,)` and image features `(N, D)` of a table, and the indices of its rows by split."""

    labels: np.ndarray
    image_features: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    dropped: int
    remarks: tuple[str, ...]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities `(T, K)` of the test rows by a logistic probe on features `(N, D)`."""
        train, validation = ((features[part], self.labels[part]) for part in (self.train, self.validation))
        found = logistic_probabilities(train, validation, features[self.test])
        return np.pad(found, ((0, 0), (0, self.labels.max() + 1 - found.shape[1])))

    def scores(self, task: Task, method: str, probabilities: np.ndarray, width: int) -> list[Score]:
        """Top-1 accuracy and MRR of probabilities `(T, K)`."""
        own = self.labels[self.test]
        right = probabilities.argmax(axis=1) == own

        def metrics(drawn: np.ndarray) -> dict[str, float]:
            return {"top1": float(right[drawn].mean()), "mrr": reciprocal_rank(probabilities[drawn], own[drawn])}

        return single_split_scores(
            task,
            [metrics],
            method=method,
            n_samples=len(self.train) + len(self.validation) + len(own),
            n_test=len(own),
            split=OFFICIAL,
            feature_dim=width,
            dropped=self.dropped,
        )


def _read_rows(task: Task, table: PlaceTable) -> _Rows:
    ((target, values),) = table.targets.items()
    labels, kept = ruled_labels(task, values)
    is_test, is_validation = table.split(TEST), table.split(VALIDATION)
    if is_test is None or is_validation is None or table.image_features is None or not (is_test & kept).any():
        raise ValueError(f"{task.name} needs a column split with train and test rows; add it.")
    train = np.flatnonzero(kept & ~is_test & ~is_validation)
    validation = np.flatnonzero(kept & is_validation)
    if not len(validation):
        validation = train[::FOLDS]
        train = np.setdiff1d(train, validation)
    dropped = int((~kept).sum())
    remarks = (dropped_remark(task, target, kept),) if dropped else ()
    return _Rows(labels, table.image_features, train, validation, np.flatnonzero(kept & is_test), dropped, remarks)
