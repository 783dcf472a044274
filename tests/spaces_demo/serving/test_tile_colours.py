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

import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.encoded_tile import SIDE
from serving.tile_colours import png_of, tile_colours


def test_similar_points_have_similar_colours(encoded):
    colours, explained = tile_colours(encoded)
    assert colours.shape == (SIDE, SIDE, 3) and colours.dtype == np.uint8 and 0 < explained <= 1
    assert np.array_equal(colours, tile_colours(encoded)[0])
    query = encoded.at(0.25, 0.25)
    cosines, row = encoded.similarity(query), SIDE // 4
    away = np.abs(colours.astype(int) - colours[row, row].astype(int)).sum(axis=-1)
    near, far = cosines > np.percentile(cosines, 98), cosines < np.percentile(cosines, 20)
    assert away[near].mean() < 0.75 * away[far].mean()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png_of(colours)))), colours)
