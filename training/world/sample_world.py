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
The sample world: the Earth's coarse climate, land and cities, with streets, fields, Sentinel-2 tiles and street views made up
from a seed. It needs no download and has the format of real data, so programs can be tried and compared on it.

Real are the monthly temperature and precipitation of each degree, where land is, and where cities are
(`training/world/earth/ATTRIBUTION.md`). Smooth fields refine them by noise and determine vegetation, farmland and towns; noise
and cells of a few metres turn those into rivers, streets, parcels and woods *inside* a tile. Tile and photo are rendered from
the same cover, so a photo resembles its own location in the tile more than the tile's average. The seed changes all that is made,
not the Earth. Everything is a pure function of seed, version and arguments, with the same bytes in any order and on any machine
(up to PROJ's own rounding for UTM tiles).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from modeling_gair.crs_gair import Bounds, check_bounds, is_geographic, unproject, unrolled
from modeling_gair.geo_gair import EARTH_RADIUS_M, wrap_longitude
from training.world.earth.koppen import zone_of
from training.world.fields import FIELDS, Fields
from training.world.ground import COVERS, CROP, FOREST, GRASS, Land
from training.world.noise import keys_at, plane_around, plane_of, ramp, sine_cosine, tangents, unit_vectors
from training.world.parameters import Keys, load_parameters
from training.world.street_views import PhotoRenderer
from training.world.tiles import (
    DEGREE_DECIMALS,
    TILE_PIXELS,
    SampleTile,
    TileRenderer,
    centre_of,
    enlarged,
    mean_cover,
    node_places,
    tile_bounds,
)

# Points evaluated at a time; their arrays fit in a core's cache.
_CHUNK = 16384
# The fields are smooth: they are evaluated at this many points along a tile's side and interpolated between them.
_NODES = 5
# The day of the year that covers are shown on unless another is asked for: midsummer in the north.
MIDSUMMER = 196
# Closer to the poles, parallels curve too much for interpolation, and every pixel is evaluated.
_INTERPOLATED_BELOW_LAT = 85.0


class SampleWorld:
    """
    A world generated from a seed; see the module's docstring. Coordinates are in degrees, lon before lat; lon is taken
    modulo 360. Days of the year are from 1 to 366.

    Args:
        seed (`int`): seed of all that is made.
        version (`int`): version of the parameters, `training/configs/sample_world_v{version}.yaml`; a version never
            changes.
        shuffled (`bool`): whether climate and people are those of an Earth rotated so that its poles move by 56 degrees, while
            land stays: a location then says nothing about its real climate.

    Raises:
        ValueError: an unknown version.
    """

    def __init__(self, seed: int = 0, version: int = 2, shuffled: bool = False):
        self.seed, self.version = seed, version
        self._parameters, raw = load_parameters(version)
        self._key = Keys(seed)
        self._fields = Fields(self._parameters, raw["fields"], self._key, shuffled)
        self._land = Land(self._parameters.ground, self._key)
        self._tiles = TileRenderer(self._parameters.tile, raw["spectra"], self._key)
        self._photos = PhotoRenderer(self._parameters.view, self._key)
        self._disc = _disc(self._parameters.surroundings_radius_m)

    def fields(self, lon: Any, lat: Any, day: int = MIDSUMMER) -> dict[str, np.ndarray]:
        """
        The smooth fields at lon, lat of any equal shape on a day of the year, by name, float32 of that shape: see
        [`~training.world.fields.FieldValues`].

        Raises:
            ValueError: invalid coordinates.
        """
        return dict(zip(FIELDS, _chunked(lon, lat, lambda vectors: self._fields.at(vectors, day), len(FIELDS))))

    def monthly(self, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        """
        Temperature in degrees Celsius and precipitation in mm of January to December at lon, lat of any equal shape, each
        `(12, ...)`, float32: the Earth's, without noise.

        Raises:
            ValueError: invalid coordinates.
        """
        both = _chunked(lon, lat, lambda vectors: np.concatenate(self._fields.monthly(vectors)), 24)
        return both[:12], both[12:]

    def labels(self, lon: Any, lat: Any) -> dict[str, np.ndarray]:
        """
        `elevation`, `moisture`, `temperature` and `settlement` of the [`fields`]; `temperature_range` (warmest less coldest
        month, in degrees Celsius) and `precipitation` (mm a year), float32; and, int64, `climate_zone` (index into
        `CLIMATE_ZONES`), `koppen` (index into `KOPPEN_CLASSES`) and `country` (index into [`countries`]). All have the shape of
        lon and lat.

        Raises:
            ValueError: invalid coordinates.
        """
        fields = self.fields(lon, lat)
        koppen = _chunked(lon, lat, lambda vectors: self._fields.koppen(vectors)[None], 1)[0].astype(np.int64)
        country = _chunked(lon, lat, lambda vectors: self._fields.country(vectors)[None], 1)[0].astype(np.int64)
        return {
            **{name: fields[name] for name in ("elevation", "moisture", "temperature", "settlement")},
            "temperature_range": fields["warmest"] - fields["coldest"],
            "precipitation": self.monthly(lon, lat)[1].sum(axis=0),
            "climate_zone": zone_of(koppen),
            "koppen": koppen,
            "country": country,
        }

    def photographed(self, lon: Any, lat: Any) -> np.ndarray:
        """
        Chance that a place on land at lon, lat of any equal shape is photographed, from 0 to 1; it grows with settlement.

        Raises:
            ValueError: invalid coordinates.
        """
        p = self._parameters.photographed
        return p.wild + (1 - p.wild) * ramp(self.fields(lon, lat)["settlement"] / p.full)

    @property
    def countries(self) -> tuple[str, ...]:
        """ISO 3166 codes of the countries, of two letters, sorted."""
        return self._fields.countries

    def cover(self, lon: Any, lat: Any, day: int = MIDSUMMER) -> np.ndarray:
        """
        Land cover at points, averaged over a footprint of 20 m.

        Args:
            lon, lat (array-like of any equal shape): degrees.
            day (`int`): day of the year, which decides on snow.

        Returns:
            `np.ndarray` of shape `(..., 7)`, float32: fractions in the order of `COVERS`, which sum to one.

        Raises:
            ValueError: invalid coordinates.
        """
        return np.moveaxis(_chunked(lon, lat, lambda vectors: self._cover_at(vectors, day), len(COVERS)), 0, -1)

    def cover_window(self, bounds: Bounds, crs: str, size: tuple[int, int], day: int = MIDSUMMER) -> np.ndarray:
        """
        [`cover`] at the pixel centres of a grid: `(7, height, width)`, row 0 in the north.

        Args:
            bounds (`tuple[float, float, float, float]`): west, south, east, north in units of `crs`.
            crs (`str`): any coordinate reference system pyproj knows.
            size (`tuple[int, int]`): height, width. The cover of a pixel is that at its centre, whatever its size.
            day (`int`): day of the year.
        """
        west, south, east, north = unrolled(check_bounds(bounds, crs))
        height, width = size
        y, x = np.meshgrid(
            north - (np.arange(height) + 0.5) * ((north - south) / height),
            west + (np.arange(width) + 0.5) * ((east - west) / width),
            indexing="ij",
        )
        lon, lat = unproject(x, y, crs)
        return np.moveaxis(self.cover(np.round(lon, DEGREE_DECIMALS), np.round(lat, DEGREE_DECIMALS), day), -1, 0)

    def point_cover(self, lon: Any, lat: Any, day: Any = MIDSUMMER) -> np.ndarray:
        """
        Mean [`cover`] within 50 m of points, `(..., 7)`: the surroundings of a street view on a day of the year, one for all
        points or one for each.
        """
        lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        days = np.broadcast_to(np.asarray(day, np.int64), lon.shape).ravel()
        out = np.empty((lon.size, len(COVERS)), np.float32)
        step = _CHUNK // len(self._disc[0])
        for start in range(0, lon.size, step):
            part = slice(start, start + step)
            out[part] = self._point_cover(lon.ravel()[part], lat.ravel()[part], days[part])
        return out.reshape(*lon.shape, len(COVERS))

    def _cover_at(self, vectors: np.ndarray, day: int) -> np.ndarray:
        fields = self._fields.at(vectors, day)
        return self._land.at(plane_of(vectors), fields, self._parameters.ground.footprint_m).cover

    def _point_cover(self, lon: np.ndarray, lat: np.ndarray, day: np.ndarray) -> np.ndarray:
        vectors = unit_vectors(lon, lat)
        east_m, north_m = (np.repeat(offsets[None], len(lon), axis=0) for offsets in self._disc)
        plane, _, _ = plane_around(vectors, *tangents(lon, lat), east_m, north_m)
        fields = self._fields.at(vectors, day)[:, :, None]
        cover = self._land.at(plane, fields, self._parameters.ground.footprint_m).cover
        # Added point by point: the order in which NumPy sums may differ between machines.
        total = cover[:, :, 0].copy()
        for index in range(1, cover.shape[2]):
            total += cover[:, :, index]
        return np.minimum(total * np.float32(1 / cover.shape[2]), 1.0).T

    def greenness(self, cover: np.ndarray, axis: int = -1) -> np.ndarray:
        """Share of vegetation, from 0 to 1, of cover fractions with the 7 covers along `axis`; forest weighs most."""
        p = self._parameters.greenness
        cover = np.moveaxis(np.asarray(cover), axis, 0)
        return p.forest * cover[FOREST] + p.crop * cover[CROP] + p.grass * cover[GRASS]

    def tile(
        self, lon: float, lat: float, crs: str = "EPSG:4326", day: int = MIDSUMMER, weather: int | None = None
    ) -> SampleTile:
        """
        The tile of 1,920 m around a location, as a satellite sees it, with haze and sometimes thin cloud.

        Args:
            lon, lat (`float`): centre of the tile in degrees.
            crs (`str`): `"EPSG:4326"`, or `"utm"` for the UTM zone of the location.
            day (`int`): day of the year, which decides on greenness and snow.
            weather (`int`, *optional*): seeds haze, cloud, gain and noise, so that tiles side by side can be one scene; by default
                each place has its own.

        Raises:
            ValueError: an unknown crs, a centre too close to a pole (within 1 km, or beyond 84 degrees of latitude in UTM),
                or invalid coordinates.
        """
        # Refuses invalid coordinates.
        unit_vectors(lon, lat)
        lon = float(wrap_longitude(float(lon)))
        bounds, name = tile_bounds(lon, float(lat), crs)
        count = TILE_PIXELS if is_geographic(name) and abs(lat) > _INTERPOLATED_BELOW_LAT else _NODES
        vectors = unit_vectors(*node_places(bounds, name, count))
        fields = self._fields.at(vectors.reshape(3, -1), day).reshape(len(FIELDS), count, count)
        if count == _NODES:
            vectors, fields = enlarged(vectors, TILE_PIXELS), enlarged(fields, TILE_PIXELS)
        ground = self._land.at(plane_of(vectors), fields, self._parameters.ground.footprint_m)
        seeds = (lon, lat) if weather is None else (weather, weather)
        key = keys_at(self._key("tile"), *(_as_integers([seed]) for seed in seeds))
        pixels = self._tiles.pixels(ground, fields, key)
        return SampleTile(pixels, bounds, name, ground.cover, ground.road, ground.river)

    def street_view(
        self,
        lon: float,
        lat: float,
        heading: float,
        day: int = MIDSUMMER,
        *,
        control: bool = False,
        tile: SampleTile | None = None,
    ) -> np.ndarray:
        """A single photo, as by [`street_views`]: `(96, 128, 3)`, uint8."""
        return self.street_views([lon], [lat], [heading], day, control=control, tile=tile)[0]

    def street_views(
        self,
        lon: Any,
        lat: Any,
        heading: Any,
        day: Any = MIDSUMMER,
        *,
        control: bool = False,
        tile: SampleTile | None = None,
    ) -> np.ndarray:
        """
        Photos taken on the ground, with a field of view of 100 degrees; time of day, weather and camera noise are random,
        seeded by location and heading. A photo has the same bytes whether rendered alone or in a batch.

        Args:
            lon, lat (array-like of shape `(N,)`): degrees.
            heading (array-like of shape `(N,)`): degrees clockwise from north.
            day (`int` or array-like of shape `(N,)`): day of the year.
            control (`bool`): render the mean cover of `tile` instead of the camera's surroundings, so that a photo says
                nothing about its location within the tile.
            tile (`SampleTile`, *optional*): the tile that contains the locations; required with `control`, otherwise
                unused.

        Returns:
            `np.ndarray` of shape `(N, 96, 128, 3)`, uint8, RGB.

        Raises:
            ValueError: invalid coordinates, a heading that is not finite, or `control` without a tile.
        """
        lon, lat, heading = (np.atleast_1d(np.asarray(value, np.float64)) for value in (lon, lat, heading))
        vectors = unit_vectors(lon, lat)
        if not np.isfinite(heading).all():
            raise ValueError(f"heading is {heading.tolist()}, expected finite degrees clockwise from north.")
        if control and tile is None:
            raise ValueError(
                "control renders the mean cover of a tile, but none is given; pass tile=, the tile that contains the photos."
            )
        lon = wrap_longitude(lon)
        day = np.broadcast_to(np.asarray(day, np.int64), lon.shape)
        east_m, north_m = self._photos.places(heading)
        plane, u_m, v_m = plane_around(vectors, *tangents(lon, lat), east_m, north_m)
        if control and tile is not None:
            fields = self._fields.at(unit_vectors(*centre_of(tile)).reshape(3, 1).repeat(len(lon), axis=1), day)
            ground = self._land.of_mean_cover(plane, mean_cover(tile.cover), self._parameters.view.patch_m)
        else:
            fields, around = self._fields_around(vectors, lon, lat, day, east_m, north_m)
            ground = self._land.at(plane, around, self._parameters.view.footprint_m)
        keys = keys_at(self._key("photo"), _as_integers(lon), _as_integers(lat), _as_integers(heading))
        return self._photos.draw(ground, fields, keys, u_m, v_m)

    def _fields_around(
        self,
        vectors: np.ndarray,
        lon: np.ndarray,
        lat: np.ndarray,
        day: np.ndarray,
        east_m: np.ndarray,
        north_m: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        The fields at cameras `(9, N)`, and extrapolated linearly to points at metres east and north of them `(9, N, ...)`: they are
        smooth, and the points too many to evaluate each.
        """
        reach = 300.0
        east, north = tangents(lon, lat)
        steps = np.concatenate(
            [vectors, vectors + east * (reach / EARTH_RADIUS_M), vectors + north * (reach / EARTH_RADIUS_M)], 1
        )
        here, to_east, to_north = np.split(self._fields.at(steps, np.tile(day, 3)), 3, axis=1)
        shape = (*here.shape, *[1] * (east_m.ndim - 1))
        slope_east, slope_north = ((moved - here).reshape(shape) * (1 / reach) for moved in (to_east, to_north))
        around = here.reshape(shape) + slope_east * east_m + slope_north * north_m
        return here, around.astype(np.float32)


def _chunked(lon: Any, lat: Any, evaluate: Callable[[np.ndarray], np.ndarray], rows: int) -> np.ndarray:
    """Apply `evaluate`, from unit vectors `(3, n)` to `(rows, n)`, to lon, lat of any shape; return `(rows, ...)`."""
    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    out = np.empty((rows, lon.size), np.float32)
    flat_lon, flat_lat = lon.ravel(), lat.ravel()
    for start in range(0, lon.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        out[:, part] = evaluate(unit_vectors(flat_lon[part], flat_lat[part]))
    return out.reshape(rows, *lon.shape)


def _as_integers(degrees: Any) -> np.ndarray:
    """Degrees as integers in units of 1e-7 degrees, for hashing."""
    return np.rint(np.asarray(degrees, np.float64) * 1e7).astype(np.int64)


def _disc(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """37 points spread evenly over a disc: metres east and metres north of its centre."""
    rings: list[tuple[float, np.ndarray]] = [(0.0, np.zeros(1))]
    rings += [(radius * k / 3.3, np.arange(6 * k) * (60.0 / k) + 10.0 * k) for k in (1, 2, 3)]
    waves = [(radius_m, *sine_cosine(angles)) for radius_m, angles in rings]
    return (
        np.concatenate([radius_m * sine for radius_m, sine, _ in waves]),
        np.concatenate([radius_m * cosine for radius_m, _, cosine in waves]),
    )
