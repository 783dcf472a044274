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
import io
import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra train is not installed")

from datasets import ClassLabel, load_dataset
from PIL import Image

from modeling_gair.crs_gair import ground_size_m
from tests.helpers.sample_world import SETTINGS, SMALLEST, points
from training.common.schema import FEATURES, unpack_tile
from training.world import rows as world_rows
from training.world.earth.koppen import CLIMATE_ZONES
from training.world.ground import COVERS
from training.world.places import Place
from training.world.rows import SAMPLE_FEATURES
from training.world.sample_world import SampleWorld
from training.world.tiles import BANDS, TILE_PIXELS, TILE_SIDE_M


@pytest.fixture(scope="module")
def world() -> SampleWorld:
    return SampleWorld(SETTINGS.seed, SETTINGS.version)


def days_of(row: dict) -> np.ndarray:
    """The day of the year of each photo of a row."""
    return np.array([time.strptime(photo["time"], "%Y-%m-%d").tm_yday for photo in row["photos"]])


def crs_name(place: Place) -> str:
    return "EPSG:4326" if place.crs == "EPSG:4326" else "utm"


def test_files_are_named_by_split_and_no_shard_is_empty(folder, splits):
    names = sorted(path.name for path in (folder / "data").iterdir())
    assert names == [f"test-{n:05d}-of-00003.parquet" for n in range(3)] + [
        f"train-{n:05d}-of-00006.parquet" for n in range(6)
    ]
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 6, "test": 3}


def test_loading_and_streaming_give_the_same_rows(folder, splits, tmp_path):
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {split: list(data) for split, data in loaded.items()} == splits
    assert loaded["train"].features == SAMPLE_FEATURES
    assert loaded["train"].features["climate_zone"] == ClassLabel(names=list(CLIMATE_ZONES))
    assert set(FEATURES) < set(loaded["train"].features)


def test_rows_are_named_and_dated(splits):
    assert [row["id"] for row in splits["train"]] == [f"world-v2-s0-train-{number:06d}" for number in range(6)]
    for split, rows in splits.items():
        for row in rows:
            assert row["split"] == split
            assert row["product_id"] == "sample-world-v2-seed0"
            assert [photo["id"] for photo in row["photos"]] == [
                f"{row['id']}-{number:02d}" for number in range(SETTINGS.photos_of(split))
            ]
            for moment in (row["tile_time"], *(photo["time"] for photo in row["photos"])):
                assert time.strptime(moment, "%Y-%m-%d").tm_year == 2024


def test_tiles_and_photos_match_the_world(rows, places, world):
    for row, place in zip(rows, places):
        tile = world.tile(place.lon, place.lat, crs_name(place), place.day)
        np.testing.assert_array_equal(unpack_tile(row), tile.pixels)
        assert row["bands"] == list(BANDS)
        assert (tuple(row["bounds"]), row["crs"]) == (tuple(tile.bounds), tile.crs)
        assert ground_size_m(tuple(row["bounds"]), row["crs"]) == pytest.approx((TILE_SIDE_M, TILE_SIDE_M), rel=0.01)
        headings = np.array([photo["heading"] for photo in row["photos"]])
        views = world.street_views(*points(row), headings, days_of(row), tile=tile)
        for photo, view in zip(row["photos"], views):
            decoded = np.asarray(Image.open(io.BytesIO(photo["jpeg"])), np.float64)
            assert decoded.shape == view.shape == (96, 128, 3)
            assert np.abs(decoded - view).mean() < 12
            assert 0 <= photo["heading"] < 360


def test_labels_match_the_world(rows, places, world):
    for row, place in zip(rows, places):
        cover_map = np.frombuffer(row["cover_map"], np.uint8).reshape(TILE_PIXELS, TILE_PIXELS)
        cover = world.tile(place.lon, place.lat, crs_name(place), place.day).cover
        np.testing.assert_array_equal(cover_map, cover.argmax(axis=0))
        np.testing.assert_allclose(row["cover"], cover.mean(axis=(1, 2)), atol=1e-5)
        assert len(row["cover"]) == len(COVERS) and sum(row["cover"]) == pytest.approx(1, abs=1e-4)
        for name, value in world.labels(place.lon, place.lat).items():
            assert row[name] == pytest.approx(float(value), rel=1e-6)
        photo_cover = world.point_cover(*points(row), days_of(row))
        np.testing.assert_allclose(row["photo_cover"], photo_cover, atol=1e-6)
        np.testing.assert_allclose(row["photo_greenness"], world.greenness(photo_cover), atol=1e-6)


def test_the_control_world_differs_only_in_its_photos(places):
    place = places[0]
    row, control = (
        world_rows._row(settings, "train", "id", place)[0] for settings in (SMALLEST, replace(SMALLEST, control=True))
    )
    assert row["tile"] == control["tile"] and row["photo_cover"] == control["photo_cover"]
    assert row["photos"][0]["jpeg"] != control["photos"][0]["jpeg"]
