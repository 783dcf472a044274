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
"""What the decoder learns on frozen maps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.segmentation_tiles import FORMAT, halves, image_set
from training.benchmarks.layouts.samples import IGNORED, ImageSet
from training.benchmarks.probes.upernet.maps import Backbone, TileMaps
from training.benchmarks.probes.upernet.scores import dense_scores, tile_counts
from training.benchmarks.probes.upernet.settings import UperNetSettings
from training.benchmarks.probes.upernet.training import train_decoder

CPU = torch.device("cpu")

SMALL = UperNetSettings(channels=8, epochs=6, batch_size=4, learning_rate=2e-2, validate_every=3)


def run(encoder, data: ImageSet, settings: UperNetSettings) -> dict[str, float]:
    backbone = Backbone(encoder, FORMAT, settings.pyramid)
    decoder = train_decoder(backbone, data, settings, seed=0, device=CPU)
    return dense_scores(
        tile_counts(decoder, TileMaps(data.splits["test"], backbone, settings.window), data.classes), data.classes
    )


@pytest.mark.parametrize("pyramid", ["layers", "nili"])
def test_the_decoder_separates_parts_of_a_tile(encoder, pyramid):
    data = image_set([halves(seed) for seed in range(24)])
    scores = run(encoder, data, replace(SMALL, pyramid=pyramid))
    assert scores["miou"] > 0.75 and scores["accuracy"] > 0.85
    assert set(scores) == {"miou", "accuracy", "macro_f1", "iou dark", "iou bright"}


def test_dates_are_weighted(encoder):
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


def test_shuffled_labels_score_at_chance(encoder):
    """Shuffled labels: no leak from labels to figures."""
    draws = np.random.default_rng(0)
    images = [replace(halves(seed), label=draws.integers(0, 2, (96, 96))) for seed in range(12)]
    assert run(encoder, image_set(images), replace(SMALL, epochs=2))["accuracy"] < 0.55


def test_the_same_seed_repeats_a_run(encoder):
    data = image_set([halves(seed) for seed in range(12)])
    settings = replace(SMALL, epochs=2)
    assert run(encoder, data, settings) == run(encoder, data, settings)


def test_the_backbone_stays_frozen_and_embeds_each_tile_once(encoder, monkeypatch):
    data = image_set([halves(seed) for seed in range(12)])
    before = {name: value.clone() for name, value in encoder.model.state_dict().items()}
    encoded = []
    original = encoder.tile_layers
    monkeypatch.setattr(encoder, "tile_layers", lambda tiles, form: (encoded.extend(tiles), original(tiles, form))[1])
    train_decoder(Backbone(encoder, FORMAT, "layers"), data, replace(SMALL, epochs=3), 0, CPU)
    # Each training and validation tile once over all epochs, and the first once more to learn the maps' shapes.
    assert len(encoded) == 4 + 4 + 1
    assert all(torch.equal(before[name], value) for name, value in encoder.model.state_dict().items())


def test_data_that_cannot_be_trained_on_are_refused(encoder):
    unlabelled = image_set([replace(halves(seed), label=np.full((96, 96), IGNORED)) for seed in range(9)])
    with pytest.raises(ValueError, match="No training tile has a labelled pixel"):
        train_decoder(Backbone(encoder, FORMAT, "layers"), unlabelled, SMALL, 0, CPU)
    with pytest.raises(ValueError, match="There are 1 training tiles, expected at least two"):
        train_decoder(Backbone(encoder, FORMAT, "layers"), image_set([halves(0), halves(1), halves(2)]), SMALL, 0, CPU)
