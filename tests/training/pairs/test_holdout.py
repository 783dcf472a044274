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
"""Held-out blocks: their share, their distance from training tiles, and data that are too few or too close together."""

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra train is not installed")
from modeling_gair.geo_gair import great_circle_distance_m
from training.pairs.holdout import MARGIN_KM, SIDES_KM, Blocks, choose_blocks, place_of


def spread(count: int, lon: float, lat: float, side_km: float, seed: int = 0) -> list[tuple[float, float]]:
    """Places in a square around a place."""
    rng = np.random.default_rng(seed)
    degrees = side_km / 111.2
    lats = np.clip(lat + degrees * (rng.random(count) - 0.5), -90, 90)
    lons = lon + degrees / np.cos(np.radians(lat)) * (rng.random(count) - 0.5)
    return list(zip(((lons + 180) % 360 - 180).tolist(), lats.tolist()))


def on_the_sphere(count: int) -> list[tuple[float, float]]:
    rng = np.random.default_rng(1)
    return list(zip(rng.uniform(-180, 180, count).tolist(), np.degrees(np.arcsin(rng.uniform(-1, 1, count))).tolist()))


@pytest.mark.parametrize("side", SIDES_KM)
def test_the_held_out_share_is_about_the_fraction_for_tiles_of_the_whole_earth(side):
    blocks = Blocks(side, 0.1)
    places = on_the_sphere(4000)
    held_out, trained = (np.array([side(place) for place in places]) for side in (blocks.holds_out, blocks.trains_on))
    assert 0.08 < held_out.mean() < 0.12
    assert not (held_out & trained).any() and trained.mean() > (0.6 if side == SIDES_KM[-1] else 0.75)


# Around Berlin, across the antimeridian, at the pole, and near the row of blocks where the number of columns changes.
@pytest.mark.parametrize(("lon", "lat"), [(13.4, 52.5), (180.0, 0.3), (0.0, 89.5), (-60.0, -71.0)])
@pytest.mark.parametrize("extent", [20, 40, 300, 2000])
def test_training_tiles_keep_their_distance_from_held_out_tiles(lon, lat, extent):
    places = spread(1500, lon, lat, extent)
    blocks = choose_blocks(places[:1000], 0.1)
    held_out = np.array([place for place in places if blocks.holds_out(place)])
    trained = np.array([place for place in places if blocks.trains_on(place)])
    assert len(held_out) >= 0.03 * len(places) and len(trained) > len(places) / 2
    distances = great_circle_distance_m(*held_out.T[:, :, None], *trained.T[:, None, :])
    # Neighbours at the corner of a square are as far as its side, along one axis.
    assert distances.min() > 1000 * MARGIN_KM * 0.99


def test_dense_data_are_held_out_in_smaller_blocks():
    sides = [choose_blocks(spread(1000, 13.4, 52.5, extent), 0.1).side_km for extent in (3000, 40)]
    assert sides[0] == 100 and sides[1] < 50


def test_nothing_is_held_out_of_tiles_in_one_place_or_of_two_places():
    assert choose_blocks(spread(500, 13.4, 52.5, 4), 0.1) is None
    assert choose_blocks([(10.0, 50.0)] * 100 + [(-60.0, -10.0)] * 100, 0.1) is None
    assert choose_blocks([None, None], 0.1) is None and choose_blocks([], 0.1) is None
    assert choose_blocks(on_the_sphere(100), 1e-9) is None


def test_small_data_sets_hold_out_about_the_fraction():
    for count in (20, 30, 60):
        places = on_the_sphere(count)
        blocks = choose_blocks(places, 0.1)
        assert 2 <= sum(map(blocks.holds_out, places)) <= 0.15 * count


def test_overlapping_tiles_and_other_dates_of_a_tile_are_on_one_side():
    places = on_the_sphere(300)
    moved = [(lon, min(lat + 0.5 / 111.2, 90)) for lon, lat in places]
    blocks = choose_blocks(places, 0.1)
    pairs = list(zip(places, moved))
    assert not any(blocks.holds_out(one) and blocks.trains_on(other) for one, other in pairs)
    assert not any(blocks.trains_on(one) and blocks.holds_out(other) for one, other in pairs)


def test_the_place_of_a_row_is_its_tile_or_the_middle_of_its_photos():
    degrees = {"bounds": [179.99, -0.01, -179.99, 0.01], "crs": "EPSG:4326"}
    assert np.abs(place_of(degrees)) == pytest.approx((180, 0), abs=1e-9)
    projected = {"bounds": [389_000.0, 5_818_000.0, 391_000.0, 5_820_000.0], "crs": "EPSG:32633"}
    assert place_of(projected) == pytest.approx((13.379, 52.510), abs=0.001)
    photos = [{"lon": 179.995, "lat": 1.0}, {"lon": -179.995, "lat": 1.02}]
    assert np.abs(place_of({"tile_file": "t.tif", "photos": photos})) == pytest.approx((180, 1.01))


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"bounds": None, "photos": None},
        {"bounds": [1, 2, 3], "crs": "EPSG:4326"},
        {"bounds": [1.0, 2.0, None, 3.0], "crs": "EPSG:4326"},
        {"bounds": [1.0, 2.0, 1.02, 2.02], "crs": None},
        {"bounds": [1.0, 2.0, 1.02, 2.02], "crs": "EPSG:0"},
        {"photos": []},
        {"photos": [None]},
        {"photos": [{"lon": "west", "lat": 1.0}]},
        {"photos": [{"lon": float("nan"), "lat": 1.0}]},
    ],
)
def test_a_bad_row_has_no_place(row):
    assert place_of(row) is None
