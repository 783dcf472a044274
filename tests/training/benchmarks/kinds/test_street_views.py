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
"""Classes and numbers of street views, on tables in the layout of Global Streetscapes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.image_layouts import local_task
from tests.helpers.photo_tables import ATTRIBUTES, write_streetscapes
from training.benchmarks.data import Unavailable
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.street_views import StreetViews, photo_features
from training.benchmarks.layouts.registry import open_images
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import load_tasks

TASKS = load_tasks()
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("streetscapes")
    write_streetscapes(path)
    return path


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_is_read(attribute, folder, encoder):
    data = open_images(local_task(f"streetscapes-{attribute.replace('_', '-')}", folder))
    assert data.classes == ("clear", "cloudy", "rainy")
    assert len(data.splits["train"]) + len(data.splits["validation"]) == 40 and len(data.splits["test"]) == 12
    # The first photo of each split is rainy and dark.
    first, last = data.splits["test"][0], data.splits["test"][2]
    assert data.classes[first.label] == "rainy" and data.classes[last.label] == "clear"
    assert encoder.read_photo(first.sources[0]).mean() < encoder.read_photo(last.sources[0]).mean()


def test_attributes_are_classified(folder, encoder, tmp_path):
    task = replace(
        local_task("streetscapes-weather", folder),
        options={**TASKS["streetscapes-weather"].options, "head": {"epochs": 60}},
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
        local_task("streetscapes-safe", folder), options={**TASKS["streetscapes-safe"].options, "head": {"epochs": 60}}
    )
    bench = Bench(FeatureStore(tmp_path), CPU)
    data = open_images(task)
    assert data.classes == () and not set(data.splits["train"].names) & set(data.splits["test"].names)
    scores = {(s.method, s.metric): s.value for s in StreetViews().measure(task, encoder, bench).scores}
    baseline = {s.metric: s.value for s in StreetViews().baselines(task, bench).scores}
    assert baseline["r2"] <= 0 and baseline["rmse"] > 1.5
    # How much a tower with random weights sees depends on their draw.
    assert scores["head", "r2"] > 0.3 and scores["head", "rmse"] < 0.9 * baseline["rmse"]


def test_features_are_reused_by_another_head(folder, encoder, tmp_path, monkeypatch):
    task, bench = local_task("streetscapes-glare", folder), Bench(FeatureStore(tmp_path), CPU)
    StreetViews().extract(task, encoder, bench)
    monkeypatch.setattr(encoder, "read_photo", None)
    quick = replace(task, options={**task.options, "head": {"epochs": 1}})
    assert StreetViews().measure(quick, encoder, bench).scores
    assert StreetViews().rivals(task)[0].name == "colour statistics"


def test_a_changed_photo_is_embedded_again(tmp_path, encoder):
    write_streetscapes(tmp_path)
    task, bench = local_task("streetscapes-glare", tmp_path), Bench(FeatureStore(tmp_path / "store"), CPU)
    first = photo_features(task, open_images(task), encoder, bench, "test")
    Image.new("RGB", (64, 48), (255, 0, 0)).save(tmp_path / "manual_labels/img/00000000-bbbb.jpeg")
    second = photo_features(task, open_images(task), encoder, bench, "test")
    changed = np.abs(first["features"] - second["features"]).max(axis=1) > 1e-4
    assert changed.tolist() == [True] + [False] * 11


def test_a_label_that_is_not_a_number_is_refused_by_name(tmp_path):
    write_streetscapes(tmp_path)
    path = tmp_path / "data/perception.csv"
    path.write_text(path.read_text().replace("0.0", "low"))
    with pytest.raises(ValueError, match="holds 26 numbers and 14 other cells"):
        open_images(local_task("streetscapes-safe", tmp_path))


def test_rows_without_a_photo_or_a_label_are_counted(tmp_path):
    write_streetscapes(tmp_path)
    (tmp_path / "manual_labels/img/00000000-bbbb.jpeg").unlink()
    table = tmp_path / "manual_labels/train/quality.csv"
    table.write_text(table.read_text().replace("00000001-aaaa,Mapillary,1,cloudy", "00000001-aaaa,Mapillary,1,"))
    data = open_images(local_task("streetscapes-quality", tmp_path))
    assert data.dropped == 2 and data.remarks == ("2 rows have no label or no photo and are left out.",)
    assert "00000000-bbbb" not in data.splits["test"].names


def test_labels_without_photos_are_skipped_with_a_reason(tmp_path):
    write_streetscapes(tmp_path)
    for photo in (tmp_path / "manual_labels/img").iterdir():
        photo.unlink()
    with pytest.raises(Unavailable, match=r"None of the 40 photos .* was found.*unpack manual_labels/img"):
        open_images(local_task("streetscapes-platform", tmp_path))


def test_a_photo_that_cannot_be_decoded_is_refused_by_name(tmp_path, encoder):
    write_streetscapes(tmp_path)
    (tmp_path / "manual_labels/img/00000002-bbbb.jpeg").write_bytes(b"no photo")
    task = local_task("streetscapes-platform", tmp_path)
    with pytest.raises(ValueError, match=r"Photo '00000002-bbbb'.*cannot be decoded"):
        StreetViews().extract(task, encoder, Bench(FeatureStore(tmp_path / "store"), CPU))


def test_a_table_without_the_column_is_refused(tmp_path):
    write_streetscapes(tmp_path)
    for split in ("train", "test"):
        path = tmp_path / "manual_labels" / split / "glare.csv"
        path.write_text(path.read_text().replace("glare", "flare"))
    with pytest.raises(ValueError, match="no column 'glare'"):
        open_images(local_task("streetscapes-glare", tmp_path))
