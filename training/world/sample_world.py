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
The sample world: a made-up planet, drawn from a seed, whose every place has a land cover, a Sentinel-2 tile and street
views. It needs no download and has the real data's form, so programs can be tried and compared on it; what they score
there says nothing about the Earth.

Smooth fields on the sphere (elevation, moisture, temperature, settlement) decide what grows and who lives where; noise and
cells of a few metres turn them into rivers, streets, parcels and woods *inside* a tile. Tile and photo are drawn from the
same cover, so a photo resembles its own place in the tile more than the tile's mean. All is a pure function of seed,
version and arguments, with the same bytes in any order and on any machine (up to PROJ's own rounding for UTM tiles).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from modeling_gair.geo_gair import EARTH_RADIUS_M, wrap_longitude
from modeling_gair.image_processing_gair import GAIR_BANDS
from modeling_gair.raster_gair import Bounds, check_bounds, is_geographic, metres_per_unit, project, unproject, unrolled
from training.world.noise import (
    Plane,
    gaussians,
    key_of,
    keys_at,
    plane_around,
    plane_cells,
    plane_noise,
    plane_of,
    ramp,
    sine_cosine,
    smooth,
    sphere_noise,
    tangents,
    uniforms,
    unit,
    unit_vectors,
)
from training.world.street_views import (
    BARE,
    BUILT,
    COVERS,
    CROP,
    FOREST,
    GRASS,
    PHOTO_HEIGHT,
    PHOTO_WIDTH,
    SNOW,
    WATER,
    Ground,
    Renderer,
    ripeness,
)

BANDS = GAIR_BANDS
FIELDS = ("elevation", "moisture", "temperature", "settlement")
CLIMATE_ZONES = ("tropical", "arid", "temperate", "continental", "polar")
TILE_PIXELS = 96
TILE_SIDE_M = 1920.0

_CONFIGS = Path(__file__).parents[1] / "configs"
# Points evaluated at a time, so that the arrays stay in a core's cache.
_CHUNK = 16384
# The fields are smooth: this many points along a tile's side are evaluated, and interpolated.
_NODES = 5
# Beyond, parallels curve too much for that, and every pixel is evaluated.
_INTERPOLATED_BELOW_LAT = 85.0
_UTM_BELOW_LAT = 84.0
# Coordinates from PROJ are rounded to 0.1 mm, far above what differs from machine to machine.
_DEGREE_DECIMALS = 9
# Standard deviation of one layer of noise on the sphere.
_LAYER_DEVIATION = 0.37


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
    """

    pixels: np.ndarray
    bounds: Bounds
    crs: str
    cover: np.ndarray


def _load(version: int) -> tuple[SimpleNamespace, dict[str, Any]]:
    """The parameters of a version as attributes, `world.ground.river`, and the last level as plain dictionaries."""
    versions = sorted(int(path.stem.rsplit("_v", 1)[1]) for path in _CONFIGS.glob("sample_world_v*.yaml"))
    if version not in versions:
        raise ValueError(f"version is {version!r}, expected a version of the sample world: one of {versions}.")
    raw = yaml.safe_load((_CONFIGS / f"sample_world_v{version}.yaml").read_text(encoding="utf-8"))
    return _attributes(raw), raw


def _attributes(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _attributes(item) for name, item in value.items()})
    return value


def _step(x: Any) -> Any:
    """From 0 to 1 as x goes from -1 to 1, smoothly."""
    return smooth(ramp(0.5 * x + 0.5))


def _line(distance: np.ndarray, half_width: Any, footprint: float) -> np.ndarray:
    """Share of a footprint that a line covers whose middle is `distance` away; all lengths in metres."""
    half_width = np.asarray(half_width, np.float32)
    most = np.minimum(2.0 * half_width / footprint, 1.0)
    return np.minimum(ramp((half_width - distance) / footprint + 0.5), most)


def _chunked(lon: Any, lat: Any, evaluate: Callable[[np.ndarray], np.ndarray], rows: int) -> np.ndarray:
    """`evaluate`, from unit vectors `(3, n)` to `(rows, n)`, for lon, lat of any shape: `(rows, ...)`."""
    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    out = np.empty((rows, lon.size), np.float32)
    flat_lon, flat_lat = lon.ravel(), lat.ravel()
    for start in range(0, lon.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        out[:, part] = evaluate(unit_vectors(flat_lon[part], flat_lat[part]))
    return out.reshape(rows, *lon.shape)


def _micro(degrees: Any) -> np.ndarray:
    """Degrees as whole 1e-7 degrees, from which hashes are drawn."""
    return np.rint(np.asarray(degrees, np.float64) * 1e7).astype(np.int64)


def _enlarged(nodes: np.ndarray, size: int) -> np.ndarray:
    """Bilinear values at `size` x `size` pixel centres of a field known on nodes `(..., n, n)` from edge to edge."""
    for axis in (-2, -1):
        count = nodes.shape[axis]
        at = (np.arange(size) + 0.5) * ((count - 1) / size)
        low = np.minimum(at.astype(np.int64), count - 2)
        weight = (at - low).astype(nodes.dtype)
        weight = weight[:, None] if axis == -2 else weight
        first, second = np.take(nodes, low, axis), np.take(nodes, low + 1, axis)
        nodes = first + (second - first) * weight
    return nodes


class SampleWorld:
    """
    A planet; see the module. Coordinates are degrees, lon before lat; any turn of 360 degrees is the same place.

    Args:
        seed (`int`): which planet.
        version (`int`): which parameters, `training/configs/sample_world_v{version}.yaml`; a version never changes.

    Raises:
        ValueError: an unknown version.
    """

    def __init__(self, seed: int = 0, version: int = 1):
        self.seed, self.version = seed, version
        self._settings, raw = _load(version)
        self._keys: dict[str, int] = {}
        self._layers = self._layers_of(raw["fields"])
        self._country_seeds = self._countries()
        self._renderer = Renderer(self._settings.view, self._key)
        self._spectra = {name: np.array(values, np.float32) for name, values in raw["spectra"].items()}
        self._disc = _disc(self._settings.surroundings_radius_m)

    def _key(self, name: str) -> int:
        if name not in self._keys:
            self._keys[name] = key_of(self.seed, name)
        return self._keys[name]

    # Smooth fields -------------------------------------------------------------------------------------------------

    def _layers_of(self, fields: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, list[list[float]]]:
        """Frequencies and keys of all octaves of all fields, and the octaves' weights per field."""
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

    def _fields(self, vectors: np.ndarray) -> np.ndarray:
        """The four fields `(4, n)`, float32, at unit vectors `(3, n)`."""
        frequencies, keys, weights = self._layers
        layers: Iterator[np.ndarray] = iter(sphere_noise(vectors, frequencies, keys))
        height, wet, warm, lived = (
            sum((weight * next(layers) for weight in field), np.zeros(vectors.shape[1], np.float32))
            for field in weights
        )
        p = self._settings
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

    def fields(self, lon: Any, lat: Any) -> dict[str, np.ndarray]:
        """
        The smooth fields at lon, lat of any equal shape, float32 of that shape: `elevation` in metres (negative under
        the sea), `moisture` from 0 to 1, `temperature` (annual mean) in degrees Celsius, `settlement` from 0 to 1.

        Raises:
            ValueError: coordinates that are no place.
        """
        return dict(zip(FIELDS, _chunked(lon, lat, self._fields, len(FIELDS))))

    def _countries(self) -> np.ndarray:
        """Capitals of the countries, unit vectors `(3, n)`, spread evenly over the sphere by chance."""
        count = self._settings.countries.count
        chance = uniforms(np.array([self._key("countries")], np.uint32), 2 * count)[:, 0].astype(np.float64)
        z = (2 * (np.arange(count) + chance[:count]) / count) - 1
        sine, cosine = sine_cosine(360.0 * chance[count:] - 180.0)
        radius = np.sqrt(1 - z * z)
        return np.stack([radius * cosine, radius * sine, z])

    def _country(self, vectors: np.ndarray) -> np.ndarray:
        """Index of the nearest capital `(1, n)`, borders made crooked by noise."""
        p = self._settings.countries
        layers = np.array([p.frequency * 2.0**octave for octave in range(3) for _ in range(3)])
        keys = np.array([self._key(f"border/{k}") for k in range(9)], np.uint32)
        noise = sphere_noise(vectors, layers, keys)
        x, y, z = (
            vectors[axis] + p.warp * (noise[axis] + 0.5 * noise[3 + axis] + 0.25 * noise[6 + axis]) for axis in range(3)
        )
        capitals = self._country_seeds[:, :, None]
        return np.argmax(capitals[0] * x + capitals[1] * y + capitals[2] * z, axis=0)[None]

    def labels(self, lon: Any, lat: Any) -> dict[str, np.ndarray]:
        """
        The four [`fields`] and, int64 of the same shape, `climate_zone` (index into `CLIMATE_ZONES`, from temperature
        and moisture) and `country` (one of some 60 regions with crooked borders).
        """
        fields = self.fields(lon, lat)
        p, moisture, temperature = self._settings.climate, fields["moisture"], fields["temperature"]
        zone = np.where(temperature < p.continental_below, 3, 2)
        zone = np.where(temperature > p.tropical_above, 0, zone)
        zone = np.where(moisture < p.arid_below, 1, zone)
        zone = np.where(temperature < p.polar_below, 4, zone)
        country = _chunked(lon, lat, self._country, 1)[0].astype(np.int64)
        return {**fields, "climate_zone": zone.astype(np.int64), "country": country}

    # Land cover ----------------------------------------------------------------------------------------------------

    def _noise(self, plane: Plane, name: str, wavelength: float) -> tuple[np.ndarray, np.ndarray]:
        return plane_noise(plane, wavelength, self._key(f"noise/{name}"))

    def _water(self, plane: Plane, elevation: np.ndarray, moisture: np.ndarray, footprint: float) -> np.ndarray:
        p = self._settings.ground
        height, lake = self._noise(plane, "coast", p.coast.coarse_m)
        fine_height, fine_lake = self._noise(plane, "shore", p.coast.fine_m)
        river, _ = self._noise(plane, "river", p.river.wavelength_m)
        gate, _ = self._noise(plane, "river gate", p.river.gate_m)
        height = elevation + p.coast.coarse_height_m * height + p.coast.fine_height_m * fine_height
        sea = ramp(0.5 - height / (0.06 * footprint))
        distance = np.abs(river + 0.06 * fine_lake) / p.river.slope
        width = p.river.half_width_m * ramp(gate - p.river.gate + 0.5 * moisture)
        lake = lake + p.lake.fine * fine_lake + p.lake.moisture * moisture - p.lake.threshold
        return np.maximum(np.maximum(sea, _line(distance, width, footprint)), ramp(lake / p.lake.softness + 0.5))

    def _town(self, plane: Plane, settlement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of town, and how central it is, both from 0 to 1."""
        p = self._settings.ground.town
        lived = settlement + p.coarse * self._noise(plane, "town", p.coarse_m)[0]
        lived = lived + p.fine * self._noise(plane, "quarter", p.fine_m)[0]
        return _step((lived - p.edge) / p.softness), ramp((lived - p.core) / p.core_span + 0.5)

    def _streets(self, grid: Plane, footprint: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A hash per block, the share of street between the blocks, and the share of road between hamlets."""
        p = self._settings.ground
        block, fu, fv = plane_cells(grid, p.block.width_m, p.block.height_m, self._key("block"))
        u, v = np.minimum(fu, 1 - fu) * p.block.width_m, np.minimum(fv, 1 - fv) * p.block.height_m
        street = _line(np.minimum(u, v), p.block.street_half_m, footprint)
        _, fu, fv = plane_cells(grid, p.road.spacing_m, p.road.spacing_m, 0)
        distance = np.minimum(np.abs(fu - 0.5), np.abs(fv - 0.5)) * p.road.spacing_m
        return block, street, _line(distance, p.road.half_width_m, footprint)

    def _wild(self, plane: Plane, moisture: np.ndarray, temperature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of forest where nothing is farmed or built, and share of grass where no forest is."""
        p = self._settings.ground
        coarse, _ = self._noise(plane, "forest", p.forest.coarse_m)
        fine, _ = self._noise(plane, "grove", p.forest.fine_m)
        suits = p.forest.moisture * (moisture - p.forest.dry) + p.forest.coarse * coarse + p.forest.fine * fine
        suits = suits + 0.1 * np.minimum(temperature - p.forest.cold, 0.0)
        meadow, _ = self._noise(plane, "meadow", p.grass.coarse_m)
        tuft, _ = self._noise(plane, "tuft", p.grass.fine_m)
        grass = p.grass.moisture * (moisture - p.grass.dry) + p.grass.coarse * meadow + p.grass.fine * tuft
        grass = grass + 0.1 * np.minimum(temperature - p.grass.cold, 0.0)
        return _step(p.forest.sharpness * suits), _step(1.6 * grass)

    def _farm(self, plane: Plane, moisture: np.ndarray, temperature: np.ndarray) -> np.ndarray:
        p = self._settings.ground.farm
        moist = (moisture - p.moist) / p.moist_span
        warm = (temperature - p.warm) / p.warm_span
        suits = 0.55 - 0.5 * moist * moist - 0.7 * warm * warm
        return _step(p.sharpness * (suits + p.amplitude * self._noise(plane, "farm", p.wavelength_m)[0]))

    def _ground(self, plane: Plane, fields: np.ndarray, footprint: float) -> Ground:
        """
        What lies at points: the one place where the land is decided.

        Args:
            plane (`Plane`): the points.
            fields (`np.ndarray` of shape `(4, ...)`): the smooth fields there, or at shapes that broadcast.
            footprint (`float`): diameter in metres of what a point stands for; edges are blurred by it.
        """
        p = self._settings.ground
        elevation, moisture, temperature, settlement = fields
        bend = self._noise(plane, "warp", p.warp.wavelength_m)
        grid = plane.moved(p.warp.amplitude_m * bend[0], p.warp.amplitude_m * bend[1])
        water = self._water(plane, elevation, moisture, footprint)
        town, core = self._town(plane, settlement)
        block, street, road = self._streets(grid, footprint)
        forest, grass = self._wild(plane, moisture, temperature)
        farm = self._farm(plane, moisture, temperature)
        parcel, fu, fv = plane_cells(grid, p.parcel.width_m, p.parcel.height_m, self._key("parcel"))

        land = 1 - water
        # Each takes its share of what the ones before it left.
        rural, town = land * (1 - town), land * town
        rural, country_road = rural * (1 - road), rural * road
        rural, forest = rural * (1 - forest), rural * forest
        rural, farm = rural * (1 - farm), rural * farm

        cover = np.zeros((len(COVERS), *water.shape), np.float32)
        cover[WATER] = water
        cover[FOREST] = forest
        cover[GRASS] = rural * grass
        cover[BARE] = rural * (1 - grass)
        cover[BUILT] = country_road
        farmsteads = self._add_farms(cover, farm, parcel, fu, fv, footprint)
        houses = self._add_town(cover, town, street, core, block, moisture)
        self._add_snow(cover, plane, temperature)
        return Ground(cover, plane, grid, houses + farmsteads, country_road + town * street, parcel, block)

    def _add_farms(
        self, cover: np.ndarray, farm: np.ndarray, parcel: np.ndarray, fu: np.ndarray, fv: np.ndarray, footprint: float
    ) -> np.ndarray:
        """Splits the share of farm among the covers, parcel by parcel; returns the share of farmsteads."""
        p = self._settings.ground.parcel
        kind = unit(parcel)
        crop, pasture = (kind < p.crop).astype(np.float32), (kind < p.crop + p.pasture).astype(np.float32)
        yard = (kind >= 1 - p.yard).astype(np.float32)
        edge = np.minimum(np.minimum(fu, 1 - fu) * p.width_m, np.minimum(fv, 1 - fv) * p.height_m)
        hedge = _line(edge, p.hedge_half_m, footprint) * (unit(parcel, 16, 8) < p.hedge)
        field = farm * (1 - hedge)
        cover[CROP] += field * crop
        cover[GRASS] += field * (pasture - crop + 0.4 * yard)
        cover[BARE] += field * (1 - pasture - yard)
        cover[BUILT] += field * (0.4 * yard)
        cover[FOREST] += farm * hedge + field * (0.2 * yard)
        return field * yard * 0.6

    def _add_town(
        self,
        cover: np.ndarray,
        town: np.ndarray,
        street: np.ndarray,
        core: np.ndarray,
        block: np.ndarray,
        moisture: np.ndarray,
    ) -> np.ndarray:
        """Splits the share of town among the covers, block by block; returns the share of houses."""
        p = self._settings.ground.block
        kind, chance = unit(block), unit(block, 16, 8)
        park, waste = kind < p.park, kind >= 1 - p.bare
        built = np.minimum(p.built + p.built_by_chance * chance + p.built_in_core * core, 1.0)
        built = np.where(park, p.built_park, np.where(waste, p.built_waste, built)).astype(np.float32)
        lots = town * (1 - street)
        open_ground = lots * (1 - built)
        trees = np.where(waste, 0.05, np.where(park, 0.5, 0.2 + 0.3 * chance)).astype(np.float32) * ramp(2 * moisture)
        bare = np.maximum(waste.astype(np.float32), 1 - ramp(2.5 * moisture))
        cover[BUILT] += town * street + lots * built
        cover[FOREST] += open_ground * trees
        cover[BARE] += open_ground * (1 - trees) * bare
        cover[GRASS] += open_ground * (1 - trees) * (1 - bare)
        return town * np.where(park | waste, 0.0, built).astype(np.float32)

    def _add_snow(self, cover: np.ndarray, plane: Plane, temperature: np.ndarray) -> None:
        p = self._settings.ground.snow
        coarse, _ = self._noise(plane, "snow", p.coarse_m)
        fine, _ = self._noise(plane, "drift", p.fine_m)
        snow = p.most * _step(2 * ((p.below - temperature) / p.span - 0.5 + p.coarse * coarse + p.fine * fine))
        for index in (FOREST, CROP, GRASS, BUILT, BARE):
            here = snow * p.on_forest if index == FOREST else snow
            cover[SNOW] += cover[index] * here
            cover[index] *= 1 - here

    def _cover_at(self, vectors: np.ndarray) -> np.ndarray:
        return self._ground(plane_of(vectors), self._fields(vectors), self._settings.ground.footprint_m).cover

    def cover(self, lon: Any, lat: Any) -> np.ndarray:
        """
        Land cover at points: what is right there, within a footprint of 20 m.

        Args:
            lon, lat (array-like of any equal shape): degrees.

        Returns:
            `np.ndarray` of shape `(..., 7)`, float32: fractions in the order of `COVERS`, which sum to one.

        Raises:
            ValueError: coordinates that are no place.
        """
        return np.moveaxis(_chunked(lon, lat, self._cover_at, len(COVERS)), 0, -1)

    def cover_window(self, bounds: Bounds, crs: str, size: tuple[int, int]) -> np.ndarray:
        """
        [`cover`] at the pixel centres of a grid: `(7, height, width)`, row 0 in the north.

        Args:
            bounds (`tuple[float, float, float, float]`): west, south, east, north in units of `crs`.
            crs (`str`): any coordinate reference system pyproj knows.
            size (`tuple[int, int]`): height, width. A pixel is looked at in its centre, however large it is.
        """
        west, south, east, north = unrolled(check_bounds(bounds, crs))
        height, width = size
        y, x = np.meshgrid(
            north - (np.arange(height) + 0.5) * ((north - south) / height),
            west + (np.arange(width) + 0.5) * ((east - west) / width),
            indexing="ij",
        )
        lon, lat = unproject(x, y, crs)
        return np.moveaxis(self.cover(np.round(lon, _DEGREE_DECIMALS), np.round(lat, _DEGREE_DECIMALS)), -1, 0)

    def point_cover(self, lon: Any, lat: Any) -> np.ndarray:
        """Mean [`cover`] over a disc of 50 m around points, `(..., 7)`: what surrounds a street view."""
        lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        out = np.empty((lon.size, len(COVERS)), np.float32)
        step = _CHUNK // len(self._disc[0])
        for start in range(0, lon.size, step):
            part = slice(start, start + step)
            out[part] = self._point_cover(lon.ravel()[part], lat.ravel()[part])
        return out.reshape(*lon.shape, len(COVERS))

    def _point_cover(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        vectors = unit_vectors(lon, lat)
        east_m, north_m = (np.repeat(offsets[None], len(lon), axis=0) for offsets in self._disc)
        plane, _, _ = plane_around(vectors, *tangents(lon, lat), east_m, north_m)
        fields = self._fields(vectors)[:, :, None]
        cover = self._ground(plane, fields, self._settings.ground.footprint_m).cover
        # Points one after another, since a library's sum takes an order of its own.
        total = cover[:, :, 0].copy()
        for index in range(1, cover.shape[2]):
            total += cover[:, :, index]
        return np.minimum(total * np.float32(1 / cover.shape[2]), 1.0).T

    def greenness(self, cover: np.ndarray, axis: int = -1) -> np.ndarray:
        """Share of vegetation, from 0 to 1, in cover fractions whose 7 covers lie along `axis`; forest counts most."""
        p = self._settings.greenness
        cover = np.moveaxis(np.asarray(cover), axis, 0)
        return p.forest * cover[FOREST] + p.crop * cover[CROP] + p.grass * cover[GRASS]

    # Tiles ---------------------------------------------------------------------------------------------------------

    def tile(self, lon: float, lat: float, crs: str = "EPSG:4326") -> SampleTile:
        """
        The tile of 1,920 m around a place, as a satellite saw it through haze and at times thin cloud.

        Args:
            lon, lat (`float`): its centre in degrees.
            crs (`str`): `"EPSG:4326"`, or `"utm"` for the zone the place lies in.

        Raises:
            ValueError: another crs; a place that no such tile can be centred on (within 1 km of a pole, or beyond 84
                degrees of latitude in UTM); coordinates that are no place.
        """
        unit_vectors(lon, lat)
        lon = float(wrap_longitude(float(lon)))
        bounds, name = _tile_bounds(lon, float(lat), crs)
        count = TILE_PIXELS if is_geographic(name) and abs(lat) > _INTERPOLATED_BELOW_LAT else _NODES
        vectors = unit_vectors(*_node_places(bounds, name, count))
        fields = self._fields(vectors.reshape(3, -1)).reshape(len(FIELDS), count, count)
        if count == _NODES:
            vectors, fields = _enlarged(vectors, TILE_PIXELS), _enlarged(fields, TILE_PIXELS)
        ground = self._ground(plane_of(vectors), fields, self._settings.ground.footprint_m)
        key = keys_at(self._key("tile"), _micro([lon]), _micro([lat]))
        return SampleTile(self._pixels(ground, fields, key), bounds, name, ground.cover)

    def _spectra_of(self, ground: Ground, fields: np.ndarray) -> np.ndarray:
        """What the ground reflects, `(10, 96, 96)`: the covers' spectra mixed, with parcels, blocks and relief."""
        p, cover = self._settings.tile, ground.cover
        shade, silty = self._noise(ground.plane, "texture", p.texture.wavelength_m)
        texture = 1 + p.texture.contrast * shade
        # Nobody parts the tundra into parcels.
        tilled = p.parcel_contrast * ramp(0.2 * fields[2])
        parcel = (1 + tilled * (2 * unit(ground.parcel, 24, 8) - 1)) * texture
        block = (1 + p.block_contrast * (2 * unit(ground.block, 24, 8) - 1)) * texture
        ripe = ripeness(ground.parcel)
        murk = 0.35 + 0.3 * silty
        light = self._relief(ground.plane, fields[0])
        weights = {
            "water": cover[WATER] * (1 - murk),
            "silt": cover[WATER] * murk,
            "forest": cover[FOREST] * texture * light,
            "crop": cover[CROP] * (1 - ripe) * parcel * light,
            "ripe": cover[CROP] * ripe * parcel * light,
            "grass": cover[GRASS] * parcel * light,
            "built": cover[BUILT] * block,
            "bare": cover[BARE] * parcel * light,
            "snow": cover[SNOW] * light,
        }
        total = np.zeros((len(BANDS), *cover.shape[1:]), np.float32)
        for name, weight in weights.items():
            total += self._spectra[name][:, None, None] * weight
        return total

    def _relief(self, plane: Plane, elevation: np.ndarray) -> np.ndarray:
        """Light on slopes seen from above, around 1: stronger in the mountains; the sun stands in the east."""
        p = self._settings.tile.relief
        height, _ = self._noise(plane, "relief", p.wavelength_m)
        detail, _ = self._noise(plane, "ridge", 0.3 * p.wavelength_m)
        height = height + 0.3 * detail
        slope = np.empty_like(height)
        slope[:, 1:] = height[:, :-1] - height[:, 1:]
        slope[:, 0] = slope[:, 1]
        steepness = ramp((elevation - p.from_m) / p.span_m)
        return np.maximum(1 - p.contrast * steepness * 12.0 * slope, 0.35)

    def _pixels(self, ground: Ground, fields: np.ndarray, key: np.ndarray) -> np.ndarray:
        """What the satellite measures, uint16: the ground through haze, cloud, an uncertain gain and noise."""
        p = self._settings.tile
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

    # Street views --------------------------------------------------------------------------------------------------

    def street_view(
        self, lon: float, lat: float, heading: float, *, control: bool = False, tile: SampleTile | None = None
    ) -> np.ndarray:
        """One of [`street_views`]: `(96, 128, 3)`, uint8."""
        return self.street_views([lon], [lat], [heading], control=control, tile=tile)[0]

    def street_views(
        self, lon: Any, lat: Any, heading: Any, *, control: bool = False, tile: SampleTile | None = None
    ) -> np.ndarray:
        """
        Photos from places on the ground, with a field of view of 100 degrees; time of day, weather and camera are drawn
        by chance from place and heading. A photo has the same bytes alone and among others.

        Args:
            lon, lat (array-like of shape `(N,)`): degrees.
            heading (array-like of shape `(N,)`): degrees clockwise from north.
            control (`bool`): draw the mean cover of `tile` in place of what lies around the camera: a world in which
                the place inside the tile cannot be told from the photo.
            tile (`SampleTile`, *optional*): the tile the places lie in; needed for `control` and used for it alone.

        Returns:
            `np.ndarray` of shape `(N, 96, 128, 3)`, uint8, RGB.

        Raises:
            ValueError: coordinates that are no place, a heading that is not finite, or `control` without a tile.
        """
        lon, lat, heading = (np.atleast_1d(np.asarray(value, np.float64)) for value in (lon, lat, heading))
        vectors = unit_vectors(lon, lat)
        if not np.isfinite(heading).all():
            raise ValueError(f"heading is {heading.tolist()}, expected finite degrees clockwise from north.")
        if control and tile is None:
            raise ValueError("control draws the mean cover of a tile; pass tile=, the tile the photo belongs to.")
        lon = wrap_longitude(lon)
        east_m, north_m = self._renderer.places(heading)
        plane, u_m, v_m = plane_around(vectors, *tangents(lon, lat), east_m, north_m)
        if control and tile is not None:
            fields = self._fields(unit_vectors(*_centre(tile)).reshape(3, 1)).repeat(len(lon), axis=1)
            ground = self._mean_ground(plane, _mean_cover(tile.cover))
        else:
            fields, around = self._fields_around(vectors, lon, lat, east_m, north_m)
            ground = self._ground(plane, around, self._settings.view.footprint_m)
        keys = keys_at(self._key("photo"), _micro(lon), _micro(lat), _micro(heading))
        return self._renderer.draw(ground, fields, keys, u_m, v_m)

    def _fields_around(
        self, vectors: np.ndarray, lon: np.ndarray, lat: np.ndarray, east_m: np.ndarray, north_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The fields at cameras `(4, N)`, and at points around them `(4, N, ...)` by their slopes to east and north."""
        reach = 300.0
        east, north = tangents(lon, lat)
        steps = np.concatenate(
            [vectors, vectors + east * (reach / EARTH_RADIUS_M), vectors + north * (reach / EARTH_RADIUS_M)], 1
        )
        here, to_east, to_north = np.split(self._fields(steps), 3, axis=1)
        shape = (*here.shape, *[1] * (east_m.ndim - 1))
        slope_east, slope_north = ((moved - here).reshape(shape) * (1 / reach) for moved in (to_east, to_north))
        around = here.reshape(shape) + slope_east * east_m + slope_north * north_m
        return here, around.astype(np.float32)

    def _mean_ground(self, plane: Plane, mean: np.ndarray) -> Ground:
        """Ground of patches whose covers are drawn with the shares of `mean`, wherever it is."""
        p = self._settings.view
        patch, _, _ = plane_cells(plane, p.patch_m, p.patch_m, self._key("patch"))
        chance = unit(patch, 8, 24)
        cover = np.zeros((len(COVERS), *chance.shape), np.float32)
        low = np.float32(0.0)
        for index, share in enumerate(mean):
            high = low + share if index < len(mean) - 1 else np.float32(1.0)
            cover[index] = (chance >= low) & (chance < high)
            low = high
        road = np.zeros_like(chance)
        return Ground(cover, plane, plane, 0.8 * cover[BUILT], road, patch, patch)


def _disc(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """37 points spread evenly over a disc: metres to the east and to the north."""
    rings: list[tuple[float, np.ndarray]] = [(0.0, np.zeros(1))]
    rings += [(radius * k / 3.3, np.arange(6 * k) * (60.0 / k) + 10.0 * k) for k in (1, 2, 3)]
    waves = [(radius_m, *sine_cosine(angles)) for radius_m, angles in rings]
    return (
        np.concatenate([radius_m * sine for radius_m, sine, _ in waves]),
        np.concatenate([radius_m * cosine for radius_m, _, cosine in waves]),
    )


def utm_crs(lon: float, lat: float) -> str:
    """The code of the UTM zone that a place in degrees lies in, lon in [-180, 180), such as `"EPSG:32633"`."""
    return f"EPSG:{(32601 if lat >= 0 else 32701) + int((lon + 180.0) // 6.0)}"


def _tile_bounds(lon: float, lat: float, crs: str) -> tuple[Bounds, str]:
    """Bounds of the tile around a place, and its crs by its code."""
    half = TILE_SIDE_M / 2
    if crs == "EPSG:4326":
        per_lon, per_lat = metres_per_unit(lon, lat, crs)
        south, north = lat - half / per_lat, lat + half / per_lat
        if south < -90.0 or north > 90.0:
            raise ValueError(f"lat is {lat}, expected a tile's centre at least 1 km from the pole; move it there.")
        west, east = (float(wrap_longitude(lon + side * half / per_lon)) for side in (-1, 1))
        return (west, south, east, north), crs
    if crs != "utm":
        raise ValueError(f"crs is {crs!r}, expected 'EPSG:4326' or 'utm' (the zone the place lies in).")
    if abs(lat) >= _UTM_BELOW_LAT:
        raise ValueError(f"lat is {lat}, expected less than 84 degrees from the equator in UTM; use crs='EPSG:4326'.")
    name = utm_crs(lon, lat)
    x, y = (float(np.round(value, 3)) for value in project(lon, lat, name))
    return (x - half, y - half, x + half, y + half), name


def _node_places(bounds: Bounds, crs: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """
    lon, lat of `count` x `count` points of a tile, row 0 in the north: from edge to edge, or, where they are as many as
    the pixels, the pixels' centres.
    """
    west, south, east, north = unrolled(bounds)
    at = np.arange(count) / (count - 1) if count != TILE_PIXELS else (np.arange(count) + 0.5) / count
    y, x = np.meshgrid(north - at * (north - south), west + at * (east - west), indexing="ij")
    lon, lat = unproject(x, y, crs)
    return np.round(lon, _DEGREE_DECIMALS), np.round(lat, _DEGREE_DECIMALS)


def _centre(tile: SampleTile) -> tuple[np.ndarray, np.ndarray]:
    west, south, east, north = unrolled(tile.bounds)
    lon, lat = unproject((west + east) / 2, (south + north) / 2, tile.crs)
    return np.round(lon, _DEGREE_DECIMALS), np.round(lat, _DEGREE_DECIMALS)


def _mean_cover(cover: np.ndarray) -> np.ndarray:
    """Mean fractions `(7,)` of a tile, summed as integers, so that no order of summation matters."""
    whole = np.rint(cover.reshape(len(COVERS), -1) * 65536.0).astype(np.int64).sum(axis=1)
    return (whole / whole.sum()).astype(np.float32)


def _cloud(key: np.ndarray, wavelength: float) -> np.ndarray:
    """Veils of cloud over a tile `(96, 96)`, from 0 to 1; pixels are their metres here."""
    row, column = np.meshgrid(np.arange(TILE_PIXELS), np.arange(TILE_PIXELS), indexing="ij")
    face, fade = np.zeros(row.shape, np.uint32), np.ones(row.shape, np.float32)
    plane = Plane(column + 0.5 * row, row - 0.5 * column, face, fade)
    total = np.zeros(row.shape, np.float32)
    for octave in range(4):
        total += 0.6**octave * plane_noise(plane, wavelength * 0.5**octave, int(key[0]) ^ octave)[0]
    return ramp(total * 0.9 + 0.1)


__all__ = [
    "BANDS",
    "CLIMATE_ZONES",
    "COVERS",
    "FIELDS",
    "PHOTO_HEIGHT",
    "PHOTO_WIDTH",
    "TILE_PIXELS",
    "TILE_SIDE_M",
    "SampleTile",
    "SampleWorld",
    "utm_crs",
]
