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
"""Dense maps of a raster."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modeling_gair.bands_gair import GAIR_BANDS
from tests.helpers.rasters import made_scene, write_tif
from training.embedding.inputs.raster import RasterSource
from training.embedding.maps.dense import embed_block
from training.embedding.maps.plan import plan_map


def planned(path, processor, window_m=960.0, resolution_m=40.0, **source):
    return plan_map(RasterSource(str(path), **source), processor, window_m, resolution_m, 16)


def whole(model, processor, plan):
    """The map put together from its blocks, and the blocks."""
    values = np.full((*plan.shape, plan.dimension), np.inf, np.float32)
    blocks = [embed_block(model, processor, plan, rank) for rank in range(plan.tasks)]
    for rank, block in enumerate(blocks):
        top, left, height, width = plan.block_at(rank)
        values[top : top + height, left : left + width] = block.values
    return values, blocks


def side_by_side(model, processor, plan):
    """The map without overlap: each cell from one window, as simple programs compute it."""
    rows, columns = plan.window[1], plan.window[0]
    values = np.empty(
        (plan.rows.cells // rows * rows, plan.columns.cells // columns * columns, plan.dimension), np.float32
    )
    for row in range(0, values.shape[0], rows):
        for column in range(0, values.shape[1], columns):
            tile = processor.image_processor.read(plan.source.path, window=plan.pixels_of(row, column))
            with torch.no_grad():
                one = model.get_rs_feature_map(processor.image_processor.prepare([tile.pixels]), (rows, columns))[0]
            values[row : row + rows, column : column + columns] = one.permute(1, 2, 0).numpy()
    return values


def seam(values, period):
    """The jump between neighbouring columns where windows begin or end, over the jump elsewhere."""
    jumps = np.abs(np.diff(values, axis=1)).mean(axis=(0, 2))
    border = np.arange(1, len(jumps) + 1) % period == 0
    return jumps[border].mean() / jumps[~border].mean()


def test_windows_leave_no_seams(small_model, small_processor, scene):
    plan = planned(scene, small_processor)
    values, _ = whole(small_model, small_processor, plan)
    assert np.isfinite(values[:-1, :-1]).all()
    assert seam(values[:, :-1], plan.window[0] // 2) < 1.1
    # The measure sees the seams of windows that do not overlap.
    assert seam(side_by_side(small_model, small_processor, plan), plan.window[0]) > 1.5


def test_any_cut_gives_the_same_map_bit_by_bit(small_model, small_processor, scene):
    plan = planned(scene, small_processor)
    first, _ = whole(small_model, small_processor, plan)
    second, blocks = whole(small_model, small_processor, replace(plan, block=32))
    assert len(blocks) == 9
    np.testing.assert_array_equal(first, second)


def test_a_raster_of_one_window_is_its_feature_map(small_model, small_processor, tmp_path):
    path = write_tif(tmp_path / "t.tif", made_scene(96, 96), names=GAIR_BANDS)
    plan = planned(path, small_processor)
    np.testing.assert_allclose(
        embed_block(small_model, small_processor, plan, 0).values,
        side_by_side(small_model, small_processor, plan),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_raster_smaller_than_a_window_is_embedded(small_model, small_processor, tmp_path):
    path = write_tif(tmp_path / "t.tif", made_scene(60, 70), names=GAIR_BANDS)
    block = embed_block(small_model, small_processor, planned(path, small_processor), 0)
    # 70 pixels are 17 cells and a half.
    assert block.values.shape == (15, 18, 16) and np.isfinite(block.values).all()


def test_the_grid_depends_on_the_raster_not_on_its_orientation(small_model, small_processor, tmp_path, scene):
    plan = planned(scene, small_processor)
    flipped = write_tif(
        tmp_path / "south_up.tif",
        made_scene(300, 330)[:, ::-1],
        transform=(10, 0, 500000, 0, 10, 4997000),
        names=GAIR_BANDS,
    )
    np.testing.assert_array_equal(
        embed_block(small_model, small_processor, plan, 0).values,
        embed_block(small_model, small_processor, planned(flipped, small_processor), 0).values,
    )


def test_cells_without_data_are_nan_and_windows_without_data_are_counted(small_model, small_processor, tmp_path):
    pixels = made_scene(192, 384)
    pixels[:, :, 200:] = 0
    plan = planned(write_tif(tmp_path / "t.tif", pixels, names=GAIR_BANDS), small_processor)
    block = embed_block(small_model, small_processor, plan, 0)
    absent = np.isnan(block.values).all(axis=2)
    expected = np.zeros(plan.shape, bool)
    expected[:, 50:] = True
    np.testing.assert_array_equal(absent, expected)
    assert (block.windows, block.empty, block.refused) == (3 * 7, 3 * 2, [])


def test_a_window_that_is_refused_is_named_and_its_neighbours_fill_in(small_model, small_processor, tmp_path):
    pixels = made_scene(192, 384)
    # Values beyond any reflectance in a twentieth of a window's pixels.
    pixels[:, 70:90, 30:55] = np.random.default_rng(0).integers(40000, 60000, (10, 20, 25))
    plan = planned(write_tif(tmp_path / "t.tif", pixels, names=GAIR_BANDS), small_processor)
    block = embed_block(small_model, small_processor, plan, 0)
    assert {one.window for one in block.refused} == {
        (0, 0, 96, 96),
        (0, 48, 96, 144),
        (48, 0, 144, 96),
        (48, 48, 144, 144),
    }
    assert "expected -2000 to 30000" in block.refused[0].reason
    absent = np.isnan(block.values).all(axis=2)
    assert absent[12:24, :12].all() and not absent[:, 36:].any()


def test_a_map_that_is_not_finite_is_refused(small_model, small_processor, scene, monkeypatch):
    monkeypatch.setattr(
        type(small_model),
        "feature_map",
        lambda self, tiles, size: torch.full((len(tiles.pooler_output), 16, *size), torch.inf),
    )
    with pytest.raises(ValueError, match=r"is not finite at cell 0, 0, expected numbers"):
        embed_block(small_model, small_processor, planned(scene, small_processor), 0)


def test_a_raster_is_warped_to_another_crs_while_it_is_read(small_model, small_processor, scene):
    plan = planned(scene, small_processor, crs="EPSG:32632")
    assert plan.grid.crs == "EPSG:32632" and plan.grid.step_x == 10
    # The edges are multiples of the pixel's size.
    assert plan.grid.west % 10 == 0 and plan.grid.north % 10 == 0
    block = embed_block(small_model, small_processor, plan, 0)
    share = np.isfinite(block.values).all(axis=2).mean()
    assert 0.7 < share < 1
