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
"""Properties of the geometry that hold everywhere on Earth: distance, wrap, CRS round trips, positions in tiles."""

import math

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="the extra test is not installed")
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling_gair import GairCoordinateProcessor
from modeling_gair.crs_gair import check_bounds, metres_per_unit, project, project_near, unproject, unrolled
from modeling_gair.geo_gair import EARTH_RADIUS_M, great_circle_distance_m, wrap_longitude

# The same examples on every run and every machine.
quick = settings(derandomize=True, deadline=None, max_examples=60, database=None)

lons = st.floats(-180.0, 180.0, exclude_max=True)
lats = st.floats(-90.0, 90.0)
any_lons = st.floats(-1e4, 1e4)
places = st.tuples(lons, lats)


@pytest.fixture(scope="module")
def pyproj():
    return pytest.importorskip("pyproj", reason="the extra geo is not installed")


@quick
@given(any_lons)
def test_a_wrapped_longitude_is_in_range_and_names_the_same_meridian(lon):
    wrapped = float(wrap_longitude(lon))
    assert -180.0 <= wrapped < 180.0
    turns = (wrapped - lon) / 360.0
    assert abs(turns - round(turns)) < 1e-9


@quick
@given(lons)
def test_wrapping_keeps_a_longitude_in_range_to_the_last_bit(lon):
    assert float(wrap_longitude(lon)) == lon


@quick
@given(st.sampled_from([np.float32, np.float64]), any_lons)
def test_wrapping_twice_is_wrapping_once_in_both_precisions(dtype, lon):
    once = wrap_longitude(dtype(lon))
    assert once.dtype == dtype and -180.0 <= once < 180.0
    assert wrap_longitude(once) == once


@quick
@given(places, places)
def test_distance_is_symmetric_and_at_most_half_the_circumference(here, there):
    distance = great_circle_distance_m(*here, *there)
    assert 0 <= distance <= math.pi * EARTH_RADIUS_M * (1 + 1e-12)
    assert distance == pytest.approx(great_circle_distance_m(*there, *here), rel=1e-9, abs=1e-6)
    assert great_circle_distance_m(*here, *here) == 0


@quick
@given(places, places, places)
def test_distance_obeys_the_triangle_inequality(a, b, c):
    direct = great_circle_distance_m(*a, *c)
    assert direct <= great_circle_distance_m(*a, *b) + great_circle_distance_m(*b, *c) + 1.0


@quick
@given(places, places, st.integers(-3, 3))
def test_distance_does_not_change_with_whole_turns(here, there, turns):
    turned = great_circle_distance_m(here[0] + 360.0 * turns, here[1], *there)
    # Near the antipode a distance is known to about 0.1 m only.
    assert turned == pytest.approx(great_circle_distance_m(*here, *there), rel=1e-9, abs=0.2)


@quick
@given(lons, lons, st.sampled_from([-90.0, 90.0]), places)
def test_a_pole_has_one_distance_whatever_its_longitude(lon, other, pole, place):
    assert great_circle_distance_m(lon, pole, other, pole) == pytest.approx(0, abs=1e-6)
    # A quarter of the circumference from the equator.
    expected = math.radians(90.0 - math.copysign(1, pole) * place[1]) * EARTH_RADIUS_M
    assert great_circle_distance_m(lon, pole, *place) == pytest.approx(expected, rel=1e-9, abs=0.2)


@quick
@given(st.floats(-89.0, 89.0))
def test_a_degree_on_the_ellipsoid_is_within_one_percent_of_one_on_the_sphere(lat):
    per_lon, per_lat = metres_per_unit(0.0, lat, "EPSG:4326")
    assert per_lat == pytest.approx(math.radians(1) * EARTH_RADIUS_M, rel=0.01)
    assert per_lon == pytest.approx(math.radians(math.cos(math.radians(lat))) * EARTH_RADIUS_M, rel=0.01)


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_every_utm_zone_round_trips_within_a_millimetre(pyproj, hemisphere):
    for zone in range(1, 61):
        central = 6.0 * zone - 183.0
        lon, lat = np.meshgrid(central + np.array([-3.0, -1.7, 0.0, 2.9]), np.array([0.01, 12.0, 47.3, 83.9]))
        lat, crs = (lat, f"EPSG:326{zone:02d}") if hemisphere == "north" else (-lat, f"EPSG:327{zone:02d}")
        x, y = project(lon, lat, crs)
        assert np.all((x > 100_000) & (x < 900_000)) and np.all((y >= 0) & (y < 10_000_000)), crs
        back_lon, back_lat = unproject(x, y, crs)
        assert great_circle_distance_m(lon, lat, back_lon, back_lat).max() < 1e-3, crs


@quick
@given(lons, st.floats(-84.9, 84.9), st.integers(-1, 1))
def test_web_mercator_round_trips_and_is_read_near_a_tile(lon, lat, turn):
    pytest.importorskip("pyproj", reason="the extra geo is not installed")
    back_lon, back_lat = unproject(*project(lon, lat, "EPSG:3857"), "EPSG:3857")
    assert great_circle_distance_m(lon, lat, float(back_lon), float(back_lat)) < 1e-3
    # In degrees, the point is shifted by the multiple of 360 that brings it to the tile.
    west = lon + 360.0 * turn - 0.01
    x, _ = project_near(lon, lat, (west, lat - 0.01, west + 0.02, lat + 0.01), "EPSG:4326")
    assert west <= x <= west + 0.02


@quick
@given(lons, st.floats(-89.0, 88.0), st.floats(0.001, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_positions_in_a_tile_round_trip_also_across_the_antimeridian(lon, lat, side, x, y):
    processor = GairCoordinateProcessor()
    east = lon + side
    bounds = (lon, lat, east - 360.0 if east > 180.0 else east, lat + side)
    assert unrolled(check_bounds(bounds, "EPSG:4326"))[2] == pytest.approx(east)
    degrees = processor.places_at(np.array([[x, y]]), bounds)
    assert np.all((degrees[:, 0] >= -180.0) & (degrees[:, 0] < 180.0))
    located = processor.locate(degrees[:, 0], degrees[:, 1], bounds)
    np.testing.assert_allclose(located, [[x, y]], rtol=0, atol=1e-9)


@quick
@given(
    st.integers(1, 60),
    st.booleans(),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(200_000, 780_000),
    st.floats(0.05, 0.9),
)
def test_positions_in_a_utm_tile_round_trip(zone, south, x, y, west, share):
    pytest.importorskip("pyproj", reason="the extra geo is not installed")
    processor = GairCoordinateProcessor()
    bottom = 9_300_000 * share
    bounds, crs = (west, bottom, west + 960.0, bottom + 960.0), f"EPSG:{327 if south else 326}{zone:02d}"
    degrees = processor.places_at(np.array([[x, y]]), bounds, crs)
    located = processor.locate(degrees[:, 0], degrees[:, 1], bounds, crs)
    np.testing.assert_allclose(located, [[x, y]], rtol=0, atol=1e-6)


@quick
@given(lons, st.sampled_from([-90.0, 90.0]))
def test_a_tile_that_touches_a_pole_holds_it(lon, pole):
    south, north = (89.9, 90.0) if pole > 0 else (-90.0, -89.9)
    located = GairCoordinateProcessor().locate(lon, pole, (-180.0, south, 180.0, north))
    assert located[1] == (0.0 if pole > 0 else 1.0)
    assert located[0] == pytest.approx((lon + 180.0) / 360.0)
