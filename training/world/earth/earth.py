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
"""
The coarse truth about the Earth, from the bundled file: monthly climate, land, cities and countries, read at any place.

Grids have row 0 in the north and are read bilinearly, so values are continuous, also across the antimeridian. Within half a cell of
a pole they are those of the outermost row. Nothing here is made up; what is finer than the grids is added by `fields.py`.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import convolve1d
from scipy.spatial import KDTree

from modeling_gair.geo_gair import EARTH_RADIUS_M
from training.world.earth.koppen import koppen_class
from training.world.noise import arctangent2, unit_vectors

BUNDLE = Path(__file__).with_name("earth.npz")
# The bundle holds whole numbers: temperatures in steps, steps of the square root of precipitation in mm, levels of the fraction of
# land, places of cities in steps, and steps of the natural logarithm of population over the smallest one.
TEMPERATURE_STEP_C = 0.5
_STEPS_PER_ROOT_MM = 3.0
LAND_LEVELS = 15
CITY_STEP_DEGREES = 0.01
MIN_POPULATION = 30_000
POPULATION_STEP = 0.03
# Derived numbers are rounded to multiples of this, which hides differences between maths libraries in the last bits.
_ROUNDING = 1 / 4096
_DAYS_OF_MONTH = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
# Days of the year, from 1.
_MIDDLE_OF_MONTH = np.array([15, 46, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349])
# A town of 15,000 people has a radius of 900 m; the area of a city is proportional to its population.
_TOWN_RADIUS_M, _TOWN_POPULATION = 900.0, 15_000.0
_NEAREST_CITIES = 5
# People per square kilometre, in cities, at which a region is half settled.
_HALF_SETTLED = 40.0
_BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


@dataclass(frozen=True)
class Earth:
    """
    Grids and cities of the Earth, from [`load_earth`]. Grids have row 0 in the north and column 0 at 180° W.

    Attributes:
        temperature, precipitation (`np.ndarray` of shape `(12, 180, 360)`): monthly means in degrees Celsius, and sums in mm.
        annual (`np.ndarray` of shape `(4, 180, 360)`): the mean temperature of the year, of its warmest month and of its
            coldest month in degrees Celsius, and the year's moisture P / (P + PET) from 0 to 1.
        wetness (`np.ndarray` of shape `(12, 180, 360)`): moisture of a month and the one before it, from 0 to 1.
        koppen (`np.ndarray` of shape `(180, 360)`): index into `KOPPEN_CLASSES`.
        land (`np.ndarray` of shape `(360, 720)`): fraction of land.
        density (`np.ndarray` of shape `(360, 720)`): how densely the region is settled, from 0 to 1.
        cities (`np.ndarray` of shape `(n, 3)`): unit vectors of cities, float64.
        city_radius_m (`np.ndarray` of shape `(n,)`), city_country (`np.ndarray` of shape `(n,)`): radius of each city in
            metres, and index of its country in `countries`.
        countries (`tuple[str, ...]`): ISO 3166 codes of two letters, sorted.
        tree (`KDTree`): finds the nearest of `cities`.
    """

    temperature: np.ndarray
    precipitation: np.ndarray
    annual: np.ndarray
    wetness: np.ndarray
    koppen: np.ndarray
    land: np.ndarray
    density: np.ndarray
    cities: np.ndarray
    city_radius_m: np.ndarray
    city_country: np.ndarray
    countries: tuple[str, ...]
    tree: KDTree

    def urban(self, vectors: np.ndarray) -> np.ndarray:
        """
        How urban places are, `(n,)` from 0 to 1: the largest of `1 / (1 + (distance / radius)²)` over the nearest cities.

        Args:
            vectors (`np.ndarray` of shape `(3, n)`): unit vectors.
        """
        _, nearest = self.tree.query(vectors.T, k=_NEAREST_CITIES)
        apart = vectors.T[:, None] - self.cities[nearest]
        x, y, z = np.moveaxis(apart, -1, 0)
        ratio2 = (x * x + y * y + z * z) * (EARTH_RADIUS_M / self.city_radius_m[nearest]) ** 2
        return np.max(1 / (1 + ratio2), axis=1).astype(np.float32)

    def country(self, vectors: np.ndarray) -> np.ndarray:
        """Index into `countries` of the nearest city's country, `(n,)`, at unit vectors `(3, n)`."""
        return self.city_country[self.tree.query(vectors.T)[1]]


@lru_cache(maxsize=1)
def load_earth() -> Earth:
    """The bundled Earth, read once per process."""
    with np.load(BUNDLE) as bundle:
        temperature = _restored(bundle["temperature"]).astype(np.int8) * TEMPERATURE_STEP_C
        precipitation = decode_precipitation(_restored(bundle["precipitation"]).astype(np.uint8))
        land = bundle["land"] / LAND_LEVELS
        lon = np.cumsum(bundle["city_lon"].astype(np.int64)) * CITY_STEP_DEGREES
        lat = bundle["city_lat"] * CITY_STEP_DEGREES
        population = np.rint(MIN_POPULATION * np.exp(POPULATION_STEP * bundle["city_population"]))
        country, countries = bundle["city_country"].astype(np.int64), tuple(bundle["countries"].astype("U2").tolist())
    row_lat = 89.5 - np.arange(180)
    demand = potential_evapotranspiration(temperature, row_lat)
    annual = [temperature.mean(axis=0), temperature.max(axis=0), temperature.min(axis=0)]
    annual.append(_share(precipitation.sum(axis=0), demand.sum(axis=0)))
    two_months = [values + np.roll(values, 1, axis=0) for values in (precipitation, demand)]
    cities = np.ascontiguousarray(unit_vectors(lon, lat).T)
    radius = np.rint(_TOWN_RADIUS_M * np.sqrt(population / _TOWN_POPULATION))
    return Earth(
        temperature=temperature,
        precipitation=precipitation,
        annual=_rounded(np.stack(annual)),
        wetness=_rounded(_share(*two_months)),
        koppen=koppen_class(temperature, precipitation, np.broadcast_to(row_lat[:, None], (180, 360))),
        land=land,
        density=_density(lon, lat, population),
        cities=cities,
        city_radius_m=radius,
        city_country=country,
        countries=countries,
        tree=KDTree(cities),
    )


def potential_evapotranspiration(temperature: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """
    Potential evapotranspiration of each month in mm, by Oudin et al. (2005, doi:10.1016/j.jhydrol.2004.08.026):
    `Ra (T + 5) / (100 λ)` per day where T > -5 °C, with λ = 2.45 MJ/kg, and the extraterrestrial radiation Ra of FAO-56
    (equation 21) on the middle day of the month.

    Args:
        temperature (`np.ndarray` of shape `(12, rows, columns)`): monthly means in degrees Celsius.
        lat (`np.ndarray` of shape `(rows,)`): degrees, not exactly at a pole.

    Returns:
        `np.ndarray` of shape `(12, rows, columns)`.
    """
    year = 2 * np.pi * _MIDDLE_OF_MONTH[:, None] / 365
    declination, distance = 0.409 * np.sin(year - 1.39), 1 + 0.033 * np.cos(year)
    phi = np.radians(lat)[None]
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    radiation = 24 * 60 / np.pi * 0.0820 * distance * height
    return radiation[:, :, None] * np.maximum(temperature + 5, 0) / 245 * _DAYS_OF_MONTH[:, None, None]


def encode_precipitation(millimetres: np.ndarray) -> np.ndarray:
    """Monthly sums in mm as whole numbers, int16: rounded square roots, whose errors are small in dry and in wet places."""
    return np.rint(np.sqrt(millimetres) * _STEPS_PER_ROOT_MM).astype(np.int16)


def decode_precipitation(numbers: np.ndarray) -> np.ndarray:
    """Monthly sums in mm from the numbers of [`encode_precipitation`]."""
    roots = numbers.astype(np.float64) / _STEPS_PER_ROOT_MM
    return roots * roots


def degrees_of(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """lon in [-180, 180] and lat in degrees, float64 `(n,)`, of unit vectors `(3, n)`; the same bits on every machine."""
    x, y, z = vectors
    return arctangent2(y, x) * (180 / np.pi), arctangent2(z, np.sqrt(x * x + y * y)) * (180 / np.pi)


def read_grid(grid: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """
    Reads a grid of the Earth bilinearly between the centres of its cells.

    Args:
        grid (`np.ndarray` of shape `(layers, height, width)`): covers the Earth, row 0 in the north, column 0 at 180° W.
            Beyond the outermost centres, towards a pole, the value is that of the outermost row.
        lon, lat (`np.ndarray` of shape `(n,)`): degrees, lon in [-180, 180].

    Returns:
        `np.ndarray` of shape `(layers, n)`, in the grid's dtype.
    """
    layers, height, width = grid.shape
    x = (lon + 180.0) * (width / 360.0) - 0.5
    y = np.minimum(np.maximum((90.0 - lat) * (height / 180.0) - 0.5, 0.0), height - 1.0)
    west, north = np.floor(x), np.minimum(np.floor(y), height - 2.0)
    fx, fy = (x - west).astype(grid.dtype), (y - north).astype(grid.dtype)
    column, row = west.astype(np.int64) % width, north.astype(np.int64)
    flat = grid.reshape(layers, -1)
    upper, lower = row * width, (row + 1) * width
    other = (column + 1) % width
    top = np.take(flat, upper + column, axis=1)
    top += (np.take(flat, upper + other, axis=1) - top) * fx
    bottom = np.take(flat, lower + column, axis=1)
    bottom += (np.take(flat, lower + other, axis=1) - bottom) * fx
    return top + (bottom - top) * fy


def month_weights(day_of_year: int | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    The two months between whose middles days of the year lie.

    Args:
        day_of_year (`int` or `np.ndarray` of any shape): from 1 to 366.

    Returns:
        The earlier and the later month, 0 to 11, and the weight of the later one, in [0, 1).
    """
    days = np.concatenate([[_MIDDLE_OF_MONTH[-1] - 365], _MIDDLE_OF_MONTH, [_MIDDLE_OF_MONTH[0] + 365]])
    index = np.searchsorted(days, day_of_year, side="right") - 1
    index = np.minimum(index, 12)
    weight = (day_of_year - days[index]) / (days[index + 1] - days[index])
    return (index - 1) % 12, index % 12, weight


def _restored(found: np.ndarray) -> np.ndarray:
    """The values, modulo 256, whose `differences` (in `bundle.py`) were stored."""
    return np.cumsum(np.cumsum(found.astype(np.int64), axis=0), axis=2)


def _share(supply: np.ndarray, demand: np.ndarray) -> np.ndarray:
    """Moisture P / (P + PET) from 0 to 1, of P and PET in mm; without PET, as in frozen months, it is 1."""
    return (supply + 1e-3) / (supply + demand + 1e-3)


def _rounded(values: np.ndarray) -> np.ndarray:
    return (np.rint(values / _ROUNDING) * _ROUNDING).astype(np.float32)


def _density(lon: np.ndarray, lat: np.ndarray, population: np.ndarray) -> np.ndarray:
    """
    How densely the surroundings of each half degree are settled, `(360, 720)` from 0 to 1: the density of people in cities, at lon,
    lat in degrees, blurred over about a degree; it is 0.5 at `_HALF_SETTLED`.
    """
    row = np.minimum(((90 - lat) * 2).astype(np.int64), 359)
    column = ((lon + 180) * 2).astype(np.int64) % 720
    people = np.zeros((360, 720))
    np.add.at(people, (row, column), population)
    for _ in range(2):
        people = convolve1d(people, _BLUR, axis=1, mode="wrap")
        people = convolve1d(people, _BLUR, axis=0, mode="constant")
    area_km2 = (np.pi * EARTH_RADIUS_M / 1000 / 360) ** 2 * np.maximum(
        np.cos(np.radians(89.75 - np.arange(360) / 2)), 0.02
    )
    density = people / area_km2[:, None]
    return _rounded(density / (density + _HALF_SETTLED))
