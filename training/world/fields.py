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
"""Smooth fields on the sphere (elevation, moisture, temperature, settlement) and the labels derived from them."""

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from training.world.noise import ramp, sine_cosine, sphere_noise, uniforms

FIELDS = ("elevation", "moisture", "temperature", "settlement")
CLIMATE_ZONES = ("tropical", "arid", "temperate", "continental", "polar")
# Standard deviation of one layer of noise on the sphere.
_LAYER_DEVIATION = 0.37


class Fields:
    """
    The smooth fields of one planet.

    Args:
        parameters (`SimpleNamespace`): all sections of the world's parameters.
        layers (`dict`): the section `fields` as plain dictionaries: frequency, octaves and gain of each field's noise.
        key (`Callable[[str], int]`): the key of a named random number stream.
    """

    def __init__(self, parameters: SimpleNamespace, layers: dict[str, Any], key: Callable[[str], int]):
        self._parameters, self._key = parameters, key
        self._layers = self._layers_of(layers)
        self._capitals = self._countries()

    def _layers_of(self, fields: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, list[list[float]]]:
        """Frequencies and keys of all octaves of all fields, and the weights of the octaves of each field."""
        frequencies, keys, weights = [], [], []
        for name in FIELDS:
            octaves = range(fields[name]["octaves"])
            amplitudes = [1.0]
            for _ in octaves[1:]:
                amplitudes.append(amplitudes[-1] * fields[name]["gain"])
            scale = 1 / (_LAYER_DEVIATION * math.sqrt(sum(a * a for a in amplitudes)))
            weights.append([a * scale for a in amplitudes])
            frequencies += [fields[name]["frequency"] * 2.0**octave for octave in octaves]
            keys += [self._key(f"{name}/{octave}") for octave in octaves]
        return np.array(frequencies), np.array(keys, np.uint32), weights

    def at(self, vectors: np.ndarray) -> np.ndarray:
        """The four fields, float32 `(4, n)` in the order of `FIELDS`, at unit vectors `(3, n)`."""
        frequencies, keys, weights = self._layers
        layers: Iterator[np.ndarray] = iter(sphere_noise(vectors, frequencies, keys))
        height, wet, warm, lived = (
            sum((weight * next(layers) for weight in field), np.zeros(vectors.shape[1], np.float32))
            for field in weights
        )
        p = self._parameters
        elevation = p.elevation.mean_m + p.elevation.deviation_m * height
        # Highlands rise above a plain of low contrast.
        above = np.maximum(elevation - p.elevation.highland_m, 0.0)
        elevation = elevation + p.elevation.highland_rise * above * above
        moisture = ramp(p.moisture.mean + p.moisture.deviation * wet)
        polar = (vectors[2] * vectors[2]).astype(np.float32)
        temperature = p.temperature.equator - p.temperature.pole_drop * polar + p.temperature.deviation * warm
        temperature = temperature - 0.001 * p.temperature.lapse_per_km * np.maximum(elevation, 0.0)
        habitable = ramp((temperature - p.settlement.too_cold) / p.settlement.cold_span)
        settlement = ramp(p.settlement.mean + p.settlement.deviation * lived) * habitable
        return np.stack([elevation, moisture, temperature, settlement])

    def _countries(self) -> np.ndarray:
        """Capitals of the countries: unit vectors `(3, n)`, random but evenly spread over the sphere."""
        count = self._parameters.countries.count
        chance = uniforms(np.array([self._key("countries")], np.uint32), 2 * count)[:, 0].astype(np.float64)
        z = (2 * (np.arange(count) + chance[:count]) / count) - 1
        sine, cosine = sine_cosine(360.0 * chance[count:] - 180.0)
        radius = np.sqrt(1 - z * z)
        return np.stack([radius * cosine, radius * sine, z])

    def country(self, vectors: np.ndarray) -> np.ndarray:
        """Index of the nearest capital, `(1, n)`, at unit vectors `(3, n)`; noise makes the borders irregular."""
        p = self._parameters.countries
        layers = np.array([p.frequency * 2.0**octave for octave in range(3) for _ in range(3)])
        keys = np.array([self._key(f"border/{k}") for k in range(9)], np.uint32)
        noise = sphere_noise(vectors, layers, keys)
        x, y, z = (
            vectors[axis] + p.warp * (noise[axis] + 0.5 * noise[3 + axis] + 0.25 * noise[6 + axis]) for axis in range(3)
        )
        capitals = self._capitals[:, :, None]
        return np.argmax(capitals[0] * x + capitals[1] * y + capitals[2] * z, axis=0)[None]

    def climate_zone(self, moisture: np.ndarray, temperature: np.ndarray) -> np.ndarray:
        """Index into `CLIMATE_ZONES`, int64, from moisture (0 to 1) and annual mean temperature (degrees Celsius)."""
        p = self._parameters.climate
        zone = np.where(temperature < p.continental_below, 3, 2)
        zone = np.where(temperature > p.tropical_above, 0, zone)
        zone = np.where(moisture < p.arid_below, 1, zone)
        return np.where(temperature < p.polar_below, 4, zone).astype(np.int64)
