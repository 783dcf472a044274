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
"""Locations of the sample data set's tiles and photos: on land, apart from each other, in two spatially separate splits."""

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from tqdm.auto import tqdm

from modeling_gair.crs_gair import metres_per_unit, project, unproject
from modeling_gair.geo_gair import great_circle_distance_m, wrap_longitude
from training.common.workers import in_order
from training.world.ground import COVERS
from training.world.sample_world import SampleWorld
from training.world.settings import MIN_PHOTO_DISTANCE_M, WorldSettings
from training.world.tiles import TILE_SIDE_M, utm_crs

# The sphere is divided into blocks; one in eight is held out for the test tiles.
BLOCK_DEGREES = 15
HELD_OUT_SHARE = 1 / 8
MIN_SPLIT_DISTANCE_M = 50_000.0
# Smallest distance of a photo from its tile's border, so that what it shows lies in the tile.
PHOTO_MARGIN_M = 60.0
MAX_LAT = 80.0
# What a random draw is for; part of its seed.
_BLOCK, _PLACE, _POINTS, PHOTO_DRAWS = range(4)
# Shares of cover up to which a tile, or the surroundings of a photo, are kept.
_MAX_TILE_WATER, _MAX_TILE_SNOW, _MAX_PHOTO_WATER = 0.6, 0.8, 0.5
# Points where the cover of a candidate tile is sampled, in tile sides from its centre.
_PROBES = np.array([(0, 0), (-0.3, -0.3), (-0.3, 0.3), (0.3, -0.3), (0.3, 0.3)])
# Random points that are tried for each photo wanted.
_POINTS_PER_PHOTO = 6
_CANDIDATES_PER_TASK = 64
# Candidates after which the search is given up.
_CANDIDATES_PER_TILE = 1000


@dataclass(frozen=True)
class Place:
    """
    Location of a tile and its photos.

    Attributes:
        number (`int`): number of the candidate; it seeds all random draws for the tile.
        lon, lat (`float`): centre of the tile in degrees.
        crs (`str`): coordinate reference system of the tile.
        day (`int`): day of the year on which the tile is seen, from 1 to 366.
        photo_lon, photo_lat (`np.ndarray` of shape `(P,)`): locations of the photos in degrees, float64.
    """

    number: int
    lon: float
    lat: float
    crs: str
    day: int
    photo_lon: np.ndarray
    photo_lat: np.ndarray


def draws(settings: WorldSettings, purpose: int, number: int, size: int) -> np.ndarray:
    """Random numbers `(size,)`, float64 in [0, 1), that depend on the arguments but not on the order of calls."""
    return np.random.default_rng([settings.seed, settings.version, purpose, number]).random(size)


def block_of(lon: float, lat: float) -> int:
    """
    Number of the block that contains a location in degrees. Blocks are bands of 15 degrees of latitude, divided into equal
    cells that are about as wide on the ground as they are high.
    """
    band = min(int((lat + 90) // BLOCK_DEGREES), 180 // BLOCK_DEGREES - 1)
    middle = np.radians((band + 0.5) * BLOCK_DEGREES - 90)
    cells = max(1, round(360 / BLOCK_DEGREES * float(np.cos(middle))))
    return band * 360 // BLOCK_DEGREES + int((lon + 180) % 360 / 360 * cells)


def split_of(settings: WorldSettings, lon: float, lat: float) -> str:
    """`"test"` if the block of a location is held out, otherwise `"train"`."""
    return "test" if draws(settings, _BLOCK, block_of(lon, lat), 1)[0] < HELD_OUT_SHARE else "train"


def place_splits(pool: Executor, settings: WorldSettings, ahead: int) -> dict[str, list[Place]]:
    """Places by split. Test tiles are placed first, and training tiles keep their distance from them."""
    test = _place(pool, settings, "test", [], ahead)
    return {"train": _place(pool, settings, "train", test, ahead), "test": test}


def _place(pool: Executor, settings: WorldSettings, split: str, avoided: list[Place], ahead: int) -> list[Place]:
    wanted = settings.tiles_of(split)
    # A tile reaches half its diagonal beyond its centre, on both sides.
    apart_m = MIN_SPLIT_DISTANCE_M + TILE_SIDE_M * 2**0.5
    avoided_lon, avoided_lat = (np.array([getattr(place, axis) for place in avoided]) for axis in ("lon", "lat"))
    limit = _CANDIDATES_PER_TILE * (wanted + 10)
    tasks = ((settings, split, first) for first in range(0, limit, _CANDIDATES_PER_TASK))
    places: list[Place] = []
    with tqdm(total=wanted, unit="tile", desc=f"place {split}") as progress:
        for found in in_order(pool, _find_places, tasks, ahead):
            for place in found:
                if (great_circle_distance_m(place.lon, place.lat, avoided_lon, avoided_lat) >= apart_m).all():
                    places.append(place)
            progress.update(min(len(places), wanted) - progress.n)
            if len(places) >= wanted:
                return places[:wanted]
    raise ValueError(
        f"Only {len(places)} of {wanted} tiles for the split {split} were found on land among {limit} candidates; use "
        "fewer photos or another seed."
    )


def _find_places(settings: WorldSettings, split: str, first: int) -> list[Place]:
    """
    Places among the candidates from number `first` on that are in the split, on land, and have room for the photos. A candidate is
    kept with a chance that grows with its settlement, since street-level photos are taken where people are.
    """
    numbers = np.arange(first, first + _CANDIDATES_PER_TASK)
    drawn = np.stack([draws(settings, _PLACE, int(number), 4) for number in numbers])
    # Uniform on the sphere: the sine of the latitude is uniform.
    lat = _rounded(np.degrees(np.arcsin((2 * drawn[:, 1] - 1) * np.sin(np.radians(MAX_LAT)))))
    lon = _rounded(360 * drawn[:, 0] - 180)
    world = world_of(settings)
    photographed = drawn[:, 2] < world.photographed(lon, lat)
    days = 1 + (366 * drawn[:, 3]).astype(np.int64)
    frames = [
        _Frame(int(number), float(x), float(y), _crs(int(number), float(x), float(y)), int(day))
        for number, x, y, day in zip(numbers[photographed], lon[photographed], lat[photographed], days[photographed])
        if split_of(settings, float(x), float(y)) == split
    ]
    return _with_photos(world, settings, _on_land(world, frames), settings.photos_of(split))


@dataclass(frozen=True)
class _Frame:
    """A candidate's number, its centre in degrees, its CRS and its day of the year."""

    number: int
    lon: float
    lat: float
    crs: str
    day: int

    def points(self, east: np.ndarray, north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """lon, lat of points at offsets from the centre, in metres on the ground along the axes of the CRS."""
        x, y = (float(axis) for axis in project(self.lon, self.lat, self.crs))
        per_x, per_y = metres_per_unit(x, y, self.crs)
        lon, lat = unproject(x + east / per_x, y + north / per_y, self.crs)
        return _rounded(wrap_longitude(lon)), _rounded(lat)


def _rounded(degrees: np.ndarray) -> np.ndarray:
    """Round to a centimetre, which hides differences between machines in the last bits."""
    return np.round(degrees, 7)


def _crs(number: int, lon: float, lat: float) -> str:
    """EPSG:4326, or UTM for every fourth candidate, so that tiles of both kinds occur."""
    return utm_crs(lon, lat) if number % 4 == 3 else "EPSG:4326"


def _on_land(world: SampleWorld, frames: list[_Frame]) -> list[_Frame]:
    """The frames that are not mostly water or snow."""
    lon, lat = _stacked((frame.points(*(_PROBES * TILE_SIDE_M).T) for frame in frames), len(_PROBES))
    cover = np.array([world.cover(x, y, frame.day).mean(axis=0) for x, y, frame in zip(lon, lat, frames)])
    cover = cover.reshape(-1, len(COVERS))
    water, snow = cover[:, COVERS.index("water")], cover[:, COVERS.index("snow")]
    return [frame for frame, kept in zip(frames, (water < _MAX_TILE_WATER) & (snow < _MAX_TILE_SNOW)) if kept]


def _with_photos(world: SampleWorld, settings: WorldSettings, frames: list[_Frame], photos: int) -> list[Place]:
    """Places with `photos` points on land, apart from each other and from the tile's border; other frames are dropped."""
    size = _POINTS_PER_PHOTO * photos
    reach = TILE_SIDE_M - 2 * PHOTO_MARGIN_M
    offsets = [reach * (draws(settings, _POINTS, frame.number, 2 * size).reshape(2, size) - 0.5) for frame in frames]
    lon, lat = _stacked((frame.points(*offset) for frame, offset in zip(frames, offsets)), size)
    dry = world.point_cover(lon, lat)[..., COVERS.index("water")] < _MAX_PHOTO_WATER
    places = []
    for frame, point_lon, point_lat, allowed in zip(frames, lon, lat, dry):
        chosen = _apart(point_lon, point_lat, allowed, photos)
        if len(chosen) == photos:
            places.append(
                Place(frame.number, frame.lon, frame.lat, frame.crs, frame.day, point_lon[chosen], point_lat[chosen])
            )
    return places


def _apart(lon: np.ndarray, lat: np.ndarray, allowed: np.ndarray, wanted: int) -> list[int]:
    """Indices of up to `wanted` allowed points, in order, each far enough from those chosen before."""
    distances = great_circle_distance_m(lon[:, None], lat[:, None], lon, lat)
    chosen: list[int] = []
    for index in np.flatnonzero(allowed).tolist():
        if len(chosen) < wanted and (distances[index, chosen] >= MIN_PHOTO_DISTANCE_M).all():
            chosen.append(index)
    return chosen


def _stacked(points: Iterable[tuple[np.ndarray, np.ndarray]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Stack N pairs of lon and lat, each `(size,)`, to lon `(N, size)` and lat `(N, size)`; N may be 0."""
    lon_lat = np.array(list(points), np.float64).reshape(-1, 2, size)
    return lon_lat[:, 0], lon_lat[:, 1]


def world_of(settings: WorldSettings) -> SampleWorld:
    """The sample world of some settings, made once per process."""
    return _world(settings.seed, settings.version, settings.shuffled)


@lru_cache(maxsize=1)
def _world(seed: int, version: int, shuffled: bool) -> SampleWorld:
    return SampleWorld(seed, version, shuffled)
