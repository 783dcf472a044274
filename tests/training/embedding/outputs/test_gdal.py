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
"""What GDAL makes of the files, and with it QGIS: their CRS, bounds, resolution, values and no-data."""

import _duckdb
import numpy as np
import pyogrio
import pytest
import shapely
import zarr

from tests.helpers.embeddings import clustered, write_folder
from tests.helpers.rasters import rasterio
from tests.training.embedding.outputs.conftest import block_of
from tests.training.embedding.outputs.test_zarr_map import written
from training.embedding.outputs.cog_map import cog_name, scales_name, write_cog_block

LON_LAT = np.array([[9.0, 47.0], [9.5, 47.5], [179.5, -10.0], [-60.0, 3.25]])
# The first GDAL that reads version 3 of Zarr as it is specified.
_LEAST_FOR_ZARR = (3, 12)


def read_by_gdal(path, **options):
    """A file of GeoParquet by GDAL's own driver, or by its driver for databases and DuckDB where wheels lack that."""
    drivers = pyogrio.list_drivers()
    if "Parquet" in drivers:
        return pyogrio.read_info(path), pyogrio.read_dataframe(path, use_arrow=True, **options)
    if "ADBC" not in drivers:
        pytest.skip("this GDAL has neither of the drivers Parquet and ADBC, which read GeoParquet")
    database = {"ADBC_DRIVER": _duckdb.__file__}
    return pyogrio.read_info(f"ADBC:{path}", **database), pyogrio.read_dataframe(
        f"ADBC:{path}", **database, use_arrow=True, **options
    )


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_rows_lie_where_they_should(tmp_path, dtype):
    vectors = clustered(4, 16)
    folder = write_folder(tmp_path, vectors, LON_LAT, dtype=dtype, columns={"people": [1, 2, 3, 4]})
    about, frame = read_by_gdal(folder / "embeddings" / "00000.parquet")
    assert about["crs"] in ("EPSG:4326", "OGC:CRS84") and about["features"] == 4
    np.testing.assert_array_equal(np.stack([frame.geometry.x, frame.geometry.y], axis=1), LON_LAT)
    np.testing.assert_array_equal(frame.people, [1, 2, 3, 4])
    found = np.stack(frame.embedding) * (frame.embedding_scale.to_numpy()[:, None] if dtype == "int8" else 1)
    np.testing.assert_allclose(found, vectors, atol=0.05 if dtype == "int8" else 0)
    assert (frame.valid_fraction.isna()).all() and frame.source.tolist() == ["made"] * 4


def test_footprints_are_polygons_that_boxes_select(tmp_path):
    shapes = [shapely.box(lon - 0.1, lat - 0.1, lon + 0.1, lat + 0.1) for lon, lat in LON_LAT]
    folder = write_folder(tmp_path, clustered(4, 16), LON_LAT, geometry=shapes)
    file = folder / "embeddings" / "00000.parquet"
    _, frame = read_by_gdal(file)
    assert shapely.equals(frame.geometry.to_numpy(), shapes).all()
    _, chosen = read_by_gdal(file, bbox=(-61.0, 3.0, 9.2, 47.05))
    assert sorted(chosen.id) == ["row-0", "row-3"]


@pytest.mark.parametrize(("dtype", "no_data"), [("float32", np.nan), ("int8", -128)])
def test_a_map_lies_where_it_should(tmp_path, plan, values, dtype, no_data):
    for rank in range(plan.tasks):
        write_cog_block(tmp_path, plan, rank, block_of(values, plan, rank), dtype)
    corners = []
    for rank in range(plan.tasks):
        top, left, height, width = plan.block_at(rank)
        with rasterio.open(tmp_path / cog_name(plan, rank)) as dataset:
            west, north = 500_000 + 10 * left, 5_000_000 - 10 * top
            assert dataset.driver == "GTiff" and dataset.crs.to_epsg() == 32633 and dataset.res == (10, 10)
            assert dataset.bounds == (west, north - 10 * height, west + 10 * width, north)
            assert dataset.count == plan.dimension and dataset.dtypes == (dtype,) * plan.dimension
            np.testing.assert_array_equal(dataset.nodatavals, [no_data] * plan.dimension)
            # The mask is what QGIS draws as transparent.
            missing = np.isnan(block_of(values, plan, rank)).any(axis=2)
            np.testing.assert_array_equal(dataset.read_masks(1) == 0, missing)
            corners.append(dataset.bounds)
        if dtype == "int8":
            with rasterio.open(tmp_path / scales_name(plan, rank)) as scales:
                assert scales.bounds == corners[-1] and scales.crs.to_epsg() == 32633
    west, south, east, north = np.array(corners).T
    assert (west.min(), south.min(), east.max(), north.max()) == (500_000, 4_997_000, 503_300, 5_000_000)


def test_a_store_lies_where_it_should(tmp_path, plan, values):
    """
    GDAL up to 3.12 reads no shards, so the arrays are copied without them, with the attributes and dimensions as they are, by which
    it finds CRS and bounds.
    """
    if tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) < _LEAST_FOR_ZARR:
        pytest.skip(f"GDAL {rasterio.__gdal_version__} reads version 3 of Zarr as it was before it was specified")
    store = zarr.open_group(written(tmp_path, plan, values, "float32"), mode="r")
    flat = zarr.open_group(tmp_path / "flat.zarr", mode="w", zarr_format=3)
    flat.attrs.update(dict(store.attrs))
    for name, array in store.arrays():
        copy = flat.create_array(name, shape=array.shape, chunks=array.chunks, dtype=array.dtype, fill_value=array.fill_value,
                                 dimension_names=array.metadata.dimension_names)  # fmt: skip
        copy[...] = array[...]
        copy.attrs.update(dict(array.attrs))
    with rasterio.open(f'ZARR:"{tmp_path / "flat.zarr"}":/embeddings') as dataset:
        assert dataset.crs.to_epsg() == 32633 and dataset.res == (10, 10) and np.isnan(dataset.nodata)
        assert dataset.bounds == (500_000, 4_997_000, 503_300, 5_000_000) and dataset.count == plan.dimension
        np.testing.assert_array_equal(dataset.read().transpose(1, 2, 0), values)
