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
A class or a number for every pixel of a tile, from a frozen backbone: UPerNet trained on its feature maps in PANGAEA's
protocol (Marsocci et al., arXiv 2412.04204).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import UperNetConfig
from transformers.models.upernet.modeling_upernet import UperNetHead

from training.benchmarks.encoders.encoder import Encoder, TileFormat
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, PlaceErrors, Score
from training.benchmarks.kinds.tile_classification import spreads_of
from training.benchmarks.layouts.images import IGNORED, Images, ImageSet, LabelledImage, open_images
from training.benchmarks.tasks.task import Task
from training.common.checks import check_keys, check_whole
from training.common.iterables import chunked

PYRAMIDS = ("layers", "nili")
# How many times the backbone's grid each level of the pyramid is, for a backbone whose maps are all of one size.
_LEVELS = (4, 2, 1, 0.5)
_DROPOUT = 0.1
# Feature maps up to this size are kept between epochs, as they do not change.
_KEPT_BYTES = 2**31
# Training tiles whose targets say where a decoder of numbers starts.
_LOOKED_AT = 32
# Windows of a tile that are encoded at a time.
_BATCH = 16

Maps = list[torch.Tensor]


@dataclass(frozen=True)
class SegmentationSettings:
    """
    How a decoder is trained; the defaults are PANGAEA's, but for `validate_every`, which is ours.

    Args:
        channels (`int`): width of the decoder.
        epochs, batch_size (`int`): passes over the training tiles, and tiles at a time.
        learning_rate, weight_decay (`float`): of AdamW.
        milestones (`tuple[float, float]`): shares of all steps after which the learning rate falls to a tenth.
        pyramid (`str`): `"layers"`, maps of four depths of the backbone brought to four sizes by learned layers; or
            `"nili"`, its continuous map read at four times the backbone's grid, and halved by averaging.
        window (`int`, *optional*): side in pixels of the part of a tile that is encoded at a time, drawn at random in
            training and slid over the tile in testing; the whole tile by default.
        validate_every (`int`): epochs between validations; the best of them is tested.

    Raises:
        ValueError: a setting out of range.
    """

    channels: int = 512
    epochs: int = 80
    batch_size: int = 8
    learning_rate: float = 1e-4
    weight_decay: float = 0.05
    milestones: tuple[float, float] = (0.6, 0.9)
    pyramid: str = "layers"
    window: int | None = None
    validate_every: int = 5

    def __post_init__(self) -> None:
        for name, least in {"channels": 1, "epochs": 1, "batch_size": 2, "validate_every": 1}.items():
            check_whole(f"segmentation.{name}", getattr(self, name), least)
        if self.window is not None:
            check_whole("segmentation.window", self.window, 8)
        if self.pyramid not in PYRAMIDS:
            raise ValueError(f"segmentation.pyramid is {self.pyramid!r}, expected one of {', '.join(PYRAMIDS)}.")


class Pyramid(nn.Module):
    """
    Brings maps of one size to four, [4, 2, 1, 1/2] times it, as PANGAEA's neck does for vision transformers: two
    transposed convolutions, one, none, and a maximum over 2 x 2.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        first, second = widths[:2]
        self.levels = nn.ModuleList(
            [
                nn.Sequential(
                    nn.ConvTranspose2d(first, first, kernel_size=2, stride=2),
                    nn.BatchNorm2d(first),
                    nn.GELU(),
                    nn.ConvTranspose2d(first, first, kernel_size=2, stride=2),
                ),
                nn.ConvTranspose2d(second, second, kernel_size=2, stride=2),
                nn.Identity(),
                nn.MaxPool2d(kernel_size=2, stride=2),
            ]
        )

    def forward(self, maps: Maps) -> Maps:
        return [level(one) for level, one in zip(self.levels, maps)]


class Decoder(nn.Module):
    """
    UPerNet on the feature maps of a frozen backbone (the head of transformers' `UperNet`).

    Args:
        widths (`Sequence[int]`): channels of the four maps.
        outputs (`int`): classes, or 1 for a number.
        channels (`int`): width of the decoder.
        rescale (`bool`): whether the maps are all of one size, so that a [`Pyramid`] comes first.
        dates (`int`): dates of each sample; of several, each level is their learned weighted sum, one weight a date
            (PANGAEA's strategy "linear").
        numbers (`tuple[float, float]`, *optional*): mean and standard deviation of the targets, where these are numbers,
            which are taken to be positive: the output is in their units, and passes a ReLU as PANGAEA's does.
    """

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int,
        channels: int,
        rescale: bool,
        dates: int,
        numbers: tuple[float, float] | None,
    ):
        super().__init__()
        self.over_dates = nn.Linear(dates, 1) if dates > 1 else None
        self.pyramid = Pyramid(widths) if rescale else nn.Identity()
        head: Any = UperNetHead(_head_config(channels, outputs), list(widths))
        head.classifier = nn.Sequential(nn.Dropout2d(_DROPOUT), head.classifier)
        self.head = head
        self.numbers = numbers

    def forward(self, maps: Maps) -> torch.Tensor:
        """
        Args:
            maps (`list[torch.Tensor]`): four of shape `(B, T, D, h, w)`, T dates.

        Returns:
            `torch.Tensor` of shape `(B, outputs, H, W)`: logits, or numbers, in the grid of the finest level; see
            [`enlarged`].
        """
        if self.over_dates is None:
            merged = [one[:, 0] for one in maps]
        else:
            merged = [self.over_dates(one.movedim(1, -1))[..., 0] for one in maps]
        output = self.head(self.pyramid(merged))
        if self.numbers is not None:
            # Starting at the mean: around 0, half of the outputs would begin where a ReLU has no slope.
            output = F.relu(self.numbers[0] + self.numbers[1] * output)
        return output


def enlarged(output: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A decoder's output `(B, K, h, w)` in the grid of its labels, by bilinear interpolation."""
    return F.interpolate(output, size=size, mode="bilinear", align_corners=False)


def _head_config(channels: int, outputs: int) -> UperNetConfig:
    config = UperNetConfig(hidden_size=channels)
    config.num_labels = outputs
    return config


class Backbone:
    """
    The frozen model: tiles of several dates → maps, computed without gradient.

    Args:
        encoder ([`Encoder`]): with feature maps.
        tile_format ([`TileFormat`]): of the data.
        pyramid (`str`): of [`SegmentationSettings`].
    """

    def __init__(self, encoder: Encoder, tile_format: TileFormat, pyramid: str):
        if not encoder.dense:
            raise ValueError(f"{encoder.name} has no feature maps, which a decoder reads; choose a model that has.")
        self.encoder, self.tile_format, self.pyramid = encoder, tile_format, pyramid

    def read(self, image: LabelledImage) -> np.ndarray:
        """Its dates as one array `(T, C, H, W)` at the data's own resolution."""
        return np.stack([self.encoder.read_tile(source, self.tile_format) for source in image.sources])

    @torch.no_grad()
    def maps(self, tiles: Sequence[np.ndarray]) -> Maps:
        """
        Args:
            tiles (`Sequence[np.ndarray]`): B of shape `(T, C, h, w)`.

        Returns:
            `list[torch.Tensor]`: four of shape `(B, T, D, h, w)`.
        """
        dates = [date for tile in tiles for date in tile]
        maps = self.encoder.tile_layers(dates, self.tile_format)
        if self.pyramid == "nili":
            maps = self._nili_maps(dates, maps[-1].shape[-2:])
        return [one.float().unflatten(0, (len(tiles), -1)) for one in maps]

    def _nili_maps(self, dates: Sequence[np.ndarray], grid: torch.Size) -> Maps:
        height, width = (_LEVELS[0] * side for side in grid)
        maps = [self.encoder.tile_map(dates, self.tile_format, (int(height), int(width)))]
        for _ in _LEVELS[1:]:
            maps.append(F.avg_pool2d(maps[-1], 2))
        return maps

    def decoder(
        self,
        example: np.ndarray,
        outputs: int,
        settings: SegmentationSettings,
        numbers: tuple[float, float] | None = None,
    ) -> Decoder:
        """A fresh decoder for the maps that `example` gives; for `numbers` see [`Decoder`]."""
        maps = self.maps([example])
        one_size = len({one.shape[-2:] for one in maps}) == 1
        widths = [one.shape[2] for one in maps]
        return Decoder(widths, outputs, settings.channels, one_size, len(example), numbers)


class _Samples:
    """Tiles of a split with their maps, which are kept where they fit: without random windows they do not change."""

    def __init__(self, images: Images, backbone: Backbone, window: int | None):
        self.images, self.backbone, self.window = images, backbone, window
        self._kept: dict[int, tuple[Maps, np.ndarray]] = {}
        self._free = _KEPT_BYTES

    def batch(self, indexes: Sequence[int]) -> tuple[Maps, list[np.ndarray]]:
        """Maps `(B, T, D, h, w)` and the labels `(H, W)` of whole tiles."""
        absent = [index for index in indexes if index not in self._kept]
        fresh: dict[int, tuple[Maps, np.ndarray]] = {}
        if absent:
            images = [self.images[index] for index in absent]
            maps = self.backbone.maps([self.backbone.read(image) for image in images])
            for row, (index, image) in enumerate(zip(absent, images)):
                fresh[index] = [one[row] for one in maps], image.label
        self._keep(fresh)
        found = [fresh.get(index) or self._kept[index] for index in indexes]
        return [torch.stack(level) for level in zip(*(maps for maps, _ in found))], [label for _, label in found]

    def windows(self, indexes: Sequence[int], draws: np.random.Generator) -> tuple[Maps, list[np.ndarray]]:
        """Maps and labels of one random window of each tile."""
        assert self.window is not None
        tiles, labels = [], []
        for index in indexes:
            image = self.images[index]
            tile = self.backbone.read(image)
            row, column = window_around_a_label(image.label, self.window, draws)
            tiles.append(tile[..., row : row + self.window, column : column + self.window])
            labels.append(image.label[row : row + self.window, column : column + self.window])
        return self.backbone.maps(tiles), labels

    def _keep(self, fresh: dict[int, tuple[Maps, np.ndarray]]) -> None:
        for index, (maps, label) in fresh.items():
            size = sum(one.numel() * one.element_size() for one in maps)
            if size <= self._free:
                self._kept[index] = maps, label
                self._free -= size


def window_around_a_label(label: np.ndarray, window: int, draws: np.random.Generator) -> tuple[int, int]:
    """
    The first row and column of a random window that holds a labelled pixel where there is one: a tile of which few are
    labelled would otherwise mostly teach nothing.

    Args:
        label (`np.ndarray` of shape `(H, W)`): -1 or NaN where there is no label.
        window (`int`): its side; a tile that is smaller is taken whole in that direction.
    """
    labelled = np.argwhere(_labelled(label))
    centre = labelled[draws.integers(len(labelled))] if len(labelled) else np.array(label.shape) // 2
    corner = []
    for position, side in zip(centre, label.shape):
        last = max(0, side - window)
        corner.append(int(draws.integers(max(0, position - window + 1), min(position, last) + 1)) if last else 0)
    return corner[0], corner[1]


def window_starts(side: int, window: int) -> list[int]:
    """Where windows begin that cover a side evenly, as few as can be (PANGAEA's sliding inference)."""
    if side <= window:
        return [0]
    return np.linspace(0, side - window, -(-side // window)).round().astype(int).tolist()


def _labelled(label: np.ndarray) -> np.ndarray:
    return np.isfinite(label) if label.dtype.kind == "f" else label != IGNORED


# Training and testing ------------------------------------------------------------------------------------------------


def train_decoder(
    backbone: Backbone, data: ImageSet, settings: SegmentationSettings, seed: int, device: torch.device
) -> Decoder:
    """
    Trains a decoder on the training tiles and returns the one that was best on the validation tiles: by mIoU, or by the
    root mean squared error of numbers.

    Raises:
        ValueError: fewer than two training tiles, or none with a label.
    """
    train = data.splits["train"]
    if len(train) < 2:
        raise ValueError(f"There are {len(train)} training tiles, expected two or more; add some.")
    outputs, numbers = (len(data.classes), None) if data.classes else (1, _mean_and_deviation(train[:_LOOKED_AT]))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        decoder = backbone.decoder(backbone.read(train[0]), outputs, settings, numbers).to(device)
        return _fit(decoder, _Samples(train, backbone, settings.window), backbone, data, settings, seed)


def _mean_and_deviation(images: Images) -> tuple[float, float]:
    sums: Any = sum(_sums_of(image, 0.0) for image in images)
    count, total, squares = (float(value) for value in sums[:3])
    if count == 0:
        raise ValueError("No training tile has a labelled pixel; check the label values that the task names.")
    return total / count, max(squares / count - (total / count) ** 2, 0.0) ** 0.5 or 1.0


def _fit(
    decoder: Decoder,
    samples: _Samples,
    backbone: Backbone,
    data: ImageSet,
    settings: SegmentationSettings,
    seed: int,
) -> Decoder:
    draws = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(decoder.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    # The last tiles of an epoch that fill no batch are left out, others each time: a lone one has no variance for batch
    # normalisation.
    size = min(settings.batch_size, len(samples.images))
    steps = len(samples.images) // size * settings.epochs
    milestones = [int(share * steps) for share in settings.milestones]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    validation = _Samples(data.splits["validation"], backbone, settings.window)
    best, best_state = -np.inf, decoder.state_dict()
    labelled = 0
    for epoch in tqdm(range(1, settings.epochs + 1), desc=f"UPerNet on {backbone.encoder.name}", leave=False):
        decoder.train()
        order = draws.permutation(len(samples.images))
        for start in range(0, len(order) - size + 1, size):
            indexes = order[start : start + size].tolist()
            maps, labels = samples.batch(indexes) if settings.window is None else samples.windows(indexes, draws)
            loss, count = _loss(decoder, maps, labels)
            labelled += count
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if labelled == 0:
            raise ValueError("No training tile has a labelled pixel; check the label values that the task names.")
        if epoch % settings.validate_every == 0 or epoch == settings.epochs:
            score = _goodness(tile_counts(decoder, validation, data.classes), data.classes)
            if score > best:
                best = score
                best_state = {name: value.clone() for name, value in decoder.state_dict().items()}
    decoder.load_state_dict(best_state)
    return decoder.eval()


def _loss(decoder: Decoder, maps: Maps, labels: Sequence[np.ndarray]) -> tuple[torch.Tensor, int]:
    """Mean over the labelled pixels of the batch of the cross entropy, or of the squared error; and their number."""
    coarse = decoder(maps)
    total, count = torch.zeros((), device=coarse.device), 0
    for size, rows in _by_size(labels):
        output = enlarged(coarse[rows], size)
        target = torch.from_numpy(np.stack([labels[row] for row in rows])).to(coarse.device)
        if target.is_floating_point():
            labelled = torch.isfinite(target)
            total = total + ((output[:, 0] - target)[labelled] ** 2).sum()
        else:
            labelled = target != IGNORED
            total = total + F.cross_entropy(output, target, ignore_index=IGNORED, reduction="sum")
        count += int(labelled.sum())
    return total / max(count, 1), count


def _by_size(labels: Sequence[np.ndarray]) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """The rows of each size of labels: tiles of one data set may differ in size."""
    for size in sorted({label.shape for label in labels}):
        yield size, [row for row, label in enumerate(labels) if label.shape == size]


def tile_counts(decoder: Decoder, samples: _Samples, classes: Sequence[str]) -> np.ndarray:
    """
    What each tile adds to the figures: pixels by true class and predicted class `(M, K, K)` or, without classes, number,
    sum and sum of squares of the truth, and the sum of squared errors `(M, 4)`.
    """
    decoder.eval()
    counts = []
    for index in range(len(samples.images)):
        output, label = predict(decoder, samples, index)
        kept = _labelled(label)
        if classes:
            pairs = label[kept] * len(classes) + output.argmax(axis=0)[kept]
            counts.append(np.bincount(pairs, minlength=len(classes) ** 2).reshape(len(classes), len(classes)))
        else:
            counts.append(_sums(label[kept].astype(np.float64), output[0][kept]))
    return np.stack(counts)


def dense_scores(counts: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """The figures of [`tile_counts`]: see [`segmentation_scores`] and [`regression_scores`]."""
    total = counts.sum(axis=0)
    return segmentation_scores(total, classes) if classes else regression_scores(total)


@torch.no_grad()
def predict(decoder: Decoder, samples: _Samples, index: int) -> tuple[np.ndarray, np.ndarray]:
    """
    The decoder's output `(outputs, H, W)` for a tile, and its label `(H, W)`. With windows, logits are averaged where they
    overlap.
    """
    window = samples.window
    if window is None:
        maps, labels = samples.batch([index])
        return enlarged(decoder(maps), labels[0].shape)[0].cpu().numpy(), labels[0]
    image = samples.images[index]
    tile = samples.backbone.read(image)
    rows, columns = (window_starts(side, window) for side in image.label.shape)
    places = [np.s_[..., row : row + window, column : column + window] for row in rows for column in columns]
    total, count = np.zeros(()), np.zeros(image.label.shape)
    for batch in chunked(places, _BATCH):
        parts = [tile[place] for place in batch]
        outputs = enlarged(decoder(samples.backbone.maps(parts)), parts[0].shape[-2:]).cpu().numpy()
        if not total.ndim:
            total = np.zeros((outputs.shape[1], *image.label.shape))
        for place, output in zip(batch, outputs):
            total[place] += output
            count[place] += 1
    return total / count, image.label


def segmentation_scores(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """
    Args:
        confusion (`np.ndarray` of shape `(K, K)`): pixels by true class (rows) and predicted class (columns).

    Returns:
        `dict[str, float]`: `miou`, `accuracy` (share of right pixels), `macro_f1`, and `iou CLASS` of each class. A class
        that neither occurs nor is predicted has no IoU and does not count in the means.

    Raises:
        ValueError: no labelled pixel.
    """
    if not confusion.sum():
        raise ValueError("No tile to measure on has a labelled pixel; check the label values that the task names.")
    right = confusion.diagonal()
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - right
    occurs = union > 0
    iou = right[occurs] / union[occurs]
    f1 = 2 * right[occurs] / (union[occurs] + right[occurs])
    scores = {"miou": iou.mean(), "accuracy": right.sum() / confusion.sum(), "macro_f1": f1.mean()}
    scores |= {f"iou {name}": value for name, value in zip(np.asarray(classes)[occurs].tolist(), iou)}
    return {name: float(value) for name, value in scores.items()}


def _sums(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Number, sum and sum of squares of the truth, and the sum of squared errors."""
    return np.array([len(truth), truth.sum(), (truth**2).sum(), ((truth - found) ** 2).sum()])


def regression_scores(sums: np.ndarray) -> dict[str, float]:
    """
    `rmse` in the units of the target and `r2` over all labelled pixels of all tiles.

    Args:
        sums (`np.ndarray` of shape `(4,)`): number, sum and sum of squares of the truth, sum of squared errors.

    Raises:
        ValueError: no labelled pixel, or one value everywhere.
    """
    count, total, squares, errors = (float(value) for value in sums)
    variance = squares - total**2 / count if count else 0.0
    if variance <= 0:
        raise ValueError("The tiles to measure on hold fewer than two different numbers; check the target files.")
    return {"rmse": (errors / count) ** 0.5, "r2": 1 - errors / variance}


def _goodness(counts: np.ndarray, classes: Sequence[str]) -> float:
    """By what the best validation is chosen: mIoU, or the mean squared error with a minus."""
    if classes:
        return dense_scores(counts, classes)["miou"]
    count, _, _, errors = counts.sum(axis=0)
    return -errors / max(count, 1)


# The kind of task ----------------------------------------------------------------------------------------------------


class Segmentation(Kind):
    """
    UPerNet on a frozen backbone. `options.segmentation` overrides [`SegmentationSettings`]; `probes` names the pyramids to
    try, of `layers` and, for models that have a continuous map, `nili`. Nothing is cached between runs: the maps of a data set do not fit a disk.
    """

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        """Nothing: training reads the tiles itself."""

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        data = open_images(task)
        pyramids = [name for name in task.probes or ("layers",) if name != "nili" or encoder.continuous]
        scores, places = [], None
        for pyramid in pyramids:
            settings = settings_of(task, pyramid)
            runs = [_run(encoder, data, settings, seed, bench.device) for seed in bench.seeds]
            scores += _as_scores(task, data, f"upernet_{pyramid}", runs, width=settings.channels)
            places = _places(data, runs[0])
        return Outcome(scores, places, data.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """The commonest class, or the mean, of the training pixels everywhere."""
        data = open_images(task)
        name, counts = ("majority", _majority(data)) if data.classes else ("mean", _mean(data))
        return Outcome(_as_scores(task, data, name, [counts], model=name))


def settings_of(task: Task, pyramid: str) -> SegmentationSettings:
    """
    A task's settings for one pyramid.

    Raises:
        ValueError: an unknown setting, or one out of range.
    """
    overrides = dict(task.options.get("segmentation", {}))
    known = [setting.name for setting in fields(SegmentationSettings) if setting.name != "pyramid"]
    check_keys(overrides, known, f"Task {task.name!r}, options.segmentation")
    return SegmentationSettings(**overrides, pyramid=pyramid)


def _run(
    encoder: Encoder, data: ImageSet, settings: SegmentationSettings, seed: int, device: torch.device
) -> np.ndarray:
    """[`tile_counts`] of the test tiles."""
    assert data.tile_format is not None
    backbone = Backbone(encoder, data.tile_format, settings.pyramid)
    decoder = train_decoder(backbone, data, settings, seed, device)
    return tile_counts(decoder, _Samples(data.splits["test"], backbone, settings.window), data.classes)


def _as_scores(
    task: Task, data: ImageSet, method: str, runs: Sequence[np.ndarray], width: int = 0, model: str = ""
) -> list[Score]:
    found = [dense_scores(counts, data.classes) for counts in runs]
    names = [name for name in found[0] if name in task.metrics or name.startswith("iou ")]
    spreads = spreads_of(len(runs[0]), lambda drawn: dense_scores(runs[0][drawn], data.classes))
    return [
        Score(
            method=method,
            split="test",
            metric=name,
            value=float(np.mean([run[name] for run in found if name in run])),
            n_samples=len(data.splits["train"]),
            n_test=len(data.splits["test"]),
            feature_dim=width,
            n_folds=len(runs),
            spread=spreads[name],
            model=model,
            dropped=data.dropped,
        )
        for name in names
    ]


def _places(data: ImageSet, counts: np.ndarray) -> PlaceErrors | None:
    """The share of wrong pixels of each tile, where classes are sought and places known."""
    places = np.array([image.place or (np.nan, np.nan) for image in data.splits["test"]])
    pixels = counts.reshape(len(counts), -1).sum(axis=1)
    known = np.isfinite(places).all(axis=1) & (pixels > 0)
    if not data.classes or not known.any():
        return None
    right = np.trace(counts, axis1=1, axis2=2)
    lon, lat = places[known].T
    return PlaceErrors(lon, lat, (1 - right[known] / pixels[known]), "wrong", "test")


def _majority(data: ImageSet) -> np.ndarray:
    """[`tile_counts`] of the test tiles where all is taken for the commonest class of the training tiles."""
    train = sum(_class_counts(image, data.classes) for image in data.splits["train"])
    counts = np.zeros((len(data.splits["test"]), len(data.classes), len(data.classes)), np.int64)
    for tile, image in enumerate(data.splits["test"]):
        counts[tile, :, np.argmax(train)] = _class_counts(image, data.classes)
    return counts


def _class_counts(image: LabelledImage, classes: Sequence[str]) -> Any:
    return np.bincount(image.label[_labelled(image.label)], minlength=len(classes))


def _mean(data: ImageSet) -> np.ndarray:
    """[`tile_counts`] of the test tiles where every number is taken for the mean of the training tiles."""
    train: Any = sum(_sums_of(image, 0.0) for image in data.splits["train"])
    return np.stack([_sums_of(image, train[1] / max(train[0], 1)) for image in data.splits["test"]])


def _sums_of(image: LabelledImage, guess: float) -> np.ndarray:
    truth = image.label[_labelled(image.label)].astype(np.float64)
    return _sums(truth, np.full(len(truth), guess))
