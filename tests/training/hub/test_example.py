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
"""The example published with every model."""

import numpy as np
import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from modeling_gair import GairRSImageProcessor
from training.hub.example import LAT, LON, write_example
from training.world.places import split_of
from training.world.settings import WorldSettings
from training.world.tiles import BANDS


def test_the_example_is_held_out_and_both_tile_files_read_the_same(tmp_path):
    write_example(tmp_path / "example")
    assert split_of(WorldSettings(), LON, LAT) == "test"
    with np.load(tmp_path / "example" / "tile.npz", allow_pickle=False) as file:
        example = {name: file[name] for name in file}
    assert list(example) == ["pixels", "bands", "bounds", "crs"]
    assert example["pixels"].dtype == np.uint16 and tuple(example["bands"]) == BANDS
    west, south, east, north = example["bounds"]
    assert west < LON < east and south < LAT < north and str(example["crs"]) == "EPSG:4326"
    tile = GairRSImageProcessor().read(str(tmp_path / "example" / "tile.tif"))
    np.testing.assert_array_equal(tile.pixels, example["pixels"])
    np.testing.assert_allclose(tile.bounds, example["bounds"], rtol=0, atol=1e-9)
