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
"""The parts of a selection: cells of equal area, thinning, tiles, settlement classes, hold-out with a buffer."""

import numpy as np
import pytest
import shapely

from modeling_gair.crs_gair import project, unproject
from modeling_gair.geo_gair import EARTH_RADIUS_M, great_circle_distance_m
from tests.helpers.rasters import write_tif
from training.common.utm import utm_epsg
from training.street_pairs.selection.cells import cells_of
from training.street_pairs.selection.holdout import held_out_sites, too_near
from training.street_pairs.selection.order import draws
from training.street_pairs.selection.settlement import UNKNOWN, settlement_of
from training.street_pairs.selection.thinning import thin_in_place, thin_sequences
from training.street_pairs.selection.tiles import Places, group_into_tiles
from training.street_pairs.windows import SceneGrid, anchor_offset_m, place_window


def test_cells_have_equal_areas():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 400_000), np.degrees(np.arcsin(rng.uniform(-0.99, 0.99, 400_000)))
    side = 1e6
    _, counts = np.unique(cells_of(lon, lat, side), return_counts=True)
    expected = 400_000 * side**2 / (4 * np.pi * EARTH_RADIUS_M**2 * 0.99)
    # Cells at the antimeridian and at the outermost parallels are cut.
    assert abs(np.median(counts) / expected - 1) < 0.02


def test_draws_depend_on_name_seed_and_purpose_alone():
    names = [str(number) for number in range(2000)]
    values = draws(names, 0, "x")
    assert values.min() >= 0 and values.max() < 1 and abs(values.mean() - 0.5) < 0.03
    np.testing.assert_array_equal(draws(names[5:6], 0, "x"), values[5:6])
    assert not np.any(draws(names, 1, "x") == values) and not np.any(draws(names, 0, "y") == values)


def along(lon0, lat0, metres, count):
    """Places in a row to the east."""
    step = np.degrees(metres / EARTH_RADIUS_M / np.cos(np.radians(lat0)))
    return lon0 + step * np.arange(count), np.full(count, lat0)


def test_a_sequence_is_thinned_along_its_way():
    lon, lat = along(13.0, 52.0, 10.0, 31)
    sequence = np.array(["s"] * 30 + [None], object)
    kept = thin_sequences(lon, lat, sequence, np.arange(31), 49.0)
    assert np.flatnonzero(kept).tolist() == [0, 5, 10, 15, 20, 25, 30]


@pytest.mark.parametrize(("lon0", "lat0"), [(13.0, 52.0), (-0.001, 0.0002), (179.999, -17.0), (20.0, 82.9)])
def test_thinning_in_place_keeps_as_much_as_it_may(lon0, lat0):
    rng = np.random.default_rng(1)
    step = np.degrees(1 / EARTH_RADIUS_M)
    lon = lon0 + rng.uniform(-300, 300, 400) * step / np.cos(np.radians(lat0))
    lon, lat = (lon + 180) % 360 - 180, lat0 + rng.uniform(-300, 300, 400) * step
    order = rng.permutation(400)
    kept = thin_in_place(lon, lat, order, 50.0)
    apart = great_circle_distance_m(lon[:, None], lat[:, None], lon, lat)
    # By the definition: each in turn, if it is far from all kept before.
    expected: list[int] = []
    for photo in order:
        if all(apart[photo, other] >= 50 for other in expected):
            expected.append(photo)
    assert np.flatnonzero(kept).tolist() == sorted(expected)


def places_around(lon0, lat0, count, spread_m=4000, seed=0):
    rng = np.random.default_rng(seed)
    step = np.degrees(1 / EARTH_RADIUS_M)
    lon = lon0 + rng.uniform(-spread_m, spread_m, count) * step / np.cos(np.radians(lat0))
    names = [str(number) for number in range(count)]
    return Places(
        lon=lon,
        lat=lat0 + rng.uniform(-spread_m, spread_m, count) * step,
        seconds=np.where(np.arange(count) % 10 == 0, np.nan, rng.uniform(0, 200, count) * 86400),
        site=np.array(["west" if value < lon0 else "east" for value in lon], object),
        group=np.array(["a"] * count, object),
        draw_x=draws(names, 0, "x"),
        draw_y=draws(names, 0, "y"),
    )


@pytest.mark.parametrize(("lon0", "lat0"), [(12.0, 48.0), (0.01, 0.0), (30.0, -33.0), (18.0, 78.0)])
def test_photos_of_a_tile_lie_in_its_window_in_any_zone(lon0, lat0):
    places = places_around(lon0, lat0, 500)
    tiles = group_into_tiles(places, np.arange(500), 4, 1920, 30.0, None)
    members = [photo for tile in tiles for photo in tile]
    assert sorted(members) == list(range(500)) and max(map(len, tiles)) == 4
    assert len(tiles) < 400
    for tile in tiles[:60]:
        anchor = tile[0]
        assert len({places.site[photo] for photo in tile}) == 1
        seconds = places.seconds[tile]
        assert np.isnan(seconds).all() or np.abs(seconds - seconds[0]).max() <= 15 * 86400
        zone = int(utm_epsg(places.lon[[anchor]], places.lat[[anchor]])[0])
        # The zone that the scene is in may be the next one.
        for scene_zone in (zone - 1, zone, zone + 1):
            crs = f"EPSG:{scene_zone}"
            x, y = project(places.lon[tile], places.lat[tile], crs)
            grid = SceneGrid(crs, round(x[0] - 50_000, -2), round(y[0] + 50_000, -2), 10_980, 10_980)
            window = place_window(grid, x[0], y[0], places.draw_x[anchor], places.draw_y[anchor], 1920)
            west, south, east, north = window.bounds(grid)
            assert np.all((x > west) & (x < east) & (y > south) & (y < north))


def test_groups_are_capped():
    places = places_around(12.0, 48.0, 300)
    order = np.arange(300)
    tiles = group_into_tiles(places, order, 4, 1920, 30.0, 5)
    assert len(tiles) == 5 and tiles == group_into_tiles(places, order, 4, 1920, 30.0, None)[:5]


def test_held_out_footprints_are_a_diagonal_away():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(12.0, 12.6, 600), rng.uniform(48.0, 48.4, 600)
    sites = np.array([f"{int(a * 20)} {int(b * 20)}" for a, b in zip(lon, lat)], object)
    held_out = held_out_sites(sites, 0.1, 0)
    assert len(set(sites[held_out])) == round(0.1 * len(set(sites)))
    assert not set(sites[held_out]) & set(sites[~held_out])
    draw = rng.uniform(0, 1, (600, 2))
    near = too_near(lon, lat, draw[:, 0], draw[:, 1], held_out, 1920)
    assert near.any() and not near[held_out].any() and (~near & ~held_out).any()
    # The scenes of two tiles may be in different zones.
    for zones in ((32, 32), (33, 33), (32, 33), (33, 32)):
        footprints = [footprints_of(lon, lat, draw, zone) for zone in zones]
        apart = shapely.distance(footprints[0][~near & ~held_out][:, None], footprints[1][held_out])
        assert apart.min() >= np.sqrt(2) * 1920
    # None is left out that is far away.
    gaps = shapely.distance(footprints[0][near][:, None], footprints[0][held_out]).min(axis=1)
    assert gaps.max() < np.sqrt(2) * 1920 + 0.55 * 1920


def footprints_of(lon, lat, draw, zone):
    """Windows in scenes of a zone, as polygons in metres around a place between the zones."""
    x, y = project(lon, lat, f"EPSG:326{zone}")
    west, north = (
        x - anchor_offset_m(draw[:, 0], 1920) - 10,
        y + anchor_offset_m(draw[:, 1], 1920) + 10,
    )
    corners = (
        np.stack([west, west + 1920, west + 1920, west], 1),
        np.stack([north, north, north - 1920, north - 1920], 1),
    )
    corner_lon, corner_lat = unproject(*corners, f"EPSG:326{zone}")
    east = np.radians(corner_lon - 12.3) * np.cos(np.radians(48.2)) * EARTH_RADIUS_M
    return shapely.polygons(np.stack([east, np.radians(corner_lat - 48.2) * EARTH_RADIUS_M], axis=-1))


def test_hold_out_of_few_sites():
    assert not held_out_sites(np.array(["a", "a"], object), 0.5, 0).any()
    assert held_out_sites(np.array(["a", "b"], object), 0.01, 0).sum() == 1
    assert held_out_sites(np.array(["a", "b"], object), 1.0, 0).sum() == 1
    assert not held_out_sites(np.array(["a", "b"], object), 0.0, 0).any()


def test_settlement_by_a_raster_and_by_density(tmp_path):
    codes = np.full((1, 20, 20), 11, np.int16)
    codes[0, :, 10:] = 30
    codes[0, 0, 0] = -200
    file = write_tif(tmp_path / "smod.tif", codes, transform=(0.1, 0, 10.0, 0, -0.1, 50.0), crs="EPSG:4326")
    lon, lat = np.array([10.55, 11.55, 10.05]), np.array([49.0, 49.0, 49.95])
    classes, about = settlement_of(lon, lat, file)
    assert classes.tolist() == ["very low density rural", "urban centre", UNKNOWN] and "smod.tif" in about
    dense = settlement_of(np.r_[np.full(150, 13.0), np.full(20, 20.0), 30.0], np.full(171, 52.0), None)[0]
    assert (dense[0], dense[160], dense[170]) == ("many photos", "some photos", "few photos")
    with pytest.raises(ValueError, match="cannot be read"):
        settlement_of(lon, lat, tmp_path / "absent.tif")
