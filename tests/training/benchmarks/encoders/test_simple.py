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
"""Encoders without training."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.image_layouts import local_task
from training.benchmarks.encoders.encoder import PhotoSample, TileFormat, TileSample
from training.benchmarks.encoders.simple import BandStatistics, ColourStatistics, PixelWindows, SinCosEncoder
from training.benchmarks.layouts.registry import open_images

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


def test_sines_and_cosines_of_lon_and_lat():
    np.testing.assert_allclose(SinCosEncoder().embed_locations(np.array([[90.0, 0.0]])), [[0, 1, 1, 0]], atol=1e-12)


def test_simple_features(folders):
    data = open_images(local_task("eurosat", folders["eurosat"]))
    bands = BandStatistics()
    tiles = [bands.read_tile(data.splits["train"][0].sources[0], data.tile_format)]
    assert bands.embed_tiles(tiles, data.tile_format).shape == (1, 70)
    colours = ColourStatistics()
    photos = [colours.read_photo(_photo(value)) for value in (0, 255)]
    dark, bright = colours.embed_photos(photos)
    assert dark.shape == (21,) and (bright[[0, 7, 14]] > dark[[0, 7, 14]]).all()
    assert np.allclose(dark[[1, 8, 15]], 0, atol=1e-5)


def test_windows_of_pixels_are_those_about_each_pixel():
    draws = np.random.default_rng(0)
    numbers = draws.integers(200, 3000, (10, 24, 24)).astype(np.uint16)
    own = TileFormat(BANDS, allow_any_scale=True)
    windows = PixelWindows(5)
    found = windows.readings([windows.read_tile(TileSample("a", numbers), own)], own, (24, 24))
    assert {name: tuple(maps.shape) for name, maps in found.items()} == {
        "window_1x1": (1, 10, 24, 24),
        "window_5x5": (1, 250, 24, 24),
    }
    pixels = found["window_1x1"][0]
    # The processor scales each band on its own, and clips it.
    for own_band, numbers_band in zip(pixels.numpy(), numbers):
        kept = (own_band > 0) & (own_band < 1)
        assert np.corrcoef(own_band[kept], numbers_band[kept])[0, 1] == pytest.approx(1, abs=1e-4)
    window = found["window_5x5"][0].unflatten(0, (10, 5, 5))
    np.testing.assert_array_equal(window[:, :, :, 10, 13], pixels[:, 8:13, 11:16])
    # The border is replicated.
    np.testing.assert_array_equal(window[:, 0, 0, 0, 0], pixels[:, 0, 0])
    np.testing.assert_array_equal(window[:, :, 4, 23, 23], pixels[:, [21, 22, 23, 23, 23], 23])
    assert windows.readings([numbers], own, (48, 48))["window_5x5"].shape == (1, 250, 48, 48)


def _photo(value: int) -> PhotoSample:
    return PhotoSample(str(value), Image.new("RGB", (32, 24), (value, value, value)))


def test_real_patches_are_read_by_declared_bands(data_dir, encoder):
    """Three real Sentinel-2 patches whose files do not name their bands."""
    tile_format = TileFormat(("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"))
    paths = sorted((data_dir / "sentinel2").glob("patch_*.tif"))
    tiles = [encoder.read_tile(TileSample(path.stem, path), tile_format) for path in paths]
    assert len(tiles) == 3 and all(tile.shape == (10, 256, 256) for tile in tiles)
    features = BandStatistics().embed_tiles(tiles, tile_format)
    assert np.isfinite(features).all() and len(np.unique(features[:, 0])) == 3
