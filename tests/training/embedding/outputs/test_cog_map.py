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
"""Maps as cloud-optimised GeoTIFFs."""

import numpy as np
import pytest

from tests.helpers.rasters import rasterio
from tests.training.embedding.outputs.conftest import block_of
from training.embedding.outputs.cog_map import cog_name, expected_interleaving, scales_name, write_cog_block


def test_rasterio_reads_floats_with_places(tmp_path, plan, values):
    for rank in range(4):
        write_cog_block(tmp_path, plan, rank, block_of(values, plan, rank), "float32")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "000000_000000.tif", "000000_000256.tif", "000256_000000.tif", "000256_000256.tif"
    ]  # fmt: skip
    with rasterio.open(tmp_path / cog_name(plan, 1)) as dataset:
        assert dataset.crs.to_epsg() == 32633 and dataset.transform.to_gdal() == (502560, 10, 0, 5000000, 0, -10)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.profile["interleave"] == expected_interleaving(16)
        assert dataset.descriptions[:2] == ("embedding 0", "embedding 1") and np.isnan(dataset.nodata)
        np.testing.assert_array_equal(dataset.read(), block_of(values, plan, 1).transpose(2, 0, 1))
        here = next(dataset.sample([(502565, 4999975)]))
        np.testing.assert_array_equal(here, values[2, 256])


def test_int8_has_its_scales_in_a_second_file(tmp_path, plan, values):
    write_cog_block(tmp_path, plan, 2, block_of(values, plan, 2), "int8")
    with rasterio.open(tmp_path / cog_name(plan, 2)) as one, rasterio.open(tmp_path / scales_name(plan, 2)) as other:
        assert one.nodata == -128 and one.dtypes[0] == "int8" and one.bounds == other.bounds
        found = np.where(one.read() == -128, np.nan, one.read() * other.read()).transpose(1, 2, 0)
    expected = block_of(values, plan, 2)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 0.02


def test_a_block_without_data_is_not_written(tmp_path, plan, values):
    write_cog_block(tmp_path, plan, 0, np.full_like(block_of(values, plan, 0), np.nan), "float32")
    assert not list(tmp_path.iterdir())


def test_float16_is_refused(tmp_path, plan, values):
    with pytest.raises(ValueError, match="dtype is 'float16', of which no GeoTIFFs are written"):
        write_cog_block(tmp_path, plan, 0, block_of(values, plan, 0), "float16")
