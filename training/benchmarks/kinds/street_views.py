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
What street views tell: classes (weather, platform, view direction, …) and numbers (perception, greenness, …), by a linear
head, or a pooler and a head, trained on the frozen tower.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.benchmarks.data import revision_of
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple_features import ColourStatistics
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, PlaceErrors, Score
from training.benchmarks.kinds.tile_classification import class_scores, labels_and_places, spreads_of
from training.benchmarks.layouts.images import SPLITS, Images, ImageSet, LabelledImage, open_images
from training.benchmarks.store import Columns
from training.benchmarks.tasks.task import Task
from training.common.checks import check_keys, check_whole

PROBES = ("head", "head_and_pooler")
# Photos embedded at a time.
_BATCH = 32


@dataclass(frozen=True)
class HeadSettings:
    """
    How a head is trained. The published runs do not say; these are ours.

    Args:
        epochs, batch_size (`int`): passes over the training photos, and photos at a time.
        learning_rate, weight_decay (`float`): of AdamW; the learning rate falls to 0 along a cosine.

    Raises:
        ValueError: a count that is no whole number above 0.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        check_whole("head.epochs", self.epochs, 1)
        check_whole("head.batch_size", self.batch_size, 1)


@dataclass(frozen=True)
class Rows:
    """
    Features of photos with their labels.

    Attributes:
        features (`np.ndarray` of shape `(N, D)`): float32.
        labels (`np.ndarray` of shape `(N,)`): classes, int64, or numbers, float64.
    """

    features: np.ndarray
    labels: np.ndarray


def train_head(
    train: Rows, validation: Rows, classes: int, pooler: bool, settings: HeadSettings, seed: int, device: torch.device
) -> nn.Module:
    """
    A head on standardised features: one linear layer, or a pooler (linear, tanh; as a ViT's) before it. Of all epochs that
    is kept which does best on the validation rows, by the loss.

    Args:
        train, validation ([`Rows`]): to train on, and to choose by.
        classes (`int`): how many; 0 for numbers, which are standardised, too.
        pooler (`bool`): whether a pooler comes first.
        settings ([`HeadSettings`]): how to train.
        seed (`int`): of the weights and of the order.
        device (`torch.device`): where to train.

    Returns:
        `nn.Module`: `(N, D)` → logits `(N, classes)`, or numbers `(N, 1)`.

    Raises:
        ValueError: training rows of one class, or of one number.
    """
    if len(np.unique(train.labels)) < 2:
        raise ValueError(f"The {len(train.labels)} training photos have one label; a head needs two or more.")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        head = _Head(train, classes, pooler).to(device)
        parts = [_as_tensors(rows, device) for rows in (train, validation)]
        return _fit(head, parts[0], parts[1], settings)


class _Head(nn.Module):
    """Standardises what comes in, and of numbers what goes out, by the training rows."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, train: Rows, classes: int, pooler: bool):
        super().__init__()
        width, outputs = train.features.shape[1], max(classes, 1)
        mean, std = train.features.mean(axis=0), train.features.std(axis=0)
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("std", torch.from_numpy(np.where(std > 0, std, 1.0)).float())
        linear: list[nn.Module] = [nn.Linear(width, outputs)]
        self.layers = nn.Sequential(*([nn.Linear(width, width), nn.Tanh()] if pooler else []), *linear)
        centre, scale = (0.0, 1.0) if classes else (float(train.labels.mean()), float(train.labels.std()))
        self.centre, self.scale, self.classes = centre, scale, classes

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers((features - self.mean) / self.std) * self.scale + self.centre

    def loss(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross entropy, or the squared error in units of the variance of the training numbers."""
        if self.classes:
            return F.cross_entropy(self(features), labels)
        return F.mse_loss(self(features)[:, 0], labels.float()) / self.scale**2


def _fit(
    head: _Head,
    train: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor],
    settings: HeadSettings,
) -> nn.Module:
    optimizer = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-len(train[0]) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, best_state = float("inf"), head.state_dict()
    for _ in range(settings.epochs):
        for rows in torch.randperm(len(train[0])).split(settings.batch_size):
            loss = head.loss(train[0][rows], train[1][rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            current = float(head.loss(*validation))
        if current < best:
            best, best_state = current, {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(best_state)
    return head.eval()


def _as_tensors(rows: Rows, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(rows.features).float().to(device), torch.from_numpy(rows.labels).to(device)


def number_scores(labels: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """
    Args:
        labels, found (`np.ndarray` of shape `(M,)`): true and predicted numbers.

    Returns:
        `dict[str, float]`: `r2` and `rmse`, the latter in the units of the labels.

    Raises:
        ValueError: true numbers that are all the same.
    """
    variance = float(((labels - labels.mean()) ** 2).mean())
    if variance == 0:
        raise ValueError(f"The {len(labels)} photos to test on have one label, so R² means nothing; add others.")
    error = float(((labels - found) ** 2).mean())
    return {"r2": 1 - error / variance, "rmse": error**0.5}


# The kind of task ----------------------------------------------------------------------------------------------------


class StreetViews(Kind):
    """
    A head (`probes: [head, head_and_pooler]`) on the frozen street-view tower: accuracy and macro-F1 of classes, R² and
    RMSE of numbers. `head` reads the model's embedding, `head_and_pooler` what the tower's own pooler sees.
    `options.head` overrides [`HeadSettings`]; for the other options see [`open_images`].
    """

    def rivals(self, task: Task) -> Sequence[Encoder]:
        return (ColourStatistics(),)

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        data = open_images(task)
        for split in SPLITS:
            _collect(task, data, encoder, bench, split)

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        data = open_images(task)
        settings = head_settings(task)
        columns = {split: _collect(task, data, encoder, bench, split) for split in SPLITS}
        scores, places = [], None
        for probe in task.probes or PROBES:
            name = "tokens" if probe == "head_and_pooler" else "features"
            rows = {split: Rows(part[name], part["label"]) for split, part in columns.items()}
            runs = [_predict(data, rows, probe, settings, seed, bench.device) for seed in bench.seeds]
            scores += _as_scores(task, data, probe, rows, runs)
            places = _places(data, columns["test"], runs[0])
        return Outcome(scores, places, data.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """The commonest class, or the mean number, of the training photos for all."""
        data = open_images(task)
        labels = {split: np.array([image.label for image in data.splits[split]]) for split in ("train", "test")}
        rows = {split: Rows(np.zeros((len(part), 0)), part) for split, part in labels.items()}
        if data.classes:
            guess = np.bincount(labels["train"], minlength=len(data.classes)).astype(np.float64)
            name = "majority"
        else:
            guess, name = labels["train"].mean(keepdims=True), "mean"
        found = np.tile(guess, (len(labels["test"]), 1))
        return Outcome(_as_scores(task, data, name, rows, [found], model=name))


def head_settings(task: Task) -> HeadSettings:
    """
    A task's settings.

    Raises:
        ValueError: an unknown setting, or one out of range.
    """
    overrides = dict(task.options.get("head", {}))
    check_keys(overrides, [field.name for field in fields(HeadSettings)], f"Task {task.name!r}, options.head")
    return HeadSettings(**overrides)


def _collect(task: Task, data: ImageSet, encoder: Encoder, bench: Bench, split: str) -> Columns:
    """`features`, `tokens`, `label` and `place` of a split, from the store or computed."""
    key = {
        "model": encoder.fingerprint,
        "data": revision_of(task),
        "task": task.name,
        "split": split,
        "photos": _state_of_files(data.splits[split]),
        "columns": task.columns,
        "options": {name: value for name, value in task.options.items() if name != "head"},
    }
    return bench.store.collect(key, lambda: iter(data.splits[split]), partial(_embed, encoder))


def _state_of_files(images: Images) -> str:
    """Digest of the names, sizes and times of photos that lie in files beside their table, which does not change with them."""
    digest = hashlib.blake2b(digest_size=8)
    for image in images:
        source = image.sources[0].source
        if isinstance(source, Path):
            state = source.stat()
            digest.update(f"{source.name} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def _embed(encoder: Encoder, images: list[LabelledImage]) -> Columns:
    features, tokens = [], []
    for start in range(0, len(images), _BATCH):
        photos = [encoder.read_photo(image.sources[0]) for image in images[start : start + _BATCH]]
        features.append(encoder.embed_photos(photos))
        tokens.append(encoder.photo_tokens(photos))
    return {"features": np.concatenate(features), "tokens": np.concatenate(tokens), **labels_and_places(images)}


@torch.no_grad()
def _apply(head: nn.Module, features: np.ndarray, device: torch.device) -> np.ndarray:
    return head(torch.from_numpy(features).float().to(device)).double().cpu().numpy()


def _predict(
    data: ImageSet, rows: dict[str, Rows], probe: str, settings: HeadSettings, seed: int, device: torch.device
) -> np.ndarray:
    """Logits or numbers of the test photos, `(M, outputs)`."""
    pooler = probe == "head_and_pooler"
    head = train_head(rows["train"], rows["validation"], len(data.classes), pooler, settings, seed, device)
    return _apply(head, rows["test"].features, device)


def _as_scores(
    task: Task,
    data: ImageSet,
    method: str,
    rows: dict[str, Rows],
    runs: Sequence[np.ndarray],
    model: str = "",
) -> list[Score]:
    labels = rows["test"].labels
    found = [_scores_of(data, labels, run) for run in runs]
    spreads = spreads_of(len(labels), lambda drawn: _scores_of(data, labels[drawn], runs[0][drawn]))
    return [
        Score(
            method=method,
            split="test",
            metric=metric,
            value=float(np.mean([run[metric] for run in found])),
            n_samples=len(rows["train"].labels),
            n_test=len(labels),
            feature_dim=rows["test"].features.shape[1],
            n_folds=len(runs),
            spread=spreads[metric],
            model=model,
            dropped=data.dropped,
        )
        for metric in found[0]
        if metric in task.metrics
    ]


def _scores_of(data: ImageSet, labels: np.ndarray, run: np.ndarray) -> dict[str, float]:
    return class_scores(labels, run) if data.classes else number_scores(labels, run[:, 0])


def _places(data: ImageSet, test: Columns, run: np.ndarray) -> PlaceErrors | None:
    known = np.isfinite(test["place"]).all(axis=1)
    if not known.any():
        return None
    lon, lat = test["place"][known].T
    if data.classes:
        return PlaceErrors(lon, lat, (run.argmax(axis=1) != test["label"])[known].astype(float), "wrong", "test")
    labels = test["label"][known]
    reference = (labels - labels.mean()) ** 2
    return PlaceErrors(lon, lat, np.abs(run[known, 0] - labels), "absolute error", "test", reference=reference)
