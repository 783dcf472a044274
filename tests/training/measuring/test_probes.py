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
"""Linear probes on frozen embeddings."""

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn", reason="the extra train is not installed")
from training.measuring.probes import probe_table, ridge_r2
from training.measuring.retrieval import LABELS
from training.measuring.tables import format_probes


def drawn(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(seed))


def test_a_probe_predicts_a_linear_map_but_not_noise():
    train, test = drawn(400, 0), drawn(200, 1)
    values = np.random.default_rng(0).normal(size=(12, 3))
    noise = np.random.default_rng(1).normal(size=(400, 3)), np.random.default_rng(2).normal(size=(200, 3))
    assert ridge_r2(train, train.numpy() @ values, test, test.numpy() @ values) > 0.999
    assert abs(ridge_r2(train, noise[0], test, noise[1])) < 0.1


def test_the_scores_of_several_values_are_weighted_by_variance():
    train, test = drawn(400, 0), drawn(200, 1)
    known, unknown = (part.numpy()[:, :1] for part in (train, test)), np.random.default_rng(0)
    loud = [np.concatenate([10 * values, unknown.normal(size=values.shape)], axis=1) for values in known]
    assert ridge_r2(train, loud[0], test, loud[1]) > 0.95


def test_only_labels_in_both_splits_are_probed():
    embeddings = {name: drawn(60, 0) for name in ("nili", "bilinear", "tile_mean", "sv", "location")}
    both, one = {"moisture": np.arange(60.0)}, {"moisture": np.arange(60.0), "photo_cover": np.ones((60, 7))}
    pair = (embeddings, embeddings)
    table = probe_table(pair, pair, (one, both), "nili")
    assert set(table) == {"annual moisture from location", "annual moisture from RS, tile mean"}
    assert all(row["trained"] == row["untrained"] for row in table.values())
    assert len({len(line) for line in format_probes(table).splitlines()}) == 1
    assert probe_table(pair, pair, ({}, {}), "nili") == {}


@pytest.mark.parametrize("mode", ["nili", "bilinear"])
def test_probes_read_the_model_in_its_own_mode_and_without_its_pixels(mode):
    embeddings = {name: drawn(60, 0) for name in ("nili", "bilinear", "without_pixels", "tile_mean", "sv")}
    labels = {"photo_cover": np.arange(60.0)}
    for given in (embeddings, {name: value for name, value in embeddings.items() if name != "without_pixels"}):
        table = probe_table((given, given), (given, given), (labels, labels), mode)
        read = [
            name for name in dict.fromkeys((mode, "without_pixels", "bilinear", "tile_mean", "sv")) if name in given
        ]
        assert list(table) == [f"cover at the photo from {LABELS[name]}" for name in read]
