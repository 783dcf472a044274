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
"""Plans of dense maps."""

import json

import numpy as np
import pytest

from modeling_gair.bands_gair import GAIR_BANDS
from modeling_gair.crs_gair import ground_size_m
from tests.helpers.rasters import made_pixels, made_scene, write_tif
from training.embedding.inputs.raster import RasterSource
from training.embedding.maps.plan import MapPlan, block_size, plan_map


def planned(path, processor, window_m=1920.0, resolution_m=40.0, **source):
    return plan_map(RasterSource(str(path), **source), processor, window_m, resolution_m, 96)


def test_windows_and_cells_have_the_size_asked_for(scene, small_processor):
    plan = planned(scene, small_processor)
    assert (plan.cell, plan.window, plan.shape) == ((4, 4), (48, 48), (75, 83))
    assert plan.pixels_of(27, 35) == (140, 108, 332, 300)
    assert plan.cells.bounds(0, 0, *plan.shape) == (500000, 4997000, 503320, 5000000)


def test_every_cell_belongs_to_one_block(scene, small_processor):
    plan = planned(scene, small_processor)
    plan = MapPlan.from_json({**plan.to_json(), "block": 32})
    count = np.zeros(plan.shape, int)
    for rank in range(plan.tasks):
        top, left, height, width = plan.block_at(rank)
        count[top : top + height, left : left + width] += 1
    assert plan.tasks == 9
    assert (count == 1).all()


def test_a_plan_survives_json(scene, small_processor):
    plan = planned(scene, small_processor, crs="EPSG:32634")
    assert MapPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_raster_in_degrees_keeps_its_grid_with_cells_that_are_square_on_the_ground(tmp_path, small_processor):
    # At 60° N, a degree of longitude is half as long as one of latitude.
    step = 10 / 111_400
    path = write_tif(
        tmp_path / "d.tif",
        made_pixels(10, 300, 300),
        transform=(2 * step, 0, 10, 0, -step, 60),
        crs="EPSG:4326",
        names=GAIR_BANDS,
    )
    plan = planned(path, small_processor)
    assert plan.cell == (4, 4) and plan.grid.crs == "EPSG:4326"
    path = write_tif(
        tmp_path / "e.tif",
        made_pixels(10, 300, 600),
        transform=(step, 0, 10, 0, -step, 60),
        crs="EPSG:4326",
        names=GAIR_BANDS,
    )
    plan = planned(path, small_processor)
    assert plan.cell == (8, 4) and plan.window == (48, 48)
    left, top, right, bottom = plan.pixels_of(0, 0)
    width, height = ground_size_m(plan.grid.bounds(top, left, bottom - top, right - left), "EPSG:4326")
    assert width == pytest.approx(1920, rel=0.01) and height == pytest.approx(1920, rel=0.01)


def test_a_raster_whose_windows_would_differ_in_size_is_refused_unless_it_is_warped(tmp_path, small_processor):
    # From 50° to 65° N, the width of a degree changes by a third. Sparse: only the header and blocks of zeros are stored.
    step = 0.01
    path = write_tif(
        tmp_path / "d.tif",
        np.zeros((10, 1500, 300), np.uint16),
        transform=(step, 0, 10, 0, -step, 65),
        crs="EPSG:4326",
        names=GAIR_BANDS,
    )
    with pytest.raises(
        ValueError, match=r"A cell of 1000 m would measure .* to a tenth; pass --crs EPSG:32632, to which"
    ):
        planned(path, small_processor, window_m=4000.0, resolution_m=1000.0)
    plan = planned(path, small_processor, window_m=3400.0, resolution_m=850.0, crs="EPSG:32632")
    assert plan.grid.crs == "EPSG:32632"


@pytest.mark.parametrize(
    ("window_m", "resolution_m", "message"),
    [
        (
            1920,
            25,
            r"A cell of 25 m would measure 20\.01 to 20\.01 m in .*; pass a multiple of a pixel's 10 m as --resolution_m, such as 20 or 30",
        ),
        (1920, 4, r"A cell of 4 m would measure 10 .*; pass at least the 10 m of a pixel as --resolution_m"),
        (
            1920,
            1500,
            r"A window of 1920 m would measure 30\d\d .*; pass a --window_m that is an even multiple of --resolution_m 1500",
        ),
        (9600, 40, r"measures .* expected sides of 500 to 5000 m"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(scene, small_processor, window_m, resolution_m, message):
    with pytest.raises(ValueError, match=message):
        planned(scene, small_processor, window_m, resolution_m)


def test_a_raster_that_cannot_be_embedded_is_refused_before_the_work(tmp_path, small_processor):
    path = write_tif(tmp_path / "t.tif", made_scene(200, 200))
    with pytest.raises(ValueError, match="without usable names"):
        planned(path, small_processor)
    assert planned(path, small_processor, bands="gair_10").shape == (50, 50)
    path = write_tif(tmp_path / "n.tif", made_scene(200, 200), transform=None, names=GAIR_BANDS)
    with pytest.raises(ValueError, match=r"n\.tif is not georeferenced, so that its pixels have no size"):
        planned(path, small_processor)
    path = write_tif(tmp_path / "b.tif", made_scene(200, 200)[:3], names=GAIR_BANDS[:3])
    with pytest.raises(ValueError, match=r"b\.tif lacks B05"):
        planned(path, small_processor)


def test_a_raster_without_data_in_most_places_is_accepted(tmp_path, small_processor):
    pixels = np.zeros((10, 400, 400), np.uint16)
    pixels[:, :50, :50] = made_pixels(10, 50, 50)
    assert planned(write_tif(tmp_path / "t.tif", pixels, names=GAIR_BANDS), small_processor).shape == (100, 100)


@pytest.mark.parametrize(
    ("dimension", "block"), [(96, 1024), (192, 1024), (384, 768), (768, 512), (1024, 512), (4096, 256)]
)
def test_blocks_fit_into_memory(dimension, block):
    assert block_size(dimension) == block
