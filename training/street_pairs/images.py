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
"""Photos as files of 256 pixels on the short side: checked, decoded at reduced scale, upright, without metadata."""

import io
import math
import warnings

import numpy as np
from PIL import Image

from modeling_gair.image_processing_gair_sv import upright
from training.common.errors import first_line
from training.street_pairs.errors import Unusable

SHORT_SIDE = 256
_LEAST_SIDE = 64
_QUALITY = 90
_FORMATS = ("JPEG", "PNG", "WEBP")
# A panorama is read at this scale before a view is cut out of it; the view is as wide as most cameras'.
_PANORAMA_SIZE, _VIEW_SIZE, _VIEW_DEG = (2048, 1024), (341, 256), 90.0


def small_photo(content: bytes) -> Image.Image:
    """
    Decodes a photo, of a JPEG no more than is needed, to [`SHORT_SIDE`] pixels on the short side; smaller ones stay as they are.

    Raises:
        Unusable: it is not an image, or damaged (another download may help), or too small.
    """
    image = _opened(content)
    short = min(image.size)
    width, height = (math.ceil(side * SHORT_SIDE / short) for side in image.size)
    image.draft("RGB", (width, height))
    image = _decoded(image)
    if min(image.size) < _LEAST_SIDE:
        raise Unusable(
            "too_small",
            f"The photo has {image.width} × {image.height} pixels, fewer than {_LEAST_SIDE} on a side.",
        )
    scale = SHORT_SIDE / min(image.size)
    if scale >= 1:
        return image
    return image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS, reducing_gap=3.0
    )


def view_of_panorama(content: bytes, yaw_deg: float) -> Image.Image:
    """
    Cuts a perspective view out of a spherical photo: a gnomonic projection, 90 degrees wide, towards the horizon.

    Args:
        content (`bytes`): an equirectangular image, twice as wide as high.
        yaw_deg (`float`): degrees to the right of the image's middle.

    Raises:
        Unusable: as for [`small_photo`], and for images of another shape.
    """
    image = _opened(content)
    if abs(image.width / image.height - 2) > 0.02:
        raise Unusable(
            "not_spherical",
            f"The panorama has {image.width} × {image.height} pixels, expected twice as wide as high.",
        )
    image.draft("RGB", _PANORAMA_SIZE)
    sphere = np.asarray(_decoded(image).resize(_PANORAMA_SIZE, Image.Resampling.LANCZOS), np.float32)
    width, height = _VIEW_SIZE
    focal = width / 2 / math.tan(math.radians(_VIEW_DEG) / 2)
    right, down = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    lon = np.arctan2(right, focal) + math.radians(yaw_deg)
    lat = np.arctan2(-down, np.hypot(right, focal))
    column = (lon / (2 * np.pi) + 0.5) * _PANORAMA_SIZE[0] - 0.5
    row = (0.5 - lat / np.pi) * _PANORAMA_SIZE[1] - 0.5
    return Image.fromarray(_bilinear(sphere, column, row).round().astype(np.uint8))


def jpeg_of(image: Image.Image) -> bytes:
    """A JPEG without metadata."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _opened(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Of large JPEGs, only as much is decoded as is needed.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise Unusable("too_large", "The photo has too many pixels to be opened safely.") from error
    except Exception as error:
        start = content[:12]
        raise Unusable(
            "not_an_image", f"It is not a JPEG, PNG or WEBP image (it begins with {start!r}).", permanent=False
        ) from error


def _decoded(image: Image.Image) -> Image.Image:
    try:
        image.load()
        return upright(image).convert("RGB")
    # Pillow's decoders raise errors of many kinds.
    except Exception as error:
        raise Unusable(
            "damaged", f"The image cannot be decoded ({first_line(error)[:100]}).", permanent=False
        ) from error


def _bilinear(image: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Values between pixels; columns go around."""
    height, width = image.shape[:2]
    left, top = np.floor(column).astype(int), np.clip(np.floor(row).astype(int), 0, height - 2)
    right, down = (column - left)[..., None], np.clip(row - top, 0, 1)[..., None]
    here, beside = left % width, (left + 1) % width
    upper = image[top, here] * (1 - right) + image[top, beside] * right
    lower = image[top + 1, here] * (1 - right) + image[top + 1, beside] * right
    return upper * (1 - down) + lower * down
