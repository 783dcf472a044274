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
"""The segmentation tasks, from data to scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.image_layouts import MAKERS, local_task
from tests.helpers.segmentation_tiles import halves, image_set
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.segmentation import Segmentation
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import load_tasks

CPU = torch.device("cpu")
TASKS = load_tasks()


@pytest.mark.parametrize("name", [name for name in MAKERS if TASKS[name].kind == "segmentation"])
def test_every_segmentation_task_runs_in_its_protocol(name, folders, encoder, tmp_path):
    """Covers windows, missing bands, dates and regression, with a small decoder that is barely trained."""
    task = local_task(name, folders[name])
    quick = {"channels": 4, "epochs": 1, "batch_size": 2}
    window = {"window": 8} if "segmentation" in task.options else {}
    task = replace(task, options={**task.options, "segmentation": {**quick, **window}})
    bench = Bench(FeatureStore(tmp_path), torch.device("cpu"))
    scores = Segmentation().measure(task, encoder, bench).scores
    found = {(score.method, score.metric): score.value for score in scores}
    assert {method for method, _ in found} == {"upernet_layers", "upernet_nili"}
    assert {metric for _, metric in found if not metric.startswith("iou ")} == set(task.metrics)
    assert all(np.isfinite(value) for value in found.values())
    baseline = {score.metric: score.value for score in Segmentation().baselines(task, bench).scores}
    assert set(task.metrics) <= set(baseline)


def test_segmentation_reports_scores_and_baselines(encoder, tmp_path, monkeypatch):
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


def test_the_baseline_of_regression_is_the_mean(encoder, tmp_path, monkeypatch):
    data = image_set([halves(seed, kind="numbers") for seed in range(12)], classes=())
    monkeypatch.setattr("training.benchmarks.kinds.segmentation.open_images", lambda task: data)
    scores = Segmentation().baselines(load_tasks()["biomassters"], Bench(FeatureStore(tmp_path), CPU)).scores
    found = {score.metric: score.value for score in scores}
    assert set(found) == {"rmse", "r2"} and found["r2"] <= 0 and 25 < found["rmse"] < 45
