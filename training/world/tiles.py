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
"""Tiles of the sample world: their bounds, and what a satellite measures in them in ten bands."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from modeling_gair.crs_gair import Bounds, metres_per_unit, project, unproject, unrolled
from modeling_gair.geo_gair import wrap_longitude
from modeling_gair.image_processing_gair_rs import GAIR_BANDS
from training.common.utm import utm_epsg
from training.world.fields import FieldValues
from training.world.ground import (
    BARE,
    BUILT,
    COVERS,
    CROP,
    FOREST,
    GRASS,
    SNOW,
    WATER,
    Ground,
    parcel_brightness,
    ripeness,
)
from training.world.noise import Plane, gaussians, keys_at, named_noise, plane_noise, ramp, uniforms, unit
from training.world.vegetation import vegetation_of

BANDS = GAIR_BANDS
TILE_PIXELS = 96
TILE_SIDE_M = 1920.0
# Coordinates from PROJ are rounded to 0.1 mm, far coarser than the differences between machines.
DEGREE_DECIMALS = 9
_UTM_BELOW_LAT = 84.0


@dataclass(frozen=True)
class SampleTile:
    """
    A tile of the sample world.

    Attributes:
        pixels (`np.ndarray` of shape `(10, 96, 96)`, uint16): reflectance times 10,000 in the order of `BANDS`; row 0 in
            the north, column 0 in the west.
        bounds (`tuple[float, float, float, float]`): west, south, east, north in units of `crs`; west exceeds east where
            a tile in degrees crosses the antimeridian.
        crs (`str`): `"EPSG:4326"` or a UTM zone, such as `"EPSG:32633"`.
        cover (`np.ndarray` of shape `(7, 96, 96)`, float32): fractions in the order of `COVERS`, which sum to one.
        road, river (`np.ndarray` of shape `(96, 96)`, float32): share of roads and streets, and of rivers.
    """

    pixels: np.ndarray
    bounds: Bounds
    crs: str
    cover: np.ndarray
    road: np.ndarray
    river: np.ndarray


class TileRenderer:
    """
    Renders the ground of a tile as a satellite sees it.

    Args:
        parameters (`SimpleNamespace`): the section `tile` of the world's parameters.
        spectra (`dict[str, list[float]]`): reflectance times 10,000 of each kind of surface, in the order of `BANDS`.
        key (`Callable[[str], int]`): the key of a named random number stream.
    """

    def __init__(self, parameters: SimpleNamespace, spectra: dict[str, list[float]], key: Callable[[str], int]):
        self._parameters, self._key = parameters, key
        self._spectra = {name: np.array(values, np.float32) for name, values in spectra.items()}

    def pixels(self, ground: Ground, fields: np.ndarray, key: np.ndarray) -> np.ndarray:
        """
        The pixels that are measured: the reflectance of the ground with haze, cloud, a random gain and noise.

        Args:
            ground (`Ground` of shape `(96, 96)`): the ground at the pixel centres.
            fields (`np.ndarray` of shape `(9, 96, 96)`): the smooth fields there, in the order of `FIELDS`.
            key (`np.ndarray` of shape `(1,)`, uint32): seeds haze, cloud, gain and noise.

        Returns:
            `np.ndarray` of shape `(10, 96, 96)`, uint16: reflectance times 10,000, at least 1.
        """
        p = self._parameters
        chance = uniforms(key, 3)[:, 0]
        values = self._spectra_of(ground, fields)
        haze = np.array(p.haze.per_band, np.float32) * (p.haze.most * chance[0] * chance[0])
        values = values * (1 - haze[:, None, None] * np.float32(0.0001)) + haze[:, None, None]
        if chance[1] < p.cloud.share:
            alpha = p.cloud.most * _cloud(key, p.cloud.wavelength)
            values += alpha * (np.array(p.cloud.spectrum, np.float32)[:, None, None] - values)
        values *= 1 + p.gain * (2 * chance[2] - 1)
        rows = keys_at(int(key[0]), np.arange(len(BANDS) * TILE_PIXELS))
        noise = gaussians(rows, TILE_PIXELS).reshape(values.shape)
        values += noise * (p.noise.share * values + p.noise.constant)
        return np.floor(np.minimum(np.maximum(values, 1.0), 65535.0) + 0.5).astype(np.uint16)

    def _relief(self, plane: Plane, elevation: np.ndarray) -> np.ndarray:
        """
        Hillshading around 1, `(96, 96)`, stronger in the mountains: slopes that rise eastwards are bright, as if lit
        from the west.
        """
        p = self._parameters.relief
        height, _ = self._noise(plane, "relief", p.wavelength_m)
        detail, _ = self._noise(plane, "ridge", 0.3 * p.wavelength_m)
        height = height + 0.3 * detail
        slope = np.empty_like(height)
        slope[:, 1:] = height[:, :-1] - height[:, 1:]
        slope[:, 0] = slope[:, 1]
        steepness = ramp((elevation - p.from_m) / p.span_m)
        return np.maximum(1 - p.contrast * steepness * 12.0 * slope, 0.35)

    def _spectra_of(self, ground: Ground, fields: np.ndarray) -> np.ndarray:
        """
        Reflectance of the ground times 10,000, `(10, 96, 96)`: the spectra of covers, by climate and season, varied by parcels,
        blocks and relief.
        """
        p, cover, given = self._parameters, ground.cover, FieldValues(*fields)
        plants = vegetation_of(given)
        shade, silty = self._noise(ground.plane, "texture", p.texture.wavelength_m)
        texture = 1 + p.texture.contrast * shade
        parcel = parcel_brightness(ground.parcel, given.temperature, p.parcel_contrast) * texture
        block = (1 + p.block_contrast * (2 * unit(ground.block, 24, 8) - 1)) * texture
        # Crops ripen as the season turns dry or cold, each parcel at its own time.
        ripe = ripeness(ground.parcel, plants.green)
        murk = 0.35 + 0.3 * silty
        light = self._relief(ground.plane, given.elevation)
        forest, bare = cover[FOREST] * texture * light, cover[BARE] * parcel * light
        crop, grass = cover[CROP] * parcel * light, cover[GRASS] * parcel * light
        broad = (1 - plants.needle) * (1 - plants.rainforest) * (1 - plants.scrub)
        rock = (1 - plants.desert) * plants.rock
        weights = {
            "water": cover[WATER] * (1 - murk),
            "silt": cover[WATER] * murk,
            "forest": forest * broad * plants.green,
            "leafless": forest * broad * (1 - plants.green),
            "rainforest": forest * plants.rainforest * (1 - plants.needle),
            "scrub": forest * plants.scrub * (1 - plants.needle) * (1 - plants.rainforest),
            "needle": forest * plants.needle,
            "crop": crop * (1 - ripe),
            "ripe": crop * ripe,
            "grass": grass * (1 - plants.tundra) * plants.green,
            "dry_grass": grass * (1 - plants.tundra) * (1 - plants.green),
            "tundra": grass * plants.tundra,
            "built": cover[BUILT] * block,
            "bare": bare * (1 - plants.desert - rock),
            "sand": bare * plants.desert,
            "rock": bare * rock,
            "snow": cover[SNOW] * light,
        }
        total = np.zeros((len(BANDS), *cover.shape[1:]), np.float32)
        for name, weight in weights.items():
            total += self._spectra[name][:, None, None] * weight
        return total

    def _noise(self, plane: Plane, name: str, wavelength_m: float) -> tuple[np.ndarray, np.ndarray]:
        return named_noise(plane, wavelength_m, self._key, name)


def utm_crs(lon: float, lat: float) -> str:
    """EPSG code of the UTM zone of a location in degrees, lon in [-180, 180), such as `"EPSG:32633"`."""
    return f"EPSG:{utm_epsg(lon, lat)}"


def tile_bounds(lon: float, lat: float, crs: str) -> tuple[Bounds, str]:
    """
    Bounds of the tile around a location.

    Args:
        lon, lat (`float`): centre in degrees, lon in [-180, 180).
        crs (`str`): `"EPSG:4326"`, or `"utm"` for the UTM zone of the location.

    Returns:
        West, south, east, north in units of the CRS, and its EPSG code.

    Raises:
        ValueError: an unknown crs, or a centre too close to a pole.
    """
    half = TILE_SIDE_M / 2
    if crs == "EPSG:4326":
        per_lon, per_lat = metres_per_unit(lon, lat, crs)
        south, north = lat - half / per_lat, lat + half / per_lat
        if south < -90.0 or north > 90.0:
            raise ValueError(
                f"lat is {lat}, expected a tile centre at least 1 km from the pole; move it away from the pole."
            )
        west, east = (float(wrap_longitude(lon + side * half / per_lon)) for side in (-1, 1))
        return (west, south, east, north), crs
    if crs != "utm":
        raise ValueError(f"crs is {crs!r}, expected 'EPSG:4326' or 'utm' (the UTM zone of the location).")
    if abs(lat) >= _UTM_BELOW_LAT:
        raise ValueError(f"lat is {lat}, expected less than 84 degrees north or south for UTM; use crs='EPSG:4326'.")
    name = utm_crs(lon, lat)
    x, y = (float(np.round(value, 3)) for value in project(lon, lat, name))
    return (x - half, y - half, x + half, y + half), name


def node_places(bounds: Bounds, crs: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """
    lon, lat of a grid of `count` x `count` points over a tile, row 0 in the north: from edge to edge, or at the centres of
    the pixels if `count` is their number.
    """
    west, south, east, north = unrolled(bounds)
    at = np.arange(count) / (count - 1) if count != TILE_PIXELS else (np.arange(count) + 0.5) / count
    y, x = np.meshgrid(north - at * (north - south), west + at * (east - west), indexing="ij")
    lon, lat = unproject(x, y, crs)
    return np.round(lon, DEGREE_DECIMALS), np.round(lat, DEGREE_DECIMALS)


def centre_of(tile: SampleTile) -> tuple[np.ndarray, np.ndarray]:
    """lon, lat of a tile's centre in degrees, each of shape `()`."""
    west, south, east, north = unrolled(tile.bounds)
    lon, lat = unproject((west + east) / 2, (south + north) / 2, tile.crs)
    return np.round(lon, DEGREE_DECIMALS), np.round(lat, DEGREE_DECIMALS)


def mean_cover(cover: np.ndarray) -> np.ndarray:
    """Mean fractions `(7,)` of a tile, summed as integers, so that the order of summation does not matter."""
    whole = np.rint(cover.reshape(len(COVERS), -1) * 65536.0).astype(np.int64).sum(axis=1)
    return (whole / whole.sum()).astype(np.float32)


def enlarged(nodes: np.ndarray, size: int) -> np.ndarray:
    """Interpolate a field bilinearly from nodes `(..., n, n)`, edge to edge, to `size` x `size` pixel centres."""
    for axis in (-2, -1):
        count = nodes.shape[axis]
        at = (np.arange(size) + 0.5) * ((count - 1) / size)
        low = np.minimum(at.astype(np.int64), count - 2)
        weight = (at - low).astype(nodes.dtype)
        weight = weight[:, None] if axis == -2 else weight
        first, second = np.take(nodes, low, axis), np.take(nodes, low + 1, axis)
        nodes = first + (second - first) * weight
    return nodes


def _cloud(key: np.ndarray, wavelength: float) -> np.ndarray:
    """Density of thin cloud over a tile `(96, 96)`, from 0 to 1; `wavelength` is in pixels."""
    row, column = np.meshgrid(np.arange(TILE_PIXELS), np.arange(TILE_PIXELS), indexing="ij")
    face, fade = np.zeros(row.shape, np.uint32), np.ones(row.shape, np.float32)
    plane = Plane(column + 0.5 * row, row - 0.5 * column, face, fade)
    total = np.zeros(row.shape, np.float32)
    for octave in range(4):
        total += 0.6**octave * plane_noise(plane, wavelength * 0.5**octave, int(key[0]) ^ octave)[0]
    return ramp(total * 0.9 + 0.1)
