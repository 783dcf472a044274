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
"""The sample world: reproducible on every machine, without seams, and useful for learning."""

import hashlib

import numpy as np
import pytest

from modeling_gair.crs_gair import ground_size_m, project_near, unproject, unrolled
from modeling_gair.geo_gair import EARTH_RADIUS_M
from modeling_gair.image_processing_gair_rs import RS_BAND_MEAN
from training.world.earth.koppen import CLIMATE_ZONES, KOPPEN_CLASSES, zone_of
from training.world.fields import FIELDS
from training.world.ground import COVERS
from training.world.noise import plane_around, plane_noise, plane_of, sine_cosine, tangents, unit_vectors
from training.world.sample_world import MIDSUMMER, SampleWorld
from training.world.street_views import PHOTO_HEIGHT, PHOTO_WIDTH
from training.world.tiles import BANDS, TILE_PIXELS, TILE_SIDE_M

# Its fixtures render many tiles once.
pytestmark = pytest.mark.xdist_group("sample_world")

WATER, FOREST, CROP, GRASS, BUILT, BARE, SNOW = range(len(COVERS))
TILES = 240
POINTS = 16
# Covers change within metres, so two computations of a location that differ by centimetres may differ at an edge.
SAME_GROUND = 0.03


@pytest.fixture(scope="module")
def world():
    return SampleWorld(0)


def places(count, seed=0):
    """Random locations, uniform on the sphere without the poles."""
    draw = np.random.default_rng(seed)
    return draw.uniform(-180, 180, count), np.degrees(np.arcsin(draw.uniform(-0.999, 0.999, count)))


def places_on_land(world, count, seed=0):
    """Random locations on land, without the Antarctic and the far north, more where people live: as tiles lie."""
    lon, lat = places(40 * count + 400, seed)
    there = (world.fields(lon, lat)["elevation"] > 20) & (lat > -56) & (lat < 75)
    visited = np.random.default_rng(seed).random(len(lon)) < world.photographed(lon, lat)
    chosen = np.flatnonzero(there & visited)[:count]
    assert len(chosen) == count
    return lon[chosen], lat[chosen]


def pixel_centres(tile):
    west, south, east, north = unrolled(tile.bounds)
    at = (np.arange(TILE_PIXELS) + 0.5) / TILE_PIXELS
    y, x = np.meshgrid(north - at * (north - south), west + at * (east - west), indexing="ij")
    return unproject(x, y, tile.crs)


def points_in(tile, count, seed):
    west, south, east, north = unrolled(tile.bounds)
    x, y = np.random.default_rng(seed).uniform(0.05, 0.95, (2, count))
    return unproject(west + x * (east - west), north - y * (north - south), tile.crs)


@pytest.fixture(scope="module")
def survey(world):
    """Tiles on land everywhere in all seasons, and the cover around points in each."""
    days = 1 + np.arange(TILES) * 61 % 366
    tiles = [world.tile(lon, lat, day=day) for lon, lat, day in zip(*places_on_land(world, TILES), days)]
    points = [world.point_cover(*points_in(tile, POINTS, seed), days[seed]) for seed, tile in enumerate(tiles)]
    return {
        "days": days,
        "tiles": tiles,
        "bands": np.stack([tile.pixels.mean((1, 2)) for tile in tiles]),
        "cover": np.stack([tile.cover.mean((1, 2)) for tile in tiles]),
        "points": np.stack(points),
    }


@pytest.fixture(scope="module")
def photos(world, survey):
    """Two photos in each of the tiles, and the cover around them."""
    images, covers = [], []
    for seed, tile in enumerate(survey["tiles"]):
        lon, lat = points_in(tile, POINTS, seed)
        images.append(world.street_views(lon[:2], lat[:2], [10.0 * seed, 10.0 * seed + 120.0], survey["days"][seed]))
        covers.append(survey["points"][seed, :2])
    return np.concatenate(images), np.concatenate(covers)


# Determinism ---------------------------------------------------------------------------------------------------------


def checksum(world, order):
    places = [(10.0, 45.0), (179.995, -16.8), (120.3, 66.5)]
    parts = {}
    for index in order:
        lon, lat = places[index]
        photo = world.street_view(lon + 0.001, lat - 0.002, 77.0)
        parts[index] = world.tile(lon, lat).pixels.tobytes() + photo.tobytes()
    return hashlib.sha256(b"".join(parts[index] for index in range(3))).hexdigest()


def test_bytes_do_not_depend_on_order_or_machine(world):
    expected = "3004e96ca7086caed2c0e1758caa099c678b7053fd9fceca5ffa6f4a234ac413"
    assert checksum(SampleWorld(0), [0, 1, 2]) == expected
    np.random.default_rng(0)
    assert checksum(world, [2, 0, 1]) == expected


def test_a_photo_is_the_same_alone_and_in_a_batch(world):
    lon, lat, heading = [10.0, 10.004, -60.0], [45.0, 45.003, -80.0], [0.0, 200.0, -30.0]
    together = world.street_views(lon, lat, heading)
    assert together.shape == (3, PHOTO_HEIGHT, PHOTO_WIDTH, 3) and together.dtype == np.uint8
    for index in range(3):
        np.testing.assert_array_equal(world.street_view(lon[index], lat[index], heading[index]), together[index])


def test_seeds_give_different_worlds(world):
    other = SampleWorld(1)
    lon, lat = places_on_land(world, 500, seed=5)
    assert np.abs(other.cover(lon, lat) - world.cover(lon, lat)).mean() > 0.05


def test_the_seed_does_not_change_the_earth(world):
    lon, lat = places(300, seed=6)
    for ours, theirs in zip(world.monthly(lon, lat), SampleWorld(1).monthly(lon, lat)):
        np.testing.assert_array_equal(ours, theirs)
    moisture = [SampleWorld(seed).fields(lon, lat)["moisture"] for seed in (0, 1)]
    assert np.corrcoef(*moisture)[0, 1] > 0.95


def test_coordinates_may_have_any_shape(world):
    lon, lat = (values.reshape(2, 3) for values in places(6))
    assert world.cover(lon, lat).shape == world.point_cover(lon, lat).shape == (2, 3, len(COVERS))
    assert world.cover(3.0, 4.0).shape == world.point_cover(3.0, 4.0).shape == (len(COVERS),)
    assert world.fields(lon, 4.0)["elevation"].shape == (2, 3)
    np.testing.assert_array_equal(world.cover(lon, lat)[1, 2], world.cover(lon[1, 2], lat[1, 2]))
    np.testing.assert_array_equal(world.point_cover(lon, lat)[1, 2], world.point_cover(lon[1, 2], lat[1, 2]))


# No seams ------------------------------------------------------------------------------------------------------------


def test_sine_and_cosine_match_numpy():
    degrees = np.linspace(-720, 720, 10_001)
    np.testing.assert_allclose(
        sine_cosine(degrees), [np.sin(np.radians(degrees)), np.cos(np.radians(degrees))], atol=1e-14
    )


def test_both_sides_of_the_antimeridian_agree(world):
    lat = np.linspace(-89, 89, 2001)
    np.testing.assert_array_equal(world.cover(180.0, lat), world.cover(-180.0, lat))
    assert np.abs(world.cover(lat, lat) - world.cover(lat + 360.0, lat)).max() < 1e-3
    # A micrometre to either side, where a cell's edge on the antimeridian would give different hashes.
    west, east = world.cover(180.0 - 1e-11, lat), world.cover(-180.0 + 1e-11, lat)
    assert np.abs(west - east).max() < 1e-3
    labels = [world.labels(lon, lat) for lon in (180.0, -180.0)]
    for name in labels[0]:
        np.testing.assert_array_equal(labels[0][name], labels[1][name])


def test_a_tile_may_cross_the_antimeridian(world):
    tile = world.tile(180.0, 12.0)
    west, _, east, _ = tile.bounds
    assert west > 0 > east and east >= -180
    np.testing.assert_array_equal(tile.pixels, world.tile(-180.0, 12.0).pixels)
    assert np.abs(np.moveaxis(world.cover(*pixel_centres(tile)), -1, 0) - tile.cover).mean() < SAME_GROUND
    window = world.cover_window(tile.bounds, tile.crs, (TILE_PIXELS, TILE_PIXELS))
    assert np.abs(window - tile.cover).mean() < SAME_GROUND


@pytest.mark.parametrize("lat", [90.0, -90.0])
def test_all_longitudes_agree_at_a_pole(world, lat):
    lon = np.array([-180.0, -77.7, 0.0, 33.3, 179.0])
    cover = world.cover(lon, lat)
    np.testing.assert_array_equal(cover, np.broadcast_to(cover[0], cover.shape))
    around = world.cover(lon, np.copysign(90.0 - 1e-10, lat))
    assert np.abs(around - cover).max() < 1e-3
    assert world.street_view(0.0, lat, 10.0).std() > 5


def test_poles_and_equator_are_far_from_the_edges_of_the_cube():
    """Poles and the quarters of the equator are also far from the centres of the faces."""
    lon = np.array([0.0, 0.0, *np.arange(-180, 180, 90.0)])
    plane = plane_of(unit_vectors(lon, np.array([90.0, -90.0, 0, 0, 0, 0])))
    assert (np.abs(plane.u) > 100e3).all() and (np.abs(plane.v) > 100e3).all()
    assert (np.maximum(np.abs(plane.u), np.abs(plane.v)) < EARTH_RADIUS_M * np.pi / 4 - 100e3).all()


def test_smooth_noise_is_continuous_across_the_faces_of_the_cube():
    """Cells are cut off at an edge, but smooth noise must not jump there."""
    lon = np.linspace(-180, 180, 2_000_001)
    plane = plane_of(unit_vectors(lon, 10.0))
    jump = np.flatnonzero(plane.face[1:] != plane.face[:-1])
    assert 2 <= len(jump) < 20
    noise = np.stack(plane_noise(plane, 700.0, 1))
    assert np.abs(noise[:, jump + 1] - noise[:, jump]).max() < 0.1
    edge = (lon[jump] + lon[jump + 1]) / 2
    fine = plane_of(unit_vectors(edge[:, None] + np.linspace(-2e-5, 2e-5, 201), 10.0))
    assert np.abs(np.diff(np.stack(plane_noise(fine, 700.0, 1)))).max() < 0.005


def test_plane_around_approximates_the_plane():
    lon, lat = places(50, seed=3)
    east, north = tangents(lon, lat)
    move_east, move_north = np.full((50, 1), 300.0), np.full((50, 1), -290.0)
    near, u_m, v_m = plane_around(unit_vectors(lon, lat), east, north, move_east, move_north)
    exact = plane_of(unit_vectors(lon, lat) + (300.0 * east - 290.0 * north) / EARTH_RADIUS_M)
    same = near.face[:, 0] == exact.face
    assert same.mean() > 0.9
    np.testing.assert_allclose(near.u[same, 0], exact.u[same], atol=0.1)
    np.testing.assert_allclose(near.v[same, 0], exact.v[same], atol=0.1)
    assert (np.hypot(u_m, v_m) > 250).all()


# Fields, labels and cover --------------------------------------------------------------------------------------------


def test_fields_and_labels_are_plausible(world):
    lon, lat = places_on_land(world, 1500)
    labels, fields = world.labels(lon, lat), world.fields(lon, lat)
    assert set(fields) == set(FIELDS)
    for name in set(labels) & set(fields):
        np.testing.assert_array_equal(labels[name], fields[name])
    for name in ("moisture", "settlement"):
        assert 0 <= labels[name].min() < 0.1 and 0.6 < labels[name].max() <= 1
    assert np.corrcoef(np.abs(lat), labels["temperature"])[0, 1] < -0.7
    np.testing.assert_array_equal(labels["climate_zone"], zone_of(labels["koppen"]))
    shares = np.bincount(labels["climate_zone"], minlength=len(CLIMATE_ZONES)) / len(lon)
    assert len(shares) == len(CLIMATE_ZONES) and (shares > 0.005).all()
    assert labels["koppen"].max() < len(KOPPEN_CLASSES)
    assert len(set(labels["country"])) > 60 and labels["country"].max() < len(world.countries)
    neighbours = world.labels(lon + 0.02, lat)["country"]
    assert (neighbours == labels["country"]).mean() > 0.95


def test_covers_are_fractions(world):
    january = world.cover(*places_on_land(world, 3000), 15)
    for cover in (january, world.point_cover(*places_on_land(world, 300), 15)):
        assert cover.dtype == np.float32 and cover.min() >= 0 and cover.max() <= 1
        np.testing.assert_allclose(cover.sum(-1), 1, atol=1e-5)
        assert (cover.mean(0) > 0.01).all()


def test_greenness_weighs_vegetation_only(world):
    one_each = np.eye(len(COVERS), dtype=np.float32)
    green = world.greenness(one_each)
    assert green[FOREST] == green.max() == 1 and green[WATER] == green[BUILT] == green[BARE] == green[SNOW] == 0
    assert 0 < green[GRASS] <= green[CROP] < 1
    np.testing.assert_array_equal(world.greenness(one_each[:, :, None], axis=0)[:, 0], green)


def test_point_cover_is_the_mean_of_the_surrounding_cover(world):
    lon, lat = places_on_land(world, 60)
    angle, reach = np.random.default_rng(0).uniform(0, 2 * np.pi, (2, 400, 1))
    reach = 50 * np.sqrt(reach / (2 * np.pi))
    north = np.degrees(reach * np.cos(angle) / EARTH_RADIUS_M)
    east = np.degrees(reach * np.sin(angle) / EARTH_RADIUS_M) / np.cos(np.radians(lat))
    mean = world.cover(lon + east, lat + north).mean(0)
    assert np.abs(mean - world.point_cover(lon, lat)).mean() < SAME_GROUND


# Tiles ---------------------------------------------------------------------------------------------------------------


def test_a_tile_has_its_documented_shape_and_size(world):
    tile = world.tile(8.7, 47.0)
    assert tile.pixels.shape == (len(BANDS), TILE_PIXELS, TILE_PIXELS) and tile.pixels.dtype == np.uint16
    assert tile.cover.shape == (len(COVERS), TILE_PIXELS, TILE_PIXELS) and tile.cover.dtype == np.float32
    np.testing.assert_allclose(tile.cover.sum(0), 1, atol=1e-5)
    assert tile.crs == "EPSG:4326"
    np.testing.assert_allclose(ground_size_m(tile.bounds, tile.crs), TILE_SIDE_M, rtol=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:4326", "utm"])
@pytest.mark.parametrize(("lon", "lat"), [(8.7, 47.0), (-179.9999, -33.0), (100.2, 83.0), (20.0, -0.001)])
def test_tile_and_points_have_the_same_cover(world, lon, lat, crs):
    tile = world.tile(lon, lat, crs)
    there = np.moveaxis(world.cover(*pixel_centres(tile)), -1, 0)
    assert np.abs(there - tile.cover).mean() < 0.01
    window = world.cover_window(tile.bounds, tile.crs, (TILE_PIXELS // 2, TILE_PIXELS // 2))
    assert window.shape == (len(COVERS), TILE_PIXELS // 2, TILE_PIXELS // 2)


@pytest.mark.parametrize("lat", [86.0, 89.98, -89.98])
def test_tiles_near_a_pole_have_the_cover_of_their_points(world, lat):
    tile = world.tile(40.0, lat)
    assert np.abs(np.moveaxis(world.cover(*pixel_centres(tile)), -1, 0) - tile.cover).mean() < 0.01
    assert tile.pixels.std() > 10


def test_utm_and_degrees_show_the_same_ground(world):
    compared = 0
    for lon, lat in zip(*places_on_land(world, 12, seed=8)):
        if abs(lat) > 80:
            continue
        degrees, utm = world.tile(lon, lat), world.tile(lon, lat, "utm")
        assert utm.crs == f"EPSG:{32600 + (lat < 0) * 100 + int((lon + 180) // 6) + 1}"
        pixel_lon, pixel_lat = pixel_centres(utm)
        x, y = project_near(pixel_lon, pixel_lat, degrees.bounds, degrees.crs)
        west, south, east, north = unrolled(degrees.bounds)
        column = np.floor((x - west) / (east - west) * TILE_PIXELS).astype(int)
        row = np.floor((north - y) / (north - south) * TILE_PIXELS).astype(int)
        inside = (column >= 0) & (column < TILE_PIXELS) & (row >= 0) & (row < TILE_PIXELS)
        assert inside.mean() > 0.8
        moved = degrees.cover[:, row[inside], column[inside]]
        if moved.std(axis=1).max() > 0.1:
            assert np.corrcoef(moved.ravel(), utm.cover[:, inside].ravel())[0, 1] > 0.85
            compared += 1
    assert compared > 5


def test_bands_resemble_those_of_the_release(survey):
    land = survey["cover"][:, WATER] < 0.5
    release = np.array([RS_BAND_MEAN[band] for band in BANDS])
    ratio = survey["bands"][land].mean(0) / release
    assert (np.abs(ratio - 1) < 0.35).all(), dict(zip(BANDS, ratio.round(2)))


def test_covers_have_plausible_spectra(survey):
    pixels = np.concatenate([tile.pixels.reshape(len(BANDS), -1) for tile in survey["tiles"]], 1).astype(float)
    cover = np.concatenate([tile.cover.reshape(len(COVERS), -1) for tile in survey["tiles"]], 1)
    mean = {name: pixels[:, cover[index] > 0.8].mean(1) for index, name in enumerate(COVERS)}
    near, red, edge = BANDS.index("B08"), BANDS.index("B04"), BANDS.index("B06")
    ndvi = {name: (band[near] - band[red]) / (band[near] + band[red]) for name, band in mean.items()}
    assert min(ndvi["forest"], ndvi["crop"], ndvi["grass"]) > ndvi["bare"]
    assert min(ndvi["forest"], ndvi["crop"], ndvi["grass"]) > ndvi["built"] > ndvi["water"]
    assert mean["forest"][edge] > 2 * mean["forest"][red]
    assert mean["snow"][0] == max(band[0] for band in mean.values())
    assert mean["water"][near] == min(band[near] for band in mean.values())


def test_half_of_the_variance_is_within_tiles(survey):
    """About half of the variance between points is within tiles; otherwise the tile average would suffice."""
    points = survey["points"].astype(float)
    within, total = points.var(axis=1).mean(axis=0), points.reshape(-1, len(COVERS)).var(axis=0)
    assert 0.4 < within.sum() / total.sum() < 0.7
    assert ((within / total)[[WATER, FOREST, CROP, GRASS, BUILT, BARE]] > 0.25).all()


def test_few_tiles_are_uniform(survey):
    assert (survey["cover"][:, WATER] > 0.95).mean() < 0.10
    assert (survey["cover"][:, SNOW] > 0.9).mean() < 0.02
    assert (survey["bands"][:, 0] > 5000).mean() < 0.06
    assert min(tile.pixels.std(axis=(1, 2)).max() for tile in survey["tiles"]) > 15


# Street views --------------------------------------------------------------------------------------------------------


def test_photos_are_rendered_from_the_cover_of_the_tile(world):
    """The renderer's cover, at the footprint of tiles, is that of `cover` at the same locations."""
    lon, lat = places_on_land(world, 12, seed=4)
    east_m, north_m = world._photos.places(np.zeros(12))
    vectors = unit_vectors(lon, lat)
    plane, _, _ = plane_around(vectors, *tangents(lon, lat), east_m, north_m)
    _, fields = world._fields_around(vectors, lon, lat, np.full(12, MIDSUMMER), east_m, north_m)
    drawn = np.moveaxis(world._land.at(plane, fields, 20.0).cover, 0, -1)
    moved_lat = lat[:, None, None] + np.degrees(north_m / EARTH_RADIUS_M)
    moved_lon = lon[:, None, None] + np.degrees(east_m / EARTH_RADIUS_M) / np.cos(np.radians(moved_lat))
    assert np.abs(world.cover(moved_lon, moved_lat) - drawn).mean() < SAME_GROUND


def test_photos_have_contrast_and_a_sky(photos):
    images, _ = photos
    assert images.std(axis=(1, 2, 3)).min() > 8
    assert 100 < images.mean() < 160 and 40 < images.std() < 80
    sky = images[:, :20].astype(float)
    # A tree or house may hide the sky, but rarely does.
    assert ((sky[..., 2] >= sky[..., 0] - 25).mean(axis=(1, 2)) > 0.5).mean() > 0.85


def test_colours_of_photos_follow_the_surrounding_cover(photos):
    images, cover = photos
    lower = images[:, 40:].astype(float)
    green = ((lower[..., 1] > 1.12 * lower[..., 0]) & (lower[..., 1] > 1.12 * lower[..., 2])).mean((1, 2))
    assert green[cover[:, FOREST] > 0.7].mean() > 2 * green[cover[:, BUILT] > 0.5].mean()
    blue = (lower[..., 2] > lower[..., 0] + 10).mean((1, 2))
    assert blue[cover[:, WATER] > 0.9].mean() > 0.5 > blue[cover[:, BARE] > 0.7].mean()


def small(images):
    blocks = images.reshape(len(images), 16, PHOTO_HEIGHT // 16, 16, PHOTO_WIDTH // 16, 3)
    return blocks.mean((2, 4)).reshape(len(images), -1)


def ridge_r2(inputs, targets):
    """Share of the variance of held-out targets that ridge regression explains, over all targets."""
    cut = 3 * len(inputs) // 4
    mean, level = inputs[:cut].mean(0), targets[:cut].mean(0)
    known = inputs[:cut] - mean
    # The dual form: as many equations as photos.
    weights = known.T @ np.linalg.solve(known @ known.T + 3e5 * np.eye(cut), targets[:cut] - level)
    error = ((inputs[cut:] - mean) @ weights + level - targets[cut:]) ** 2
    return 1 - error.sum() / ((targets[cut:] - level) ** 2).sum()


def test_photos_predict_cover_but_not_perfectly(photos):
    images, cover = photos
    assert 0.3 < ridge_r2(small(images), cover) < 0.9


@pytest.mark.ci
def test_photos_of_the_control_world_have_no_local_information(world, survey, photos):
    """They predict the tile average but not the location within the tile; photos of the actual world predict both."""
    control_images, means, offsets = [], [], []
    for seed, tile in enumerate(survey["tiles"]):
        lon, lat = points_in(tile, POINTS, seed)
        heading = [10.0 * seed, 10.0 * seed + 120.0]
        control_images.append(
            world.street_views(lon[:2], lat[:2], heading, survey["days"][seed], control=True, tile=tile)
        )
        means += [survey["cover"][seed]] * 2
        offsets.append(survey["points"][seed, :2] - survey["cover"][seed])
    own, control, local = small(photos[0]), small(np.concatenate(control_images)), np.concatenate(offsets)
    assert ridge_r2(control, np.stack(means)) > 0.15
    assert ridge_r2(control, local) < 0.02
    assert ridge_r2(own, local) > 0.1


# Errors --------------------------------------------------------------------------------------------------------------


def test_errors_name_the_expected_values(world):
    with pytest.raises(ValueError, match=r"version is 99, expected .* \[2\]"):
        SampleWorld(0, version=99)
    with pytest.raises(ValueError, match="at least 1 km from the pole"):
        world.tile(0.0, 89.995)
    with pytest.raises(ValueError, match="less than 84 degrees"):
        world.tile(0.0, 84.0, "utm")
    with pytest.raises(ValueError, match="'EPSG:4326' or 'utm'"):
        world.tile(0.0, 0.0, "EPSG:3857")
    with pytest.raises(ValueError, match="lat from -90 to 90"):
        world.cover(0.0, 91.0)
    with pytest.raises(ValueError, match="not a location"):
        world.tile(float("nan"), 0.0)
    with pytest.raises(ValueError, match="heading"):
        world.street_view(0.0, 0.0, float("inf"))
    with pytest.raises(ValueError, match="pass tile="):
        world.street_view(0.0, 0.0, 0.0, control=True)
