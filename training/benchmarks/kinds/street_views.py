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
Classes (weather, platform, view direction, …) and numbers (perception, greenness, …) of street views, by a linear head, or
a pooler and a head, on the frozen tower.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import torch

from training.benchmarks.data import revision_of
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple import ColourStatistics
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, Score
from training.benchmarks.kinds.scoring import errors_by_place, single_split_scores
from training.benchmarks.kinds.tile_classification import class_scores, labels_and_places
from training.benchmarks.layouts.registry import open_images
from training.benchmarks.layouts.samples import SPLITS, Images, ImageSet, LabelledImage
from training.benchmarks.probes.heads import HeadSettings, LabelledFeatures, number_scores, train_head
from training.benchmarks.store import Columns
from training.benchmarks.tasks.task import Task
from training.common.checks import check_keys

PROBES = ("head", "head_and_pooler")
_PHOTOS_PER_BATCH = 32


class StreetViews(Kind):
    """
    A head (`probes: [head, head_and_pooler]`) on the frozen street-view tower: accuracy and macro-F1 of classes, R² and
    RMSE of numbers. `head` reads the model's embedding, `head_and_pooler` the input of the tower's own pooler.
    `options.head` overrides [`HeadSettings`]; for the other options see [`open_images`].
    """

    def rivals(self, task: Task) -> Sequence[Encoder]:
        return (ColourStatistics(),)

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        data = open_images(task)
        for split in SPLITS:
            photo_features(task, data, encoder, bench, split)

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        data = open_images(task)
        settings = head_settings(task)
        columns = {split: photo_features(task, data, encoder, bench, split) for split in SPLITS}
        scores, places = [], None
        for probe in task.probes or PROBES:
            name = "tokens" if probe == "head_and_pooler" else "features"
            rows = {split: LabelledFeatures(part[name], part["label"]) for split, part in columns.items()}
            runs = [_train_and_predict(data, rows, probe, settings, seed, bench.device) for seed in bench.seeds]
            scores += _scores(task, data, probe, rows, runs)
            found = runs[0].argmax(axis=1) if data.classes else runs[0][:, 0]
            places = errors_by_place(columns["test"]["place"], columns["test"]["label"], found, bool(data.classes))
        return Outcome(scores, places, data.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """The most frequent class, or the mean number, of the training photos, predicted for all."""
        data = open_images(task)
        labels = {split: np.array([image.label for image in data.splits[split]]) for split in ("train", "test")}
        rows = {split: LabelledFeatures(np.zeros((len(part), 0)), part) for split, part in labels.items()}
        if data.classes:
            guess = np.bincount(labels["train"], minlength=len(data.classes)).astype(np.float64)
            name = "majority"
        else:
            guess, name = labels["train"].mean(keepdims=True), "mean"
        found = np.tile(guess, (len(labels["test"]), 1))
        return Outcome(_scores(task, data, name, rows, [found], model=name))


def head_settings(task: Task) -> HeadSettings:
    """
    A task's settings of the head.

    Raises:
        ValueError: a setting is unknown or out of range.
    """
    overrides = dict(task.options.get("head", {}))
    check_keys(overrides, [field.name for field in fields(HeadSettings)], f"Task {task.name!r}, options.head")
    return HeadSettings(**overrides)


def photo_features(task: Task, data: ImageSet, encoder: Encoder, bench: Bench, split: str) -> Columns:
    """`features (N, D)`, `tokens (N, D)`, `label (N,)` and `place (N, 2)` of a split, stored or computed."""
    key = {
        "model": encoder.fingerprint,
        "data": revision_of(task),
        "task": task.name,
        "split": split,
        "photos": _state_of_files(data.splits[split]),
        "columns": task.columns,
        "options": {name: value for name, value in task.options.items() if name != "head"},
    }
    return bench.store.collect(key, lambda: iter(data.splits[split]), partial(_embed_photos, encoder))


def _state_of_files(images: Images) -> str:
    """Digest of the names, sizes and times of photo files, which may change while their table does not."""
    digest = hashlib.blake2b(digest_size=8)
    for image in images:
        source = image.sources[0].source
        if isinstance(source, Path):
            state = source.stat()
            digest.update(f"{source.name} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def _embed_photos(encoder: Encoder, images: list[LabelledImage]) -> Columns:
    features, tokens = [], []
    for start in range(0, len(images), _PHOTOS_PER_BATCH):
        photos = [encoder.read_photo(image.sources[0]) for image in images[start : start + _PHOTOS_PER_BATCH]]
        features.append(encoder.embed_photos(photos))
        tokens.append(encoder.photo_tokens(photos))
    return {"features": np.concatenate(features), "tokens": np.concatenate(tokens), **labels_and_places(images)}


def _train_and_predict(
    data: ImageSet,
    rows: dict[str, LabelledFeatures],
    probe: str,
    settings: HeadSettings,
    seed: int,
    device: torch.device,
) -> np.ndarray:
    """Logits or numbers of the test photos, `(M, outputs)`."""
    pooler = probe == "head_and_pooler"
    head = train_head(rows["train"], rows["validation"], len(data.classes), pooler, settings, seed, device)
    return head.predict(rows["test"].features)


def _scores(
    task: Task,
    data: ImageSet,
    method: str,
    rows: dict[str, LabelledFeatures],
    runs: Sequence[np.ndarray],
    model: str = "",
) -> list[Score]:
    """Scores of one prediction `(M, outputs)` per seed."""
    labels = rows["test"].labels

    def metrics(run: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
        if data.classes:
            return class_scores(labels[drawn], run[drawn])
        return number_scores(labels[drawn], run[drawn, 0])

    return single_split_scores(
        task,
        [partial(metrics, run) for run in runs],
        method=method,
        n_samples=len(rows["train"].labels),
        n_test=len(labels),
        feature_dim=rows["test"].features.shape[1],
        model=model,
        dropped=data.dropped,
    )
