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
"""GeoTIFF to tile. rasterio is needed only here."""

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

try:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError
    from rasterio.windows import Window
except ImportError:
    rasterio = None

from .crs_gair import Bounds, metres_per_unit, project_near, require
from .pixels_gair import local_file

# Limits on what a header may declare, checked before decoding: far above any tile, far below a machine's memory.
MAX_SIDE = 1_000_000
MAX_BANDS = 1024
MAX_DECODED_BYTES = 2**29
MAX_BLOCK_BYTES = 2**28


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
    require(rasterio, f"Reading the GeoTIFF {os.fspath(path)!r}")
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
