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
"""Coordinate reference systems (CRS): projections, bounds and sizes on the ground. pyproj is needed only here."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

try:
    import pyproj
except ImportError:
    pyproj = None  # type: ignore[assignment]

from .pixels_gair import shown

Bounds = tuple[float, float, float, float]

WGS84_NAMES = ("EPSG:4326", "OGC:CRS84", "CRS84")
WGS84_SEMI_MAJOR_M = 6378137.0
WGS84_FLATTENING = 1 / 298.257223563
# Wide enough for every ellipsoid and sphere of the Earth in use; Venus has 6052 km.
_LEAST_RADIUS_M, _MOST_RADIUS_M = 6.3e6, 6.45e6
# Longitudes are written from -180 to 180 or from 0 to 360, and one turn more on maps that repeat the world. Beyond that they are
# something else, such as metres.
MAX_ABS_LONGITUDE = 720.0


def require(package: Any, need: str) -> None:
    if package is None:
        raise ImportError(f"{need} needs rasterio and pyproj, which are not installed: run pip install 'gair[geo]'.")


def shown_crs(crs: str) -> str:
    """A CRS for a message: WKT is cut off."""
    text = " ".join(crs.split())
    return text if len(text) <= 40 else f"{text[:40]} …"


def is_wgs84(crs: str) -> bool:
    """Whether `crs` is plain lon, lat on WGS 84, for which pyproj is not needed."""
    return crs.strip().upper() in WGS84_NAMES


def crs_name(crs: Any) -> str:
    """
    A CRS as text, after checking it.

    Args:
        crs (`str`, `int`, `dict` or object): a code such as `"EPSG:32633"` or 32633, WKT, a PROJ string, PROJJSON, or a CRS of
            pyproj or rasterio.

    Returns:
        `str`: text as it was given; of other types the EPSG code, or WKT if there is none.

    Raises:
        ValueError: for anything that is not a CRS of the Earth's surface.
    """
    if isinstance(crs, (int, np.integer)) and not isinstance(crs, bool):
        crs = f"EPSG:{crs}"
    if not isinstance(crs, str):
        definition = _parsed(crs)
        epsg = definition.to_epsg(min_confidence=100)
        crs = definition.to_wkt() if epsg is None else f"EPSG:{epsg}"
    elif crs.strip().isdecimal():
        crs = f"EPSG:{int(crs)}"
    if not is_wgs84(crs):
        _transformer(crs)
    return crs


def _parsed(crs: Any) -> Any:
    require(pyproj, f"The coordinate reference system {shown(crs)}")
    try:
        return pyproj.CRS.from_user_input(crs)
    # Beside its own errors, pyproj raises those of text and of types.
    except (pyproj.exceptions.ProjError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(
            f"{shown(crs)} is not a known coordinate reference system, expected one such as 'EPSG:32633'; check the spelling."
        ) from error


@lru_cache(maxsize=64)
def _definition(crs: str) -> Any:
    definition = _parsed(crs)
    body = definition.ellipsoid
    placed = definition.is_geographic or definition.is_projected
    if not placed or body is None or not _LEAST_RADIUS_M < body.semi_major_metre < _MOST_RADIUS_M:
        raise ValueError(
            f"{shown(crs)} does not place anything on the Earth's surface (it is of type {definition.type_name}), expected a CRS such as "
            "'EPSG:32633'; assign the right one, or warp to one."
        )
    return definition


@lru_cache(maxsize=64)
def _transformer(crs: str) -> Any:
    definition = _definition(crs)
    try:
        return pyproj.Transformer.from_crs("OGC:CRS84", definition, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise ValueError(
            f"{shown(crs)} cannot be reached from longitude and latitude, expected a CRS such as 'EPSG:32633'; warp to one."
        ) from error


def is_geographic(crs: str) -> bool:
    """Whether the axes of `crs` are longitude and latitude."""
    return is_wgs84(crs) or bool(_definition(crs).is_geographic)


def project(lon: Any, lat: Any, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """
    Projects lon, lat in degrees on WGS 84 to x, y in `crs`, all float64 and of any one shape; inf for places that `crs`
    does not cover.
    """
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if is_wgs84(crs):
        return lon, lat
    x, y = _transformer(crs).transform(lon, lat)
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def unproject(x: Any, y: Any, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Converts x, y in `crs` to lon, lat in degrees on WGS 84: the inverse of [`project`]."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if is_wgs84(crs):
        return x, y
    lon, lat = _transformer(crs).transform(x, y, direction="INVERSE")
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64)


def check_bounds(bounds: Any, crs: str) -> Bounds:
    """
    Checks that bounds are four finite numbers west, south, east, north with south < north, and west < east unless a tile
    in degrees crosses the antimeridian. Returns them as floats; raises `ValueError` for anything else.
    """
    try:
        west, south, east, north = (float(side) for side in (() if isinstance(bounds, str) else bounds))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds is {shown(bounds)}, expected four numbers; pass (west, south, east, north)."
        ) from error
    given = (west, south, east, north)
    if any(str(getattr(side, "dtype", "")).endswith("float16") for side in bounds):
        raise ValueError(
            f"bounds is {given} in half precision, which is off by kilometres, expected float32 or float64; pass them as they were before "
            "rounding."
        )
    if not all(math.isfinite(side) for side in given):
        raise ValueError(f"bounds is {given}, expected finite numbers; check (west, south, east, north).")
    if south >= north or west == east or (west > east and not is_geographic(crs)):
        raise ValueError(
            f"bounds is {given} in {shown_crs(crs)}, expected west < east and south < north in the order (west, south, east, "
            "north); put them in that order."
        )
    beyond = south < -90.0 or north > 90.0 or max(abs(west), abs(east)) > MAX_ABS_LONGITUDE
    if is_geographic(crs) and (beyond or unrolled(given)[2] - west > 360.0):
        raise ValueError(
            f"bounds is {given} in {shown_crs(crs)}, expected degrees on the Earth in the order (west, south, east, north); pass "
            "the tile's own crs if they are metres."
        )
    return given


def unrolled(bounds: Bounds) -> Bounds:
    """Bounds with east > west: if a tile in degrees crosses the antimeridian, its east exceeds 180."""
    west, south, east, north = bounds
    return (west, south, east + 360.0 if west > east else east, north)


def project_near(lon: Any, lat: Any, bounds: Any, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """
    Projects as [`project`] does; if `crs` is in degrees, x is also shifted by the multiple of 360 that brings it closest to
    the middle of `bounds` (unrolled; four numbers, or four arrays that broadcast against lon).
    """
    x, y = project(lon, lat, crs)
    if is_geographic(crs):
        x = x + 360.0 * np.round(((bounds[0] + bounds[2]) / 2 - x) / 360.0)
    return x, y


def _degree_lengths_m(lat: float) -> tuple[float, float]:
    """Metres per degree of longitude and of latitude on the WGS 84 ellipsoid (its two radii of curvature)."""
    eccentricity2 = WGS84_FLATTENING * (2 - WGS84_FLATTENING)
    phi = math.radians(lat)
    w = 1 - eccentricity2 * math.sin(phi) ** 2
    prime_vertical = WGS84_SEMI_MAJOR_M / math.sqrt(w)
    meridian = WGS84_SEMI_MAJOR_M * (1 - eccentricity2) / w**1.5
    return math.radians(prime_vertical * math.cos(phi)), math.radians(meridian)


def metres_per_unit(x: float, y: float, crs: str) -> tuple[float, float]:
    """
    Metres on the ground per unit of x and of y at a place given in `crs`, measured along the ellipsoid, since a metre in
    web Mercator is not a metre on the ground.
    """
    if is_wgs84(crs):
        return _degree_lengths_m(y)
    definition = _definition(crs)
    # 50 m or 2 arc seconds: far above rounding errors, far below the scale of the Earth's curvature.
    step = (1e-5 if definition.is_geographic else 50.0) / definition.axis_info[0].unit_conversion_factor
    lon, lat = unproject([x - step, x, x + step, x], [y, y - step, y, y + step], crs)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise ValueError(
            f"x {x}, y {y} in {shown_crs(crs)} is not on the Earth, expected bounds in units of crs; check that bounds and crs match."
        )
    metres = pyproj.Geod(ellps="WGS84").inv(lon[:2], lat[:2], lon[2:], lat[2:])[2] / (2 * step)
    return float(metres[0]), float(metres[1])


def ground_size_m(bounds: Bounds, crs: str) -> tuple[float, float]:
    """Width and height of a tile on the ground in metres, measured through its centre."""
    west, south, east, north = unrolled(bounds)
    per_x, per_y = metres_per_unit((west + east) / 2, (south + north) / 2, crs)
    return (east - west) * per_x, (north - south) * per_y


__all__ = ["check_bounds", "ground_size_m", "project", "unproject"]
