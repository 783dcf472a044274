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
from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra train is not installed")

from modeling_gair import GairCoordinateProcessor
from modeling_gair.geo_gair import great_circle_distance_m
from tests.helpers.sample_world import SETTINGS, points
from training.world.ground import COVERS
from training.world.places import MIN_SPLIT_DISTANCE_M, PHOTO_MARGIN_M, block_of, split_of
from training.world.settings import MIN_PHOTO_DISTANCE_M
from training.world.tiles import TILE_SIDE_M


def test_blocks_are_about_as_wide_as_high():
    lon, lat = np.meshgrid(np.arange(-180, 180, 1.0), np.arange(-89.5, 90, 1.0))
    numbers = np.array([block_of(x, y) for x, y in zip(lon.ravel(), lat.ravel())])
    areas = np.bincount(numbers, np.cos(np.radians(lat.ravel())))
    areas = areas[areas > 0]
    assert 150 < len(areas) < 220
    assert areas.max() < 2 * areas.min()
    assert block_of(-180.0, 0.0) == block_of(180.0, 0.0)


def test_a_hash_holds_out_one_block_in_eight():
    lon, lat = np.random.default_rng(0).uniform((-180, -80), (180, 80), (3000, 2)).T
    shares = [
        np.mean([split_of(replace(SETTINGS, seed=seed), x, y) == "test" for x, y in zip(lon, lat)])
        for seed in (0, 1, 2)
    ]
    assert 0.06 < np.mean(shares) < 0.2
    assert len(set(shares)) == 3


def test_splits_are_spatially_separate(splits, rows, places):
    for row, place in zip(rows, places):
        assert split_of(SETTINGS, place.lon, place.lat) == row["split"]
    for row in splits["train"]:
        for other in splits["test"]:
            distances = great_circle_distance_m(*(axis[:, None] for axis in points(row)), *points(other))
            assert distances.min() >= MIN_SPLIT_DISTANCE_M


def test_photos_are_apart_and_inside_their_tile(rows):
    for row in rows:
        places = list(zip(*points(row)))
        assert all(
            great_circle_distance_m(*one, *other) >= MIN_PHOTO_DISTANCE_M for one, other in combinations(places, 2)
        )
        inside = GairCoordinateProcessor().locate(*points(row), row["bounds"], row["crs"])
        # One metre of tolerance for rounding to the pixel grid.
        assert np.minimum(inside, 1 - inside).min() * TILE_SIDE_M > PHOTO_MARGIN_M - 1


def test_photos_are_on_land(rows):
    assert all(cover[COVERS.index("water")] < 0.5 for row in rows for cover in row["photo_cover"])


def test_tiles_in_degrees_and_in_utm_occur(rows):
    assert {row["crs"] == "EPSG:4326" for row in rows} == {True, False}
