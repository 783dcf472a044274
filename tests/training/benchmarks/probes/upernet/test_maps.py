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
"""Feature maps of tiles and windows, and the decoder on them."""

import numpy as np
import pytest
import torch

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.segmentation_tiles import FORMAT, halves
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.layouts.samples import IGNORED
from training.benchmarks.probes.upernet.decoder import Decoder, resized
from training.benchmarks.probes.upernet.maps import Backbone, window_around_a_label, window_starts
from training.benchmarks.probes.upernet.settings import UperNetSettings

SMALL = UperNetSettings(channels=8)


def test_the_pyramid_has_four_sizes(encoder):
    backbone = Backbone(encoder, FORMAT, "layers")
    tile = backbone.read(halves(0))
    maps = backbone.maps([tile, tile])
    assert [tuple(one.shape) for one in maps] == [(2, 1, 96, 12, 12)] * 4
    decoder = backbone.new_decoder(tile, 2, SMALL)
    levels = decoder.pyramid([one[:, 0] for one in maps])
    assert [one.shape[-1] for one in levels] == [48, 24, 12, 6]
    assert decoder(maps).shape == (2, 2, 48, 48)
    assert resized(decoder(maps), (50, 70)).shape == (2, 2, 50, 70)


def test_the_nili_map_is_read_and_halved(encoder):
    backbone = Backbone(encoder, FORMAT, "nili")
    tile = backbone.read(halves(0))
    maps = backbone.maps([tile])
    assert [one.shape[-1] for one in maps] == [48, 24, 12, 6]
    expected = encoder.tile_map([tile[0]], FORMAT, (48, 48))
    torch.testing.assert_close(maps[0][:, 0], expected)
    torch.testing.assert_close(maps[1][:, 0, :, 0, 0], expected[..., :2, :2].mean(dim=(2, 3)))
    assert isinstance(backbone.new_decoder(tile, 2, SMALL).pyramid, torch.nn.Identity)


def test_regression_outputs_are_never_negative():
    torch.manual_seed(0)
    decoder = Decoder([8] * 4, 1, 8, rescale=True, dates=1, numbers=(0.1, 1.0)).eval()
    output = decoder([torch.randn(2, 1, 8, 12, 12) for _ in range(4)])
    assert output.min() >= 0 and output.max() > 0


def test_windows_cover_a_side_evenly():
    assert window_starts(96, 96) == [0] and window_starts(60, 96) == [0]
    assert window_starts(512, 96) == [0, 83, 166, 250, 333, 416]
    for side in range(96, 400, 7):
        covered = np.zeros(side, bool)
        for start in window_starts(side, 96):
            covered[start : start + 96] = True
        assert covered.all()


def test_a_random_window_holds_a_label():
    draws = np.random.default_rng(0)
    label = np.full((60, 90), IGNORED)
    label[58, 3] = 1
    corners = {window_around_a_label(label, 16, draws) for _ in range(100)}
    assert all(row <= 58 < row + 16 and column <= 3 < column + 16 for row, column in corners)
    assert all(0 <= row <= 44 and 0 <= column <= 74 for row, column in corners) and len(corners) > 3
    assert window_around_a_label(np.full((10, 30), np.nan, np.float32), 16, draws)[0] == 0


def test_an_encoder_without_feature_maps_is_refused():
    with pytest.raises(ValueError, match="sin/cos has no feature maps"):
        Backbone(SinCosEncoder(), FORMAT, "layers")
