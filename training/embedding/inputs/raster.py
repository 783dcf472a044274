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
"""Rasters of any size: opened once, read window by window through the processor; and how the command line describes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rasterio

from modeling_gair import GairProcessor
from modeling_gair.bands_gair import declared_order
from modeling_gair.raster_gair import GairTile, PixelWindow, RasterGrid
from training.common.errors import first_line

# GDAL keeps decoded blocks, of which overlapping windows need each several times: enough for a line of windows.
_CACHE_MB = 256
# A raster of which none of so many by so many windows can be read is refused before the work begins.
_TRIED = 3


@dataclass(frozen=True)
class RasterSource:
    """
    A raster and how to read it.

    Attributes:
        path (`str`): a local GeoTIFF.
        bands (`list[str]`, *optional*): its bands' names in order; its own by default.
        crs (`str`, *optional*): the CRS to warp it to while it is read; its own by default.
    """

    path: str
    bands: list[str] | None = None
    crs: str | None = None


@dataclass(frozen=True)
class ReadWindow:
    """
    A window of a raster.

    Attributes:
        window (`tuple[int, int, int, int]`): left, top, right, bottom in pixels.
        tile (`GairTile`, *optional*): what was read; None if there is no data, or it was refused.
        reason (`str`, *optional*): why it was refused.
    """

    window: PixelWindow
    tile: GairTile | None
    reason: str | None


class OpenRaster:
    """
    An open raster; made by [`opened`].

    Attributes:
        grid (`RasterGrid`), height (`int`), width (`int`): its pixels, north up.
    """

    def __init__(self, raster: Any, source: RasterSource, processor: Any):
        self.height, self.width = raster.height, raster.width
        self._raster, self._source, self._processor = raster, source, processor
        if raster.grid is None:
            raise ValueError(
                f"{source.path} is not georeferenced, so that its pixels have no size and no place; georeference the file."
            )
        grid = raster.grid
        self.grid = RasterGrid(grid.west, grid.north, grid.step_x, grid.step_y, grid.crs)

    def read(self, window: PixelWindow) -> ReadWindow:
        """Reads a window (left, top, right, bottom in pixels)."""
        try:
            return ReadWindow(window, self._read(window), None)
        except ValueError as error:
            return ReadWindow(window, None, None if _is_empty(error) else first_line(error))

    def check_readable(self, window: tuple[int, int]) -> None:
        """
        Reads some windows of that many columns and rows, spread over the raster.

        Raises:
            ValueError: none can be read, for what is wrong with the first, such as a missing band; windows without data do not
                count.
        """
        columns, rows = (_spread(side, size) for side, size in zip((self.width, self.height), window))
        refused: ValueError | None = None
        for left, top in ((left, top) for top in rows for left in columns):
            try:
                self._read((left, top, left + window[0], top + window[1]))
                return
            except ValueError as error:
                refused = refused if refused is not None or _is_empty(error) else error
        if refused is not None:
            raise refused

    def _read(self, window: PixelWindow) -> GairTile:
        return self._processor.read(self._raster, bands=self._source.bands, window=window)


@contextmanager
def opened(source: RasterSource, processor: GairProcessor) -> Iterator[OpenRaster]:
    """
    Opens a raster of any size.

    Raises:
        ValueError: it cannot be read, is not georeferenced or cannot be warped.
    """
    images = processor.image_processor
    if not hasattr(images, "open"):
        raise ValueError(
            "The code beside the model's weights does not read rasters by windows yet; save the model again."
        )
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), images.open(source.path, source.crs) as raster:
        yield OpenRaster(raster, source, images)


def bands_of(text: str | None) -> list[str] | None:
    """
    Bands as the command line names them: the name of an order, or names in order, separated by commas.

    Raises:
        ValueError: they name no bands.
    """
    return declared_order([name.strip() for name in text.split(",")] if text and "," in text else text)


def time_of(text: str | None) -> datetime | None:
    """
    A time of the command line in UTC, from ISO 8601; without a zone it is taken for UTC.

    Raises:
        ValueError: it is no such time.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"--datetime is {text!r}, expected a date or a time such as 2026-06-01T10:20:30Z; correct it."
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _is_empty(error: ValueError) -> bool:
    """Whether a window has no data. The code may lie beside the weights, whose classes are others than those of this repository."""
    return type(error).__name__ == "NoDataError"


def _spread(side: int, size: int) -> list[int]:
    """Where windows of that size begin, from the middle of a side outwards."""
    room = max(side - size, 0)
    first = [room * step // (_TRIED - 1) for step in range(_TRIED)]
    return sorted(dict.fromkeys(first), key=lambda start: abs(start - room // 2))
