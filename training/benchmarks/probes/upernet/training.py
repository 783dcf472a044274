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
"""Trains the decoder on the training tiles and keeps the one that is best on the validation tiles."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from training.benchmarks.layouts.samples import IGNORED, Images, ImageSet
from training.benchmarks.probes.upernet.decoder import Decoder, Maps, resized
from training.benchmarks.probes.upernet.maps import Backbone, TileMaps, is_labelled
from training.benchmarks.probes.upernet.scores import dense_scores, error_sums, tile_counts
from training.benchmarks.probes.upernet.settings import UperNetSettings

# Training tiles from which the mean and the standard deviation of numbers are estimated.
_TILES_FOR_STATISTICS = 32
_NO_LABELS = "No training tile has a labelled pixel; check the label values that the task names."


def train_decoder(
    backbone: Backbone, data: ImageSet, settings: UperNetSettings, seed: int, device: torch.device
) -> Decoder:
    """
    Trains a decoder and returns the one with the best mIoU, or mean squared error, on the validation tiles.

    Raises:
        ValueError: fewer than two training tiles, or none with a label.
    """
    train = data.splits["train"]
    if len(train) < 2:
        raise ValueError(f"There are {len(train)} training tiles, expected at least two; add tiles.")
    outputs, numbers = len(data.classes), None
    if not data.classes:
        outputs, numbers = 1, _mean_and_deviation(train[:_TILES_FOR_STATISTICS])
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        decoder = backbone.new_decoder(backbone.read(train[0]), outputs, settings, numbers).to(device)
        return _optimize(decoder, TileMaps(train, backbone, settings.window), data, settings, seed)


def _mean_and_deviation(images: Images) -> tuple[float, float]:
    sums: Any = sum(
        error_sums(label, 0.0 * label) for label in (image.label[is_labelled(image.label)] for image in images)
    )
    count, total, squares = (float(value) for value in sums[:3])
    if count == 0:
        raise ValueError(_NO_LABELS)
    return total / count, max(squares / count - (total / count) ** 2, 0.0) ** 0.5 or 1.0


def _optimize(decoder: Decoder, samples: TileMaps, data: ImageSet, settings: UperNetSettings, seed: int) -> Decoder:
    draws = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(decoder.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    # Tiles that do not fill the last batch of an epoch are left out, different ones each time: batch normalisation needs
    # more than one sample.
    size = min(settings.batch_size, len(samples.images))
    steps = len(samples.images) // size * settings.epochs
    milestones = [int(share * steps) for share in settings.milestones]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    validation = TileMaps(data.splits["validation"], samples.backbone, settings.window)
    best, best_state = -np.inf, decoder.state_dict()
    labelled = 0
    title = f"UPerNet on {samples.backbone.encoder.name}"
    for epoch in tqdm(range(1, settings.epochs + 1), desc=title, leave=False):
        decoder.train()
        order = draws.permutation(len(samples.images))
        for start in range(0, len(order) - size + 1, size):
            indexes = order[start : start + size].tolist()
            windowed = settings.window is not None
            maps, labels = samples.random_windows(indexes, draws) if windowed else samples.whole_tiles(indexes)
            loss, count = _loss(decoder, maps, labels)
            labelled += count
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if labelled == 0:
            raise ValueError(_NO_LABELS)
        if epoch % settings.validate_every == 0 or epoch == settings.epochs:
            score = _validation_score(tile_counts(decoder, validation, data.classes), data.classes)
            if score > best:
                best = score
                best_state = {name: value.clone() for name, value in decoder.state_dict().items()}
    decoder.load_state_dict(best_state)
    return decoder.eval()


def _loss(decoder: Decoder, maps: Maps, labels: Sequence[np.ndarray]) -> tuple[torch.Tensor, int]:
    """Mean cross entropy, or squared error, over the labelled pixels of a batch; and the number of these pixels."""
    coarse = decoder(maps)
    total, count = torch.zeros((), device=coarse.device), 0
    for size, rows in _rows_by_size(labels):
        output = resized(coarse[rows], size)
        target = torch.from_numpy(np.stack([labels[row] for row in rows])).to(coarse.device)
        if target.is_floating_point():
            labelled = torch.isfinite(target)
            total = total + ((output[:, 0] - target)[labelled] ** 2).sum()
        else:
            labelled = target != IGNORED
            total = total + F.cross_entropy(output, target, ignore_index=IGNORED, reduction="sum")
        count += int(labelled.sum())
    return total / max(count, 1), count


def _rows_by_size(labels: Sequence[np.ndarray]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """The rows of each label size: tiles of one data set may differ in size."""
    for size in sorted({label.shape for label in labels}):
        yield size, [row for row, label in enumerate(labels) if label.shape == size]


def _validation_score(counts: np.ndarray, classes: Sequence[str]) -> float:
    """mIoU, or the negative mean squared error; higher is better."""
    if classes:
        return dense_scores(counts, classes)["miou"]
    count, _, _, errors = counts.sum(axis=0)
    return -errors / max(count, 1)
