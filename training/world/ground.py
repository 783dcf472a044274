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
"""Land cover down to streets, parcels and river banks; tiles and photos are rendered from the same cover."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from training.world.fields import FieldValues
from training.world.noise import Plane, named_noise, plane_cells, ramp, step, unit

COVERS = ("water", "forest", "crop", "grass", "built", "bare", "snow")
WATER, FOREST, CROP, GRASS, BUILT, BARE, SNOW = range(len(COVERS))


@dataclass(frozen=True)
class Ground:
    """
    The ground at points of any shape `(...)`.

    Attributes:
        cover (`np.ndarray` of shape `(7, ...)`): fractions in the order of `COVERS`, which sum to one.
        plane, grid (`Plane`): the points, and the points displaced as the grids of streets and parcels are bent.
        houses (`np.ndarray`): probability of a house on a lot.
        road, river (`np.ndarray`): share of roads and streets, and of rivers.
        parcel, block (`np.ndarray`, uint32): a hash per parcel of farmland and per block of houses.
    """

    cover: np.ndarray
    plane: Plane
    grid: Plane
    houses: np.ndarray
    road: np.ndarray
    river: np.ndarray
    parcel: np.ndarray
    block: np.ndarray


class Land:
    """
    The land of one world: derives the cover of the ground from the smooth fields.

    Args:
        parameters (`SimpleNamespace`): the section `ground` of the world's parameters.
        key (`Callable[[str], int]`): the key of a named random number stream.
    """

    def __init__(self, parameters: SimpleNamespace, key: Callable[[str], int]):
        self._parameters, self._key = parameters, key

    def _noise(self, plane: Plane, name: str, wavelength_m: float) -> tuple[np.ndarray, np.ndarray]:
        return named_noise(plane, wavelength_m, self._key, name)

    def _water(
        self, plane: Plane, elevation: np.ndarray, moisture: np.ndarray, footprint: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shares of all water and of rivers, and how near a river is, from 0 to 1."""
        p = self._parameters
        height, lake = self._noise(plane, "coast", p.coast.coarse_m)
        fine_height, fine_lake = self._noise(plane, "shore", p.coast.fine_m)
        river, _ = self._noise(plane, "river", p.river.wavelength_m)
        gate, _ = self._noise(plane, "river gate", p.river.gate_m)
        height = elevation + p.coast.coarse_height_m * height + p.coast.fine_height_m * fine_height
        sea = ramp(0.5 - height / (0.06 * footprint))
        distance = np.abs(river + 0.06 * fine_lake) / p.river.slope
        flow = ramp(gate - p.river.gate + 0.5 * moisture)
        river = _line(distance, p.river.half_width_m * flow, footprint) * (1 - sea)
        lake = lake + p.lake.fine * fine_lake + p.lake.moisture * moisture - p.lake.threshold
        bank = ramp(1 - distance / p.river.bank_m) * ramp(8 * flow)
        return np.maximum(np.maximum(sea, river), ramp(lake / p.lake.softness + 0.5)), river, bank

    def _town(self, plane: Plane, settlement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of town, and centrality within the town, both from 0 to 1."""
        p = self._parameters.town
        lived = settlement + p.coarse * self._noise(plane, "town", p.coarse_m)[0]
        lived = lived + p.fine * self._noise(plane, "quarter", p.fine_m)[0]
        return step((lived - p.edge) / p.softness), ramp((lived - p.core) / p.core_span + 0.5)

    def _streets(self, grid: Plane, footprint: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A hash per block, the share of streets between blocks, and the share of country roads."""
        p = self._parameters
        block, fu, fv = plane_cells(grid, p.block.width_m, p.block.height_m, self._key("block"))
        u, v = np.minimum(fu, 1 - fu) * p.block.width_m, np.minimum(fv, 1 - fv) * p.block.height_m
        street = _line(np.minimum(u, v), p.block.street_half_m, footprint)
        _, fu, fv = plane_cells(grid, p.road.spacing_m, p.road.spacing_m, 0)
        distance = np.minimum(np.abs(fu - 0.5), np.abs(fv - 0.5)) * p.road.spacing_m
        return block, street, _line(distance, p.road.half_width_m, footprint)

    def _wild(self, plane: Plane, fields: FieldValues, farmed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of forest on wild land, and share of grass on the wild land without forest."""
        p = self._parameters
        coarse, _ = self._noise(plane, "forest", p.forest.coarse_m)
        fine, _ = self._noise(plane, "grove", p.forest.fine_m)
        suits = np.minimum(p.forest.moisture * (fields.moisture - p.forest.dry), p.forest.most)
        suits = suits + p.forest.coarse * coarse + p.forest.fine * fine
        # The tree line follows the warmest month; forests give way to farmland.
        suits = suits + p.forest.cold * np.minimum(fields.warmest - p.forest.tree_line, 0.0) - p.forest.cleared * farmed
        meadow, _ = self._noise(plane, "meadow", p.grass.coarse_m)
        tuft, _ = self._noise(plane, "tuft", p.grass.fine_m)
        grass = p.grass.moisture * (fields.moisture - p.grass.dry) + p.grass.coarse * meadow + p.grass.fine * tuft
        grass = np.minimum(grass, p.grass.most) + p.grass.cold * np.minimum(fields.warmest - p.grass.frozen, 0.0)
        return step(p.forest.sharpness * suits), step(1.6 * grass)

    def _farmed(self, fields: FieldValues) -> np.ndarray:
        """How much of the land people farm, from 0 to 1: everywhere in temperate climates, near people in others."""
        p = self._parameters.farm
        temperate = ramp((p.hot - fields.temperature) * 0.2) * ramp((fields.temperature - p.cold) * 0.25)
        return np.maximum(temperate, ramp(fields.settlement / p.settled))

    def _farm(self, plane: Plane, fields: FieldValues, farmed: np.ndarray, bank: np.ndarray) -> np.ndarray:
        """Share of farmland, where climate suits it or a river irrigates it, and people farm."""
        p = self._parameters.farm
        moist = (fields.moisture - p.moist) / p.moist_span
        warm = (fields.temperature - p.warm) / p.warm_span
        suits = 0.55 - 0.5 * moist * moist - 0.7 * warm * warm
        irrigated = bank * ramp((fields.temperature - p.cold) * 0.2) - 0.5
        noise, _ = self._noise(plane, "farm", p.wavelength_m)
        return step(p.sharpness * (np.maximum(suits, irrigated) + p.amplitude * noise)) * np.maximum(farmed, 0.8 * bank)

    def at(self, plane: Plane, fields: np.ndarray, footprint: float) -> Ground:
        """
        Compute the ground at points; both tiles and photos use this.

        Args:
            plane (`Plane`): the points.
            fields (`np.ndarray` of shape `(9, ...)`): the smooth fields at the points, in the order of `FIELDS`, or
                values that broadcast to them.
            footprint (`float`): diameter in metres of the area that a point represents; edges are blurred over it.

        Returns:
            [`Ground`] of the plane's shape.
        """
        p = self._parameters
        given = FieldValues(*fields)
        bend = self._noise(plane, "warp", p.warp.wavelength_m)
        grid = plane.moved(p.warp.amplitude_m * bend[0], p.warp.amplitude_m * bend[1])
        water, river, bank = self._water(plane, given.elevation, given.moisture, footprint)
        town, core = self._town(plane, given.settlement)
        block, street, road = self._streets(grid, footprint)
        farmed = self._farmed(given)
        farm = self._farm(plane, given, farmed, bank)
        forest, grass = self._wild(plane, given, farmed * farm)
        parcel, fu, fv = plane_cells(grid, p.parcel.width_m, p.parcel.height_m, self._key("parcel"))

        land = 1 - water
        # Each cover takes its share of what the previous ones left.
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
        houses = self._add_town(cover, town, street, core, block, given.moisture)
        self._add_snow(cover, plane, given)
        return Ground(cover, plane, grid, houses + farmsteads, country_road + town * street, river, parcel, block)

    def _add_farms(
        self, cover: np.ndarray, farm: np.ndarray, parcel: np.ndarray, fu: np.ndarray, fv: np.ndarray, footprint: float
    ) -> np.ndarray:
        """Divide farmland among the covers, parcel by parcel; return the share of farmsteads."""
        p = self._parameters.parcel
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
        """Divide town among the covers, block by block; return the share of houses."""
        p = self._parameters.block
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

    def _add_snow(self, cover: np.ndarray, plane: Plane, fields: FieldValues) -> None:
        """Snow of the day, where there is enough precipitation, and ice where no month is warm."""
        p = self._parameters.snow
        coarse, _ = self._noise(plane, "snow", p.coarse_m)
        fine, _ = self._noise(plane, "drift", p.fine_m)
        dry = 1 - ramp(4 * fields.moisture)
        cold = np.maximum((p.below - fields.air) / p.span - dry, (p.ice - fields.warmest) / p.span)
        snow = p.most * step(2 * (cold - 0.5 + p.coarse * coarse + p.fine * fine))
        for index in (FOREST, CROP, GRASS, BUILT, BARE):
            here = snow * p.on_forest if index == FOREST else snow
            cover[SNOW] += cover[index] * here
            cover[index] *= 1 - here

    def of_mean_cover(self, plane: Plane, mean: np.ndarray, patch_m: float) -> Ground:
        """Ground of square patches, each of one cover drawn with the probabilities `mean`, the same everywhere."""
        patch, _, _ = plane_cells(plane, patch_m, patch_m, self._key("patch"))
        chance = unit(patch, 8, 24)
        cover = np.zeros((len(COVERS), *chance.shape), np.float32)
        low = np.float32(0.0)
        for index, share in enumerate(mean):
            high = low + share if index < len(mean) - 1 else np.float32(1.0)
            cover[index] = (chance >= low) & (chance < high)
            low = high
        road = np.zeros_like(chance)
        return Ground(cover, plane, plane, 0.8 * cover[BUILT], road, road, patch, patch)


def ripeness(parcel: np.ndarray, green: np.ndarray) -> np.ndarray:
    """
    Ripeness of a parcel's crop, float32 from 0 to 1: by its hash, so that photo and tile agree, and the more, the less `green` (0
    to 1) the season is.
    """
    return ramp(ramp(1.6 * unit(parcel, 16, 8) - 0.4) + 0.5 * (0.6 - green))


def parcel_brightness(parcel: np.ndarray, temperature: np.ndarray, contrast: float) -> np.ndarray:
    """
    Brightness of a parcel's soil and plants around 1, from its hash, so that photo and tile agree. Differences between parcels fade
    where the annual mean `temperature` is below 5 °C, and are gone at 0 °C: there are no fields in the tundra.
    """
    return 1 + contrast * ramp(0.2 * temperature) * (2 * unit(parcel, 24, 8) - 1)


def _line(distance: np.ndarray, half_width: Any, footprint: float) -> np.ndarray:
    """Share of a footprint covered by a line whose centre is `distance` away; all lengths in metres."""
    half_width = np.asarray(half_width, np.float32)
    most = np.minimum(2.0 * half_width / footprint, 1.0)
    return np.minimum(ramp((half_width - distance) / footprint + 0.5), most)
