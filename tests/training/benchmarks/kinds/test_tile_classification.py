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
"""Classes of tiles by KNN and logistic regression."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.image_layouts import local_task
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.tile_classification import TileClassification, class_scores
from training.benchmarks.store import FeatureStore


def test_eurosat_is_classified_by_knn_and_logistic_regression(folders, encoder, tmp_path):
    """The generated classes differ only in brightness, which every tower can detect."""
    bench = Bench(FeatureStore(tmp_path), torch.device("cpu"))
    task = local_task("eurosat", folders["eurosat"])
    found = TileClassification().measure(task, encoder, bench)
    scores = {(score.method, score.metric): score for score in found.scores}
    assert set(scores) == {(m, name) for m in ("knn", "logistic") for name in ("accuracy", "macro_f1")}
    assert scores["logistic", "accuracy"].value == 1.0
    assert scores["logistic", "accuracy"].n_samples == 12 and scores["logistic", "accuracy"].n_test == 6
    baseline = TileClassification().baselines(task, bench)
    assert {score.model for score in baseline.scores} == {"majority"}
    assert next(s for s in baseline.scores if s.metric == "accuracy").value == pytest.approx(1 / 3)


def test_embeddings_are_cached_by_model_and_format(folders, encoder, tmp_path, monkeypatch):
    bench = Bench(FeatureStore(tmp_path), torch.device("cpu"))
    task = local_task("eurosat", folders["eurosat"])
    TileClassification().extract(task, encoder, bench)
    monkeypatch.setattr(encoder, "embed_tiles", None)
    TileClassification().measure(task, encoder, bench)
    dimmer = replace(task, options={**task.options, "tiles": {**task.options["tiles"], "digital_number_offset": 5.0}})
    with pytest.raises(TypeError):
        TileClassification().measure(dimmer, encoder, bench)


def test_scores_match_manual_calculation():
    labels = np.array([0, 0, 1, 2])
    right = np.eye(3)[labels]
    assert class_scores(labels, right) == {"accuracy": 1.0, "macro_f1": 1.0}
    all_zero = np.tile([1.0, 0.0, 0.0], (4, 1))
    assert class_scores(labels, all_zero)["accuracy"] == 0.5
    assert class_scores(labels, all_zero)["macro_f1"] == pytest.approx((2 * 0.5 / 1.5) / 3)
    several = np.array([[1, 0], [0, 1]])
    assert class_scores(several, several.astype(float)) == {"micro_map": 1.0}
    # The two correct classes rank second and fourth of four: (1/2 + 2/4) / 2.
    assert class_scores(several, np.array([[0.6, 0.9], [0.5, 0.1]]))["micro_map"] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="No test row has any class"):
        class_scores(np.zeros((2, 2)), np.ones((2, 2)))
