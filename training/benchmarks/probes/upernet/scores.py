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
"""Metrics of dense predictions, from counts that are summed over tiles, so that tiles can be resampled cheaply."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import jaccard_score

from training.benchmarks.probes.upernet.decoder import Decoder, resized
from training.benchmarks.probes.upernet.maps import TileMaps, is_labelled, window_starts
from training.common.iterables import chunked

# Windows of a tile encoded at a time.
_WINDOWS_PER_BATCH = 16


def tile_counts(decoder: Decoder, samples: TileMaps, classes: Sequence[str]) -> np.ndarray:
    """
    The contribution of each tile to the metrics: [`confusion`] `(M, K, K)` or, without classes, [`error_sums`] `(M, 4)`.
    """
    decoder.eval()
    counts = []
    for index in range(len(samples.images)):
        output, label = predict(decoder, samples, index)
        kept = is_labelled(label)
        if classes:
            counts.append(confusion(label[kept], output.argmax(axis=0)[kept], len(classes)))
        else:
            counts.append(error_sums(label[kept], output[0][kept]))
    return np.stack(counts)


@torch.no_grad()
def predict(decoder: Decoder, samples: TileMaps, index: int) -> tuple[np.ndarray, np.ndarray]:
    """
    The decoder's output `(outputs, H, W)` for a tile, and its label `(H, W)`. With windows, the output is averaged where
    they overlap.
    """
    window = samples.window
    if window is None:
        maps, labels = samples.whole_tiles([index])
        return resized(decoder(maps), labels[0].shape)[0].cpu().numpy(), labels[0]
    image = samples.images[index]
    tile = samples.backbone.read(image)
    rows, columns = (window_starts(side, window) for side in image.label.shape)
    places = [np.s_[..., row : row + window, column : column + window] for row in rows for column in columns]
    total, count = np.zeros(()), np.zeros(image.label.shape)
    for batch in chunked(places, _WINDOWS_PER_BATCH):
        parts = [tile[place] for place in batch]
        outputs = resized(decoder(samples.backbone.maps(parts)), parts[0].shape[-2:]).cpu().numpy()
        if not total.ndim:
            total = np.zeros((outputs.shape[1], *image.label.shape))
        for place, output in zip(batch, outputs):
            total[place] += output
            count[place] += 1
    return total / count, image.label


def confusion(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Pixels by true class (rows) and predicted class (columns), int64 `(K, K)`, of pixels `(N,)`."""
    # One bincount: scikit-learn's confusion_matrix takes some 30 times longer on a tile, torchmetrics 7 s of CPU time to import.
    return np.bincount(truth * classes + found, minlength=classes**2).reshape(classes, classes)


def error_sums(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Number, sum and sum of squares of the true values `(N,)`, and the sum of squared errors; float64 `(4,)`."""
    truth = truth.astype(np.float64)
    return np.array([len(truth), truth.sum(), (truth**2).sum(), ((truth - found) ** 2).sum()])


def dense_scores(counts: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """The metrics of [`tile_counts`]: see [`segmentation_scores`] and [`regression_scores`]."""
    total = counts.sum(axis=0)
    return segmentation_scores(total, classes) if classes else regression_scores(total)


def segmentation_scores(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """
    Args:
        confusion (`np.ndarray` of shape `(K, K)`): pixels by true class (rows) and predicted class (columns).

    Returns:
        `dict[str, float]`: `miou`, `accuracy` (share of correct pixels), `macro_f1`, and `iou CLASS` of each class. A class
        that neither occurs nor is predicted has no IoU and is left out of the means.

    Raises:
        ValueError: no pixel is labelled.
    """
    if not confusion.sum():
        raise ValueError("No tile to measure on has a labelled pixel; check the label values that the task names.")
    # One sample for each pair of classes that occurs, weighted by its pixels.
    truth, found = np.nonzero(confusion)
    present = np.unique([truth, found])
    iou = jaccard_score(truth, found, labels=present, average=None, sample_weight=confusion[truth, found])
    scores = {
        "miou": iou.mean(),
        "accuracy": confusion.trace() / confusion.sum(),
        # With I = TP / (TP + FP + FN), F1 = 2 TP / (2 TP + FP + FN) = 2 I / (1 + I).
        "macro_f1": (2 * iou / (1 + iou)).mean(),
    }
    scores |= {f"iou {classes[index]}": value for index, value in zip(present, iou)}
    return {name: float(value) for name, value in scores.items()}


def regression_scores(sums: np.ndarray) -> dict[str, float]:
    """
    `rmse` in the units of the target and `r2` over all labelled pixels of all tiles. Computed from sums, since
    scikit-learn's `r2_score` needs every pixel at once.

    Args:
        sums (`np.ndarray` of shape `(4,)`): [`error_sums`].

    Raises:
        ValueError: no pixel is labelled, or all have one value.
    """
    count, total, squares, errors = (float(value) for value in sums)
    variance = squares - total**2 / count if count else 0.0
    if variance <= 0:
        raise ValueError("The tiles to measure on hold fewer than two different values; check the target files.")
    return {"rmse": (errors / count) ** 0.5, "r2": 1 - errors / variance}
