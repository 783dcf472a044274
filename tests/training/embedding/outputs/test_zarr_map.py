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
"""Maps as Zarr."""

import json

import numpy as np
import pytest
import xarray as xr
import zarr

from tests.training.embedding.outputs.conftest import block_of
from training.embedding.outputs.zarr_map import create_zarr, write_zarr_block

MODEL = "https://huggingface.co/org/model"


def written(folder, plan, values, dtype, ranks=range(4)):
    path = folder / "map.zarr"
    create_zarr(path, plan, dtype, MODEL, ["S2B_MSIL2A_20260601"])
    for rank in ranks:
        write_zarr_block(path, plan, rank, block_of(values, plan, rank), dtype)
    return path


def contents(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_xarray_reads_floats_with_places(tmp_path, plan, values, dtype):
    data = xr.open_zarr(written(tmp_path, plan, values, dtype), consolidated=False)
    assert data.embeddings.dims == ("embedding", "y", "x") and data.embeddings.dtype == dtype
    np.testing.assert_array_equal(data.embeddings.transpose("y", "x", "embedding"), values.astype(dtype))
    # The centres of the cells; the first row is the northernmost.
    assert (data.x[0], data.x[1], data.y[0], data.y[1]) == (500005, 500015, 4999995, 4999985)
    assert data.spatial_ref.attrs["crs_wkt"].startswith("PROJCRS")
    here = data.embeddings.sel(x=501234, y=4998766, method="nearest")
    np.testing.assert_array_equal(here, values[123, 123].astype(dtype))


def test_xarray_reads_int8_and_its_scales(tmp_path, plan, values):
    data = xr.open_zarr(written(tmp_path, plan, values, "int8"), consolidated=False)
    found = (data.embeddings * data.scales).transpose("y", "x", "embedding").to_numpy()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    present = ~np.isnan(values).any(axis=2)
    one, other = found[present], values[present]
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosines.min() > 0.9998
    raw = zarr.open_array(tmp_path / "map.zarr" / "embeddings", mode="r")[:]
    assert raw.dtype == np.int8 and (raw[:, ~present] == -128).all() and raw.max() == 127


def test_attributes_follow_the_conventions(tmp_path, plan, values):
    path = written(tmp_path, plan, values, "int8", ranks=[])
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    assert [one["name"] for one in attributes["zarr_conventions"]] == ["geoemb:", "proj:", "spatial:"]
    assert attributes["geoemb:type"] == "pixel" and attributes["geoemb:dimensions"] == 16
    assert attributes["geoemb:model"] == MODEL and attributes["geoemb:source_data"] == ["S2B_MSIL2A_20260601"]
    assert attributes["geoemb:data_type"] == "int8" and attributes["geoemb:gsd"] == pytest.approx(10, rel=0.001)
    assert attributes["geoemb:quantization"]["scale"] == {"type": "array", "array_name": "scales", "nodata": -128}
    assert attributes["proj:code"] == "EPSG:32633" and attributes["proj:wkt2"].startswith("PROJCRS")
    assert attributes["spatial:dimensions"] == ["y", "x"] and attributes["spatial:shape"] == [300, 330]
    assert attributes["spatial:transform"] == [10, 0, 500000, 0, -10, 5000000]
    assert attributes["spatial:bbox"] == [500000, 4997000, 503300, 5000000]


def test_chunks_are_small_and_lie_in_shards(tmp_path, plan, values):
    path = written(tmp_path, plan, values, "int8")
    array = zarr.open_array(path / "embeddings", mode="r")
    assert (array.chunks, array.shards) == ((16, 32, 32), (16, 256, 256))
    for name, prefix in (("embeddings", "0/"), ("scales", "")):
        folder = path / name / "c"
        files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        assert files == [f"{prefix}{row}/{column}" for row in range(2) for column in range(2)]


def test_a_task_that_was_killed_is_repeated_to_the_same_bytes(tmp_path, plan, values):
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    whole = written(tmp_path / "one", plan, values, "int8")
    again = written(tmp_path / "two", plan, values, "int8", ranks=[0, 1])
    # Killed while shard 0/1/0 was written, after 0/0/0 had been spoilt.
    (again / "embeddings" / "c" / "0" / "1").mkdir(parents=True)
    (again / "embeddings" / "c" / "0" / "1" / "0.0123abcd.partial").write_bytes(b"half a shard")
    written(tmp_path / "two", plan, values, "int8", ranks=[2, 3, 0])
    assert contents(again) == contents(whole)


def test_a_shard_without_data_is_not_stored(tmp_path, plan, values):
    path = tmp_path / "map.zarr"
    create_zarr(path, plan, "float32", MODEL, [])
    write_zarr_block(path, plan, 0, np.full_like(block_of(values, plan, 0), np.nan), "float32")
    assert not (path / "embeddings" / "c").exists()
    assert np.isnan(zarr.open_array(path / "embeddings", mode="r")[:, :4, :4]).all()


def test_infinite_embeddings_are_not_written(tmp_path, plan, values):
    path = written(tmp_path, plan, values, "float32", ranks=[])
    block = block_of(values, plan, 0).copy()
    block[3, 4, 5] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        write_zarr_block(path, plan, 0, block, "float32")
