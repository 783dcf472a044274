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
"""The blending of overlapping maps."""

import numpy as np
import torch

from training.embedding.maps.axis import Axis, hann
from training.embedding.maps.blending import Blender

ROWS, COLUMNS = Axis(31, 8), Axis(43, 12)
SIZE = ROWS.window, COLUMNS.window


def blended(maps, top=0, left=0, height=ROWS.cells, width=COLUMNS.cells, valid=None):
    """The part of the map that is blended from windows `{(row, column): (h, w, D)}`."""
    blender = Blender(top, left, height, width, SIZE, 3)
    for row in ROWS.touching(top, top + height):
        for column in COLUMNS.touching(left, left + width):
            if (row, column) in maps:
                blender.add(maps[row, column], row, column, (valid or {}).get((row, column)))
    return blender.result()


def drawn_maps():
    generator = torch.Generator().manual_seed(0)
    return {
        (row, column): torch.randn(*SIZE, 3, generator=generator) for row in ROWS.starts for column in COLUMNS.starts
    }


def test_the_mean_is_the_weighted_one_everywhere():
    maps = drawn_maps()
    total, weights = np.zeros((ROWS.cells, COLUMNS.cells, 3)), np.zeros((ROWS.cells, COLUMNS.cells, 1))
    own = (hann(SIZE[0])[:, None] * hann(SIZE[1]))[..., None]
    for (row, column), values in maps.items():
        place = np.s_[row : row + SIZE[0], column : column + SIZE[1]]
        total[place] += own * values.numpy()
        weights[place] += own
    np.testing.assert_allclose(blended(maps), total / weights, rtol=1e-4, atol=1e-5)


def test_weights_sum_to_one_also_at_the_border_and_beside_missing_windows():
    same = {place: torch.ones(*SIZE, 3) for place in drawn_maps()}
    np.testing.assert_allclose(blended(same), 1, rtol=1e-6)
    del same[8, 12]
    np.testing.assert_allclose(blended(same), 1, rtol=1e-6)


def test_any_block_equals_its_part_of_the_whole_bit_by_bit():
    maps = drawn_maps()
    whole = blended(maps)
    for top, left, height, width in [(0, 0, 5, 7), (3, 11, 17, 20), (30, 42, 1, 1), (13, 0, 18, 43)]:
        part = blended(maps, top, left, height, width)
        np.testing.assert_array_equal(part, whole[top : top + height, left : left + width])


def test_cells_without_windows_or_with_little_data_are_no_data():
    maps = drawn_maps()
    # No other window covers this corner.
    del maps[0, 0]
    valid = {place: np.ones(SIZE) for place in maps}
    for (_, column), share in valid.items():
        # In the map's last column of cells only 40 % of the pixels contain data, in the one before 60 %.
        for cell, data in ((COLUMNS.cells - 1, 0.4), (COLUMNS.cells - 2, 0.6)):
            if column <= cell < column + SIZE[1]:
                share[:, cell - column] = data
    absent = np.isnan(blended(maps, valid=valid)).all(axis=2)
    expected = np.zeros_like(absent)
    expected[:4, :6] = True
    expected[:, -1] = True
    np.testing.assert_array_equal(absent, expected)
