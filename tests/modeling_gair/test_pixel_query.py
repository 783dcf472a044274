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
"""The pixel query's fast forms against its definition, its start, and how it composes with the readings of tokens."""

import json

import pytest
import torch

from modeling_gair import GairConfig, GairEncodedTiles, GairModel
from modeling_gair.pixel_query_gair import GairPixelQuery
from tests.helpers.literal_pixel_query import literal_pixel_query
from tests.helpers.models import drop_weight, pixel_model
from tests.helpers.requirements import needs_traceable_library

CASES = [  # window, layers, side
    (1, 1, 1),
    (3, 1, 2),
    (5, 1, 9),
    (9, 1, 6),
    (3, 2, 7),
    (3, 3, 8),
]


def _query(window: int, layers: int, **options) -> GairPixelQuery:
    query = GairPixelQuery(3, 5, window, 4, layers, **options).double()
    # A new query returns zero, which would equal anything that returns zero.
    torch.nn.init.normal_(query.out_proj.weight)
    return query


def _points(side: int) -> torch.Tensor:
    """Corners, borders, edges and centres of pixels, and some in between."""
    lines = torch.cat([torch.arange(2 * side + 1) / (2 * side), torch.tensor([0.01, 0.37, 0.999])]).double()
    y, x = torch.meshgrid(lines, lines, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1).expand(2, -1, -1)


def _centres(length: int) -> torch.Tensor:
    return (torch.arange(length).double() + 0.5) / length


@pytest.mark.parametrize("method", ["points", "dense"])
@pytest.mark.parametrize("window, layers, side", CASES)
def test_fast_forms_equal_the_definition_forward_and_backward(window, layers, side, method):
    torch.manual_seed(window + layers)
    query, points = _query(window, layers), _points(side)
    pixels = torch.rand(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    expected = literal_pixel_query(pixels, points, list(query.window_projs), query.out_proj, window)
    weights, leaves = torch.randn_like(expected), [pixels, *query.parameters()]
    expected_grads = torch.autograd.grad((expected * weights).sum(), leaves)
    found = query(pixels, points, method)
    grads = torch.autograd.grad((found * weights).sum(), leaves)
    for ours, theirs in zip([found, *grads], [expected, *expected_grads]):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max().clamp(min=1e-3)


@pytest.mark.parametrize("size", [(9, 9), (5, 8), (31, 20), (1, 1)])
@pytest.mark.parametrize("pooling", [1, 3])
def test_the_map_equals_reading_each_of_its_points(size, pooling):
    torch.manual_seed(2)
    query, pixels, (height, width) = _query(5, 1, pooling=pooling), torch.rand(2, 3, 9, 9).double(), size
    y, x = torch.meshgrid(_centres(height), _centres(width), indexing="ij")
    points = torch.stack([x, y], -1).reshape(1, -1, 2).expand(2, -1, -1)
    averaged = torch.nn.functional.avg_pool2d(pixels, pooling)
    expected = literal_pixel_query(averaged, points, list(query.window_projs), query.out_proj, 5)
    found = query.sample_map(pixels, size)
    torch.testing.assert_close(found, expected.transpose(1, 2).unflatten(2, size))
    torch.testing.assert_close(query(pixels, points), expected)


def test_rows_of_points_in_named_tiles_read_their_own_pixels():
    query, pixels, index = _query(3, 1), torch.rand(3, 3, 8, 8).double(), torch.tensor([2, 0, 2, 1])
    points = torch.rand(4, 6, 2).double()
    for method in ("points", "dense"):
        torch.testing.assert_close(query(pixels, points, method, index), query(pixels[index], points, method))


def test_pooling_must_divide_the_tile():
    with pytest.raises(ValueError, match="a side of 9 pixels; expected a multiple of pixel_pooling, 2 pixels"):
        GairPixelQuery(3, 5, pooling=2)(torch.rand(1, 3, 9, 9), torch.rand(1, 1, 2))


def test_a_block_of_averaged_pixels_is_all_that_the_averaged_tile_shows():
    """With blocks of a token's size, permuting the pixels of a token changes nothing; without, it does."""
    pixels = torch.rand(1, 3, 16, 16).double()
    permuted = pixels.unflatten(3, (2, 8)).unflatten(2, (2, 8)).flip(3, 5).reshape(1, 3, 16, 16)
    points = torch.rand(1, 20, 2).double()
    for pooling, same in ((8, True), (1, False)):
        query = _query(3, 1, pooling=pooling)
        assert torch.allclose(query(pixels, points), query(permuted, points)) is same


@pytest.mark.parametrize("part", ["window", "patches"])
def test_the_standard_score_start_gives_standard_scores_of_unit_variance(part):
    """mean ± 2 standard deviations of a band are 0 and 1 to the model, so scores are N(½, ¼²) there."""
    torch.manual_seed(0)
    config = GairConfig.tiny(pixel_window=5, rs_config={"pixel_init": "standard_score", "hidden_size": 256})
    model = GairModel(config).eval()
    layer = model.pixel_query.window_projs[0] if part == "window" else model.rs_model.embeddings.projection
    weight, bias = layer.weight.flatten(1), layer.bias
    pixels = 0.5 + torch.randn(4000, weight.shape[1]) / 4
    scores = pixels @ weight.T + bias
    assert abs(scores.mean()) < 0.05 and abs(scores.var() - 1) < 0.05
    # A tile of one colour at the mean of all bands is at zero.
    assert (weight.sum(dim=1) / 2 + bias).abs().max() < 1e-4


def test_a_new_query_adds_nothing_and_a_trained_one_does():
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(pixel_window=5, query_mode="bilinear")).eval()
    tiles, points = model.encode_tiles(torch.rand(2, 10, 96, 96)), torch.rand(2, 7, 2)
    torch.testing.assert_close(model.localize(tiles, points), model.localize(tiles, points, with_pixels=False))
    torch.nn.init.normal_(model.pixel_query.out_proj.weight)
    added = model.pixel_query(tiles.rs_pixel_values, points)
    for mode in ("nili", "bilinear", "bicubic", "mean"):
        plain = model.localize(tiles, points, mode, with_pixels=False)
        torch.testing.assert_close(model.localize(tiles, points, mode), plain + added)
        size = (6, 9)
        change = model.feature_map(tiles, size, mode) - model.feature_map(tiles, size, mode, with_pixels=False)
        torch.testing.assert_close(
            change, model.pixel_query.sample_map(tiles.rs_pixel_values, size), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("mode", ["nili", "bilinear", "bicubic", "mean"])
@pytest.mark.parametrize("trained", ["tokens", "pixels", "both"])
def test_maps_give_the_gradients_of_their_points_and_change_nothing_they_are_given(mode, trained):
    """Where nothing is differentiated, what the pixels add is summed in place: neither may show in what is kept."""
    model, size = pixel_model(query_mode=mode).double(), (7, 5)
    parts = {"tokens": [model.nili], "pixels": [model.pixel_query], "both": [model.nili, model.pixel_query]}[trained]
    model.requires_grad_(False)
    for part in parts:
        part.requires_grad_()
    tokens = torch.randn(2, 144, 96).double().requires_grad_(trained != "pixels")
    tiles = GairEncodedTiles(last_hidden_state=tokens, rs_pixel_values=torch.rand(2, 10, 96, 96).double())
    kept = tokens.detach().clone(), tiles.rs_pixel_values.clone()
    y, x = torch.meshgrid(_centres(size[0]), _centres(size[1]), indexing="ij")
    grid = torch.stack([x, y], -1).reshape(1, -1, 2).expand(2, -1, -1)
    leaves = [leaf for leaf in (tokens, *model.parameters()) if leaf.requires_grad]
    weights, found = torch.randn(2, 96, *size).double(), []
    for read in (model.feature_map(tiles, size), model.localize(tiles, grid).transpose(1, 2).unflatten(2, size)):
        grads = torch.autograd.grad((read * weights).sum(), leaves, allow_unused=True)
        found.append([read, *(grad for grad in grads if grad is not None)])
    torch.testing.assert_close(*found)
    with torch.no_grad():
        torch.testing.assert_close(model.feature_map(tiles, size), found[0][0].detach())
    assert torch.equal(tokens.detach(), kept[0]) and torch.equal(tiles.rs_pixel_values, kept[1])


@needs_traceable_library
@pytest.mark.parametrize("read", ["localize", "feature_map"])
@pytest.mark.parametrize("mode", ["nili", "bilinear", "bicubic", "mean"])
@torch.no_grad()
def test_both_readings_compile_as_one_graph(mode, read):
    model = pixel_model(query_mode=mode)
    tiles = GairEncodedTiles(last_hidden_state=torch.randn(2, 144, 96), rs_pixel_values=torch.rand(2, 10, 96, 96))
    given = (torch.rand(2, 3, 2),) if read == "localize" else ((9, 7),)
    call = getattr(model, read)
    compiled = torch.compile(lambda tiles: call(tiles, *given), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(tiles), call(tiles, *given))


def test_a_model_saved_before_there_were_pixels_loads_without_them(tmp_path):
    plain = GairModel(GairConfig.tiny(pixel_window=0, nili_init="normal")).eval()
    plain.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for name in [name for name in config if name.startswith("pixel_")]:
        del config[name]
    del config["rs_config"]["pixel_init"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded, info = GairModel.from_pretrained(tmp_path, output_loading_info=True)
    assert loaded.pixel_query is None and not info["missing_keys"] and not info["unexpected_keys"]
    tiles, points = torch.rand(1, 10, 96, 96), torch.rand(1, 3, 2)
    with torch.no_grad():
        expected = plain.get_localized_rs_features(tiles, points)
        torch.testing.assert_close(loaded.get_localized_rs_features(tiles, points), expected)


@pytest.mark.parametrize("name", ["window_projs.0.weight", "window_projs.0.bias", "out_proj.weight", "out_proj.bias"])
def test_a_missing_weight_of_the_pixels_is_found_on_loading(tmp_path, name):
    pixel_model().save_pretrained(tmp_path)
    drop_weight(tmp_path, f"pixel_query.{name}")
    info = GairModel.from_pretrained(tmp_path, output_loading_info=True)[1]
    assert set(info["missing_keys"]) == {f"pixel_query.{name}"}


def test_a_model_without_pixels_carries_none_and_tokens_alone_are_refused():
    plain, reading = (GairModel(GairConfig.tiny(pixel_window=window)).eval() for window in (0, 5))
    tiles, points = torch.rand(1, 10, 96, 96), torch.rand(1, 1, 2)
    encoded = plain.encode_tiles(tiles)
    assert encoded.rs_pixel_values is None and plain.pixel_query is None
    with pytest.raises(ValueError, match="The tiles were encoded without their pixels, which this model reads"):
        reading.localize(encoded, points)
    for call in (lambda given: plain.localize(given, points), lambda given: plain.feature_map(given, (4, 4))):
        with pytest.raises(ValueError, match=r"tiles is Tensor, expected encoded tiles; pass what model\.encode_tiles"):
            call(encoded.last_hidden_state)


def test_pixels_are_read_where_the_point_lies():
    """A change of one pixel reaches the points whose window holds it, and no others; x counts to the east."""
    torch.manual_seed(3)
    query, pixels = _query(5, 1), torch.rand(1, 3, 20, 20).double()
    changed = pixels.clone()
    row, column = 4, 15
    changed[:, :, row, column] += 1
    y, x = torch.meshgrid(_centres(20), _centres(20), indexing="ij")
    points = torch.stack([x, y], dim=-1).reshape(1, -1, 2)
    differs = (query(pixels, points) - query(changed, points)).abs().sum(dim=2).reshape(20, 20) > 1e-9
    expected = torch.zeros(20, 20, dtype=torch.bool)
    expected[row - 2 : row + 3, column - 2 : column + 3] = True
    assert torch.equal(differs, expected)
