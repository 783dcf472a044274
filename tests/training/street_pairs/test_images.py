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
"""Decoding photos: size, orientation, damaged and wrong files, views of panoramas."""

import io

import numpy as np
import pytest
from PIL import Image

from training.street_pairs.errors import Unusable
from training.street_pairs.images import jpeg_of, small_photo, view_of_panorama


def encoded(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def ramp(width, height):
    """Red grows to the right, green downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 128)], -1).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1024, 768), (341, 256)), ((768, 1024), (256, 341)), ((2048, 1024), (512, 256)), ((200, 100), (200, 100))],
)
def test_the_short_side_becomes_256(size, expected):
    image = small_photo(encoded(ramp(*size)))
    assert image.size == expected
    exact = np.asarray(ramp(*size).resize(expected, Image.Resampling.LANCZOS), int)
    assert np.abs(np.asarray(image, int) - exact).max() <= 12


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_formats_and_modes(kind):
    assert small_photo(encoded(ramp(400, 300).convert("RGBA"), kind)).mode == "RGB"


def test_photos_are_upright_and_lose_their_metadata():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    content = jpeg_of(small_photo(encoded(ramp(400, 300), exif=exif.tobytes())))
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (256, 341) and not image.getexif()
        # What grew downwards now decreases to the right.
        row = np.asarray(image)[170, :, 1].astype(int)
    assert row[10] > row[-10] + 150


@pytest.mark.parametrize(
    ("content", "kind", "permanent"),
    [
        (b"<html>down for maintenance</html>", "not_an_image", False),
        (b"", "not_an_image", False),
        (encoded(ramp(400, 300), "BMP"), "not_an_image", False),
        (encoded(ramp(400, 300))[:2000], "damaged", False),
        (encoded(ramp(60, 400)), "too_small", True),
    ],
)
def test_bad_files_are_refused(content, kind, permanent):
    with pytest.raises(Unusable) as caught:
        small_photo(content)
    assert (caught.value.kind, caught.value.permanent) == (kind, permanent)


@pytest.mark.parametrize("yaw", [0.0, 90.0, 170.0, 300.0])
def test_a_view_looks_where_it_should(yaw):
    # Red is the direction, as a share of the circle from the image's left; green the height above the horizon.
    red, green = np.meshgrid(np.linspace(0, 255, 1024), np.linspace(255, 0, 512))
    panorama = Image.fromarray(np.stack([red, green, np.zeros_like(red)], -1).astype(np.uint8))
    view = np.asarray(view_of_panorama(encoded(panorama, "PNG"), yaw), float)
    assert view.shape == (256, 341, 3)
    middle = ((yaw / 360 + 0.5) % 1) * 255
    apart = abs(view[128, 170, 0] - middle)
    assert min(apart, 255 - apart) < 4
    assert abs(view[128, 170, 1] - 127.5) < 3
    # The left border is 45 degrees to the left.
    apart = abs(view[128, 0, 0] - ((yaw - 45) / 360 + 0.5) % 1 * 255)
    assert min(apart, 255 - apart) < 4
    # The sky is above.
    assert view[0, 170, 1] > view[128, 170, 1] > view[-1, 170, 1]


def test_a_view_of_something_else_is_refused():
    with pytest.raises(Unusable, match="twice as wide"):
        view_of_panorama(encoded(ramp(400, 300)), 0.0)
