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
"""The sample world shows the Earth's geography where it is real, and what a geographer expects where it is made."""

import numpy as np
import pytest

from training.world.earth import bundle
from training.world.earth.earth import BUNDLE, degrees_of, load_earth, month_weights, read_grid
from training.world.earth.koppen import CLIMATE_ZONES, KOPPEN_CLASSES, koppen_class, zone_of
from training.world.ground import COVERS
from training.world.noise import unit_vectors
from training.world.sample_world import SampleWorld

JANUARY, JULY = 15, 196


@pytest.fixture(scope="module")
def world() -> SampleWorld:
    return SampleWorld(0)


def mean_cover(world, west, south, east, north, day=JULY):
    """Mean cover by name over 1,500 random places within bounds in degrees."""
    lon, lat = np.random.default_rng(0).uniform((west, south), (east, north), (1500, 2)).T
    return dict(zip(COVERS, world.cover(lon, lat, day).mean(axis=0).tolist()))


def cells():
    """lon, lat of the centres of all cells of 1°, each `(180, 360)`."""
    return np.meshgrid(np.arange(360) - 179.5, 89.5 - np.arange(180))


# The Earth's own fields ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def climate(data_dir):
    with np.load(data_dir / "earth" / "climate_1deg.npz") as given:
        return given["temperature_c"] / 100, given["precipitation_mm"] / 10, given["land_fraction_half_degree"] / 255


def test_the_bundle_is_small_and_attributed():
    assert BUNDLE.stat().st_size <= 500_000
    text = " ".join(BUNDLE.with_name("ATTRIBUTION.md").read_text(encoding="utf-8").split())
    assert "Contains modified Copernicus Climate Change" in text and "GeoNames" in text and "GLOBE" in text


def test_the_bundle_is_made_from_its_sources(data_dir, tmp_path, capsys):
    made = tmp_path / "earth.npz"
    folder = data_dir / "earth"
    sources = ["--climate", folder / "climate_1deg.npz", "--cities", folder / "cities.parquet", "--output", made]
    bundle.main([str(argument) for argument in sources])
    with np.load(made) as ours, np.load(BUNDLE) as theirs:
        assert set(ours) == set(theirs)
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_monthly_means_are_those_of_the_sources(world, climate):
    temperature, precipitation = world.monthly(*cells())
    assert np.abs(temperature - climate[0]).max() < 0.26
    # Steps of a third of the square root: 3 mm at 20 mm a month, 12 mm at 1,300.
    assert (np.abs(precipitation - climate[1]) <= 0.34 * np.sqrt(climate[1]) + 0.05).all()


def test_climate_zones_agree_with_the_rules_on_the_sources(world, climate):
    lon, lat = cells()
    expected = zone_of(koppen_class(climate[0], climate[1], lat))
    land = climate[2].reshape(180, 2, 360, 2).mean(axis=(1, 3)) > 0.5
    agreement = (world.labels(lon[land], lat[land])["climate_zone"] == expected[land]).mean()
    assert agreement >= 0.97


@pytest.mark.parametrize(
    ("lon", "lat", "name"),
    [
        (-60.0, -3.1, "Af"),
        (-0.1, 51.5, "Cfb"),
        (10.0, 23.0, "BWh"),
        (-40.0, 72.5, "EF"),
        (37.6, 55.8, "Dfb"),
        (-8.9, 38.7, "Csa"),
        (77.2, 28.6, "BSh"),
        (129.7, 62.0, "Dfd"),
        (144.9, -37.8, "Cfb"),
        (13.2, -8.8, "BSh"),
        (-68.3, -54.8, "ET"),
    ],
)
def test_cities_have_the_climates_of_textbooks(world, lon, lat, name):
    found = KOPPEN_CLASSES[world.labels(lon, lat)["koppen"]]
    # At 1°, a coast mixes land and sea: the main group must hold.
    assert found[0] == name[0], found


def test_rules_of_koppen_on_made_climates():
    lat = np.array([10.0, 10.0, 50.0, 50.0, -35.0, 60.0, 80.0])
    season = np.cos(2 * np.pi * (np.arange(12) - 6.5) / 12)[:, None]
    north = np.where(lat >= 0, 1, -1)
    temperature = np.array([26, 25, 10, 8, 18, -8, -20]) + np.array([1, 1, 8, 14, 6, 28, 10]) * season * north
    rain = np.array([200, 90, 60, 40, 50, 30, 10]) + np.array([10, 89, 5, 5, -48, 20, 0]) * season * north
    names = [KOPPEN_CLASSES[k] for k in koppen_class(temperature, rain, lat)]
    assert names[:5] == ["Af", "Aw", "Cfb", "Dfb", "Csa"] and names[5][0] == "D" and names[6] == "EF"


def test_the_bounds_of_a_country_hold_its_places(world):
    places = {
        "FR": (2.35, 48.86),
        "JP": (139.69, 35.69),
        "BR": (-47.9, -15.8),
        "KE": (36.8, -1.3),
        "AU": (149.1, -35.3),
    }
    for code, (lon, lat) in places.items():
        assert world.countries[world.labels(lon, lat)["country"]] == code


def test_grids_are_read_without_seams():
    grid = np.random.default_rng(0).random((2, 180, 360))
    np.testing.assert_array_equal(
        read_grid(grid, np.array([-180.0]), np.array([7.3])), read_grid(grid, np.array([180.0]), np.array([7.3]))
    )
    lon, lat = cells()
    np.testing.assert_allclose(read_grid(grid, lon.ravel(), lat.ravel()), grid.reshape(2, -1), atol=1e-12)
    fine = read_grid(grid, np.linspace(-180, 180, 20_001), np.full(20_001, 12.3))
    assert np.abs(np.diff(fine)).max() < 0.1


def test_degrees_of_unit_vectors():
    lon, lat = np.random.default_rng(0).uniform((-180, -90), (180, 90), (2000, 2)).T
    found = degrees_of(unit_vectors(lon, lat))
    np.testing.assert_allclose(found, [lon, lat], atol=1e-10)
    assert degrees_of(unit_vectors(33.0, 90.0)[:, None])[1] == 90.0


def test_days_lie_between_the_middles_of_months():
    for day in range(1, 367):
        first, second, weight = month_weights(day)
        assert second == (first + 1) % 12 and 0 <= weight < 1
    assert month_weights(196) == (6, 7, 0.0)


# What is made of them ------------------------------------------------------------------------------------------------


def test_deserts_are_bare_and_rain_forests_are_forest(world):
    assert mean_cover(world, 0, 20, 20, 27)["bare"] > 0.7
    assert mean_cover(world, -70, -8, -58, 0)["forest"] > 0.65
    assert mean_cover(world, 111, -1, 116, 2)["forest"] > 0.6


def test_ice_is_snow_in_every_season_and_boreal_forest_in_winter_alone(world):
    for day in (JANUARY, JULY):
        ice = mean_cover(world, -45, 66, -35, 78, day)
        assert ice["snow"] > 0.8 * (1 - ice["water"])
    assert (
        mean_cover(world, 90, 58, 110, 64, JULY)["snow"]
        < 0.01
        < 0.3
        < mean_cover(world, 90, 58, 110, 64, JANUARY)["snow"]
    )


def test_cities_are_built_and_fields_are_farmed(world):
    assert mean_cover(world, -0.3, 51.4, 0.1, 51.6)["built"] > 0.4
    assert mean_cover(world, 139.6, 35.6, 139.9, 35.8)["built"] > 0.4
    for bounds in ((5, 51.5, 6.8, 53), (-101, 37, -96, 40), (84, 25, 87, 27)):
        cover = mean_cover(world, *bounds)
        assert cover["crop"] > 0.25 and cover["crop"] + cover["grass"] > 2 * cover["forest"]


def test_steppe_savanna_and_tundra_are_grass(world):
    assert mean_cover(world, 60, 46, 75, 50)["grass"] > 0.35
    assert mean_cover(world, 33, -4, 36, -1)["grass"] > 0.3
    tundra = mean_cover(world, -124, 71.5, -116, 74)
    assert tundra["grass"] > 2 * tundra["forest"]


def test_seasons_show_in_tiles(world):
    summer, winter = (world.tile(10.5, 50.5, day=day).pixels.astype(float) for day in (JULY, JANUARY))
    red, near = 2, 6
    ndvi = [(tile[near] - tile[red]) / (tile[near] + tile[red]) for tile in (summer, winter)]
    assert np.median(ndvi[0]) > np.median(ndvi[1]) + 0.05


def test_photos_show_the_season(world):
    lon, lat, heading = np.linspace(24, 30, 12), np.full(12, 62.3), np.arange(12) * 30.0
    summer, winter = (world.street_views(lon, lat, heading, day).astype(float) for day in (JULY, JANUARY))
    assert (winter.min(axis=3)[:, 60:].mean() - summer.min(axis=3)[:, 60:].mean()) > 8


def test_people_live_in_cities(world):
    settlement = world.fields([-0.12, 139.75, 77.2, -60.0, 10.0], [51.5, 35.68, 28.6, 71.0, 23.0])["settlement"]
    assert settlement[:3].min() > 0.9 and settlement[3:].max() < 0.1
    chance = world.photographed([-0.12, 10.0], [51.5, 23.0])
    assert chance[0] == 1 and chance[1] < 0.2


def test_roads_and_rivers_are_masks_of_a_tile(world):
    tile = world.tile(5.2, 52.1)
    for mask in (tile.road, tile.river):
        assert mask.shape == tile.cover.shape[1:] and mask.min() >= 0 and mask.max() <= 1
    assert tile.cover[COVERS.index("built")][tile.road > 0.4].mean() > tile.cover[COVERS.index("built")].mean()
    wet = tile.river > 0.5
    assert (tile.cover[COVERS.index("water")][wet] > 0.5).all()


def test_a_shuffled_world_has_the_land_of_the_earth_and_the_climate_of_elsewhere(world):
    shuffled = SampleWorld(0, shuffled=True)
    lon, lat = np.random.default_rng(0).uniform((-180, -60), (180, 70), (3000, 2)).T
    ours, theirs = world.fields(lon, lat), shuffled.fields(lon, lat)
    assert np.mean((ours["elevation"] > 0) == (theirs["elevation"] > 0)) > 0.99
    for name in ("temperature", "moisture", "settlement"):
        assert abs(np.corrcoef(ours[name], theirs[name])[0, 1]) < 0.35
    assert len(CLIMATE_ZONES) == 5 and load_earth().koppen.shape == (180, 360)
