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
"""Files that visitors upload, and how hostile ones are rejected."""

import struct
import warnings
import zlib

import numpy as np
import pytest
import rasterio
from PIL import Image

from modeling_gair import GairRSImageProcessor
from serving.uploads import MAX_PHOTO_BYTES, MAX_TILE_BYTES, read_photo, read_tile
from tests.helpers.rasters import made_pixels, write_tif

GAIR_BANDS = GairRSImageProcessor().bands


@pytest.fixture
def tif(tmp_path):
    return str(write_tif(tmp_path / "tile.tif", made_pixels(), names=GAIR_BANDS))


def saved(path, **options):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(path, **options)
    return str(path)


def rejected(read, path, match, *arguments):
    """Checks that the message is one sentence and does not reveal the path."""
    with pytest.raises(ValueError, match=match) as caught:
        read(str(path), *arguments)
    sentence = str(caught.value)
    assert str(path.parent) not in sentence and "\n" not in sentence


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.webp"])
def test_photos_are_read(tmp_path, name):
    assert read_photo(saved(tmp_path / name)).size == (64, 48)


def test_a_photo_keeps_its_orientation_for_the_processor(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_photo(saved(tmp_path / "turned.jpg", exif=exif)).getexif()[0x0112] == 6


def test_a_decompression_bomb_is_rejected_by_its_header(tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b""))
    with warnings.catch_warnings():
        # Pillow warns about large images and rejects even larger ones itself.
        warnings.simplefilter("ignore")
        rejected(read_photo, bomb, "hundreds of millions of pixels, expected at most 50 million")


def test_more_pixels_than_the_limit_are_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.uploads.MAX_PHOTO_PIXELS", 64 * 48 - 1)
    path = tmp_path / "photo.png"
    saved(path)
    rejected(read_photo, path, "has 64 x 48 pixels")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no photo",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0",
        b"\xff\xd8\xff\xe0" + bytes(99),
    ],
)
def test_other_files_are_not_read_as_photos(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    rejected(read_photo, path, "not a readable photo")


def test_other_formats_are_rejected_whatever_their_name(tmp_path):
    path = tmp_path / "photo.jpg"
    saved(path, format="BMP")
    rejected(read_photo, path, "not a readable photo")


def test_a_truncated_photo_is_rejected(tmp_path):
    path = tmp_path / "photo.png"
    saved(path)
    path.write_bytes(path.read_bytes()[:2000])
    rejected(read_photo, path, "damaged or truncated")


def test_an_animation_is_rejected(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    rejected(read_photo, tmp_path / "moving.webp", "animated")


@pytest.mark.parametrize(
    ("limit", "read", "arguments"),
    [(MAX_PHOTO_BYTES, read_photo, ()), (MAX_TILE_BYTES, read_tile, (GairRSImageProcessor(),))],
)
def test_files_above_the_limit_are_not_opened(tmp_path, limit, read, arguments):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(limit + 1)
    rejected(read, path, "expected at most", *arguments)


def test_tiles_are_read(tif):
    tile = read_tile(tif, GairRSImageProcessor())
    np.testing.assert_array_equal(tile.pixels, made_pixels())
    assert (tile.bounds, tile.crs) == ((500000, 4999000, 501200, 5000000), "EPSG:32633")


def test_a_tile_without_names_needs_its_order(tmp_path):
    path = tmp_path / "unnamed.tif"
    write_tif(path, made_pixels())
    rejected(read_tile, path, "The tile has 10 bands without usable names", GairRSImageProcessor())
    tile = read_tile(str(path), GairRSImageProcessor(), "gair_10")
    np.testing.assert_array_equal(tile.pixels, made_pixels())


def test_a_giant_header_in_a_small_file_is_rejected(tmp_path):
    path = tmp_path / "giant.tif"
    size = {"width": 200_000, "height": 200_000, "count": 10, "dtype": "uint16", "tiled": True, "SPARSE_OK": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", BIGTIFF="YES", blockxsize=4096, blockysize=4096, **size):
            pass
    assert path.stat().st_size < MAX_TILE_BYTES
    rejected(read_tile, path, "200000 x 200000 pixels", GairRSImageProcessor())


def test_too_many_bands_are_rejected(tmp_path):
    path = tmp_path / "bands.tif"
    write_tif(path, np.ones((33, 8, 8), np.uint16))
    rejected(read_tile, path, "33 bands", GairRSImageProcessor())


def test_a_tile_that_would_fill_the_memory_is_rejected(tmp_path, monkeypatch):
    path = tmp_path / "tile.tif"
    write_tif(path, made_pixels(), names=GAIR_BANDS)
    monkeypatch.setattr("serving.uploads.MAX_TILE_DECODED_BYTES", 2 * 10 * 100 * 120 - 1)
    rejected(read_tile, path, "of memory", GairRSImageProcessor())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tile",
        b"<VRTDataset rasterXSize='1' rasterYSize='1'><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>",
        b"\x89PNG\r\n\x1a\n" + bytes(99),
    ],
)
def test_other_files_are_not_read_as_tiles(tmp_path, content):
    path = tmp_path / "tile.tif"
    path.write_bytes(content)
    rejected(read_tile, path, "not a GeoTIFF", GairRSImageProcessor())


@pytest.mark.parametrize("kept", [4, 8, 200, 5000])
def test_a_truncated_tile_is_rejected(tif, tmp_path, kept):
    with open(tif, "rb") as file:
        content = file.read(kept)
    path = tmp_path / "cut.tif"
    path.write_bytes(content)
    rejected(read_tile, path, "damaged or truncated", GairRSImageProcessor())


def test_unsuitable_data_types_are_rejected(tmp_path):
    path = tmp_path / "complex.tif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", width=8, height=8, count=10, dtype="complex_int16"):
            pass
    rejected(read_tile, path, "damaged or truncated|holds complex", GairRSImageProcessor(), "gair_10")


def test_no_file_beside_the_tile_is_read(tmp_path):
    path = tmp_path / "tile.tif"
    write_tif(path, made_pixels(), names=GAIR_BANDS, transform=None)
    (tmp_path / "tile.tfw").write_text("10\n0\n0\n-10\n500005\n4999995\n")
    (tmp_path / "tile.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:32633</SRS></PAMDataset>")
    with rasterio.open(path) as beside:
        assert beside.transform.a == 10 and beside.crs is not None
    tile = read_tile(str(path), GairRSImageProcessor())
    assert (tile.bounds, tile.crs) == (None, None)
