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
"""NILI's fast forms against its definition, forward and backward, including corners, borders and cell edges."""

import pytest
import torch

from modeling_gair import GairModel
from modeling_gair.nili_gair import GairNILI, sample_tokens
from tests.helpers.literal_nili import literal_nili


def _special_points(side: int) -> torch.Tensor:
    """Corners, points on the border, cell edges and cell centres, except the last centres (the degenerate lines)."""
    edges = torch.arange(side + 1, dtype=torch.float64) / side
    centres = (torch.arange(side - 1, dtype=torch.float64) + 0.5) / side
    lines = torch.cat([edges, centres, edges.new_tensor([0.37])])
    y, x = torch.meshgrid(lines, lines, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def _random_points(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    points = torch.rand(count, 2, dtype=torch.float64, generator=generator)
    degenerate = 1 - 1 / (2 * side)
    return torch.where((points - degenerate).abs() < 1e-3, points - 2e-3, points)


def _case(seed: int, dtype: torch.dtype):
    generator = torch.Generator().manual_seed(seed)
    batch, channels = (int(torch.randint(1, 4, (), generator=generator)) for _ in range(2))
    side = int(torch.randint(1, 9, (), generator=generator))
    torch.manual_seed(seed)
    nili = GairNILI(channels).to(dtype)
    feature_map = torch.randn(batch, channels, side, side, generator=generator, dtype=torch.float64).to(dtype)
    points = torch.cat([_special_points(side), _random_points(64, side, generator)])
    return nili, feature_map.requires_grad_(), points.expand(batch, -1, -1).to(dtype)


@pytest.mark.parametrize("method", ["dense", "points"])
@pytest.mark.parametrize("seed", range(16))
def test_fast_forms_equal_the_definition_forward_and_backward(seed, method):
    nili, feature_map, points = _case(seed, torch.float64)
    expected = literal_nili(feature_map, points, nili.affine)
    weights = torch.randn_like(expected)
    leaves = [feature_map, nili.affine.weight, nili.affine.bias]
    expected_grads = torch.autograd.grad((expected * weights).sum(), leaves)
    result = nili(feature_map, points, method)
    grads = torch.autograd.grad((result * weights).sum(), leaves)
    for ours, theirs in zip([result, *grads], [expected, *expected_grads]):
        scale = theirs.abs().max().clamp(min=1e-3)
        assert (ours - theirs).abs().max() <= 1e-5 * scale


@pytest.mark.parametrize("method", ["dense", "points"])
def test_fast_forms_equal_the_definition_in_float32(method):
    torch.manual_seed(3)
    nili, feature_map = GairNILI(48), torch.randn(2, 48, 12, 12)
    points = _random_points(500, 12, torch.Generator().manual_seed(4)).float().expand(2, -1, -1)
    expected = literal_nili(feature_map, points, nili.affine)
    assert (nili(feature_map, points, method) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_definition_is_degenerate_on_the_last_centres_and_ours_is_continuous():
    """On x = 1 - 1/(2P) both shifts select the same cell, every area is zero, and the definition takes a plain average."""
    torch.manual_seed(7)
    side = 5
    nili, feature_map = GairNILI(3).double(), torch.randn(1, 3, side, side, dtype=torch.float64)
    x, y = 1 - 1 / (2 * side), 0.31
    on, beside = (torch.tensor([[[value, y]]], dtype=torch.float64) for value in (x, x - 1e-5))
    literal_jump = (
        (literal_nili(feature_map, on, nili.affine) - literal_nili(feature_map, beside, nili.affine)).abs().max()
    )
    for method in ("dense", "points"):
        assert (nili(feature_map, on, method) - nili(feature_map, beside, method)).abs().max() < 1e-3
        torch.testing.assert_close(
            nili(feature_map, beside, method), literal_nili(feature_map, beside, nili.affine), rtol=1e-3, atol=1e-3
        )
    assert literal_jump > 1e-2


def test_the_map_equals_reading_each_of_its_points():
    nili, feature_map, _ = _case(5, torch.float64)
    height, width = 7, 11
    y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    points = torch.stack([x, y], -1).reshape(1, -1, 2).double().expand(len(feature_map), -1, -1)
    expected = nili(feature_map, points, "points").transpose(1, 2).unflatten(2, (height, width))
    torch.testing.assert_close(nili.sample_map(feature_map, (height, width)), expected, rtol=1e-6, atol=1e-6)


def test_untrained_nili_reads_the_center_token(tiny_model):
    model = GairModel(type(tiny_model.config).tiny()).eval()
    feature_map, points = torch.randn(2, 96, 12, 12), torch.rand(2, 40, 2) * 0.8 + 0.1
    expected = sample_tokens(feature_map, points, "bilinear")
    torch.testing.assert_close(model.nili(feature_map, points, "dense"), expected, rtol=1e-5, atol=1e-5)


def test_auto_selects_the_cheaper_form_and_returns_the_same():
    nili, feature_map, points = _case(9, torch.float64)
    for chosen in (points[:, :1], points):
        torch.testing.assert_close(nili(feature_map, chosen), nili(feature_map, chosen, "dense"))


@pytest.mark.parametrize("axis", [2, 3])
def test_flipping_tile_kernel_and_points_together_changes_nothing(axis):
    """NILI's equivariance: the axes are the tile's own, x to the east (columns), y to the south (rows)."""
    nili, feature_map, points = _case(11, torch.float64)
    flipped = GairNILI(nili.affine.out_features).double()
    with torch.no_grad():
        kernel = nili.affine.weight[:, :-2].unflatten(1, (-1, 3, 3)).flip(axis)
        offset = nili.affine.weight[:, -2:].clone()
        offset[:, 3 - axis] *= -1
        flipped.affine.weight.copy_(torch.cat([kernel.flatten(1), offset], dim=1))
        flipped.affine.bias.copy_(nili.affine.bias)
    moved = points.clone()
    moved[..., 3 - axis] = 1 - moved[..., 3 - axis]
    torch.testing.assert_close(flipped(feature_map.flip(axis), moved), nili(feature_map, points))
