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
"""Tiles of any type, no-data, mask, band names and CRS against a plain statement of the rules."""

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="the extra test is not installed")
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling_gair import BAND_ORDERS, GairRSImageProcessor
from modeling_gair.image_processing_gair_rs import GAIR_BANDS
from tests.helpers.rasters import rasterio, write_tif

# The same examples on every run and every machine.
quick = settings(derandomize=True, deadline=None, max_examples=60, database=None)

SIDE = 60
L2A = BAND_ORDERS["sentinel2_l2a_12"]
FILL = {
    "uint16": [65535, 40000],
    "int16": [-9999, -32768, 32767],
    "int32": [-9999, 2**31 - 1],
    "float32": [-9999, np.nan, -3.4e38, 1e20],
}
NAMES = {
    "canonical": list(L2A),
    "short": [name.replace("B0", "B") for name in L2A],
    "assets": ["coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22"],
    "counted": [f"b{number}" for number in range(1, 13)],
    "none": None,
}  # fmt: skip
# Corners of tiles of 600 m in Europe.
PLACES = {"EPSG:32633": (500000, 5000600, 10), "EPSG:3857": (1.5e6, 6e6, 20), "EPSG:4326": (13.0, 52.0, 2e-4)}
PLACES["EPSG:3035"] = (4321000, 3210600, 10)


@st.composite
def tiles(draw):
    """A raster to write, the mask of its pixels without data, and the selected bands where there are data."""
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    dtype = draw(st.sampled_from(sorted(FILL)))
    values = generator.integers(100, 12000, (12, SIDE, SIDE)).astype(dtype)
    missing = np.zeros((SIDE, SIDE), bool)
    nodata = draw(st.sampled_from([None, 0, *FILL[dtype]]))
    for value in draw(st.lists(st.sampled_from(FILL[dtype]), max_size=2)):
        # A fill value in one of the bands that the model takes.
        where = generator.random((SIDE, SIDE)) < draw(st.sampled_from([0.002, 0.3]))
        values[L2A.index(draw(st.sampled_from(GAIR_BANDS))), where] = value
        missing |= where
    if draw(st.booleans()):
        empty = generator.random((SIDE, SIDE)) < 0.2
        values[:, empty] = 0
        missing |= empty
    # Zeros in one band are data, also where 0 is declared.
    values[L2A.index("B04"), ~missing & (generator.random((SIDE, SIDE)) < 0.1)] = 0
    return values, missing, nodata


@quick
@given(
    tiles(),
    st.sampled_from(["none", "internal", "beside", "alpha"]),
    st.sampled_from(sorted(NAMES)),
    st.sampled_from(sorted(PLACES)),
    st.booleans(),
)
def test_every_combination_is_read_by_the_rules(tmp_path_factory, made, mask, names, crs, south_up):
    values, missing, nodata = made
    masked = np.zeros((SIDE, SIDE), bool)
    if mask != "none":
        masked[5:25, 10:50] = True
    path = _write(
        tmp_path_factory.mktemp("tile") / "tile.tif", values, nodata, mask, masked, NAMES[names], crs, south_up
    )
    bands = "sentinel2_l2a_12" if names in ("counted", "none") else None
    tile = GairRSImageProcessor(allow_any_scale=True).read(path, bands=bands)

    expected = missing | masked
    assert tile.valid_fraction == pytest.approx(1 - expected.mean())
    kept = values[[L2A.index(name) for name in GAIR_BANDS]]
    np.testing.assert_array_equal(tile.pixels[:, ~expected], kept[:, ~expected])
    assert tile.pixels.dtype == values.dtype and tile.crs == crs
    if expected.any():
        means = [GairRSImageProcessor().band_mean[name] for name in GAIR_BANDS]
        np.testing.assert_allclose(tile.pixels[:, expected].T, np.tile(means, (expected.sum(), 1)), atol=0.51)


def _write(path, values, nodata, mask, masked, names, crs, south_up):
    west, north, step = PLACES[crs]
    transform = (step, 0, west, 0, -step, north)
    if south_up:
        values, masked = values[:, ::-1], masked[::-1]
        transform = (step, 0, west, 0, step, north - SIDE * step)
    if mask == "alpha":
        values = np.concatenate([values, (~masked[None]).astype(values.dtype)])
        names = None if names is None else [*names, "alpha"]
    write_tif(path, values, transform=transform, crs=crs, names=names, nodata=nodata)
    kinds = rasterio.enums.ColorInterp
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=mask == "internal"), rasterio.open(path, "r+") as file:
        if mask in ("internal", "beside"):
            file.write_mask(~masked)
        if mask == "alpha":
            file.colorinterp = [kinds.gray] + [kinds.undefined] * (file.count - 2) + [kinds.alpha]
    return path


@quick
@given(st.floats(0.02, 0.9), st.floats(0, 0.3), st.sampled_from(["uint16", "float32"]), st.integers(0, 999))
def test_units_are_told_apart_whatever_a_few_pixels_hold(level, spread, dtype, seed):
    generator = np.random.default_rng(seed)
    reflectance = level * (1 + spread * generator.standard_normal((10, SIDE, SIDE)).clip(-2, 2))
    # A tenth of the pixels are glint, shadow or cloud.
    odd = generator.random((SIDE, SIDE)) < 0.1
    reflectance[:, odd] = generator.uniform(0.0005, 2.5, (10, odd.sum()))
    numbers = (reflectance * 10_000).astype(dtype)
    assert GairRSImageProcessor().read(numbers, bands="gair_10").valid_fraction == 1
    assert GairRSImageProcessor(units="reflectance").read(reflectance, bands="gair_10").valid_fraction == 1
    for values, units in (
        (reflectance, "digital_number"),
        (numbers, "reflectance"),
        (reflectance * 100, "reflectance"),
    ):
        with pytest.raises(ValueError, match=r"looks like|stands for a reflectance|values such as"):
            GairRSImageProcessor(units=units).read(values, bands="gair_10")
