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
"""Files that visitors upload. They may hold anything, so each is checked before it is decoded."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from serving.model import ServedModel

MAX_PHOTO_BYTES = 20 * 2**20
# The largest photos of phones and 360-degree panoramas; 150 MB once decoded.
MAX_PHOTO_PIXELS = 50_000_000
MAX_TILE_BYTES = 32 * 2**20
# 5 km at 2.5 m a pixel, far finer than the sensor resolves.
MAX_TILE_SIDE = 2048
# All bands of Sentinel-2 and some additional layers.
MAX_TILE_BANDS = 32
MAX_TILE_DECODED_BYTES = 128 * 2**20

# Pillow opens MPO files, which phones write, as JPEG.
_PHOTO_FORMATS = ("JPEG", "PNG", "WEBP")
# TIFF and BigTIFF, in both byte orders.
_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# GDAL reads this file only: it lists no folder and opens no sidecar, overview or world file.
_ONE_FILE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
}


def caution(served: ServedModel) -> str:
    """What to expect of uploads, if the model has seen nothing but the sample world; else empty."""
    if "sample world" not in served.similarity_ranges.get("measured_on", ""):
        return ""
    return (
        "This small model has only seen a made-up sample world, no real photo or tile: expect little from it. With a model that is "
        "trained on real data, this page works on real photos."
    )


def read_photo(path: str) -> Image.Image:
    """
    Decodes a photo. Orientation and colour mode are left to the processor.

    Args:
        path (`str`): a JPEG, PNG or WEBP.

    Returns:
        `PIL.Image.Image`: loaded, as stored in the file.

    Raises:
        ValueError: if the photo is too large, has another format or several frames, or is damaged. The message is one
            sentence for the visitor and names no path.
    """
    _check_bytes(path, MAX_PHOTO_BYTES, "photo")
    try:
        # Opening reads the header alone.
        image = Image.open(path, formats=_PHOTO_FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(_too_large("hundreds of millions of")) from error
    except Exception as error:
        raise ValueError(
            "The file is not a readable photo, expected an intact JPEG, PNG or WEBP; save it in one of these formats."
        ) from error
    with image:
        width, height = image.size
        if width * height > MAX_PHOTO_PIXELS:
            raise ValueError(_too_large(f"{width} x {height}"))
        # An MPO file holds a photo and its preview, not an animation.
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise ValueError("The photo is animated, expected a single image; save one frame.")
        try:
            image.load()
        # Damaged files raise many kinds of errors in Pillow's decoders.
        except Exception as error:
            raise ValueError("The photo is damaged or truncated, expected an intact file; save it again.") from error
        return image


def read_tile(path: str, image_processor: Any, bands: str | None = None) -> Any:
    """
    Reads a Sentinel-2 tile with the processor, which selects and checks its bands.

    Args:
        path (`str`): a GeoTIFF.
        image_processor (`GairRSImageProcessor`): the model's, `processor.image_processor`.
        bands (`str`, *optional*): a key of the processor's `BAND_ORDERS`, needed if the file does not name its bands.

    Returns:
        `GairTile`: for `image_processor.prepare([tile.pixels])`.

    Raises:
        ValueError: if the tile is too large, has another format, is damaged, or is rejected by the processor. The
            message is one sentence for the visitor and names no path.
    """
    _check_bytes(path, MAX_TILE_BYTES, "tile")
    with Path(path).open("rb") as file:
        if file.read(4) not in _TIFF_BEGINNINGS:
            raise ValueError(
                "The file is not a GeoTIFF, expected a GeoTIFF with one layer a band; export the tile as one."
            )
    try:
        with rasterio.Env(**_ONE_FILE):
            _check_tile_header(path)
            return image_processor.read(path, bands=bands)
    except Exception as error:
        # Damaged files raise many kinds of errors, also of text that is not UTF-8, which are ValueErrors.
        if not isinstance(error, ValueError) or isinstance(error, UnicodeError):
            raise ValueError(
                "The tile is damaged or truncated, expected an intact GeoTIFF; export it again."
            ) from error
        raise ValueError(_without_path(str(error), path)) from error


def _too_large(pixels: str) -> str:
    return f"The photo has {pixels} pixels, expected at most {MAX_PHOTO_PIXELS // 10**6} million; reduce it."


def _without_path(message: str, path: str) -> str:
    """A message that names the file otherwise: visitors must not see its path."""
    message = message.replace(repr(path), path)
    if message.startswith(path):
        message = f"The tile{message.removeprefix(path)}"
    return message.replace(path, "the tile")


def _check_bytes(path: str, limit: int, what: str) -> None:
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        # Uploads are deleted after a while.
        raise ValueError(
            f"The {what} is not on the server any more, expected a new upload; upload it again."
        ) from error
    if size > limit:
        raise ValueError(
            f"The {what} has {size / 2**20:.0f} MiB, expected at most {limit // 2**20} MiB; crop or compress it."
        )


def _check_tile_header(path: str) -> None:
    """Checks the size that the header declares, before anything is decoded."""
    with warnings.catch_warnings():
        # Files without georeference are accepted; their maps have no coordinates.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path, driver="GTiff")
    with dataset:
        width, height, count = dataset.width, dataset.height, dataset.count
        if max(width, height) > MAX_TILE_SIDE or count > MAX_TILE_BANDS:
            raise ValueError(
                f"The tile has {width} x {height} pixels and {count} bands, expected at most {MAX_TILE_SIDE} pixels a side and "
                f"{MAX_TILE_BANDS} bands; crop it to at most 5 km."
            )
        decoded = width * height * sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
        if decoded > MAX_TILE_DECODED_BYTES:
            raise ValueError(
                f"The tile would take {decoded / 2**20:.0f} MiB of memory, expected at most "
                f"{MAX_TILE_DECODED_BYTES // 2**20} MiB; crop it."
            )
