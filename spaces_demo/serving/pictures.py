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
"""Tiles and photos as pictures that a browser can show: the gallery's as files, which load when they come into view."""

import base64
import hashlib
import io
from typing import Any

import numpy as np
from PIL import Image

from serving.model import ServedModel

# Pixels a side of pictures that are shown; what is embedded keeps its size.
MAX_PICTURE_SIDE = 512
_THUMBNAIL_SIDE = 128
TRUE_COLOUR = "True colour"
# The bands shown as red, green and blue in each picture of a tile.
LAYERS = {
    TRUE_COLOUR: ("B04", "B03", "B02"),
    "Infrared": ("B08", "B04", "B03"),
    "Short-wave": ("B12", "B8A", "B04"),
}
_STRETCH_PERCENTILES = (2, 98)
_PUBLISHED: dict[str, bytes] = {}


def published(jpeg: bytes) -> str:
    """
    Offers a picture to all visitors as long as the server runs. Visitors' own pictures are not published; see [`data_uri`].

    Returns:
        `str`: its address, relative to the page's.
    """
    name = f"{hashlib.sha256(jpeg).hexdigest()[:24]}.jpg"
    _PUBLISHED[name] = jpeg
    return f"pictures/{name}"


def published_picture(name: str) -> bytes | None:
    """The JPEG that is offered under a name; None if there is none."""
    return _PUBLISHED.get(name)


def layer_pictures(pixels: np.ndarray, served: ServedModel) -> dict[str, bytes]:
    """
    Renders a tile once for each of `LAYERS`, stretched from the 2nd to the 98th percentile.

    Args:
        pixels (`np.ndarray` of shape `(10, H, W)`): as read by the processor of `served`.
        served ([`ServedModel`]): its processor knows the order of the bands.

    Returns:
        `dict[str, bytes]`: JPEGs of at most 512 pixels a side.
    """
    bands = list(served.processor.image_processor.bands)
    return {name: _composite(pixels[[bands.index(band) for band in shown]]) for name, shown in LAYERS.items()}


def data_uri(jpeg: bytes) -> str:
    """A JPEG as an address that holds it, for pictures of one visitor."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def thumbnail(jpeg: bytes) -> bytes:
    """A JPEG, reduced for a strip of hundreds."""
    image = Image.open(io.BytesIO(jpeg))
    return jpeg if max(image.size) <= _THUMBNAIL_SIDE else jpeg_of(image, _THUMBNAIL_SIDE)


def photo_jpeg(photo: Any, served: ServedModel) -> bytes:
    """
    A photo as the model sees it, upright and in RGB, as a JPEG of at most `MAX_PICTURE_SIDE` pixels a side.

    Args:
        photo: whatever the SV processor of `served` reads: bytes, or an image of Pillow.

    Raises:
        ValueError: if the processor rejects the photo.
    """
    return jpeg_of(Image.fromarray(served.processor.sv_image_processor.read(photo)), MAX_PICTURE_SIDE)


def jpeg_of(image: Image.Image, side: int) -> bytes:
    """A JPEG of an RGB image, reduced if a side exceeds `side` pixels."""
    small = image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _composite(channels: np.ndarray) -> bytes:
    values = channels.astype(np.float32)
    low, high = np.percentile(values, _STRETCH_PERCENTILES)
    scaled = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1)
    image = Image.fromarray((255 * scaled).round().astype(np.uint8).transpose(1, 2, 0))
    return jpeg_of(image, MAX_PICTURE_SIDE)
