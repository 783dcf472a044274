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
"""GeoTIFF to tile, and the arithmetic of coordinate reference systems (CRS). rasterio and pyproj are needed only here."""

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

try:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError
    from rasterio.windows import Window
except ImportError:
    rasterio = None

try:
    import pyproj
except ImportError:
    pyproj = None  # type: ignore[assignment]

Bounds = tuple[float, float, float, float]

# Limits on what a header may declare, checked before decoding: far above any tile, far below a machine's memory.
MAX_SIDE = 1_000_000
MAX_BANDS = 1024
MAX_DECODED_BYTES = 2**29
MAX_BLOCK_BYTES = 2**28

WGS84_NAMES = ("EPSG:4326", "OGC:CRS84", "CRS84")
WGS84_SEMI_MAJOR_M = 6378137.0
WGS84_FLATTENING = 1 / 298.257223563


@dataclass(frozen=True)
class GairTile:
    """
    A Sentinel-2 tile as read: its bands are selected, checked and filled, but neither normalised nor resized.

    Attributes:
        pixels (`np.ndarray` of shape `(C, H, W)`): the bands in the source's own units and dtype; row 0 in the north,
            column 0 in the west.
        bounds (`tuple[float, float, float, float]`, *optional*): west, south, east, north in units of `crs`; west
            exceeds east if a tile in degrees crosses the antimeridian.
        crs (`str`, *optional*): the coordinate reference system of the bounds, such as `"EPSG:4326"`.
        valid_fraction (`float`): fraction of pixels that contained data, in (0, 1]; the others are filled with the
            bands' means.
    """

    pixels: np.ndarray
    bounds: Bounds | None
    crs: str | None
    valid_fraction: float


def local_file(path: str | os.PathLike) -> str:
    """Resolves the path of an existing local file; raises `ValueError` for remote and GDAL-virtual paths."""
    text = os.fsdecode(os.fspath(path))
    if "://" in text or text.startswith("/vsi"):
        raise ValueError(f"{text!r} is a remote or virtual path, expected a local file; download it first.")
    if not os.path.isfile(text):
        raise ValueError(f"{text!r}: file not found, expected the path of a local file; check the spelling.")
    resolved = os.path.realpath(text)
    if resolved.startswith("/vsi"):
        raise ValueError(
            f"{text!r} leads to {resolved!r}, which GDAL interprets as a virtual path, expected another folder; move the file."
        )
    return resolved


# Coordinates ---------------------------------------------------------------------------------------------------------


def is_wgs84(crs: str) -> bool:
    """Whether `crs` is plain lon, lat on WGS 84, for which pyproj is not needed."""
    return crs.strip().upper() in WGS84_NAMES


def _require(package: Any, need: str) -> None:
    if package is None:
        raise ImportError(f"{need} needs rasterio and pyproj, which are not installed: run pip install 'gair[geo]'.")


@lru_cache(maxsize=64)
def _definition(crs: str) -> Any:
    _require(pyproj, f"The coordinate reference system {crs!r}")
    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(
            f"{crs!r} is not a known coordinate reference system, expected one such as 'EPSG:32633'; check the spelling."
        ) from error


@lru_cache(maxsize=64)
def _transformer(crs: str) -> Any:
    return pyproj.Transformer.from_crs("OGC:CRS84", _definition(crs), always_xy=True)


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
        west, south, east, north = (float(side) for side in bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bounds is {bounds!r}, expected four numbers; pass (west, south, east, north).") from error
    given = (west, south, east, north)
    if not all(math.isfinite(side) for side in given):
        raise ValueError(f"bounds is {given}, expected finite numbers; check (west, south, east, north).")
    if south >= north or west == east or (west > east and not is_geographic(crs)):
        raise ValueError(
            f"bounds is {given} in {crs}, expected west < east and south < north in the order (west, south, east, "
            "north); put them in that order."
        )
    if is_geographic(crs) and (south < -90.0 or north > 90.0 or unrolled(given)[2] - west > 360.0):
        raise ValueError(
            f"bounds is {given} in {crs}, expected degrees on the Earth in the order (west, south, east, north); pass "
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
            f"x {x}, y {y} in {crs} is not on the Earth, expected bounds in units of crs; check that bounds and crs match."
        )
    metres = pyproj.Geod(ellps="WGS84").inv(lon[:2], lat[:2], lon[2:], lat[2:])[2] / (2 * step)
    return float(metres[0]), float(metres[1])


def ground_size_m(bounds: Bounds, crs: str) -> tuple[float, float]:
    """Width and height of a tile on the ground in metres, measured through its centre."""
    west, south, east, north = unrolled(bounds)
    per_x, per_y = metres_per_unit((west + east) / 2, (south + north) / 2, crs)
    return (east - west) * per_x, (north - south) * per_y


# GeoTIFF -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """Where the pixels of a north-up raster lie: `step_x` and `step_y` are positive, in units of `crs`."""

    west: float
    north: float
    step_x: float
    step_y: float
    crs: str

    def bounds(self, row: int, column: int, height: int, width: int) -> Bounds:
        return (
            self.west + column * self.step_x,
            self.north - (row + height) * self.step_y,
            self.west + (column + width) * self.step_x,
            self.north - row * self.step_y,
        )


class GeoTIFF:
    """
    An open GeoTIFF with a checked header; created by [`open_geotiff`].

    Attributes:
        path (`str`): the file, for messages.
        names (`tuple[str | None, ...]`): the bands' descriptions, None for bands without one.
        georeferenced (`bool`): whether the file has a CRS and an affine transform.
    """

    def __init__(self, dataset: Any, path: str):
        self.path = path
        self.names: tuple[str | None, ...] = tuple(dataset.descriptions)
        self._dataset = dataset
        self._south_up = dataset.transform.e > 0
        self._grid = _grid_of(dataset, path)

    @property
    def georeferenced(self) -> bool:
        return self._grid is not None

    def read(
        self,
        indexes: Sequence[int],
        *,
        tile_size_m: float | None = None,
        lon: float | None = None,
        lat: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray, Bounds | None, str | None]:
        """
        Decodes the requested bands only, of the whole raster or of a window around a point.

        Args:
            indexes (`Sequence[int]`): positions of the bands, from 0, in the desired order.
            tile_size_m (`float`, *optional*): side of the window in metres on the ground, rounded to whole pixels.
            lon, lat (`float`, *optional*): its centre in degrees.

        Returns:
            pixels `(C, H, W)` in the file's dtype with row 0 in the north; missing `(H, W)`, true for no-data pixels and
            those outside the raster; the bounds of these pixels (west, south, east, north) and their CRS, both None if the
            file is not georeferenced.
        """
        row, column, height, width = self._window(tile_size_m, lon, lat)
        pixels = self._decode(indexes, row, column, height, width)
        missing = _missing(pixels, self._dataset.nodata) | self._outside(row, column, height, width)
        if self._grid is None:
            return pixels, missing, None, None
        return pixels, missing, self._grid.bounds(row, column, height, width), self._grid.crs

    def _window(self, tile_size_m: float | None, lon: float | None, lat: float | None) -> tuple[int, int, int, int]:
        """Row, column, height, width in north-up pixels; may extend beyond the raster."""
        if tile_size_m is None:
            return 0, 0, self._dataset.height, self._dataset.width
        if self._grid is None:
            raise ValueError(
                f"{self.path} is not georeferenced, so tile_size_m cannot locate a window in it; leave tile_size_m out, "
                "or georeference the file."
            )
        grid = self._grid
        x, y = project_near(lon, lat, grid.bounds(0, 0, self._dataset.height, self._dataset.width), grid.crs)
        if not (np.isfinite(x) and np.isfinite(y)):
            raise ValueError(
                f"lon {lon}, lat {lat} is outside {self.path} and its CRS {grid.crs}; pass a raster that covers it."
            )
        per_x, per_y = metres_per_unit(float(x), float(y), grid.crs)
        width = max(1, round(tile_size_m / (per_x * grid.step_x)))
        height = max(1, round(tile_size_m / (per_y * grid.step_y)))
        column = round((float(x) - grid.west) / grid.step_x - width / 2)
        row = round((grid.north - float(y)) / grid.step_y - height / 2)
        if not (-height < row < self._dataset.height and -width < column < self._dataset.width):
            raise ValueError(
                f"The window of {tile_size_m} m around lon {lon}, lat {lat} does not touch {self.path}, whose bounds are "
                f"{grid.bounds(0, 0, self._dataset.height, self._dataset.width)} in {grid.crs}; pass a raster that "
                "covers the point."
            )
        return row, column, height, width

    def _decode(self, indexes: Sequence[int], row: int, column: int, height: int, width: int) -> np.ndarray:
        dtype = np.dtype(self._dataset.dtypes[indexes[0]])
        if len(indexes) * height * width * dtype.itemsize > MAX_DECODED_BYTES:
            raise ValueError(
                f"{self.path} would decode to {width} x {height} pixels of {len(indexes)} bands, expected at most "
                f"{MAX_DECODED_BYTES // 2**20} MiB; read a window of it with tile_size_m, lon and lat."
            )
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + height, self._dataset.height), min(column + width, self._dataset.width)
        source_row = self._dataset.height - bottom if self._south_up else top
        part = self._dataset.read(
            [index + 1 for index in indexes], window=Window(left, source_row, right - left, bottom - top)
        )
        if self._south_up:
            part = part[:, ::-1]
        pixels = np.zeros((len(indexes), height, width), part.dtype)
        pixels[:, top - row : bottom - row, left - column : right - column] = part
        return pixels

    def _outside(self, row: int, column: int, height: int, width: int) -> np.ndarray:
        rows, columns = np.arange(row, row + height), np.arange(column, column + width)
        inside_rows = (rows >= 0) & (rows < self._dataset.height)
        inside_columns = (columns >= 0) & (columns < self._dataset.width)
        return ~(inside_rows[:, None] & inside_columns[None, :])


class ArrayRaster:
    """
    An array with the interface of an open [`GeoTIFF`]: it neither names its bands nor is georeferenced.

    Args:
        array (`np.ndarray` of shape `(C, H, W)`): row 0 in the north; NaN marks pixels without data.
    """

    georeferenced = False

    def __init__(self, array: np.ndarray):
        if array.ndim != 3 or 0 in array.shape:
            raise ValueError(f"The array has shape {array.shape}, expected (C, H, W) with bands first; transpose it.")
        self.path = f"The array of shape {array.shape}"
        self.names: tuple[str | None, ...] = (None,) * len(array)
        self._array = array

    def read(
        self,
        indexes: Sequence[int],
        *,
        tile_size_m: float | None = None,
        lon: float | None = None,
        lat: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray, Bounds | None, str | None]:
        """Selects bands by position; returns what [`GeoTIFF.read`] returns without georeference. Windows are refused."""
        if tile_size_m is not None:
            raise ValueError("tile_size_m was given with an array, expected a GeoTIFF; crop the array yourself.")
        return self._array[list(indexes)], np.zeros(self._array.shape[1:], bool), None, None


def _missing(pixels: np.ndarray, nodata: float | None) -> np.ndarray:
    """Mask `(H, W)` of pixels that are no-data in every band, since the no-data value in a single band may be data."""
    if nodata is None or math.isnan(nodata):
        return np.zeros(pixels.shape[1:], bool)
    return (pixels == nodata).all(axis=0)


@contextmanager
def open_geotiff(path: str | os.PathLike) -> Iterator[GeoTIFF]:
    """
    Opens a local GeoTIFF with GDAL's GTiff driver only, and checks its header, so that neither huge files nor other formats
    are decoded. Raises `ValueError` for an unreadable file, also when reading fails later inside the `with` block.
    """
    file = local_file(path)
    _require(rasterio, f"Reading the GeoTIFF {os.fspath(path)!r}")
    try:
        with warnings.catch_warnings():
            # A file without georeference is acceptable: the caller may know its bounds.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(file, driver="GTiff")
        with dataset:
            _check_header(dataset, str(path))
            yield GeoTIFF(dataset, str(path))
    except RasterioError as error:
        raise ValueError(
            f"{os.fspath(path)!r} cannot be read as a GeoTIFF: it is damaged, truncated or of another format; write it "
            "again as a GeoTIFF."
        ) from error


def _check_header(dataset: Any, path: str) -> None:
    if max(dataset.width, dataset.height) > MAX_SIDE or dataset.count > MAX_BANDS:
        raise ValueError(
            f"{path} claims {dataset.width} x {dataset.height} pixels and {dataset.count} bands, expected at most "
            f"{MAX_SIDE} per side and {MAX_BANDS} bands; crop the part you need."
        )
    together = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    for (rows, columns), dtype in zip(dataset.block_shapes, dataset.dtypes):
        if rows * columns * together * np.dtype(dtype).itemsize > MAX_BLOCK_BYTES:
            raise ValueError(
                f"{path} is stored in blocks of {columns} x {rows} pixels, expected at most {MAX_BLOCK_BYTES // 2**20} "
                "MiB per block; rewrite it in tiles of 512 x 512."
            )


def _grid_of(dataset: Any, path: str) -> _Grid | None:
    """The raster's grid, north up; None if the file lacks a CRS or an affine transform."""
    transform = dataset.transform
    if dataset.crs is None or transform.is_identity:
        return None
    if abs(transform.b) > 1e-9 * abs(transform.a) or abs(transform.d) > 1e-9 * abs(transform.e) or transform.a <= 0:
        raise ValueError(
            f"{path} is rotated or mirrored relative to its CRS, expected rows from west to east; warp it first."
        )
    epsg = dataset.crs.to_epsg()
    crs = dataset.crs.to_wkt() if epsg is None else f"EPSG:{epsg}"
    north = max(transform.f, transform.f + transform.e * dataset.height)
    return _Grid(transform.c, north, transform.a, abs(transform.e), crs)


__all__ = ["GairTile"]
