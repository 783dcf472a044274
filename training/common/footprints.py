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
"""Footprints of tiles and windows in lon, lat."""

import numpy as np
import shapely

from modeling_gair.crs_gair import Bounds, unproject, unrolled

# Edges that are straight in a tile's CRS are curves in lon, lat.
_POINTS_PER_SIDE = 4


def footprint_of(bounds: Bounds, crs: str) -> shapely.Geometry:
    """
    The polygon that a tile covers, its vertices counter-clockwise; two polygons where it crosses the antimeridian.

    Args:
        bounds (`tuple[float, float, float, float]`): west, south, east, north in units of `crs`.
        crs (`str`): their CRS.
    """
    west, south, east, north = unrolled(bounds)
    along = np.arange(_POINTS_PER_SIDE) / _POINTS_PER_SIDE
    x = np.concatenate(
        [
            west + along * (east - west),
            np.full(len(along), east),
            east - along * (east - west),
            np.full(len(along), west),
        ]
    )
    y = np.concatenate(
        [
            np.full(len(along), south),
            south + along * (north - south),
            np.full(len(along), north),
            north - along * (north - south),
        ]
    )
    lon, lat = unproject(x, y, crs)
    # Without a jump, beyond 180 degrees if need be.
    lon = np.degrees(np.unwrap(np.radians(lon)))
    lon -= 360 * np.floor((lon.min() + 180) / 360)
    if lon.max() <= 180:
        return shapely.polygons(np.stack([lon, lat], axis=1))
    whole = shapely.polygons(np.stack([lon, lat], axis=1))
    western = shapely.intersection(whole, shapely.box(-180, -90, 180, 90))
    eastern = shapely.intersection(whole, shapely.box(180, -90, 540, 90))
    turned = shapely.transform(eastern, lambda points: points - [360, 0])
    return shapely.multipolygons([shapely.orient_polygons(part) for part in (western, turned)])
