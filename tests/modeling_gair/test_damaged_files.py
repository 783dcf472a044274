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
"""Damaged tiles and photos: copies of good files with changed bytes are read, or refused in one sentence."""

import io
import struct
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from modeling_gair import GairRSImageProcessor, GairSVImageProcessor
from modeling_gair.image_processing_gair_rs import GAIR_BANDS
from tests.bad_inputs.case import check_sentence
from tests.helpers.rasters import rasterio, write_tif

SECONDS = 20.0
# Far longer than any good file of this size takes, also on a busy machine.
LONGEST = 30.0

pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]


def mutants(seeds, generator):
    """Copies of seeds with bytes, words, lengths and blocks changed, without end; the same on every run."""
    while True:
        content = bytearray(seeds[generator.integers(len(seeds))])
        for _ in range(int(generator.integers(1, 6))):
            # Headers and tags lie at the ends; what follows is pixels.
            edge = min(600, len(content))
            at = int(generator.integers(edge)) if generator.random() < 0.7 else int(generator.integers(len(content)))
            if generator.random() < 0.3:
                at = len(content) - 1 - at
            kind = generator.integers(6)
            if kind == 0:
                content[at] ^= 1 << int(generator.integers(8))
            elif kind == 1:
                content[at] = int(generator.choice([0, 1, 0x7F, 0x80, 0xFF]))
            elif kind == 2:
                content[at : at + 4] = struct.pack("<I", int(generator.choice([0, 1, 2**16, 2**31 - 1, 2**32 - 1])))
            elif kind == 3:
                del content[at : at + int(generator.integers(1, 64))]
            elif kind == 4:
                content[at:at] = content[at : at + int(generator.integers(1, 64))]
            else:
                del content[max(at, 8) :]
            content = content or bytearray(b"\0")
        yield bytes(content)


def read_until_time_is_up(seeds, read):
    """Read mutants; every one is read or refused in a sentence, and none takes long."""
    begun, refused, accepted = time.monotonic(), 0, 0
    for content in mutants(seeds, np.random.default_rng(0)):
        started = time.monotonic()
        if started - begun > SECONDS:
            break
        try:
            read(content)
            accepted += 1
        except ValueError as error:
            check_sentence(str(error), "")
            refused += 1
        assert time.monotonic() - started < LONGEST
    assert refused and accepted


def seed_tiles(folder):
    """GeoTIFFs in several layouts: with masks, no-data, alpha, compression, names and CRS of several kinds."""
    generator = np.random.default_rng(1)
    numbers = generator.integers(200, 4000, (10, 60, 60)).astype(np.uint16)
    numbers[:, :9] = 0
    layouts = [
        {"nodata": 0},
        {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16, "crs": "EPSG:3857"},
        {"compress": "lzw", "interleave": "pixel", "crs": "+proj=laea +lat_0=52 +lon_0=10"},
        {"dtype": "float32", "nodata": -9999, "bigtiff": "YES"},
        {"names": [f"B{number}" for number in range(1, 11)], "transform": None},
    ]
    for number, layout in enumerate(layouts):
        pixels = numbers.astype(layout.pop("dtype", "uint16"))
        yield write_tif(folder / f"{number}.tif", pixels, **{"names": GAIR_BANDS, **layout}).read_bytes()
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(folder / "0.tif", "r+") as file:
        file.write_mask(numbers[0] > 0)
    yield (folder / "0.tif").read_bytes()


def test_damaged_tiles(tmp_path):
    processor = GairRSImageProcessor(allow_any_scale=True)
    path = tmp_path / "mutant.tif"

    def read(content):
        path.write_bytes(content)
        tile = processor.read(path, bands=None)
        assert tile.pixels.ndim == 3 and len(tile.pixels) == 10 and tile.pixels.shape[1] > 0
        assert np.isfinite(tile.pixels).all() and 0 < tile.valid_fraction <= 1
        assert tile.bounds is None or np.isfinite(tile.bounds).all()
        assert np.isfinite(processor.prepare([tile.pixels]).numpy()).all()
        if tile.bounds is not None:
            processor.read(path, tile_size_m=500.0, lon=15.003, lat=45.15)

    read_until_time_is_up(list(seed_tiles(tmp_path)), read)


def seed_photos():
    """Photos in all formats, with EXIF, text and colour profiles."""
    rows, columns = np.mgrid[:48, :64]
    image = Image.fromarray(np.stack([4 * columns, 5 * rows, rows + columns], axis=-1).astype(np.uint8))
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "maker", 0x011A: 72.0, 0x8769: {0x9003: "2026:01:01 00:00:00"}})
    for kind, options in (
        ("JPEG", {"exif": exif}),
        ("JPEG", {"exif": exif, "progressive": True, "comment": b"street"}),
        ("PNG", {"exif": exif}),
        ("WEBP", {"exif": exif}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("GIF", {}),
    ):
        file = io.BytesIO()
        image.save(file, kind, **options)
        yield file.getvalue()


def test_damaged_photos():
    processor = GairSVImageProcessor(size=16)

    def read(content):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            photo = processor.read(content)
        assert photo.ndim == 3 and photo.shape[2] == 3 and photo.dtype == np.uint8 and photo.size

    read_until_time_is_up(list(seed_photos()), read)
