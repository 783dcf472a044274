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
"""A class or a number for every pixel of a tile: UPerNet trained on the feature maps of a frozen backbone."""

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import torch

from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, PlaceErrors, Score
from training.benchmarks.kinds.scoring import single_split_scores
from training.benchmarks.layouts.registry import open_images
from training.benchmarks.layouts.samples import ImageSet, LabelledImage
from training.benchmarks.probes.upernet.maps import Backbone, TileMaps, is_labelled
from training.benchmarks.probes.upernet.scores import dense_scores, error_sums, tile_counts
from training.benchmarks.probes.upernet.settings import UperNetSettings
from training.benchmarks.probes.upernet.training import train_decoder
from training.benchmarks.tasks.task import Task
from training.common.checks import check_keys


class Segmentation(Kind):
    """
    UPerNet on a frozen backbone. `options.segmentation` overrides [`UperNetSettings`]; `probes` names the pyramids to try,
    `layers` and, for models with a continuous map, `nili`. Feature maps are not stored between runs: those of a data set
    would fill a disk.
    """

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        """Does nothing: training reads the tiles itself."""

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        data = open_images(task)
        pyramids = [name for name in task.probes or ("layers",) if name != "nili" or encoder.continuous]
        scores, places = [], None
        for pyramid in pyramids:
            settings = upernet_settings(task, pyramid)
            runs = [_train_and_test(encoder, data, settings, seed, bench.device) for seed in bench.seeds]
            scores += _scores(task, data, f"upernet_{pyramid}", runs, width=settings.channels)
            places = wrong_pixels_by_tile(data, runs[0])
        return Outcome(scores, places, data.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """The most frequent class, or the mean, of the training pixels, predicted everywhere."""
        data = open_images(task)
        name, counts = ("majority", majority_counts(data)) if data.classes else ("mean", _mean_counts(data))
        return Outcome(_scores(task, data, name, [counts], model=name))


def upernet_settings(task: Task, pyramid: str) -> UperNetSettings:
    """
    A task's settings for one pyramid.

    Raises:
        ValueError: a setting is unknown or out of range.
    """
    overrides = dict(task.options.get("segmentation", {}))
    known = [setting.name for setting in fields(UperNetSettings) if setting.name != "pyramid"]
    check_keys(overrides, known, f"Task {task.name!r}, options.segmentation")
    return UperNetSettings(**overrides, pyramid=pyramid)


def _train_and_test(
    encoder: Encoder, data: ImageSet, settings: UperNetSettings, seed: int, device: torch.device
) -> np.ndarray:
    """[`tile_counts`] of the test tiles."""
    assert data.tile_format is not None
    backbone = Backbone(encoder, data.tile_format, settings.pyramid)
    decoder = train_decoder(backbone, data, settings, seed, device)
    return tile_counts(decoder, TileMaps(data.splits["test"], backbone, settings.window), data.classes)


def _scores(
    task: Task, data: ImageSet, method: str, runs: Sequence[np.ndarray], width: int = 0, model: str = ""
) -> list[Score]:
    """Scores of one [`tile_counts`] per seed, with the IoU of each class beside the task's metrics."""
    return single_split_scores(
        task,
        [partial(_metrics_of_tiles, counts, data.classes) for counts in runs],
        method=method,
        n_samples=len(data.splits["train"]),
        n_test=len(data.splits["test"]),
        feature_dim=width,
        model=model,
        dropped=data.dropped,
        also=tuple(f"iou {name}" for name in data.classes),
    )


def _metrics_of_tiles(counts: np.ndarray, classes: Sequence[str], tiles: np.ndarray) -> dict[str, float]:
    return dense_scores(counts[tiles], classes)


def wrong_pixels_by_tile(data: ImageSet, counts: np.ndarray) -> PlaceErrors | None:
    """The share of wrong pixels of each tile; None without classes or places."""
    places = np.array([image.place or (np.nan, np.nan) for image in data.splits["test"]])
    pixels = counts.reshape(len(counts), -1).sum(axis=1)
    known = np.isfinite(places).all(axis=1) & (pixels > 0)
    if not data.classes or not known.any():
        return None
    right = np.trace(counts, axis1=1, axis2=2)
    lon, lat = places[known].T
    return PlaceErrors(lon, lat, (1 - right[known] / pixels[known]), "wrong", "test")


def majority_counts(data: ImageSet) -> np.ndarray:
    """[`tile_counts`] of the test tiles if the most frequent class of the training tiles is predicted everywhere."""
    train = sum(_pixels_by_class(image, data.classes) for image in data.splits["train"])
    counts = np.zeros((len(data.splits["test"]), len(data.classes), len(data.classes)), np.int64)
    for tile, image in enumerate(data.splits["test"]):
        counts[tile, :, np.argmax(train)] = _pixels_by_class(image, data.classes)
    return counts


def _pixels_by_class(image: LabelledImage, classes: Sequence[str]) -> Any:
    return np.bincount(image.label[is_labelled(image.label)], minlength=len(classes))


def _mean_counts(data: ImageSet) -> np.ndarray:
    """[`tile_counts`] of the test tiles if the mean of the training tiles is predicted everywhere."""
    train: Any = sum(_sums_for_constant(image, 0.0) for image in data.splits["train"])
    return np.stack([_sums_for_constant(image, train[1] / max(train[0], 1)) for image in data.splits["test"]])


def _sums_for_constant(image: LabelledImage, guess: float) -> np.ndarray:
    truth = image.label[is_labelled(image.label)]
    return error_sums(truth, np.full(len(truth), guess))
