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
"""Files that visitors send. Anybody may send anything, so each is checked before it is decoded."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning, RasterioError

MAX_PHOTO_BYTES = 20 * 2**20
# A phone's largest photos and 360-degree panoramas; 150 MB once decoded.
MAX_PHOTO_PIXELS = 50_000_000
MAX_TILE_BYTES = 32 * 2**20
# 5 km at 2.5 m a pixel, far more than the sensor resolves.
MAX_TILE_SIDE = 2048
# All bands of Sentinel-2, and some layers beside them.
MAX_TILE_BANDS = 32
MAX_TILE_DECODED_BYTES = 128 * 2**20

# Pillow opens an MPO, as phones write them, through JPEG.
_PHOTO_FORMATS = ("JPEG", "PNG", "WEBP")
# TIFF and BigTIFF, in both byte orders.
_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# GDAL reads this one file: no folder is listed, no sidecar, overview or world file beside it opened.
_ONE_FILE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
}


def read_photo(path: str) -> Image.Image:
    """
    Decodes a photo. Orientation and colours are left to the processor, which takes the image as it is.

    Args:
        path (`str`): a JPEG, PNG or WEBP.

    Returns:
        `PIL.Image.Image`: loaded, as stored in the file.

    Raises:
        ValueError: one sentence for the visitor, which names no path: too many bytes or pixels, another format,
            several frames, or damaged.
    """
    _check_bytes(path, MAX_PHOTO_BYTES, "photo")
    try:
        # Opening reads the header alone.
        image = Image.open(path, formats=_PHOTO_FORMATS)
    except Exception as error:
        raise ValueError(
            "This file is no photo that can be read, expected an intact JPEG, PNG or WEBP; save it as one of them."
        ) from error
    with image:
        width, height = image.size
        if width * height > MAX_PHOTO_PIXELS:
            raise ValueError(
                f"The photo says that it has {width} x {height} pixels, expected at most "
                f"{MAX_PHOTO_PIXELS // 10**6} million; make it smaller."
            )
        # An MPO holds a photo and its preview, not frames in time.
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise ValueError("The photo is animated, expected a single picture; save one frame of it.")
        try:
            image.load()
        # Broken files make Pillow's decoders stumble in more ways than its errors name.
        except Exception as error:
            raise ValueError("The photo is damaged or cut off, expected an intact one; save it again.") from error
        return image


def read_tile(path: str, image_processor: Any, bands: str | None = None) -> Any:
    """
    Reads a Sentinel-2 tile by the processor, which picks and checks its bands.

    Args:
        path (`str`): a GeoTIFF.
        image_processor (`GairRSImageProcessor`): the model's, `processor.image_processor`.
        bands (`str`, *optional*): a key of `BAND_ORDERS`, where the file does not name its bands.

    Returns:
        `GairTile`: for `image_processor.prepare([tile.pixels])`.

    Raises:
        ValueError: one sentence for the visitor, which names no path: too many bytes, pixels or bands, another format,
            damaged, or what the processor refuses.
    """
    _check_bytes(path, MAX_TILE_BYTES, "tile")
    with Path(path).open("rb") as file:
        if file.read(4) not in _TIFF_BEGINNINGS:
            raise ValueError("This file is no GeoTIFF; write the tile as one, with one layer for each band.")
    try:
        with rasterio.Env(**_ONE_FILE):
            _check_tile_header(path)
            return image_processor.read(path, bands=bands)
    # A TypeError: numbers of a kind that NumPy does not know.
    except (RasterioError, TypeError) as error:
        raise ValueError("The tile is damaged, cut off or no GeoTIFF; write it again as a GeoTIFF.") from error
    except ValueError as error:
        # The processor tells programs where the file lies, which is none of a visitor's business.
        raise ValueError(str(error).replace(repr(path), "The tile").replace(path, "The tile")) from error


def _check_bytes(path: str, limit: int, what: str) -> None:
    size = Path(path).stat().st_size
    if size > limit:
        raise ValueError(
            f"The {what} has {size / 2**20:.0f} MiB, expected at most {limit // 2**20} MiB; cut or compress it."
        )


def _check_tile_header(path: str) -> None:
    """What the header promises, before anything of it is decoded."""
    with warnings.catch_warnings():
        # A file without georeference is no fault: its map has no coordinates.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path, driver="GTiff")
    with dataset:
        width, height, count = dataset.width, dataset.height, dataset.count
        if max(width, height) > MAX_TILE_SIDE or count > MAX_TILE_BANDS:
            raise ValueError(
                f"The tile says that it has {width} x {height} pixels and {count} bands, expected at most "
                f"{MAX_TILE_SIDE} pixels a side and {MAX_TILE_BANDS} bands; cut out a part of at most 5 km."
            )
        decoded = width * height * sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
        if decoded > MAX_TILE_DECODED_BYTES:
            raise ValueError(
                f"The tile would take {decoded / 2**20:.0f} MiB of memory, expected at most "
                f"{MAX_TILE_DECODED_BYTES // 2**20} MiB; cut out a smaller part."
            )
