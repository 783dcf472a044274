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
"""A class for every pixel of a tile by one linear probe, on each way of reading the tile: maps of models, and raw pixels."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from modeling_gair import GairRSImageProcessor
from training.benchmarks.data import revision_of
from training.benchmarks.encoders.encoder import Encoder, TileFormat
from training.benchmarks.encoders.pixels import TileReader
from training.benchmarks.encoders.simple import PixelWindows
from training.benchmarks.kinds.kind import PIXEL_COUNTS, Bench, Kind, MapExample, Outcome, Score
from training.benchmarks.kinds.scoring import single_split_scores
from training.benchmarks.kinds.segmentation import majority_counts, wrong_pixels_by_tile
from training.benchmarks.layouts.registry import open_images
from training.benchmarks.layouts.samples import ImageSet, LabelledImage
from training.benchmarks.probes.pixel_probe import (
    LabelledPixels,
    PixelProbe,
    average_precision,
    fit_pixel_probe,
    ranked_counts,
)
from training.benchmarks.probes.upernet.maps import is_labelled
from training.benchmarks.probes.upernet.scores import confusion, segmentation_scores
from training.benchmarks.store import Columns
from training.benchmarks.tasks.task import Task
from training.common.checks import check_keys, check_whole
from training.common.figures import true_colour

# Tiles in the picture of predictions.
EXAMPLES = 6
# Tiles per part of the stored features.
_TILES_PER_PART = 64


@dataclass(frozen=True)
class LinearSettings:
    """
    What the probe sees.

    Args:
        train_pixels, validation_pixels (`int`): pixels drawn from each training and validation tile.
        window (`int`): side, an odd number, of the window of raw pixels that models are compared with.

    Raises:
        ValueError: a setting is out of range.
    """

    train_pixels: int = 48
    validation_pixels: int = 256
    window: int = 5

    def __post_init__(self) -> None:
        for name in ("train_pixels", "validation_pixels", "window"):
            check_whole(f"linear.{name}", getattr(self, name), 1)
        if self.window % 2 == 0:
            raise ValueError(f"linear.window is {self.window}; expected an odd number of pixels.")

    def pixels_of(self, split: str) -> int:
        """Pixels drawn from each tile of the split `train` or `validation`."""
        return self.train_pixels if split == "train" else self.validation_pixels


@dataclass
class TileResults:
    """
    What one probe found on the test tiles.

    Attributes:
        counts (`list[np.ndarray]`): [`confusion`] of each tile.
        ranks (`list[np.ndarray]`): with two classes, [`ranked_counts`] of each tile.
    """

    counts: list[np.ndarray]
    ranks: list[np.ndarray]

    def metrics(self, classes: Sequence[str], tiles: np.ndarray) -> dict[str, float]:
        """
        [`segmentation_scores`] of the tiles at these positions; with two classes also `iou`, `f1` and `average_precision` of
        the second.

        Raises:
            ValueError: no pixel is labelled or, with two classes, of the second.
        """
        scores = segmentation_scores(np.stack(self.counts)[tiles].sum(axis=0), classes)
        if len(classes) == 2:
            precision = average_precision(np.stack(self.ranks)[tiles].sum(axis=0))
            iou = scores[f"iou {classes[1]}"]
            scores |= {"average_precision": precision, "iou": iou, "f1": 2 * iou / (1 + iou)}
        return scores


class LinearSegmentation(Kind):
    """
    The same linear probe on every map a model can be read as, beside the raw pixels: a window about each pixel, and the pixel
    alone. It learns from pixels drawn at random from the training tiles, and its strength is chosen on pixels of the
    validation tiles; see [`fit_pixel_probe`]. All pixels of the test tiles are scored. `options.linear` overrides
    [`LinearSettings`]. Of several dates, the latest is read.

    With two classes the second, such as roads, is looked for: `average_precision`, `iou` and `f1` are its own.
    """

    def rivals(self, task: Task) -> Sequence[Encoder]:
        return (PixelWindows(linear_settings(task).window),)

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        data = _open(task, encoder)
        for seed in bench.seeds:
            for split in ("train", "validation"):
                _drawn_pixels(task, data, encoder, bench, split, seed)

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        data = _open(task, encoder)
        probes = [_fitted_probes(task, data, encoder, bench, seed) for seed in bench.seeds]
        results, examples = _test(data, encoder, probes)
        scores = []
        # In the order of the encoder, whose last reading is the one it was trained with.
        readings = list(examples[0].found)
        for reading in readings:
            runs = [found[reading] for found in results]
            scores += _scores(task, data, reading, runs, feature_dim=probes[0][reading].weight.shape[1])
        places = wrong_pixels_by_tile(data, np.stack(results[0][readings[-1]].counts))
        return Outcome(scores, places, data.remarks, examples=tuple(examples))

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """
        The most frequent class of the training pixels everywhere or, of two classes, the second; and, for the report, the
        number of test pixels of each class.
        """
        data = open_images(task)
        name, counts = "majority", majority_counts(data)
        if len(data.classes) == 2:
            name, counts = "everywhere", np.stack([np.stack([0 * c, c], axis=1) for c in counts.sum(axis=2)])
        # All pixels share one rank.
        ranks = [tile.sum(axis=1)[:, None] for tile in counts]
        scores = _scores(task, data, name, [TileResults(list(counts), ranks)], model=name)
        pixels = counts.sum(axis=(0, 2))
        return Outcome(scores + [_pixel_count(data, *pair) for pair in zip(data.classes, pixels)])


def linear_settings(task: Task) -> LinearSettings:
    """
    A task's settings.

    Raises:
        ValueError: a setting is unknown or out of range.
    """
    overrides = task.options.get("linear", {})
    check_keys(overrides, LinearSettings.__dataclass_fields__, f"Task {task.name!r}, options.linear")
    return LinearSettings(**overrides)


def _open(task: Task, encoder: Encoder) -> ImageSet:
    if not encoder.dense:
        raise ValueError(f"{encoder.name} has no feature maps, which the probe needs; choose a model with them.")
    data = open_images(task)
    if not data.classes:
        raise ValueError(
            f"Task {task.name!r} has numbers as labels; the probe needs classes: choose the kind segmentation."
        )
    return data


def _fitted_probes(task: Task, data: ImageSet, encoder: Encoder, bench: Bench, seed: int) -> dict[str, PixelProbe]:
    """A probe for each reading."""
    train, validation = (_drawn_pixels(task, data, encoder, bench, split, seed) for split in ("train", "validation"))
    probes = {}
    for reading in train.keys() - {"label"}:
        drawn = [LabelledPixels(part[reading], part["label"]) for part in (train, validation)]
        probes[reading] = fit_pixel_probe(drawn[0], drawn[1], data.classes)
    return probes


def _drawn_pixels(task: Task, data: ImageSet, encoder: Encoder, bench: Bench, split: str, seed: int) -> Columns:
    """`label (N,)` and, by the name of each reading, its features `(N, D)` of pixels of a split, stored or computed."""
    key = {
        "kind": task.kind,
        "model": encoder.fingerprint,
        "data": revision_of(task),
        "task": task.name,
        "split": split,
        "seed": seed,
        "format": asdict(_format_of(data)),
        "columns": task.columns,
        "options": task.options,
    }
    compute = partial(_draw_from_tiles, encoder, _format_of(data), linear_settings(task).pixels_of(split), seed)
    return bench.store.collect(key, lambda: iter(data.splits[split]), compute, _TILES_PER_PART)


def _draw_from_tiles(
    encoder: Encoder, tile_format: TileFormat, pixels: int, seed: int, images: list[LabelledImage]
) -> Columns:
    drawn: dict[str, list[np.ndarray]] = {}
    for image in images:
        rows, columns = _draw_positions(image, pixels, seed)
        drawn.setdefault("label", []).append(image.label[rows, columns])
        for reading, maps in _readings_of(encoder, tile_format, image).items():
            drawn.setdefault(reading, []).append(maps[:, rows, columns].T.float().cpu().numpy())
    return {name: np.concatenate(values) for name, values in drawn.items()}


def _draw_positions(image: LabelledImage, pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of labelled pixels, drawn by the tile's name, so that all models and readings get the same ones."""
    labelled = np.argwhere(is_labelled(image.label))
    draws = np.random.default_rng((seed, zlib.crc32(image.name.encode())))
    chosen = labelled[draws.permutation(len(labelled))[:pixels]]
    return chosen[:, 0], chosen[:, 1]


def _readings_of(encoder: Encoder, tile_format: TileFormat, image: LabelledImage) -> dict[str, Any]:
    """Maps `(D, H, W)` of a tile at the pixels of its label, by reading."""
    tile = encoder.read_tile(image.sources[-1], tile_format)
    maps = encoder.readings([tile], tile_format, image.label.shape)
    return {reading: one[0] for reading, one in maps.items()}


def _test(
    data: ImageSet, encoder: Encoder, probes: Sequence[dict[str, PixelProbe]]
) -> tuple[list[dict[str, TileResults]], list[MapExample]]:
    """The results of each seed's probes on the test tiles, which are read once; and, to show, what the first
    seed's found on the tiles whose classes are the most evenly mixed."""
    results = [{reading: TileResults([], []) for reading in fitted} for fitted in probes]
    examples: list[tuple[float, MapExample]] = []
    for image in data.splits["test"]:
        found: dict[str, np.ndarray] = {}
        for reading, maps in _readings_of(encoder, _format_of(data), image).items():
            for fitted, result in zip(probes, results):
                decided = _test_tile(fitted[reading], maps, image.label, data.classes, result[reading])
                found.setdefault(reading, decided)
        variety = _variety(image.label)
        if len(examples) < EXAMPLES or variety > examples[-1][0]:
            examples.append((variety, _example(data, image, found)))
            examples = sorted(examples, key=lambda example: -example[0])[:EXAMPLES]
    return results, [example for _, example in examples]


def _test_tile(
    probe: PixelProbe, maps: Any, label: np.ndarray, classes: Sequence[str], result: TileResults
) -> np.ndarray:
    """Adds a tile to the results; returns the classes found, `(H, W)`."""
    scores = probe.scores(maps)
    found, kept = probe.decide(scores), is_labelled(label)
    result.counts.append(confusion(label[kept], found[kept], len(classes)))
    if len(classes) == 2:
        result.ranks.append(ranked_counts(probe, label[kept], scores[:, kept]))
    return found


def _variety(label: np.ndarray) -> float:
    """The entropy of the classes of a tile, in nats."""
    shares = np.bincount(label[is_labelled(label)])
    shares = shares[shares > 0] / max(shares.sum(), 1)
    return float(-(shares * np.log(shares)).sum())


def _example(data: ImageSet, image: LabelledImage, found: dict[str, np.ndarray]) -> MapExample:
    reader = TileReader(GairRSImageProcessor())
    colour = true_colour(reader.read(image.sources[-1], _format_of(data)), reader.processor.bands)
    return MapExample(image.name, data.classes, (255 * colour).round().astype(np.uint8), image.label, found)


def _format_of(data: ImageSet) -> TileFormat:
    assert data.tile_format is not None
    return data.tile_format


def _scores(
    task: Task, data: ImageSet, method: str, runs: Sequence[TileResults], feature_dim: int = 0, model: str = ""
) -> list[Score]:
    """Scores of one result per seed, with the IoU of each class beside the task's metrics."""
    return single_split_scores(
        task,
        [partial(result.metrics, data.classes) for result in runs],
        method=method,
        n_samples=len(data.splits["train"]),
        n_test=len(data.splits["test"]),
        feature_dim=feature_dim,
        model=model,
        dropped=data.dropped,
        also=tuple(f"iou {name}" for name in data.classes),
    )


def _pixel_count(data: ImageSet, name: str, pixels: int) -> Score:
    train, test = len(data.splits["train"]), len(data.splits["test"])
    return Score("none", "test", f"pixels {name}", float(pixels), train, test, model=PIXEL_COUNTS)
