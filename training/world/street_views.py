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
Street views of the sample world, rendered in the manner of voxel-space games: the ground is sampled on rings around the
camera, objects on it (houses, trees, crops) give each sample a height, and a pixel shows the nearest sample that is tall
enough to reach it. All photos of a batch are rendered together; float32 arrays go only through + - * /, square root and
floor, whose results are the same on every machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

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
from training.world.noise import Plane, gaussians, plane_cells, plane_noise, ramp, sine_cosine, uniforms, unit
from training.world.vegetation import Vegetation, vegetation_of

PHOTO_HEIGHT, PHOTO_WIDTH = 96, 128

_GROUND, _TREE, _HOUSE = range(3)


@dataclass(frozen=True)
class _Weather:
    """
    Conditions of each photo `(N,)`, float32, drawn at random around what season and climate suggest.

    Attributes:
        light: brightness, around 1.
        warmth: how yellow the light is, from 0 to 1.2.
        overcast: share of the sky that is overcast, from 0 to 1.
        fog_m: distance in metres at which fog or haze hides half.
        noise: standard deviation of the camera's noise in grey levels.
        lane: 1 if the camera stands on a road, else 0.
        lane_slope: metres that this road runs to the right per metre ahead.
        ridge: mean height of distant mountains in rows of the image.
    """

    light: np.ndarray
    warmth: np.ndarray
    overcast: np.ndarray
    fog_m: np.ndarray
    noise: np.ndarray
    lane: np.ndarray
    lane_slope: np.ndarray
    ridge: np.ndarray


@dataclass(frozen=True)
class _Objects:
    """
    The tallest object at each sample, `(N, rings, columns)`.

    Attributes:
        height: metres above the ground; 0 where nothing stands.
        kind: `_GROUND` (also crops), `_TREE` or `_HOUSE`, uint8.
        hashes: a hash per tree or house, uint32.
        eaves: height of a house's eaves, or of a tree's crown, in metres.
        along: metres along a house's wall, and 64 more on its two darker sides.
    """

    height: np.ndarray
    kind: np.ndarray
    hashes: np.ndarray
    eaves: np.ndarray
    along: np.ndarray


def _per_photo(values: np.ndarray) -> np.ndarray:
    return values[:, None, None]


class PhotoRenderer:
    """
    Renders the photos of one world.

    Args:
        settings (`SimpleNamespace`): the section `view` of the world's parameters.
        key (`Callable[[str], int]`): the key of a named random number stream.
    """

    def __init__(self, settings: SimpleNamespace, key: Callable[[str], int]):
        self._settings = settings
        self._key = key
        self._colours: dict[str, list[float]] = vars(settings.colours)
        self._walls, self._roofs = np.array(settings.walls, np.float32), np.array(settings.roofs, np.float32)
        self._depth = _ring_depths(settings)
        # Metres to the right per metre ahead, for each column.
        self._side = ((np.arange(PHOTO_WIDTH) + 0.5 - PHOTO_WIDTH / 2) / settings.focal).astype(np.float32)
        # A ring has constant depth, not constant distance, so that lines across the view stay straight.
        self._distance2 = self._depth[:, None] * self._depth[:, None] * (1 + self._side * self._side)

    def places(self, heading: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sample points of photos with `heading` `(N,)` in degrees: metres east and metres north, each `(N, rings, 128)`."""
        sine, cosine = sine_cosine(heading)
        ahead = self._depth.astype(np.float64)[:, None]
        right = ahead * self._side
        sine, cosine = _per_photo(sine), _per_photo(cosine)
        return ahead * sine + right * cosine, ahead * cosine - right * sine

    def draw(
        self, ground: Ground, fields: np.ndarray, keys: np.ndarray, u_m: np.ndarray, v_m: np.ndarray
    ) -> np.ndarray:
        """
        Render photos.

        Args:
            ground (`Ground` of shape `(N, rings, 128)`): the ground at [`places`].
            fields (`np.ndarray` of shape `(9, N)`): the smooth fields at the cameras on the day, in the order of `FIELDS`.
            keys (`np.ndarray` of shape `(N,)`, uint32): seeds of weather and noise.
            u_m, v_m (`np.ndarray` of shape `(N, rings, 128)`): metres from the camera along the plane's axes.

        Returns:
            `np.ndarray` of shape `(N, 96, 128, 3)`, uint8, RGB.
        """
        given = FieldValues(*(values[:, None, None] for values in fields))
        plants = vegetation_of(given)
        weather = _weather(keys, FieldValues(*fields), self._settings)
        lane = self._lane(weather, ground.cover[WATER])
        objects = self._objects(ground, given, plants, lane, u_m, v_m)
        colours = self._ground_colours(ground, given, plants, lane)
        ring = self._visible_ring(objects.height)
        photo = self._shade(ring, objects, colours, given, plants, keys)
        photo = self._light(photo, ring, weather, keys)
        noise = gaussians(keys[:, None] + np.arange(3 * PHOTO_HEIGHT, dtype=np.uint32) * np.uint32(977), PHOTO_WIDTH)
        noise = noise.reshape(len(keys), 3, PHOTO_HEIGHT, PHOTO_WIDTH)
        photo = photo * 255.0 + noise * weather.noise[:, None, None, None]
        return np.moveaxis(np.floor(ramp(photo * (1 / 255.0)) * 255.0 + 0.5).astype(np.uint8), 1, -1)

    # Objects -----------------------------------------------------------------------------------------------------------

    def _lane(self, weather: _Weather, water: np.ndarray) -> np.ndarray:
        """Distance in metres from the centre of the camera's road; very large where there is no road."""
        ahead = self._depth[:, None]
        aside = np.abs(ahead * self._side - _per_photo(weather.lane_slope) * ahead + 1.2)
        return np.where((_per_photo(weather.lane) > 0) & (water < 0.5), aside, np.float32(1e3))

    def _objects(
        self,
        ground: Ground,
        fields: FieldValues,
        plants: Vegetation,
        lane: np.ndarray,
        u_m: np.ndarray,
        v_m: np.ndarray,
    ) -> _Objects:
        open_road = (ground.road > 0.5) | (lane < 6.0)
        tree, tree_hash = self._trees(ground, plants, u_m, v_m)
        tree = np.where((ground.road > 0.5) | (lane < 4.0), np.float32(0.0), tree)
        house, eaves, along, house_hash = self._houses(ground, fields, u_m, v_m)
        house = np.where(open_road, np.float32(0.0), house)
        crop = ground.cover[CROP] * (0.15 + 1.3 * unit(ground.parcel, 8, 8))
        crop = np.where((self._distance2 > 25.0) & (lane > 3.5), crop, np.float32(0.0))
        height = np.maximum(np.maximum(tree, house), crop)
        kind = np.where(house >= height, _HOUSE, np.where(tree >= height, _TREE, _GROUND))
        kind = np.where(height > crop, kind, _GROUND).astype(np.uint8)
        hashes = np.where(kind == _HOUSE, house_hash, tree_hash)
        eaves = np.where(kind == _HOUSE, eaves, tree)
        return _Objects(height, kind, hashes, eaves, along)

    def _trees(
        self, ground: Ground, plants: Vegetation, u_m: np.ndarray, v_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Heights of crowns, at most one tree per cell, and a hash per tree."""
        p = self._settings
        cell, fu, fv = plane_cells(ground.plane, p.tree_m, p.tree_m, self._key("tree"))
        # The tree's position leaves room for its crown, whose radius is a fraction of the cell.
        is_palm = unit(cell, 20, 8) < 0.7 * plants.palm * (1 - plants.rainforest)
        radius = np.where(is_palm, 0.3, 1.0) * (0.30 + 0.2 * unit(cell, 16, 8))
        du = fu - 0.5 - (0.5 - radius) * (2 * unit(cell, 24, 4) - 1)
        dv = fv - 0.5 - (0.5 - radius) * (2 * unit(cell, 28, 4) - 1)
        away = (du * du + dv * dv) / (radius * radius)
        needle = plants.needle
        size = (4.5 + 7.0 * unit(cell, 12, 8)) * (1 + 0.5 * needle + 0.3 * plants.rainforest - 0.5 * plants.scrub)
        # Round crowns where it is warm, cones where it is cold.
        dome, cone = 1 - away * away, 1 - np.sqrt(away)
        crown = size * (dome + needle * (cone - dome))
        u, v = u_m - du * p.tree_m, v_m - dv * p.tree_m
        clear = (u * u + v * v).astype(np.float32) > p.clear_of_trees_m**2
        chance = 0.95 * ground.cover[FOREST] + 0.05 * ground.houses + 0.015 * ground.cover[GRASS]
        there = (unit(cell, 0, 12) < chance) & clear
        crown = np.where(is_palm, 1.3 * size * (away < 1), crown)
        return np.where(there, np.maximum(crown, 0.0), np.float32(0.0)), cell

    def _houses(
        self, ground: Ground, fields: FieldValues, u_m: np.ndarray, v_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Heights of houses, at most one per lot; heights of their eaves; metres along the wall; a hash per house."""
        p = self._settings
        lot, fu, fv = plane_cells(ground.grid, p.lot_m, p.lot_m, self._key("lot"))
        du, dv = (fu - 0.5) * p.lot_m, (fv - 0.5) * p.lot_m
        half_u, half_v = 4.5 + 4.0 * unit(lot, 16, 4), 4.5 + 4.0 * unit(lot, 20, 4)
        inside = (np.abs(du) < half_u) & (np.abs(dv) < half_v)
        u, v = u_m - du, v_m - dv
        clear = (u * u + v * v).astype(np.float32) > p.clear_of_houses_m**2
        there = inside & clear & (unit(lot, 0, 12) < 0.9 * ground.houses)
        tall = ramp((ground.houses - 0.55) * 2.5)
        size = unit(ground.block, 4, 8)
        eaves = 3.0 * (1 + np.floor(1.4 * unit(lot, 24, 8) + 0.6 + tall * 5.0 * size * (0.5 + unit(lot, 12, 8))))
        # Low houses have gabled roofs, flatter where it is dry; tall ones have flat roofs.
        pitch = 3.6 * ramp((fields.moisture - 0.12) * 4.0)
        gable = np.where(eaves < 8.0, 0.4 + pitch * (1 - np.abs(du) / half_u), np.float32(0.4))
        front = np.abs(du) / half_u > np.abs(dv) / half_v
        along = np.where(front, dv, du + np.float32(64.0))
        return np.where(there, eaves + gable, np.float32(0.0)), eaves, along.astype(np.float32), lot

    def _ground_colours(self, ground: Ground, fields: FieldValues, plants: Vegetation, lane: np.ndarray) -> np.ndarray:
        """Colours of the ground `(3, N, rings, 128)`."""
        cover = ground.cover
        coarse, fine = plane_noise(ground.plane, 7.0, self._key("mottle"))
        ripe = ripeness(ground.parcel, plants.green)
        # Rows of crop, three metres apart, run along the parcel.
        rows = ground.grid.u * (1 / 3.0)
        row = np.abs(rows - np.floor(rows) - 0.5).astype(np.float32)
        crop_light = 0.72 + 0.9 * row
        mottle = 1 + 0.13 * coarse
        parcel = parcel_brightness(ground.parcel, fields.temperature, self._settings.parcel_contrast)
        road = np.maximum(ground.road, ramp((self._settings.lane_half_m - lane) * 2.0 + 0.5))
        paved = ramp(ground.houses * 4.0)
        gap = self._depth[:, None] * 0.125
        dashes = (gap - np.floor(gap) < 0.45) & (lane < 0.1) & (paved > 0.5)
        total = np.empty((3, *cover.shape[1:]), np.float32)
        for band in range(3):
            rgb = {name: values[band] for name, values in self._colours.items()}
            colour = cover[CROP] * crop_light * (rgb["crop"] + (rgb["ripe"] - rgb["crop"]) * ripe)
            grass = rgb["dry_grass"] + (rgb["grass"] - rgb["dry_grass"]) * plants.green
            colour += cover[GRASS] * (grass + (rgb["tundra"] - grass) * plants.tundra)
            soil = rgb["bare"] + (rgb["rock"] - rgb["bare"]) * plants.rock
            colour += cover[BARE] * (soil + (rgb["sand"] - soil) * plants.desert)
            colour *= parcel
            for kind in (WATER, FOREST, BUILT, SNOW):
                colour += cover[kind] * rgb[COVERS[kind]]
            colour *= mottle
            surface = rgb["track"] + (rgb["asphalt"] - rgb["track"]) * paved
            colour += road * (surface * (1 + 0.06 * fine) - colour)
            total[band] = np.where(dashes, np.float32(rgb["marking"]), colour)
        return total

    # The image ---------------------------------------------------------------------------------------------------------

    def _visible_ring(self, height: np.ndarray) -> np.ndarray:
        """Index of the ring that each pixel shows, `(N, 96, 128)`; the number of rings where it shows the sky."""
        p = self._settings
        top = p.horizon + (p.camera_m - height) * (p.focal / self._depth)[:, None]
        # A sample fills the rows whose centre lies below its top and above the tops of all nearer samples.
        first = np.floor(np.minimum(np.maximum(np.minimum.accumulate(top, axis=1) + 0.5, 0.0), PHOTO_HEIGHT))
        photos, rings, columns = height.shape
        cell = np.arange(photos, dtype=np.int64)[:, None, None] * ((PHOTO_HEIGHT + 1) * columns)
        index = cell + first.astype(np.int64) * columns + np.arange(columns)
        counts = np.bincount(index.ravel(), minlength=photos * (PHOTO_HEIGHT + 1) * columns)
        counts = counts.reshape(photos, PHOTO_HEIGHT + 1, columns)
        # Rings whose top lies below a row do not reach it; the next one does.
        return rings - np.cumsum(counts, axis=1)[:, :PHOTO_HEIGHT]

    def _shade(
        self,
        ring: np.ndarray,
        objects: _Objects,
        colours: np.ndarray,
        fields: FieldValues,
        plants: Vegetation,
        keys: np.ndarray,
    ) -> np.ndarray:
        """Colours of the pixels `(N, 3, 96, 128)` before lighting; undefined in the sky."""
        p = self._settings
        photos, rings, columns = objects.height.shape
        depth = np.append(self._depth, np.float32(1.0))[ring]
        start = np.arange(photos, dtype=np.int64)[:, None, None] * (rings * columns)
        at = start + np.minimum(ring, rings - 1) * columns + np.arange(columns)
        kind, hashes, eaves = objects.kind.ravel()[at], objects.hashes.ravel()[at], objects.eaves.ravel()[at]
        row = np.arange(PHOTO_HEIGHT, dtype=np.float32)[:, None] + 0.5
        height = p.camera_m + (p.horizon - row) * depth * (1 / p.focal)
        grain = unit(
            _mixed(keys[:, None, None], np.arange(PHOTO_HEIGHT * columns, dtype=np.uint32).reshape(-1, columns)), 0, 8
        )
        tree = self._tree_shade(height, eaves, hashes, grain)
        # Walls are plastered white where it is hot and dry.
        plaster = ramp((fields.temperature - 12.0) * 0.1) * ramp((0.55 - fields.moisture) * 4.0) * 0.8
        window, side = _windows(height, eaves, objects.along.ravel()[at], depth)
        is_roof = height > eaves
        roof, wall = (hashes >> 8) & 3, (hashes >> 5) & 7
        snowy = (colours[2, :, :, :] > 0.75).ravel()[at]
        photo = np.empty((photos, 3, PHOTO_HEIGHT, columns), np.float32)
        is_tree, is_house = kind == _TREE, kind == _HOUSE
        for band in range(3):
            ground = colours[band].ravel()[at] * (0.93 + 0.14 * grain)
            rgb = {name: values[band] for name, values in self._colours.items()}
            leaves = _mixture(rgb, plants)
            leaves = np.where(snowy, leaves + np.float32(0.25), leaves)
            facade = np.take(self._walls[:, band], wall)
            facade = (facade + (rgb["plaster"] - facade) * plaster) * side
            facade = np.where(window, np.float32(rgb["window"]), facade)
            house = np.where(
                is_roof, np.where(snowy, np.float32(rgb["snowy_roof"]), np.take(self._roofs[:, band], roof)), facade
            )
            photo[:, band] = np.where(is_house, house, np.where(is_tree, leaves * tree, ground))
        return photo

    def _tree_shade(self, height: np.ndarray, crown: np.ndarray, hashes: np.ndarray, grain: np.ndarray) -> np.ndarray:
        """Brightness of trees: lit from above, darker below, different for each tree."""
        share = ramp(height / np.maximum(crown, 1.0))
        return (0.35 + 0.65 * share + 0.4 * (grain - 0.5)) * (0.8 + 0.5 * unit(hashes, 4, 8))

    def _light(self, photo: np.ndarray, ring: np.ndarray, weather: _Weather, keys: np.ndarray) -> np.ndarray:
        """Add the sky, fog, and the brightness and colour of the light."""
        p = self._settings
        depth = np.append(self._depth, np.float32(1.0))[ring]
        is_sky = ring == len(self._depth)
        fog = depth * depth / (depth * depth + _per_photo(weather.fog_m * weather.fog_m))
        row = np.arange(PHOTO_HEIGHT, dtype=np.float32)[:, None] + 0.5
        up = ramp((p.horizon - row) / p.horizon)
        clouds = self._clouds(keys, weather)
        ridge = self._ridges(keys, weather)
        overcast = _per_photo(weather.overcast)
        result = np.empty_like(photo)
        for band in range(3):
            rgb = {name: values[band] for name, values in self._colours.items()}
            zenith, haze, cloud = rgb["zenith"], rgb["haze"], rgb["cloud"]
            blue = haze + (zenith - haze) * up
            sky = blue + (cloud - blue) * np.maximum(clouds, overcast * 0.9)
            sky = np.where(ridge > 0, sky + ridge * (rgb["mountain"] - sky), sky)
            mist = haze + (cloud - haze) * overcast
            tint = 1 + (0.10, 0.0, -0.14)[band] * _per_photo(weather.warmth)
            ground = photo[:, band] * _per_photo(weather.light) * tint
            ground = ground + fog * (mist - ground)
            result[:, band] = np.where(is_sky, sky * (0.55 + 0.45 * _per_photo(weather.light)) * tint, ground)
        return result

    def _clouds(self, keys: np.ndarray, weather: _Weather) -> np.ndarray:
        """Clouds in the sky `(N, 96, 128)`, flatter towards the horizon."""
        p = self._settings
        row = np.arange(PHOTO_HEIGHT, dtype=np.float64)[:, None] + 0.5
        height = np.maximum(p.horizon - row, 1.0)
        u = np.broadcast_to(self._side.astype(np.float64) * 600.0 / (height + 14.0), (PHOTO_HEIGHT, PHOTO_WIDTH))
        v = np.broadcast_to(2400.0 / (height + 14.0), u.shape)
        shape = (len(keys), *u.shape)
        face = np.broadcast_to(keys[:, None, None], shape)
        plane = Plane(np.broadcast_to(u, shape), np.broadcast_to(v, shape), face, np.ones(shape, np.float32))
        first, second = plane_noise(plane, 14.0, self._key("sky"))
        return ramp((first + 0.5 * second) * 1.6 + _per_photo(2.4 * weather.overcast - 0.9))

    def _ridges(self, keys: np.ndarray, weather: _Weather) -> np.ndarray:
        """Share of each pixel `(N, 96, 128)` covered by distant mountains, which appear where the land is high."""
        p = self._settings
        shape = (len(keys), 1, PHOTO_WIDTH)
        column = np.broadcast_to(np.arange(PHOTO_WIDTH, dtype=np.float64), shape)
        face = np.broadcast_to(keys[:, None, None], shape)
        plane = Plane(column, np.zeros(shape), face, np.ones(shape, np.float32))
        coarse, _ = plane_noise(plane, 31.0, self._key("ridge line"))
        fine, _ = plane_noise(plane, 9.0, self._key("peak"))
        top = _per_photo(weather.ridge) * (1 + coarse + 0.35 * fine)
        row = np.arange(PHOTO_HEIGHT, dtype=np.float32)[:, None] + 0.5
        return 0.75 * ramp(top - (p.horizon - row))


def _mixture(rgb: dict[str, float], plants: Vegetation) -> np.ndarray:
    """The colour of trees in one band: leaves by season, then the kinds of trees that other climates have."""
    colour = rgb["leafless"] + (rgb["leafy"] - rgb["leafless"]) * plants.green
    for name, share in (("scrub", plants.scrub), ("rainforest", plants.rainforest), ("needle", plants.needle)):
        colour = colour + (rgb[name] - colour) * share
    return colour


def _mixed(keys: np.ndarray, index: np.ndarray) -> np.ndarray:
    """A uint32 hash per key and index, for arrays that broadcast."""
    hashes = keys + index * np.uint32(0x9E3779B1)
    hashes ^= hashes >> 15
    hashes *= np.uint32(0x846CA68B)
    hashes ^= hashes >> 16
    return hashes


def _ring_depths(p: SimpleNamespace) -> np.ndarray:
    """Depths of the rings in metres, nearest first: evenly spaced in the image near the camera, geometrically beyond."""
    depths = [p.near_m]
    while len(depths) < p.rings:
        depth = depths[-1]
        depths.append(depth + min(p.ring_rows * depth * depth / (p.camera_m * p.focal), p.ring_growth * depth))
    return np.array(depths, np.float32)


def _weather(keys: np.ndarray, fields: FieldValues, p: SimpleNamespace) -> _Weather:
    """Weather from keys `(N,)`, uint32, and the fields at the cameras; `p` is the section `view` of the parameters."""
    chance = uniforms(keys, 8)
    overcast = ramp(1.7 * chance[0] - 0.7 + 0.9 * (fields.wetness - 0.45))
    haze = p.haze_m.least + p.haze_m.span * chance[1]
    fog = np.where(chance[2] < p.fog_share, p.fog_m.least + p.fog_m.span * chance[1], haze)
    # The higher the sun at noon, the brighter and the whiter the light.
    light = (1.12 - 0.3 * overcast) * (0.62 + 0.30 * ramp(fields.sun) + 0.22 * chance[3])
    lane = (chance[5] < p.lane_share).astype(np.float32)
    slope = 0.9 * (chance[6] - 0.5)
    ridge = p.ridge.rows * ramp((fields.elevation - p.ridge.from_m) * (1 / p.ridge.span_m))
    noise = p.noise.least + p.noise.span * chance[7]
    warmth = (0.5 * chance[4] + 0.7 * (1 - ramp(fields.sun))) * (1 - overcast)
    return _Weather(light, warmth, overcast, fog, noise, lane, slope, ridge)


def _windows(
    height: np.ndarray, eaves: np.ndarray, along: np.ndarray, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where walls have windows, and the brightness of each wall, which differs between the sides of a house."""
    storey, bay = height * (1 / 3.0), along * (1 / 2.6)
    storey, bay = storey - np.floor(storey), bay - np.floor(bay)
    window = (storey > 0.35) & (storey < 0.8) & (bay > 0.25) & (bay < 0.7) & (height < eaves)
    return window & (depth < 220.0), np.where(along > 32.0, np.float32(0.82), np.float32(1.0))
