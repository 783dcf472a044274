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
_AT_POLE = 90 - 1e-9


def footprint_of(bounds: Bounds, crs: str) -> shapely.Geometry:
    """
    The polygon that a tile covers, its vertices counter-clockwise; two polygons where it crosses the antimeridian. Around a pole, the
    edge also runs along the pole, from -180 to 180 degrees.

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
    lon, lat = _ring(*unproject(x, y, crs))
    whole = shapely.orient_polygons(shapely.polygons(np.stack([lon, lat], axis=1)))
    if lon.max() <= 180:
        return whole
    western = shapely.intersection(whole, shapely.box(-180, -90, 180, 90))
    eastern = shapely.intersection(whole, shapely.box(180, -90, 540, 90))
    turned = shapely.transform(eastern, lambda points: points - [360, 0])
    # Around a pole, they are one.
    return shapely.orient_polygons(shapely.union(western, turned))


def _ring(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices `(N,)` without a jump in lon, which begins in [-180, 180) and may reach beyond 180 degrees."""
    # A vertex at a pole has any lon: the edge runs along the pole, from the lon of the vertex before to that of the one after.
    (poles,) = np.nonzero(np.abs(lat) > _AT_POLE)
    before, after = lon[poles - 1], lon[(poles + 1) % len(lon)]
    lon[poles] = before
    lon, lat = np.insert(lon, poles + 1, after), np.insert(lat, poles + 1, lat[poles])
    lon, lat = np.unwrap(np.append(lon, lon[0]), period=360), np.append(lat, lat[0])
    if abs(lon[-1] - lon[0]) > 180:
        # Once around a pole, and back along it.
        lon, lat = np.append(lon, lon[[-1, 0]]), np.append(lat, np.copysign([90.0, 90.0], lat.mean()))
    return lon - 360 * np.floor((lon.min() + 180) / 360), lat
