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

from dataclasses import replace

import numpy as np
import pytest
import torch

from modeling_gair import GairConfig, GairModel
from modeling_gair.geo_gair import great_circle_distance_m
from tests.helpers.models import draw_pixels
from tests.helpers.pairs import PROCESSOR, write_pairs
from training.benchmarks.data import Unavailable
from training.benchmarks.encoders.gair import GairEncoder
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.pair_retrieval import (
    ACROSS,
    GEOLOCATION,
    OFFSETS_M,
    WITHIN,
    PairRetrieval,
    lattice,
    offset_points,
)
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task, load_tasks

KIND = PairRetrieval()


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> Task:
    """12 photos in 4 tiles."""
    path = write_pairs(tmp_path_factory.mktemp("pairs"), 12, tiles=4)
    pairs = load_tasks()["pairs"].at(str(path))
    return replace(pairs, options={"gallery": 500})


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(FeatureStore(tmp_path), torch.device("cpu"))


@pytest.fixture(scope="module")
def encoder(tiny_model) -> GairEncoder:
    return GairEncoder(tiny_model, PROCESSOR, "tiny")


def test_a_lattice_is_even():
    places = lattice(2000)
    assert places[:, 0].min() >= -180 and places[:, 0].max() < 180 and np.abs(places[:, 1]).max() < 90
    # Half of the sphere lies within 30 degrees of the equator.
    assert (np.abs(places[:, 1]) < 30).mean() == pytest.approx(0.5, abs=0.01)
    distance = great_circle_distance_m(places[:, :1], places[:, 1:], places[:, 0], places[:, 1])
    np.fill_diagonal(distance, np.inf)
    assert distance.min(axis=1).max() < 2 * distance.min(axis=1).min()


def test_offsets_are_exact_and_stay_inside_the_tile():
    points = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 0.3], [0.2, 1.0]])
    size = np.array([[2000.0, 1000.0]] * 4)
    for offset in (50, 400):
        moved = offset_points(points, size, offset, seed=0)
        assert ((moved >= 0) & (moved <= 1)).all()
        assert np.linalg.norm((moved - points) * size, axis=1) == pytest.approx([offset] * 4)
    assert np.isnan(offset_points(points[1:2], size[:1] / 10, 400, seed=0)).all()
    assert np.array_equal(offset_points(points, size, 50, 1), offset_points(points, size, 50, 1))


def test_all_directions_query_modes_offsets_and_locations_are_measured(task, encoder, bench):
    outcome = KIND.measure(task, encoder, bench)
    found = {(score.split, score.target, score.metric): score for score in outcome.scores}
    across = {target for split, target, _ in found if split == ACROSS}
    for mode in ("(NILI)", "(without pixels)", "(bilinear)", "(bicubic)", "tile mean"):
        assert sum(mode in target for target in across) == 4
    assert len(across) == 22 and {"SV → location", "location → SV"} < across
    within = {target for split, target, _ in found if split == WITHIN}
    assert len(within) == 10
    # The tile mean is the same for all points of a tile.
    assert found[WITHIN, "SV → RS, tile mean", "mean_rank"].value == pytest.approx(2.0)
    offsets = {split for split, _, _ in found if split.startswith("offset")}
    assert (
        offsets == {"offset 0 m", *(f"offset {offset} m" for offset in OFFSETS_M if offset <= 400)} or len(offsets) > 3
    )
    at_place = found["offset 0 m", "SV → RS at the point (NILI)", "median_rank"].value
    assert at_place == found[ACROSS, "SV → RS at the point (NILI)", "median_rank"].value
    assert found[GEOLOCATION, "SV → location, gallery", "median_km"].value == pytest.approx(
        np.median(outcome.places.error)
    )
    assert len(outcome.places.lon) == 12


@pytest.mark.parametrize("window", [0, 5])
def test_offsets_are_read_as_the_model_was_trained(task, bench, window):
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(query_mode="bilinear", pixel_window=window, nili_init="normal")).eval()
    encoder = GairEncoder(draw_pixels(model) if window else model, PROCESSOR, "bilinear")
    found = {
        (score.split, score.target, score.metric): score.value for score in KIND.measure(task, encoder, bench).scores
    }
    own = "SV → RS at the point (bilinear)"
    assert {target for split, target, _ in found if split.startswith("offset")} == {own}
    assert found["offset 0 m", own, "mean_rank"] == found[ACROSS, own, "mean_rank"]
    assert any("(without pixels)" in target for _, target, _ in found) == bool(window)


def test_chance_and_the_nearest_gallery_location_are_reported(task, encoder, bench):
    below = {(score.model, score.split, score.metric): score.value for score in KIND.baselines(task, bench).scores}
    assert below["chance", ACROSS, "median_rank"] == 2.5 and below["chance", WITHIN, "mean_rank"] == 2.0
    best, random = (below[name, GEOLOCATION, "median_km"] for name in ("nearest place of the gallery", "chance"))
    assert best < 1500 < 5000 < random < 15000
    own = {(score.split, score.metric): score.value for score in KIND.measure(task, encoder, bench).scores}
    assert own[GEOLOCATION, "median_km"] >= best


def test_pairs_are_embedded_once(task, encoder, bench, monkeypatch):
    KIND.extract(task, encoder, bench)
    monkeypatch.setattr(encoder.model, "get_sv_features", None)
    assert KIND.measure(task, encoder, bench).scores


def test_pairs_that_cannot_be_measured_are_reported(task, encoder, bench, tmp_path):
    with pytest.raises(Unavailable, match="pass a pairs CSV, or a folder of parquet files, by --data pairs=PATH"):
        KIND.measure(load_tasks()["pairs"], encoder, bench)
    with pytest.raises(ValueError, match="sin/cos has no common space"):
        KIND.measure(task, SinCosEncoder(), bench)
    path = write_pairs(tmp_path, 4, tiles=2)
    (tmp_path / "photo_2.jpg").write_bytes(b"no photo")
    broken = replace(load_tasks()["pairs"].at(str(path)), options={"gallery": 10})
    with pytest.raises(ValueError, match=r"photo_2.jpg' cannot be decoded"):
        KIND.measure(broken, encoder, bench)
