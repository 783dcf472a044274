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
"""The linear probe of maps and raw pixels, from tiles to scores."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.image_layouts import local_task
from tests.helpers.segmentation_tiles import halves, image_set
from training.benchmarks.encoders.simple import BandStatistics, PixelWindows
from training.benchmarks.kinds import linear_segmentation
from training.benchmarks.kinds.kind import PIXEL_COUNTS, Bench, Outcome
from training.benchmarks.kinds.linear_segmentation import LinearSegmentation, linear_settings
from training.benchmarks.layouts.samples import Images, ImageSet
from training.benchmarks.probes.pixel_probe import INVERSE_STRENGTHS
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task, load_tasks

CPU = torch.device("cpu")
KIND = LinearSegmentation()


@pytest.fixture(autouse=True)
def few_strengths(monkeypatch):
    monkeypatch.setattr("training.benchmarks.probes.pixel_probe.INVERSE_STRENGTHS", INVERSE_STRENGTHS[2:4])


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(FeatureStore(tmp_path / "store"), CPU)


@pytest.fixture
def halves_task(tmp_path, monkeypatch) -> Callable[[ImageSet], Task]:
    """Makes a task of given tiles, with few pixels of each."""

    def make(data: ImageSet) -> Task:
        monkeypatch.setattr("training.benchmarks.kinds.linear_segmentation.open_images", lambda task: data)
        (tmp_path / "data").mkdir(exist_ok=True)
        options = {"linear": {"train_pixels": 20, "validation_pixels": 30, "window": 3}}
        return replace(load_tasks()["world-map-roads"], source=str(tmp_path / "data"), options=options)

    return make


def values(outcome: Outcome) -> dict[tuple[str, str], float]:
    return {(score.method, score.metric): score.value for score in outcome.scores}


def test_two_classes_are_scored_by_the_second(encoder, bench, halves_task):
    data = image_set([halves(seed) for seed in range(12)])
    task = halves_task(data)
    own, raw = (KIND.measure(task, one, bench) for one in (encoder, *KIND.rivals(task)))
    found = values(own) | values(raw)
    assert {method for method, _ in values(own)} == {"bilinear", "nili", "nili_with_pixels"}
    assert {method for method, _ in values(raw)} == {"window_1x1", "window_3x3"}
    assert {metric for _, metric in found} == {"average_precision", "iou", "f1", "iou dark", "iou bright"}
    # Brightness tells the parts apart at every pixel; a token sees the edge up to its size.
    assert found["window_1x1", "iou"] == 1.0 and found["window_3x3", "iou"] > 0.98
    assert all(0.6 < found[reading, "iou"] < 1.0 for reading in ("bilinear", "nili"))
    score = own.scores[0]
    assert (score.n_samples, score.n_test, score.feature_dim) == (4, 4, 96)
    assert {score.feature_dim for score in raw.scores} == {10, 90}
    assert own.places is not None and own.places.lon.tolist() == [18.0, 19.0, 20.0, 21.0]

    chance = {(score.model, score.metric): score.value for score in KIND.baselines(task, bench).scores}
    bright = sum(image.label.sum() for image in data.splits["test"])
    share = bright / (4 * 96 * 96)
    assert chance["everywhere", "average_precision"] == pytest.approx(share)
    assert chance["everywhere", "iou"] == pytest.approx(share) and chance["everywhere", "iou dark"] == 0
    assert chance["everywhere", "f1"] == pytest.approx(2 * share / (1 + share))
    assert chance[PIXEL_COUNTS, "pixels bright"] == bright and chance[PIXEL_COUNTS, "pixels dark"] == 4 * 96**2 - bright


def test_all_models_and_readings_get_the_same_pixels_and_only_labelled_ones(encoder, bench, halves_task):
    images = [halves(seed) for seed in range(6)]
    for image in images:
        image.label[:90] = -1
    task = halves_task(image_set(images))
    data = linear_segmentation.open_images(task)
    drawn = [
        linear_segmentation._drawn_pixels(task, data, one, bench, "train", 0) for one in (encoder, *KIND.rivals(task))
    ]
    assert drawn[0]["label"].shape == (2 * 20,) and (drawn[0]["label"] >= 0).all()
    np.testing.assert_array_equal(drawn[0]["label"], drawn[1]["label"])
    assert all(len(features) == 40 for part in drawn for features in part.values())
    # The raw pixel shows which pixel it is: its value is that of the tile at the drawn position.
    rows, columns = linear_segmentation._draw_positions(images[0], 20, 0)
    assert (rows >= 90).all() and len(set(zip(rows, columns))) == 20
    raw = np.argsort(images[0].sources[0].source[0, rows, columns], kind="stable")
    assert (np.diff(drawn[1]["window_1x1"][:20, 0][raw]) >= 0).all()
    other = linear_segmentation._draw_positions(images[0], 20, 1)
    assert set(zip(*other)) != set(zip(rows, columns))


def test_nothing_is_chosen_on_the_test_tiles(encoder, bench, halves_task):
    def unread(index):
        raise AssertionError("a test tile is read before the probe is fitted")

    images = [halves(seed) for seed in range(12)]
    data = image_set(images)
    names = data.splits["test"].names
    hidden = replace(data, splits={**data.splits, "test": Images(names, unread)})
    task = halves_task(hidden)
    probes = linear_segmentation._fitted_probes(task, hidden, encoder, bench, 0)
    again = linear_segmentation._fitted_probes(task, data, encoder, bench, 0)
    assert set(probes) == {"bilinear", "nili", "nili_with_pixels"}
    assert all(np.array_equal(probes[name].weight, again[name].weight) for name in probes)


def test_features_are_stored_and_several_seeds_are_averaged(encoder, bench, halves_task, monkeypatch):
    task = halves_task(image_set([halves(seed) for seed in range(12)]))
    bench = replace(bench, seeds=(0, 1))
    KIND.extract(task, encoder, bench)
    monkeypatch.setattr(linear_segmentation, "_draw_positions", None)
    outcome = KIND.measure(task, encoder, bench)
    both = values(outcome)
    each = [values(KIND.measure(task, encoder, replace(bench, seeds=(seed,)))) for seed in (0, 1)]
    assert both.keys() == each[0].keys() and each[0] != each[1]
    for key, value in both.items():
        assert value == pytest.approx((each[0][key] + each[1][key]) / 2)
    assert {score.n_folds for score in outcome.scores} == {2}


def test_the_tiles_with_the_most_even_classes_are_shown(bench, halves_task):
    """Tiles are chosen by the truth alone."""
    images = [halves(seed) for seed in range(30)]
    task = halves_task(image_set(images))
    (encoder,) = KIND.rivals(task)
    examples = KIND.measure(task, encoder, bench).examples
    uneven = {image.name: abs(image.label.mean() - 0.5) for image in images[-10:]}
    assert [example.name for example in examples] == sorted(uneven, key=uneven.__getitem__)[:6]
    first = examples[0]
    assert first.colour.shape == (96, 96, 3) and first.colour.dtype == np.uint8 and first.classes == ("dark", "bright")
    assert list(first.found) == ["window_1x1", "window_3x3"]
    assert all((found == first.truth).mean() > 0.99 for found in first.found.values())
    assert first.colour[first.truth == 1].mean() > first.colour[first.truth == 0].mean() + 100


@pytest.mark.parametrize("name", ["world-map-cover", "world-map-roads"])
def test_the_sample_world_s_maps_are_measured(name, small_world, encoder, bench):
    task = local_task(name, small_world)
    outcomes = [KIND.measure(task, one, bench) for one in (encoder, *KIND.rivals(task))]
    found = {key: value for outcome in outcomes for key, value in values(outcome).items()}
    methods = {"bilinear", "nili", "nili_with_pixels", "window_1x1", "window_5x5"}
    assert {method for method, _ in found} == methods and all(map(np.isfinite, found.values()))
    assert {(method, metric) for method in methods for metric in task.metrics} <= found.keys()
    scores = KIND.baselines(task, bench).scores
    counts = {score.metric: score.value for score in scores if score.model == PIXEL_COUNTS}
    assert len(counts) == len(task.options["classes"]) and sum(counts.values()) == 16 * 96**2
    base = {score.metric: score.value for score in scores}
    assert found["window_5x5", task.metrics[0]] > base[task.metrics[0]] + 0.05


def test_numbers_are_refused(encoder, bench, halves_task):
    task = halves_task(image_set([halves(seed, kind="numbers") for seed in range(6)], classes=()))
    with pytest.raises(ValueError, match="has numbers as labels; the probe needs classes"):
        KIND.measure(task, encoder, bench)


def test_settings_and_models_without_maps_are_refused(bench):
    task = load_tasks()["world-map-cover"]

    def with_linear(**settings) -> Task:
        return replace(task, options={**task.options, "linear": settings})

    assert linear_settings(task).window == 5
    for settings, message in (
        ({"window": 4}, "linear.window is 4; expected an odd number"),
        ({"train_pixels": 0}, "linear.train_pixels is 0; expected a whole number"),
        ({"train_pixel": 9}, "unknown setting 'train_pixel'; did you mean 'train_pixels'"),
    ):
        with pytest.raises(ValueError, match=message):
            linear_settings(with_linear(**settings))
    with pytest.raises(ValueError, match="band statistics has no feature maps"):
        KIND.measure(task, BandStatistics(), bench)
    assert PixelWindows(3).fingerprint != PixelWindows(5).fingerprint
