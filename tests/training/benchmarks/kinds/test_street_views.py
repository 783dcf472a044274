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
"""Heads on the frozen street-view tower, and tables of photos in the layout of Global Streetscapes."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("sklearn", reason="the extra train is not installed")

from modeling_gair import GairProcessor
from training.benchmarks.data import Unavailable
from training.benchmarks.encoders.encoder import GairEncoder
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.street_views import (
    HeadSettings,
    Rows,
    StreetViews,
    _apply,
    _collect,
    head_settings,
    number_scores,
    train_head,
)
from training.benchmarks.layouts.images import open_images
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task, load_tasks

TASKS = load_tasks()
CPU = torch.device("cpu")
ATTRIBUTES = (
    "weather lighting_condition view_direction platform quality glare reflection pano_status".split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def encoder(tiny_model) -> GairEncoder:
    return GairEncoder(tiny_model, GairProcessor.for_config(tiny_model.config), "tiny")


def rows(count: int, seed: int, labels_of) -> Rows:
    features = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32) * [1, 1, 1, 50, 0.01, 1] + 7
    features[:, 5] = 7.0
    return Rows(features.astype(np.float32), labels_of(features - 7))


def fitted(labels_of, classes: int, pooler: bool, settings: HeadSettings) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels of rows that the head has not seen."""
    train, validation, test = (rows(count, seed, labels_of) for count, seed in ((600, 0), (200, 1), (400, 2)))
    head = train_head(train, validation, classes, pooler, settings, 0, CPU)
    return _apply(head, test.features, CPU), test.labels


# The head ------------------------------------------------------------------------------------------------------------


def test_classes_are_learned_from_features_of_any_scale():
    """One feature is 5,000 times another, and one is constant: all are standardised."""
    found, labels = fitted(lambda f: (f[:, 4] > 0).astype(int) + 2 * (f[:, 3] > 0), 4, False, HeadSettings(epochs=60))
    assert found.shape == (400, 4) and (found.argmax(axis=1) == labels).mean() > 0.9


def test_numbers_are_learned_in_their_own_units():
    found, labels = fitted(lambda f: 1e4 + 300 * f[:, 0] + 4 * f[:, 3], 0, False, HeadSettings(epochs=150))
    scores = number_scores(labels, found[:, 0])
    assert scores["r2"] > 0.95 and scores["rmse"] < 90


def test_a_pooler_learns_what_a_line_cannot():
    def labels_of(features: np.ndarray) -> np.ndarray:
        return (features[:, 0] * features[:, 1] > 0).astype(int)

    settings = HeadSettings(epochs=100, learning_rate=2e-2)
    line, labels = fitted(labels_of, 2, False, settings)
    pooled, _ = fitted(labels_of, 2, True, settings)
    assert (line.argmax(axis=1) == labels).mean() < 0.65
    assert (pooled.argmax(axis=1) == labels).mean() > 0.85


def test_the_best_epoch_on_validation_is_kept():
    """With noise for labels the loss on other rows only grows: what is kept is near chance, not what fits the noise."""
    noise = np.random.default_rng(3)
    found, labels = fitted(lambda f: noise.normal(size=len(f)), 0, True, HeadSettings(epochs=60, learning_rate=1e-2))
    assert number_scores(labels, found[:, 0])["r2"] > -0.1


def test_a_seed_repeats_a_head_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, _ = fitted(lambda f: (f[:, 0] > 0).astype(int), 2, True, HeadSettings(epochs=3))
    assert torch.equal(torch.random.get_rng_state(), before)
    second, _ = fitted(lambda f: (f[:, 0] > 0).astype(int), 2, True, HeadSettings(epochs=3))
    np.testing.assert_array_equal(first, second)


def test_one_label_is_refused():
    with pytest.raises(ValueError, match="The 20 training photos have one label"):
        train_head(
            rows(20, 0, lambda f: np.zeros(len(f), int)),
            rows(5, 1, lambda f: np.zeros(len(f), int)),
            2,
            False,
            HeadSettings(),
            0,
            CPU,
        )
    with pytest.raises(ValueError, match="The 3 photos to test on have one label"):
        number_scores(np.ones(3), np.zeros(3))


def test_scores_of_numbers():
    scores = number_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))
    assert scores == {"r2": pytest.approx(1 - 9 / 2), "rmse": pytest.approx(3**0.5)}


# Global Streetscapes -------------------------------------------------------------------------------------------------


def make_streetscapes(folder: Path) -> None:
    """
    `manual_labels/{train,test}/ATTRIBUTE.csv` and `manual_labels/img/UUID.jpeg` as in the published data, with
    `data/perception.csv`. A photo is as bright as its label says, so that a head can learn it.
    """
    names = {"train": [f"{n:08d}-aaaa" for n in range(40)], "test": [f"{n:08d}-bbbb" for n in range(12)]}
    (folder / "manual_labels/img").mkdir(parents=True)
    (folder / "data").mkdir()
    levels = {name: number % 3 for part in names.values() for number, name in enumerate(part)}
    for name, level in levels.items():
        noise = np.random.default_rng(int(name[:8])).integers(0, 40, (48, 64, 3))
        Image.fromarray((60 + 70 * level + noise).clip(0, 255).astype(np.uint8)).save(
            folder / "manual_labels/img" / f"{name}.jpeg"
        )
    for attribute in ATTRIBUTES:
        for split, part in names.items():
            path = folder / "manual_labels" / split / f"{attribute}.csv"
            path.parent.mkdir(exist_ok=True)
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["uuid", "source", "orig_id", attribute])
                writer.writerows([name, "Mapillary", 1, ("rainy", "cloudy", "clear")[levels[name]]] for name in part)
    with (folder / "data/perception.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uuid", "source", "orig_id", "Beautiful", "Boring", "Depressing", "Lively", "Safe", "Wealthy"])
        writer.writerows([name, "Mapillary", 1, *[3.0 * levels[name]] * 6] for name in names["train"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("streetscapes")
    make_streetscapes(path)
    return path


def at(name: str, folder: Path) -> Task:
    return replace(TASKS[name], source=str(folder))


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_is_read(attribute, folder, encoder):
    data = open_images(at(f"streetscapes-{attribute.replace('_', '-')}", folder))
    assert data.classes == ("clear", "cloudy", "rainy")
    assert len(data.splits["train"]) + len(data.splits["validation"]) == 40 and len(data.splits["test"]) == 12
    # Number 0 of each split is rainy, and dark.
    first, last = data.splits["test"][0], data.splits["test"][2]
    assert data.classes[first.label] == "rainy" and data.classes[last.label] == "clear"
    assert encoder.read_photo(first.sources[0]).mean() < encoder.read_photo(last.sources[0]).mean()


def test_attributes_are_classified(folder, encoder, tmp_path):
    task = replace(
        at("streetscapes-weather", folder), options={**TASKS["streetscapes-weather"].options, "head": {"epochs": 60}}
    )
    bench = Bench(FeatureStore(tmp_path), CPU, seeds=(0, 1))
    found = StreetViews().measure(task, encoder, bench)
    scores = {(score.method, score.metric): score for score in found.scores}
    assert set(scores) == {(m, name) for m in ("head", "head_and_pooler") for name in ("accuracy", "macro_f1")}
    assert scores["head", "accuracy"].value == 1.0 and scores["head_and_pooler", "macro_f1"].value == 1.0
    assert scores["head", "accuracy"].n_test == 12 and scores["head", "accuracy"].n_folds == 2
    majority = {score.metric: score for score in StreetViews().baselines(task, bench).scores}
    assert majority["accuracy"].value == pytest.approx(1 / 3) and majority["accuracy"].model == "majority"
    assert majority["macro_f1"].value == pytest.approx(1 / 6)


def test_perception_is_regressed(folder, encoder, tmp_path):
    task = replace(
        at("streetscapes-safe", folder), options={**TASKS["streetscapes-safe"].options, "head": {"epochs": 60}}
    )
    bench = Bench(FeatureStore(tmp_path), CPU)
    data = open_images(task)
    assert data.classes == () and not set(data.splits["train"].names) & set(data.splits["test"].names)
    scores = {(s.method, s.metric): s.value for s in StreetViews().measure(task, encoder, bench).scores}
    assert scores["head", "r2"] > 0.9 and scores["head", "rmse"] < 0.8
    baseline = {s.metric: s.value for s in StreetViews().baselines(task, bench).scores}
    assert baseline["r2"] <= 0 and baseline["rmse"] > 1.5


def test_features_are_kept_for_another_head(folder, encoder, tmp_path, monkeypatch):
    task, bench = at("streetscapes-glare", folder), Bench(FeatureStore(tmp_path), CPU)
    StreetViews().extract(task, encoder, bench)
    monkeypatch.setattr(encoder, "read_photo", None)
    quick = replace(task, options={**task.options, "head": {"epochs": 1}})
    assert StreetViews().measure(quick, encoder, bench).scores
    assert StreetViews().rivals(task)[0].name == "colour statistics"


def test_a_changed_photo_is_embedded_again(tmp_path, encoder):
    make_streetscapes(tmp_path)
    task, bench = at("streetscapes-glare", tmp_path), Bench(FeatureStore(tmp_path / "store"), CPU)
    first = _collect(task, open_images(task), encoder, bench, "test")
    Image.new("RGB", (64, 48), (255, 0, 0)).save(tmp_path / "manual_labels/img/00000000-bbbb.jpeg")
    second = _collect(task, open_images(task), encoder, bench, "test")
    changed = np.abs(first["features"] - second["features"]).max(axis=1) > 1e-4
    assert changed.tolist() == [True] + [False] * 11


def test_a_label_that_is_no_number_is_named(tmp_path):
    make_streetscapes(tmp_path)
    path = tmp_path / "data/perception.csv"
    path.write_text(path.read_text().replace("0.0", "low"))
    with pytest.raises(ValueError, match="The label 'low' of task 'streetscapes-safe' is no number"):
        open_images(at("streetscapes-safe", tmp_path))


def test_rows_without_a_photo_or_a_label_are_counted(tmp_path):
    make_streetscapes(tmp_path)
    (tmp_path / "manual_labels/img/00000000-bbbb.jpeg").unlink()
    table = tmp_path / "manual_labels/train/quality.csv"
    table.write_text(table.read_text().replace("00000001-aaaa,Mapillary,1,cloudy", "00000001-aaaa,Mapillary,1,"))
    data = open_images(at("streetscapes-quality", tmp_path))
    assert data.dropped == 2 and data.remarks == ("2 rows have no label or no photo and are left out.",)
    assert "00000000-bbbb" not in data.splits["test"].names


def test_labels_without_photos_are_skipped_with_a_reason(tmp_path):
    make_streetscapes(tmp_path)
    for photo in (tmp_path / "manual_labels/img").iterdir():
        photo.unlink()
    with pytest.raises(Unavailable, match=r"None of the 40 photos .* is there.*unpack manual_labels/img"):
        open_images(at("streetscapes-platform", tmp_path))


def test_a_photo_that_cannot_be_decoded_is_named(tmp_path, encoder):
    make_streetscapes(tmp_path)
    (tmp_path / "manual_labels/img/00000002-bbbb.jpeg").write_bytes(b"no photo")
    task = at("streetscapes-platform", tmp_path)
    with pytest.raises(ValueError, match=r"Photo '00000002-bbbb'.*cannot be decoded"):
        StreetViews().extract(task, encoder, Bench(FeatureStore(tmp_path / "store"), CPU))


def test_a_table_without_the_column_is_refused(tmp_path):
    make_streetscapes(tmp_path)
    for split in ("train", "test"):
        path = tmp_path / "manual_labels" / split / "glare.csv"
        path.write_text(path.read_text().replace("glare", "flare"))
    with pytest.raises(ValueError, match="no column 'glare'"):
        open_images(at("streetscapes-glare", tmp_path))


def test_an_unknown_setting_is_named():
    task = replace(TASKS["streetscapes-glare"], options={"head": {"epoch": 3}})
    with pytest.raises(ValueError, match="sets 'epoch', which is no setting; did you mean 'epochs'"):
        head_settings(task)
