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
"""Small GeoTIFFs for tests."""

import warnings

import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio", reason="GeoTIFFs need the extra geo")


def write_tif(path, pixels, *, transform=(10, 0, 500000, 0, -10, 5000000), crs="EPSG:32633", names=None, **profile):
    """Write pixels `(C, H, W)` as a GeoTIFF; without georeferencing if `transform` is None."""
    options = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
    where = {} if transform is None else {"transform": rasterio.Affine(*transform), "crs": crs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = rasterio.open(path, "w", driver="GTiff", **options, **where, **profile)
    with file:
        file.write(pixels)
        for index, name in enumerate(names or ()):
            file.set_band_description(index + 1, name)
    return path


def made_pixels(bands=10, height=100, width=120):
    """Random reflectances as digital numbers `(bands, height, width)`, always the same."""
    return np.random.default_rng(0).integers(1, 4000, (bands, height, width)).astype(np.uint16)


def made_scene(height, width, bands=10, cell=24):
    """A landscape of smooth hills of about `cell` pixels with noise, as digital numbers `(bands, height, width)`, always the same."""
    random = np.random.default_rng(0)
    coarse = random.uniform(300, 3500, (bands, height // cell + 2, width // cell + 2))
    rows, columns = (np.linspace(0, side / cell, side, endpoint=False) for side in (height, width))
    scene = _blended(_blended(coarse, rows, 1), columns, 2)
    return (scene + random.normal(0, 60, scene.shape)).clip(1, 8000).astype(np.uint16)


def _blended(values, places, axis):
    """Values along an axis at fractional places, interpolated linearly."""
    first = places.astype(int)
    share = np.expand_dims(places - first, tuple({0, 1, 2} - {axis}))
    return values.take(first, axis) * (1 - share) + values.take(first + 1, axis) * share
