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
"""UPerNet on frozen maps: what it learns, PANGAEA's protocol, windows, dates and figures."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score, r2_score

pytest.importorskip("rasterio", reason="the extra train is not installed")

from modeling_gair import GairProcessor
from training.benchmarks.encoders.encoder import GairEncoder, SinCosEncoder, TileFormat, TileSample
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.segmentation import (
    Backbone,
    Decoder,
    Segmentation,
    SegmentationSettings,
    _Samples,
    dense_scores,
    enlarged,
    predict,
    regression_scores,
    segmentation_scores,
    settings_of,
    tile_counts,
    train_decoder,
    window_around_a_label,
    window_starts,
)
from training.benchmarks.layouts.images import IGNORED, Images, ImageSet, LabelledImage
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import load_tasks

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
FORMAT = TileFormat(BANDS, allow_any_scale=True)
CPU = torch.device("cpu")
SMALL = SegmentationSettings(channels=8, epochs=6, batch_size=4, learning_rate=2e-2, validate_every=3)


@pytest.fixture(scope="module")
def encoder(tiny_model) -> GairEncoder:
    return GairEncoder(tiny_model, GairProcessor.for_config(tiny_model.config), "tiny")


def halves(seed: int, side: int = 96, dates: int = 1, kind: str = "classes") -> LabelledImage:
    """A bright and a dark part; of several dates only the last one shows which is which."""
    draws = np.random.default_rng(seed)
    edge = int(draws.integers(side // 4, 3 * side // 4))
    bright = np.arange(side)[None, :] >= edge if seed % 2 else np.arange(side)[:, None] < edge
    bright = np.broadcast_to(bright, (side, side))
    blank = np.full((len(BANDS), side, side), 1500, np.uint16)
    shown = np.where(bright, 3500, 700).astype(np.uint16) + draws.integers(0, 200, blank.shape).astype(np.uint16)
    label = {"classes": bright.astype(np.int64), "numbers": np.where(bright, 80.0, 20.0).astype(np.float32)}[kind]
    sources = [TileSample(f"{seed}, {date}", blank) for date in range(dates - 1)] + [TileSample(str(seed), shown)]
    return LabelledImage(str(seed), tuple(sources), label, (10.0 + seed, 50.0))


def image_set(images: Sequence[LabelledImage], classes: tuple[str, ...] = ("dark", "bright")) -> ImageSet:
    third = len(images) // 3
    parts = {"train": images[: -2 * third], "validation": images[-2 * third : -third], "test": images[-third:]}
    splits = {name: Images([image.name for image in part], list(part).__getitem__) for name, part in parts.items()}
    return ImageSet(splits, classes, FORMAT)


def run(encoder, data: ImageSet, settings: SegmentationSettings) -> dict[str, float]:
    backbone = Backbone(encoder, FORMAT, settings.pyramid)
    decoder = train_decoder(backbone, data, settings, seed=0, device=CPU)
    return dense_scores(
        tile_counts(decoder, _Samples(data.splits["test"], backbone, settings.window), data.classes), data.classes
    )


# What is learned -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pyramid", ["layers", "nili"])
def test_parts_of_a_tile_are_told_apart(encoder, pyramid):
    data = image_set([halves(seed) for seed in range(24)])
    scores = run(encoder, data, replace(SMALL, pyramid=pyramid))
    assert scores["miou"] > 0.75 and scores["accuracy"] > 0.85
    assert set(scores) == {"miou", "accuracy", "macro_f1", "iou dark", "iou bright"}


def test_several_dates_are_weighed(encoder):
    """Only the last of two dates shows anything: a decoder that read the first alone would be at chance."""
    data = image_set([halves(seed, dates=2) for seed in range(24)])
    assert run(encoder, data, replace(SMALL, epochs=15))["miou"] > 0.7


def test_numbers_are_regressed(encoder):
    data = image_set([halves(seed, kind="numbers") for seed in range(24)], classes=())
    scores = run(encoder, data, replace(SMALL, epochs=20))
    assert scores["r2"] > 0.7 and scores["rmse"] < 16


def test_windows_train_and_slide(encoder):
    data = image_set([halves(seed, side=80) for seed in range(24)])
    assert run(encoder, data, replace(SMALL, window=48))["miou"] > 0.7


def test_tiles_of_a_data_set_may_differ_in_size(encoder):
    """Three of one size and one of another in each batch: batch normalisation still sees all four."""
    sides = [80 if seed % 4 == 3 else 96 for seed in range(24)]
    data = image_set([halves(seed, side) for seed, side in enumerate(sides)])
    assert run(encoder, data, SMALL)["miou"] > 0.7


def test_labels_that_say_nothing_teach_nothing(encoder):
    """Shuffled labels: no leak from labels to figures."""
    draws = np.random.default_rng(0)
    images = [replace(halves(seed), label=draws.integers(0, 2, (96, 96))) for seed in range(12)]
    assert run(encoder, image_set(images), replace(SMALL, epochs=2))["accuracy"] < 0.55


def test_a_seed_repeats_a_run(encoder):
    data = image_set([halves(seed) for seed in range(12)])
    settings = replace(SMALL, epochs=2)
    assert run(encoder, data, settings) == run(encoder, data, settings)


def test_the_backbone_stays_frozen_and_is_asked_once(encoder, monkeypatch):
    data = image_set([halves(seed) for seed in range(12)])
    before = {name: value.clone() for name, value in encoder.model.state_dict().items()}
    encoded = []
    original = encoder.tile_layers
    monkeypatch.setattr(encoder, "tile_layers", lambda tiles, form: (encoded.extend(tiles), original(tiles, form))[1])
    train_decoder(Backbone(encoder, FORMAT, "layers"), data, replace(SMALL, epochs=3), 0, CPU)
    # Each training and validation tile once over all epochs, and the first once more to learn the maps' shapes.
    assert len(encoded) == 4 + 4 + 1
    assert all(torch.equal(before[name], value) for name, value in encoder.model.state_dict().items())


# The decoder and the protocol ----------------------------------------------------------------------------------------


def test_the_defaults_are_pangaea_s():
    settings = SegmentationSettings()
    assert (settings.channels, settings.epochs, settings.batch_size) == (512, 80, 8)
    assert (settings.learning_rate, settings.weight_decay, settings.milestones) == (1e-4, 0.05, (0.6, 0.9))
    for task in load_tasks().values():
        if task.kind == "segmentation" and not task.on_sample_world:
            assert replace(settings_of(task, "layers"), window=None) == settings, task.name


def test_the_pyramid_has_four_sizes(encoder):
    backbone = Backbone(encoder, FORMAT, "layers")
    tile = backbone.read(halves(0))
    maps = backbone.maps([tile, tile])
    assert [tuple(one.shape) for one in maps] == [(2, 1, 96, 12, 12)] * 4
    decoder = backbone.decoder(tile, 2, SMALL)
    levels = decoder.pyramid([one[:, 0] for one in maps])
    assert [one.shape[-1] for one in levels] == [48, 24, 12, 6]
    assert decoder(maps).shape == (2, 2, 48, 48)
    assert enlarged(decoder(maps), (50, 70)).shape == (2, 2, 50, 70)


def test_nili_s_map_is_read_and_halved(encoder):
    backbone = Backbone(encoder, FORMAT, "nili")
    tile = backbone.read(halves(0))
    maps = backbone.maps([tile])
    assert [one.shape[-1] for one in maps] == [48, 24, 12, 6]
    expected = encoder.tile_map([tile[0]], FORMAT, (48, 48))
    torch.testing.assert_close(maps[0][:, 0], expected)
    torch.testing.assert_close(maps[1][:, 0, :, 0, 0], expected[..., :2, :2].mean(dim=(2, 3)))
    assert isinstance(backbone.decoder(tile, 2, SMALL).pyramid, torch.nn.Identity)


def test_numbers_are_never_negative():
    torch.manual_seed(0)
    decoder = Decoder([8] * 4, 1, 8, rescale=True, dates=1, numbers=(0.1, 1.0)).eval()
    output = decoder([torch.randn(2, 1, 8, 12, 12) for _ in range(4)])
    assert output.min() >= 0 and output.max() > 0


def test_windows_cover_a_side_evenly():
    assert window_starts(96, 96) == [0] and window_starts(60, 96) == [0]
    assert window_starts(512, 96) == [0, 83, 166, 250, 333, 416]
    for side in range(96, 400, 7):
        covered = np.zeros(side, bool)
        for start in window_starts(side, 96):
            covered[start : start + 96] = True
        assert covered.all()


def test_a_random_window_holds_a_label():
    draws = np.random.default_rng(0)
    label = np.full((60, 90), IGNORED)
    label[58, 3] = 1
    corners = {window_around_a_label(label, 16, draws) for _ in range(100)}
    assert all(row <= 58 < row + 16 and column <= 3 < column + 16 for row, column in corners)
    assert all(0 <= row <= 44 and 0 <= column <= 74 for row, column in corners) and len(corners) > 3
    assert window_around_a_label(np.full((10, 30), np.nan, np.float32), 16, draws)[0] == 0


def test_overlapping_windows_are_averaged(encoder):
    """A tile in one window gives what the whole gives; in several, each pixel is the mean of those that cover it."""
    image = halves(1)
    backbone = Backbone(encoder, FORMAT, "layers")
    decoder = backbone.decoder(backbone.read(image), 2, SMALL).eval()
    images = Images([image.name], [image].__getitem__)
    whole, _ = predict(decoder, _Samples(images, backbone, None), 0)
    one, _ = predict(decoder, _Samples(images, backbone, 96), 0)
    np.testing.assert_allclose(one, whole, atol=1e-5)
    slid, _ = predict(decoder, _Samples(images, backbone, 64), 0)
    tile = backbone.read(image)
    corner = enlarged(decoder(backbone.maps([tile[..., :64, :64]])), (64, 64))[0].detach().numpy()
    np.testing.assert_allclose(slid[:, :32, :32], corner[:, :32, :32], atol=1e-5)
    parts = [
        enlarged(decoder(backbone.maps([tile[..., r : r + 64, c : c + 64]])), (64, 64))[0]
        .detach()
        .numpy()[:, 48 - r, 48 - c]
        for r in (0, 32)
        for c in (0, 32)
    ]
    np.testing.assert_allclose(slid[:, 48, 48], np.mean(parts, axis=0), atol=1e-5)


# Figures -------------------------------------------------------------------------------------------------------------


def test_figures_are_those_of_scikit_learn():
    draws = np.random.default_rng(0)
    truth, found = draws.integers(0, 3, 500), draws.integers(0, 3, 500)
    confusion = np.bincount(truth * 3 + found, minlength=9).reshape(3, 3)
    scores = segmentation_scores(confusion, ("a", "b", "c"))
    assert scores["miou"] == pytest.approx(jaccard_score(truth, found, average="macro"))
    assert scores["iou b"] == pytest.approx(jaccard_score(truth, found, average=None)[1])
    numbers, guesses = draws.random(100), draws.random(100)
    sums = np.array([100, numbers.sum(), (numbers**2).sum(), ((numbers - guesses) ** 2).sum()])
    assert regression_scores(sums)["r2"] == pytest.approx(r2_score(numbers, guesses))
    assert regression_scores(sums)["rmse"] == pytest.approx(np.sqrt(((numbers - guesses) ** 2).mean()))


def test_a_class_that_never_occurs_does_not_count():
    scores = segmentation_scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("a", "b", "c"))
    assert scores["miou"] == pytest.approx((3 / 4 + 4 / 5) / 2) and "iou c" not in scores
    with pytest.raises(ValueError, match="No tile to measure on has a labelled pixel"):
        segmentation_scores(np.zeros((2, 2), int), ("a", "b"))


# The kind of task, and what is refused -------------------------------------------------------------------------------


def test_the_kind_gives_figures_and_baselines(encoder, tmp_path, monkeypatch):
    data = image_set([halves(seed) for seed in range(12)])
    monkeypatch.setattr("training.benchmarks.kinds.segmentation.open_images", lambda task: data)
    task = load_tasks()["world-segmentation"]
    task = replace(task, options={"segmentation": {"channels": 8, "epochs": 1, "learning_rate": 2e-2}})
    bench = Bench(FeatureStore(tmp_path), CPU, seeds=(0, 1))
    found = Segmentation().measure(task, encoder, bench)
    by_name = {(score.method, score.metric): score for score in found.scores}
    assert {method for method, _ in by_name} == {"upernet_layers", "upernet_nili"}
    score = by_name["upernet_layers", "miou"]
    assert (score.n_samples, score.n_test, score.feature_dim, score.n_folds) == (4, 4, 8, 2)
    assert score.spread is not None and score.spread[0] <= score.spread[1]
    assert found.places.lon.tolist() == [18.0, 19.0, 20.0, 21.0] and (found.places.error <= 1).all()
    monkeypatch.setattr(encoder, "continuous", False)
    assert {score.method for score in Segmentation().measure(task, encoder, bench).scores} == {"upernet_layers"}
    majority = {score.metric: score.value for score in Segmentation().baselines(task, bench).scores}
    shares = np.mean([image.label.mean() for image in data.splits["test"]])
    assert majority["accuracy"] in (pytest.approx(shares), pytest.approx(1 - shares))
    assert majority["miou"] == pytest.approx(majority["accuracy"] / 2)


def test_the_mean_is_the_baseline_of_numbers(encoder, tmp_path, monkeypatch):
    data = image_set([halves(seed, kind="numbers") for seed in range(12)], classes=())
    monkeypatch.setattr("training.benchmarks.kinds.segmentation.open_images", lambda task: data)
    scores = Segmentation().baselines(load_tasks()["biomassters"], Bench(FeatureStore(tmp_path), CPU)).scores
    found = {score.metric: score.value for score in scores}
    assert set(found) == {"rmse", "r2"} and found["r2"] <= 0 and 25 < found["rmse"] < 45


def test_what_cannot_be_trained_is_refused(encoder):
    unlabelled = image_set([replace(halves(seed), label=np.full((96, 96), IGNORED)) for seed in range(9)])
    with pytest.raises(ValueError, match="No training tile has a labelled pixel"):
        train_decoder(Backbone(encoder, FORMAT, "layers"), unlabelled, SMALL, 0, CPU)
    with pytest.raises(ValueError, match="There are 1 training tiles, expected two or more"):
        train_decoder(Backbone(encoder, FORMAT, "layers"), image_set([halves(0), halves(1), halves(2)]), SMALL, 0, CPU)
    with pytest.raises(ValueError, match="sin/cos has no feature maps"):
        Backbone(SinCosEncoder(), FORMAT, "layers")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pyramid": "tokens"}, "segmentation.pyramid is 'tokens', expected one of layers, nili."),
        ({"window": 2}, "segmentation.window is 2, expected a whole number of at least 8."),
        ({"batch_size": 1}, "segmentation.batch_size is 1, expected a whole number of at least 2."),
    ],
)
def test_wrong_settings_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        SegmentationSettings(**change)


def test_an_unknown_setting_is_named():
    task = load_tasks()["world-segmentation"]
    wrong = replace(task, options={"segmentation": {"chanels": 8}})
    with pytest.raises(ValueError, match="sets 'chanels', which is no setting; did you mean 'channels'"):
        settings_of(wrong, "layers")
