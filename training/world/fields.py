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
Smooth fields of the sample world on the sphere: the coarse truth about the Earth, refined by noise, and the conditions of a
day of the year.
"""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from training.world.earth.earth import degrees_of, load_earth, month_weights, read_grid
from training.world.earth.koppen import koppen_class
from training.world.noise import ramp, sine_cosine, sphere_noise

# Fields that are refined by noise of their own.
_REFINED = ("elevation", "moisture", "temperature", "settlement")
# Standard deviation of one layer of noise on the sphere.
_LAYER_DEVIATION = 0.37
# Degrees: the sun's highest declination, and the day of the year when it crosses the equator northwards.
_OBLIQUITY, _EQUINOX = 23.44, 80
# Rotation matrix of the quaternion (3, 2, 1, 3) / sqrt(23), which moves the poles by 55.6 degrees. At 54.7 degrees the squared
# sines of old and new latitudes, and so roughly the climates, are uncorrelated.
_TURN = ((3 / 23, -14 / 23, 18 / 23), (22 / 23, -3 / 23, -6 / 23), (6 / 23, 18 / 23, 13 / 23))


class FieldValues(NamedTuple):
    """
    Values of the fields at places, each float32 of the places' shape.

    Attributes:
        elevation: metres; negative below sea level. Made up.
        moisture: annual P / (P + PET), from 0 to 1.
        temperature: annual mean in degrees Celsius.
        settlement: from 0, wilderness, to 1, the centre of a city.
        warmest, coldest: mean of the warmest and of the coldest month in degrees Celsius.
        air: temperature on the day in degrees Celsius.
        wetness: P / (P + PET) of the two months up to the day's, from 0 to 1.
        sun: sine of the sun's elevation angle at noon on the day, from 0 (at or below the horizon) to 1.
    """

    elevation: Any
    moisture: Any
    temperature: Any
    settlement: Any
    warmest: Any
    coldest: Any
    air: Any
    wetness: Any
    sun: Any


FIELDS = FieldValues._fields


class Fields:
    """
    The smooth fields of a world.

    Args:
        parameters (`SimpleNamespace`): all sections of the world's parameters.
        layers (`dict`): the section `fields` as plain dictionaries: frequency, octaves and gain of each field's noise.
        key (`Callable[[str], int]`): the key of a named random number stream.
        shuffled (`bool`): whether climate and people are read at another place, on an Earth rotated so that its poles move by
            56 degrees; land stays.
    """

    def __init__(
        self, parameters: SimpleNamespace, layers: dict[str, Any], key: Callable[[str], int], shuffled: bool = False
    ):
        self._parameters, self._key, self._shuffled = parameters, key, shuffled
        self._layers = self._layers_of(layers)
        self._earth = load_earth()
        # Fields on one grid are read together, which saves time.
        earth = self._earth
        self._surface = np.stack([earth.land, earth.density]).astype(np.float32)
        self._monthly = np.concatenate([earth.temperature, earth.wetness]).astype(np.float32)

    def _layers_of(self, fields: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, list[list[float]]]:
        """Frequencies and keys of all octaves of all fields, and the weights of the octaves of each field."""
        frequencies, keys, weights = [], [], []
        for name in _REFINED:
            octaves = range(fields[name]["octaves"])
            amplitudes = [1.0]
            for _ in octaves[1:]:
                amplitudes.append(amplitudes[-1] * fields[name]["gain"])
            scale = 1 / (_LAYER_DEVIATION * math.sqrt(sum(a * a for a in amplitudes)))
            weights.append([a * scale for a in amplitudes])
            frequencies += [fields[name]["frequency"] * 2.0**octave for octave in octaves]
            keys += [self._key(f"{name}/{octave}") for octave in octaves]
        return np.array(frequencies), np.array(keys, np.uint32), weights

    def at(self, vectors: np.ndarray, day: Any) -> np.ndarray:
        """
        The fields, float32 `(9, n)` in the order of `FIELDS`.

        Args:
            vectors (`np.ndarray` of shape `(3, n)`): unit vectors.
            day (`int` or `np.ndarray` of shape `(n,)`): day of the year, from 1 to 366.
        """
        p = self._parameters
        height, wet, warm, lived = self._noise(vectors)
        place = self._place(vectors)
        lon, lat = degrees_of(place)
        temperature, warmest, coldest, moisture = read_grid(self._earth.annual, lon, lat)
        land, density = self._land_and_density(vectors, lon, lat)

        coast = 2 * land - 1 + p.elevation.coast * height
        inland = ramp(coast)
        hills = np.maximum(height + p.elevation.lowland, 0.0)
        elevation = p.elevation.shelf_m * coast + p.elevation.hills_m * inland * hills * hills
        # The grid's temperature holds at the mean elevation: only what is made up beyond that makes a place warmer or colder.
        warmer = p.temperature.deviation * warm
        warmer = warmer - 0.001 * p.temperature.lapse_per_km * (elevation - p.elevation.mean_m) * inland
        moisture = ramp(moisture + p.moisture.deviation * wet * 4 * moisture * (1 - moisture))
        region = p.settlement.region * density + p.settlement.deviation * lived * ramp(3 * density)
        settlement = 1 - (1 - ramp(region)) * (1 - self._earth.urban(place))
        air, wetness, sun = self._of_day(lon, lat, place[2], day)
        rows = [elevation, moisture, temperature + warmer, settlement, warmest + warmer, coldest + warmer]
        return np.stack([*rows, air + warmer, wetness, sun]).astype(np.float32)

    def _noise(self, vectors: np.ndarray) -> list[np.ndarray]:
        """Noise of each of `_REFINED` at unit vectors `(3, n)`, each `(n,)`, with a standard deviation of about 1."""
        frequencies, keys, weights = self._layers
        layers = iter(sphere_noise(vectors, frequencies, keys))
        zero = np.zeros(vectors.shape[1], np.float32)
        return [sum((weight * next(layers) for weight in field), zero) for field in weights]

    def _place(self, vectors: np.ndarray) -> np.ndarray:
        """The unit vectors `(3, n)` at which climate and people are read."""
        if not self._shuffled:
            return vectors
        x, y, z = vectors
        return np.stack([a * x + b * y + c * z for a, b, c in _TURN])

    def _land_and_density(self, vectors: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fraction of land at unit vectors `(3, n)`, and how densely lon, lat are settled, where people are read; `(n,)`."""
        if self._shuffled:
            return read_grid(self._surface[:1], *degrees_of(vectors))[0], read_grid(self._surface[1:], lon, lat)[0]
        land, density = read_grid(self._surface, lon, lat)
        return land, density

    def _of_day(
        self, lon: np.ndarray, lat: np.ndarray, z: np.ndarray, day: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`air`, `wetness` and `sun` of [`FieldValues`] on a day at lon, lat in degrees; z is the sine of lat. Each `(n,)`."""
        days = np.broadcast_to(np.asarray(day, np.int64), lon.shape)
        air, wetness = (np.empty(lon.shape, np.float32) for _ in range(2))
        sun = np.empty(lon.shape)
        for one in np.unique(days):
            at = days == one
            first, second, weight = month_weights(one)
            read = read_grid(self._monthly[[first, 12 + first, second, 12 + second]], lon[at], lat[at])
            air[at], wetness[at] = read[:2] + (read[2:] - read[:2]) * np.float32(weight)
            tilt, _ = sine_cosine((one - _EQUINOX) * (360 / 365.25))
            sine, cosine = sine_cosine(_OBLIQUITY * tilt)
            sun[at] = np.maximum(z[at] * sine + np.sqrt(np.maximum(1 - z[at] * z[at], 0)) * cosine, 0)
        return air, wetness, sun

    def monthly(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Temperature in degrees Celsius and precipitation in mm of January to December, each `(12, n)`, without noise, at unit
        vectors `(3, n)`.
        """
        lon, lat = degrees_of(self._place(vectors))
        return read_grid(self._earth.temperature, lon, lat), read_grid(self._earth.precipitation, lon, lat)

    def koppen(self, vectors: np.ndarray) -> np.ndarray:
        """Index into `KOPPEN_CLASSES`, `(n,)`, of the monthly means without noise, at unit vectors `(3, n)`."""
        return koppen_class(*self.monthly(vectors), degrees_of(self._place(vectors))[1])

    def country(self, vectors: np.ndarray) -> np.ndarray:
        """Index into `countries` of the country of the nearest city, `(n,)`, at unit vectors `(3, n)`."""
        return self._earth.country(self._place(vectors))

    @property
    def countries(self) -> tuple[str, ...]:
        """ISO 3166 codes of the countries, of two letters, sorted."""
        return self._earth.countries
