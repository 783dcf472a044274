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
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import TiffImagePlugin

try:
    import rasterio
    from rasterio.enums import ColorInterp, MaskFlags, Resampling
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import aligned_target, calculate_default_transform
    from rasterio.windows import Window
except ImportError:
    rasterio = None

from .bands_gair import band_name
from .crs_gair import Bounds, crs_name, metres_per_unit, project_near, require, shown_crs
from .pixels_gair import local_file

# Limits on what a header may declare, checked before decoding: far above any tile, far below a machine's memory.
MAX_SIDE = 1_000_000
MAX_BANDS = 1024
MAX_DECODED_BYTES = 2**29
MAX_BLOCK_BYTES = 2**28
# Of a raster that is warped while it is read, squares of so many pixels per side are kept, and so many of them.
_SQUARE, _KEPT_SQUARES = 512, 32

# The TIFF tag in which GDAL keeps descriptions.
_GDAL_METADATA = 42112
# Beginnings of what is often taken for a GeoTIFF.
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive; unpack it, and pass a GeoTIFF from it",
    b"\0\0\0\x0cjP": "a JPEG 2000 image, as in products ending with .SAFE; stack the product's bands in one GeoTIFF",
    b"\x89HDF": "an HDF5 or netCDF file; convert it to a GeoTIFF",
}


# left, top, right, bottom in pixels from the north-west of a raster; may extend beyond it.
PixelWindow = tuple[int, int, int, int]


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
        missing (`np.ndarray` of shape `(H, W)`): which pixels contained no data.
    """

    pixels: np.ndarray
    bounds: Bounds | None
    crs: str | None
    valid_fraction: float
    missing: np.ndarray


@dataclass(frozen=True)
class RasterGrid:
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
        names (`tuple[str | None, ...]`): the bands' descriptions, None for bands without one. Alpha bands are masks, not bands:
            they are neither named nor counted.
        scales (`tuple[float, ...]`): the factors by which the file says its bands are to be multiplied; 1 if it says nothing.
        height, width (`int`): pixels.
        grid (`RasterGrid`, *optional*): where the pixels lie, north up; None if the file lacks a CRS or an affine transform.
    """

    def __init__(self, dataset: Any, path: str):
        self.path = path
        self._dataset = dataset
        with _readable(path):
            alpha = [kind == ColorInterp.alpha for kind in dataset.colorinterp]
            descriptions, factors = _descriptions(dataset), dataset.scales
            self._nodata = dataset.nodatavals
            self._south_up = dataset.transform.e > 0
        self._bands = [position for position, is_mask in enumerate(alpha) if not is_mask]
        self._alphas = [position for position, is_mask in enumerate(alpha) if is_mask]
        for position in self._alphas:
            # Writers of photos mark the fourth band so, whatever it holds.
            if band_name(descriptions[position]):
                raise ValueError(
                    f"{path} marks its band {descriptions[position]!r} as an alpha band, expected the reflectance that its name says; "
                    f"reset the mark with gdal_edit.py -colorinterp_{position + 1} undefined, or write the file without ALPHA=YES."
                )
        self.names: tuple[str | None, ...] = tuple(descriptions[position] for position in self._bands)
        self.scales: tuple[float, ...] = tuple(factors[position] for position in self._bands)
        self.height, self.width = dataset.height, dataset.width
        self.grid = _grid_of(dataset, path)

    @property
    def georeferenced(self) -> bool:
        return self.grid is not None

    def read(
        self,
        indexes: Sequence[int],
        *,
        window: PixelWindow | None = None,
        tile_size_m: float | None = None,
        lon: float | None = None,
        lat: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray, Bounds | None, str | None]:
        """
        Decodes the requested bands only, of the whole raster, of a window of its pixels or of one around a point.

        Args:
            indexes (`Sequence[int]`): positions of the bands among `names`, from 0, in the desired order.
            window (`tuple[int, int, int, int]`, *optional*): left, top, right, bottom in pixels from the north-west.
            tile_size_m (`float`, *optional*): side of the window in metres on the ground, rounded to whole pixels.
            lon, lat (`float`, *optional*): its centre in degrees.

        Returns:
            pixels `(C, H, W)` in the file's dtype with row 0 in the north; missing `(H, W)`, true for pixels outside the
            raster, pixels that a mask or an alpha band excludes, and pixels with a declared no-data value in any band, or in
            every band if it is 0, which in a single band may be data; the bounds of these pixels (west, south, east, north)
            and their CRS, both None if the file is not georeferenced.
        """
        located = self._window(tile_size_m, lon, lat) if window is None else self._checked(window)
        row, column, height, width = located
        bands = [self._bands[index] for index in indexes]
        with _readable(self.path):
            size = len(bands) * height * width * np.dtype(self._dataset.dtypes[bands[0]]).itemsize
        if size > MAX_DECODED_BYTES:
            raise ValueError(
                f"{self.path} would decode to {width} x {height} pixels of {len(indexes)} bands, expected at most "
                f"{MAX_DECODED_BYTES // 2**20} MiB; read a window of it with tile_size_m, lon and lat, or with window."
            )
        pixels, missing = self._decode(bands, row, column, height, width)
        if self.grid is None:
            return pixels, missing, None, None
        return pixels, missing, self.grid.bounds(row, column, height, width), self.grid.crs

    def _window(self, tile_size_m: float | None, lon: float | None, lat: float | None) -> tuple[int, int, int, int]:
        """Row, column, height, width in north-up pixels; may extend beyond the raster."""
        if tile_size_m is None:
            return 0, 0, self.height, self.width
        if self.grid is None:
            raise ValueError(
                f"{self.path} is not georeferenced, so tile_size_m cannot locate a window in it; leave tile_size_m out, "
                "or georeference the file."
            )
        grid = self.grid
        x, y = project_near(lon, lat, grid.bounds(0, 0, self.height, self.width), grid.crs)
        if not (np.isfinite(x) and np.isfinite(y)):
            raise ValueError(
                f"lon {lon}, lat {lat} is outside {self.path} and its CRS {shown_crs(grid.crs)}; pass a raster that covers it."
            )
        per_x, per_y = metres_per_unit(float(x), float(y), grid.crs)
        columns, rows = tile_size_m / (per_x * grid.step_x), tile_size_m / (per_y * grid.step_y)
        if not max(columns, rows) <= MAX_SIDE:
            raise ValueError(
                f"A window of {tile_size_m} m would have {columns:.3g} x {rows:.3g} pixels of {self.path}, expected at most "
                f"{MAX_SIDE} per side; check the raster's pixel size."
            )
        width, height = max(1, round(columns)), max(1, round(rows))
        column = round((float(x) - grid.west) / grid.step_x - width / 2)
        row = round((grid.north - float(y)) / grid.step_y - height / 2)
        if not (-height < row < self.height and -width < column < self.width):
            raise ValueError(
                f"The window of {tile_size_m} m around lon {lon}, lat {lat} does not touch {self.path}, whose bounds are "
                f"{grid.bounds(0, 0, self.height, self.width)} in {shown_crs(grid.crs)}; pass a raster that "
                "covers the point."
            )
        return row, column, height, width

    def _checked(self, window: PixelWindow) -> tuple[int, int, int, int]:
        """Row, column, height, width of a window of pixels that touches the raster."""
        left, top, right, bottom = window
        if not (left < right and top < bottom and left < self.width and top < self.height and right > 0 and bottom > 0):
            raise ValueError(
                f"The window {tuple(window)} does not touch {self.path}, which has {self.width} x {self.height} pixels, expected "
                "left < right and top < bottom; pass (left, top, right, bottom) in pixels from the north-west."
            )
        return top, left, bottom - top, right - left

    def _decode(
        self, bands: list[int], row: int, column: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels `(C, H, W)` and missing `(H, W)` of a window, which is decoded where it overlaps with the raster."""
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + height, self.height), min(column + width, self.width)
        source_row = self.height - bottom if self._south_up else top
        window = Window(left, source_row, right - left, bottom - top)
        with _readable(self.path):
            part = self._dataset.read([band + 1 for band in bands], window=window)
            absent = self._masked(bands, window)
        for band, values in zip(bands, part):
            nodata = _sentinel(self._nodata[band], part.dtype)
            if nodata is not None:
                absent |= values == nodata
        if all(self._nodata[band] == 0 for band in bands):
            absent |= ~part.any(axis=0)
        if self._south_up:
            part, absent = part[:, ::-1], absent[::-1]
        if part.shape[1:] == (height, width):
            return np.ascontiguousarray(part), np.ascontiguousarray(absent)
        pixels, missing = np.zeros((len(bands), height, width), part.dtype), np.ones((height, width), bool)
        inside = np.s_[top - row : bottom - row, left - column : right - column]
        pixels[:, *inside], missing[inside] = part, absent
        return pixels, missing

    def _masked(self, bands: list[int], window: Any) -> np.ndarray:
        """Mask `(h, w)` of pixels excluded by the file's own masks (internal, `.msk` or per band) or an alpha band."""
        absent = np.zeros((window.height, window.width), bool)
        flags = self._dataset.mask_flag_enums
        masked = [band for band in bands if _has_mask(flags[band])]
        if masked and MaskFlags.per_dataset in flags[masked[0]]:
            masked = masked[:1]
        if masked:
            absent |= (self._dataset.read_masks([band + 1 for band in masked], window=window) == 0).any(axis=0)
        if self._alphas:
            absent |= (self._dataset.read([band + 1 for band in self._alphas], window=window) == 0).any(axis=0)
        return absent


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
        self.scales = (1.0,) * len(array)
        self._array = array

    def read(
        self,
        indexes: Sequence[int],
        *,
        window: PixelWindow | None = None,
        tile_size_m: float | None = None,
        lon: float | None = None,
        lat: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray, Bounds | None, str | None]:
        """Selects bands by position; returns what [`GeoTIFF.read`] returns without georeference. Windows are refused."""
        if tile_size_m is not None or window is not None:
            name = "window" if tile_size_m is None else "tile_size_m"
            raise ValueError(f"{name} was given with an array, expected a GeoTIFF; crop the array yourself.")
        return self._array[list(indexes)], np.zeros(self._array.shape[1:], bool), None, None


def _has_mask(flags: Sequence[Any]) -> bool:
    """Whether GDAL's mask of a band is more than its no-data value and its alpha band, which have rules of their own here."""
    if MaskFlags.per_dataset in flags:
        return MaskFlags.alpha not in flags
    return MaskFlags.all_valid not in flags and MaskFlags.nodata not in flags


def _sentinel(nodata: float | None, dtype: np.dtype) -> Any:
    """A declared no-data value in a band's dtype; None for 0 and NaN, which have rules of their own, and if there is none."""
    if nodata is None or nodata == 0 or math.isnan(nodata):
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return dtype.type(nodata) if float(nodata).is_integer() and limits.min <= nodata <= limits.max else None
    return dtype.type(nodata)


def _descriptions(dataset: Any) -> list[str | None]:
    """The bands' descriptions; text that is not UTF-8, which rasterio refuses, is taken from the TIFF tag as Latin-1."""
    try:
        return list(dataset.descriptions)
    except UnicodeDecodeError:
        with open(dataset.name, "rb") as file:
            header = file.read(8)
            tags = TiffImagePlugin.ImageFileDirectory_v2(header + (file.read(8) if header[2] == 43 else b""))
            file.seek(tags.next)
            tags.load(file)
        found = dict(re.findall(r'name="DESCRIPTION" sample="(\d+)"[^>]*>([^<]*)<', str(tags.get(_GDAL_METADATA, ""))))
        return [found.get(str(position)) for position in range(dataset.count)]


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Makes one sentence of whatever GDAL's bindings raise for a damaged file, of which many kinds are not documented."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{path!r} cannot be read as a GeoTIFF: it is {_what_it_is(path)}.") from error


def _what_it_is(path: str) -> str:
    """What a file that cannot be read as a GeoTIFF is, and what to do about it."""
    with suppress(OSError), open(os.path.expanduser(path), "rb") as file:
        beginning = file.read(12)
        for signature, format_and_fix in _OTHER_FORMATS.items():
            if beginning.startswith(signature):
                return format_and_fix
    return "damaged, truncated or of another format; write it again as a GeoTIFF"


@contextmanager
def open_geotiff(path: str | os.PathLike, crs: str | None = None) -> Iterator[GeoTIFF]:
    """
    Opens a local GeoTIFF with GDAL's GTiff driver only, and checks its header, so that neither huge files nor other formats
    are decoded. Raises `ValueError` for an unreadable file, also when reading fails later inside the `with` block.

    With `crs`, it is warped while it is read, by nearest neighbours, which keep the values and with them the rules for pixels
    without data. The new pixels are square and as large on the ground as the old ones, to two digits, and their edges are
    multiples of their size.
    """
    file = local_file(path)
    require(rasterio, f"Reading the GeoTIFF {os.fspath(path)!r}")
    text = os.fsdecode(os.fspath(path))
    with _readable(text), warnings.catch_warnings():
        # A file without georeference is acceptable: the caller may know its bounds.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(file, driver="GTiff")
    with dataset:
        _check_header(dataset, text)
        if crs is None:
            yield GeoTIFF(dataset, text)
            return
        with _warped(dataset, crs_name(crs), text) as warped:
            yield GeoTIFF(_Warped(warped), text)


class _Warped:
    """A warped dataset that keeps squares of what it has warped for further windows, as GDAL does not."""

    def __init__(self, dataset: Any):
        self._dataset = dataset
        self._square = lru_cache(_KEPT_SQUARES)(self._warp)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def read(self, indexes: Sequence[int], window: Any) -> np.ndarray:
        """The pixels `(C, H, W)` of bands, counted from 1, in a window inside the raster."""
        top, left, height, width = window.row_off, window.col_off, window.height, window.width
        pixels = np.empty((len(indexes), height, width), self._dataset.dtypes[indexes[0] - 1])
        for row in range(top // _SQUARE, (top + height - 1) // _SQUARE + 1):
            for column in range(left // _SQUARE, (left + width - 1) // _SQUARE + 1):
                square = self._square(tuple(indexes), row, column)
                above, before = row * _SQUARE - top, column * _SQUARE - left
                inside = square[:, max(-above, 0) : height - above, max(-before, 0) : width - before]
                first_row, first_column = max(above, 0), max(before, 0)
                pixels[:, first_row : first_row + inside.shape[1], first_column : first_column + inside.shape[2]] = (
                    inside
                )
        return pixels

    def _warp(self, indexes: tuple[int, ...], row: int, column: int) -> np.ndarray:
        top, left = row * _SQUARE, column * _SQUARE
        height, width = min(_SQUARE, self._dataset.height - top), min(_SQUARE, self._dataset.width - left)
        return self._dataset.read(list(indexes), window=Window(left, top, width, height))


def _warped(dataset: Any, crs: str, path: str) -> Any:
    """An open raster in another CRS, as a virtual dataset."""
    grid = _grid_of(dataset, path)
    if grid is None:
        raise ValueError(
            f"{path} is not georeferenced, so that it cannot be warped to {shown_crs(crs)}; georeference it."
        )
    west, south, east, north = grid.bounds(0, 0, dataset.height, dataset.width)
    per_x, per_y = metres_per_unit((west + east) / 2, (south + north) / 2, grid.crs)
    with _readable(path):
        place = dataset.crs, crs, dataset.width, dataset.height
        middle, columns, rows = calculate_default_transform(*place, west, south, east, north)
    units = metres_per_unit(middle.c + middle.a * columns / 2, middle.f + middle.e * rows / 2, crs)
    side_m = math.sqrt(per_x * grid.step_x * per_y * grid.step_y)
    step = float(f"{side_m / math.sqrt(units[0] * units[1]):.2g}")
    with _readable(path):
        transform, columns, rows = calculate_default_transform(*place, west, south, east, north, resolution=step)
        transform, columns, rows = aligned_target(transform, columns, rows, step)
        return WarpedVRT(
            dataset, crs=crs, transform=transform, width=columns, height=rows, resampling=Resampling.nearest
        )


def _check_header(dataset: Any, path: str) -> None:
    if max(dataset.width, dataset.height) > MAX_SIDE or dataset.count > MAX_BANDS:
        raise ValueError(
            f"{path} claims {dataset.width} x {dataset.height} pixels and {dataset.count} bands, expected at most "
            f"{MAX_SIDE} per side and {MAX_BANDS} bands; crop the part you need."
        )
    with _readable(path):
        together = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
        sizes = [np.dtype(dtype).itemsize for dtype in dataset.dtypes]
        blocks = dataset.block_shapes
    for (rows, columns), size in zip(blocks, sizes):
        if rows * columns * together * size > MAX_BLOCK_BYTES:
            raise ValueError(
                f"{path} is stored in blocks of {columns} x {rows} pixels, expected at most {MAX_BLOCK_BYTES // 2**20} "
                "MiB per block; rewrite it in tiles of 512 x 512."
            )


def _grid_of(dataset: Any, path: str) -> RasterGrid | None:
    """The raster's grid, north up; None if the file lacks a CRS or an affine transform."""
    with _readable(path):
        transform, system = dataset.transform, dataset.crs
        code = None if system is None else system.to_epsg()
        crs = "" if system is None else system.to_wkt() if code is None else f"EPSG:{code}"
    if not crs or transform.is_identity:
        return None
    skewed = abs(transform.b) > 1e-9 * abs(transform.a) or abs(transform.d) > 1e-9 * abs(transform.e)
    if skewed or not (0 < transform.a < math.inf and 0 < abs(transform.e) < math.inf):
        raise ValueError(
            f"{path} is rotated or mirrored relative to its CRS, expected rows from west to east; warp it first."
        )
    try:
        crs = crs_name(crs)
    except ValueError as error:
        raise ValueError(f"The CRS of {path} is of no use: {error}") from error
    north = max(transform.f, transform.f + transform.e * dataset.height)
    return RasterGrid(transform.c, north, transform.a, abs(transform.e), crs)


__all__ = ["GairTile"]
