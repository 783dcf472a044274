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
"""Sizes on the ground: how many pixels of a raster make a window or a cell of so many metres."""

import numpy as np

from modeling_gair.crs_gair import metres_per_unit, shown_crs, unproject
from modeling_gair.geo_gair import wrap_longitude
from modeling_gair.raster_gair import RasterGrid
from training.world.tiles import utm_crs

# By how much a window or a cell may differ, anywhere on the raster, from the size that was asked for.
TOLERANCE = 0.1


def pixel_size_m(grid: RasterGrid, height: int, width: int) -> tuple[float, float]:
    """Width and height of a pixel on the ground, in metres, at the raster's centre."""
    return _size_m(grid, width / 2, height / 2)


def check_ground_size(
    what: str,
    metres: float,
    pixels: tuple[int, int],
    grid: RasterGrid,
    height: int,
    width: int,
    source: str,
    advice: str,
) -> None:
    """
    Checks that so many columns and rows of pixels measure what they should at the raster's centre, corners and sides.

    Args:
        what (`str`): what is so large, such as "A window", for messages.
        metres (`float`): what its sides should measure.
        pixels (`tuple[int, int]`): columns and rows.
        grid (`RasterGrid`), height (`int`), width (`int`): the raster's pixels.
        source (`str`): the raster, for messages.
        advice (`str`): what to do where all pixels have one size and another number of metres would fit them.

    Raises:
        ValueError: a side is off by more than a tenth.
    """
    places = [(x, y) for x in (0, width / 2, width) for y in (0, height / 2, height)]
    pixel = np.array([_size_m(grid, x, y) for x, y in places])
    sides = pixel * pixels
    if (abs(sides / metres - 1) <= TOLERANCE).all():
        return
    if pixel.max() > pixel.min() * (1 + TOLERANCE):
        advice = f"pass --crs {_utm_of(grid, height, width)}, to which the raster is then warped while it is read"
    raise ValueError(
        f"{what} of {metres:g} m would measure {sides.min():.4g} to {sides.max():.4g} m in {source}, whose CRS is "
        f"{shown_crs(grid.crs)}, expected {metres:g} m to a tenth; {advice}."
    )


def _size_m(grid: RasterGrid, column: float, row: float) -> tuple[float, float]:
    x, y = grid.west + column * grid.step_x, grid.north - row * grid.step_y
    per_x, per_y = metres_per_unit(x, y, grid.crs)
    return per_x * grid.step_x, per_y * grid.step_y


def _utm_of(grid: RasterGrid, height: int, width: int) -> str:
    """The UTM zone of a raster's centre, such as `EPSG:32633`."""
    lon, lat = unproject(grid.west + width / 2 * grid.step_x, grid.north - height / 2 * grid.step_y, grid.crs)
    return utm_crs(float(wrap_longitude(lon)), float(lat))
