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
import copy
import math

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel

from modeling_gair import (
    GairConfig,
    GairModel,
    GairRSConfig,
    GairRSModel,
    gair_contrastive_loss,
    great_circle_distance_m,
)
from modeling_gair.rs_tower_gair import alibi_slopes
from tests.helpers.models import draw_pixels
from tests.helpers.requirements import needs_timm


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "rs_pixel_values": torch.rand(3, 10, 96, 96, generator=generator),
        "sv_pixel_values": torch.rand(3, 3, 64, 64, generator=generator),
        "coordinates": torch.tensor([[-83.3, 42.5], [139.8, 35.7], [7.0, 50.7]]),
        "query_points": torch.rand(3, 1, 2, generator=generator),
    }


def test_every_output_has_its_shape(tiny_model, batch):
    outputs = tiny_model(**batch, return_loss=True)
    assert outputs.loss.ndim == 0
    assert outputs.rs_embeds.shape == outputs.sv_embeds.shape == outputs.location_embeds.shape == (3, 96)
    assert outputs.localized_rs_embeds.shape == (3, 1, 96)
    for name in ("rs_embeds", "localized_rs_embeds", "sv_embeds", "location_embeds"):
        torch.testing.assert_close(outputs[name].norm(dim=-1), torch.ones(outputs[name].shape[:-1]))
    localized = outputs.localized_rs_embeds[:, 0]
    torch.testing.assert_close(outputs.similarity_sv_localized, outputs.sv_embeds @ localized.T)
    torch.testing.assert_close(outputs.similarity_sv_location, outputs.sv_embeds @ outputs.location_embeds.T)
    torch.testing.assert_close(outputs.similarity_localized_location, localized @ outputs.location_embeds.T)
    assert isinstance(tiny_model(**batch, return_dict=False), tuple)


def test_features_equal_those_of_the_parts_and_are_not_normalised(tiny_model, batch):
    rs, sv = batch["rs_pixel_values"], batch["sv_pixel_values"]
    tokens = tiny_model.rs_model(rs).last_hidden_state
    assert tokens.shape == (3, 144, 96)
    torch.testing.assert_close(tiny_model.get_rs_features(rs), tokens.mean(1))
    pooled = tiny_model.sv_model(sv).pooler_output
    torch.testing.assert_close(tiny_model.get_sv_features(sv), tiny_model.sv_projection(pooled))
    outputs = tiny_model(**batch)
    for features, embeds in (
        (tiny_model.get_rs_features(rs), outputs.rs_embeds),
        (tiny_model.get_sv_features(sv), outputs.sv_embeds),
        (tiny_model.get_location_features(batch["coordinates"]), outputs.location_embeds),
        (tiny_model.get_localized_rs_features(rs, batch["query_points"]), outputs.localized_rs_embeds),
    ):
        torch.testing.assert_close(F.normalize(features, dim=-1), embeds)
        assert (features.norm(dim=-1) - 1).abs().max() > 1e-3


def test_outputs_of_absent_inputs_are_none(tiny_model, batch):
    outputs = tiny_model(sv_pixel_values=batch["sv_pixel_values"], coordinates=batch["coordinates"])
    assert set(outputs.keys()) == {"sv_embeds", "location_embeds", "similarity_sv_location"}
    outputs = tiny_model(rs_pixel_values=batch["rs_pixel_values"], query_points=torch.rand(3, 5, 2))
    assert set(outputs.keys()) == {"rs_embeds", "localized_rs_embeds"}
    outputs = tiny_model(**{**batch, "query_points": torch.rand(3, 2, 2), "coordinates": torch.rand(3, 2, 2)})
    assert outputs.location_embeds.shape == (3, 2, 96)
    assert outputs.similarity_sv_localized is outputs.similarity_sv_location is None
    one = tiny_model(**{**batch, "coordinates": batch["coordinates"][:, None]}, return_loss=True)
    torch.testing.assert_close(one.loss, tiny_model(**batch, return_loss=True).loss)
    gallery = tiny_model(sv_pixel_values=batch["sv_pixel_values"], coordinates=torch.rand(7, 2))
    assert gallery.similarity_sv_location.shape == (3, 7)


@pytest.mark.parametrize("mode", ["nili", "bilinear", "bicubic", "mean"])
def test_rows_of_points_in_named_tiles_share_the_tiles_encoding(tiny_model, mode):
    torch.manual_seed(1)
    pixels, index, points = torch.rand(3, 10, 96, 96), torch.tensor([2, 0, 2, 2, 1]), torch.rand(5, 4, 2)
    tiles, copies = tiny_model.encode_tiles(pixels), tiny_model.encode_tiles(pixels[index])
    for method in ("points", "dense"):
        shared = tiny_model.localize(tiles, points, mode, method, tile_index=index)
        torch.testing.assert_close(shared, tiny_model.localize(copies, points, mode, method))


def test_photos_of_one_tile_train_as_if_each_had_its_own_copy(tiny_model, batch):
    index = torch.tensor([1, 1, 0])
    shared = tiny_model(
        **{**batch, "rs_pixel_values": batch["rs_pixel_values"][:2]}, tile_index=index, return_loss=True
    )
    copied = tiny_model(**{**batch, "rs_pixel_values": batch["rs_pixel_values"][index]}, return_loss=True)
    torch.testing.assert_close(shared.loss, copied.loss)
    assert shared.rs_embeds.shape == (2, 96) and shared.localized_rs_embeds.shape == (3, 1, 96)
    with pytest.raises(ValueError, match="3 rows of tile_index, but there are 2 photos"):
        two = {**batch, "sv_pixel_values": batch["sv_pixel_values"][:2]}
        tiny_model(**two, tile_index=index, return_loss=True)
    with pytest.raises(ValueError, match=r"expected \(2, Q, 2\): x, y of Q points in each of 2 rows of tile_index"):
        tiny_model(**batch, tile_index=index[:2])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (dict.fromkeys(("rs_pixel_values", "sv_pixel_values", "coordinates", "query_points")), "No input was given"),
        ({"rs_pixel_values": None}, "query_points were given without rs_pixel_values"),
        ({"sv_pixel_values": None, "return_loss": True}, "return_loss needs .* all four"),
        (
            {"query_points": torch.rand(3, 2, 2), "return_loss": True},
            "a photo, a location and a point for each of 3 tiles",
        ),
        ({"sv_pixel_values": torch.rand(2, 3, 64, 64), "return_loss": True}, "but there are 2 photos"),
        ({"query_points": torch.rand(2, 1, 2)}, r"expected \(3, Q, 2\)"),
        ({"query_points": torch.rand(3, 2)}, r"expected \(3, Q, 2\)"),
        ({"coordinates": torch.rand(3, 3)}, r"expected \(\.\.\., 2\)"),
        ({"rs_pixel_values": torch.rand(3, 12, 96, 96)}, r"expected \(B, 10, H, H\)"),
        ({"rs_pixel_values": torch.rand(3, 10, 96, 88)}, r"expected \(B, 10, H, H\)"),
        ({"rs_pixel_values": torch.rand(3, 10, 90, 90)}, "multiple of the patch size, 8"),
    ],
)
def test_wrong_shapes_are_named(tiny_model, batch, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny_model(**{**batch, **change})


def test_unknown_modes_and_methods_are_named(tiny_model, batch):
    rs, points = batch["rs_pixel_values"], batch["query_points"]
    with pytest.raises(ValueError, match="mode is 'nearest'"):
        tiny_model.get_localized_rs_features(rs, points, mode="nearest")
    with pytest.raises(ValueError, match="method is 'fast'"):
        tiny_model.get_localized_rs_features(rs, points, method="fast")
    with pytest.raises(ValueError, match=r"size is \(0, 4\)"):
        tiny_model.get_rs_feature_map(rs, (0, 4))


@pytest.mark.parametrize("mode", ["nili", "bilinear", "bicubic", "mean"])
def test_the_map_is_sampled_at_half_pixel_centers(tiny_model, batch, mode):
    rs, (height, width) = batch["rs_pixel_values"], (5, 8)
    feature_map = tiny_model.get_rs_feature_map(rs, (height, width), mode=mode)
    assert feature_map.shape == (3, 96, height, width)
    for i, j in ((0, 0), (1, 6), (4, 7)):
        point = torch.tensor([(j + 0.5) / width, (i + 0.5) / height]).expand(3, 1, 2)
        at_point = tiny_model.get_localized_rs_features(rs, point, mode=mode)[:, 0]
        torch.testing.assert_close(feature_map[:, :, i, j], at_point, rtol=1e-4, atol=1e-5)


def test_bilinear_reading_at_the_centre_of_a_token_returns_it(tiny_model, batch):
    """Row-major from the north-west: x counts columns to the east, y rows to the south."""
    tiles = tiny_model.encode_tiles(batch["rs_pixel_values"])
    tokens = tiles.last_hidden_state
    row, column = 2, 9
    point = torch.tensor([(column + 0.5) / 12, (row + 0.5) / 12]).expand(3, 1, 2)
    for mode in ("bilinear", "bicubic"):
        localized = tiny_model.localize(tiles, point, mode=mode, with_pixels=False)[:, 0]
        torch.testing.assert_close(localized, tokens[:, row * 12 + column], rtol=1e-4, atol=1e-5)
    mean = tiny_model.localize(tiles, point, mode="mean", with_pixels=False)[:, 0]
    torch.testing.assert_close(mean, tokens.mean(1))


@pytest.mark.parametrize("side", [8, 64, 120])
def test_tiles_of_any_multiple_of_the_patch_size_are_accepted(tiny_model, side):
    assert tiny_model.rs_model(torch.rand(1, 10, side, side)).last_hidden_state.shape == (1, (side // 8) ** 2, 96)


def test_alibi_falls_with_the_distance_in_patches(tiny_model):
    bias = tiny_model.rs_model.alibi(12, torch.float32)
    assert bias.shape == (1, 4, 144, 144)
    slopes = [2 ** (-8 * (head + 1) / 4) for head in range(4)]
    i, j = 3 * 12 + 1, 7 * 12 + 4
    for head, slope in enumerate(slopes):
        assert math.isclose(bias[0, head, i, j], -slope * 5, rel_tol=1e-6)
    torch.testing.assert_close(alibi_slopes(16), torch.tensor([2 ** (-0.5 * (head + 1)) for head in range(16)]))
    six = alibi_slopes(6)
    torch.testing.assert_close(six, torch.tensor([0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]))


def test_eager_and_sdpa_agree_and_return_the_requested_outputs(tiny_model, batch):
    model = copy.deepcopy(tiny_model)
    model.set_attn_implementation("eager")
    assert model.rs_model.config._attn_implementation == "eager"
    eager, sdpa = model(**batch), tiny_model(**batch)
    torch.testing.assert_close(eager.localized_rs_embeds, sdpa.localized_rs_embeds, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(eager.sv_embeds, sdpa.sv_embeds, rtol=1e-4, atol=1e-5)
    outputs = model.rs_model(batch["rs_pixel_values"], output_hidden_states=True, output_attentions=True)
    assert len(outputs.hidden_states) == 3 and outputs.attentions[0].shape == (3, 4, 144, 144)
    torch.testing.assert_close(outputs.hidden_states[-1], outputs.last_hidden_state)
    torch.testing.assert_close(outputs.attentions[0].sum(-1), torch.ones(3, 4, 144))


def test_attention_is_bidirectional(tiny_model, batch):
    """The last patch changes the first token: sdpa must not be causal."""
    changed = batch["rs_pixel_values"].clone()
    changed[..., -8:, -8:] += 1
    before, after = (tiny_model.rs_model(pixels).last_hidden_state for pixels in (batch["rs_pixel_values"], changed))
    assert (before[:, 0] - after[:, 0]).abs().max() > 1e-6


def test_every_parameter_has_a_gradient_from_the_loss(batch):
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny())
    model(**batch, return_loss=True).loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert model.num_parameters() < 2_000_000


@pytest.fixture(scope="module")
def seamless_model() -> GairModel:
    """A tiny model with spherical harmonics."""
    torch.manual_seed(0)
    return GairModel(GairConfig.tiny(location_config={"encoder": "spherical_harmonics", "hidden_size": 64})).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_spherical_harmonics_survive_saving_and_casts(seamless_model, batch, tmp_path, dtype):
    seamless_model.save_pretrained(tmp_path)
    loaded, info = AutoModel.from_pretrained(tmp_path, dtype=dtype, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    found, exact = (model(**batch).location_embeds.float() for model in (loaded, seamless_model))
    assert F.cosine_similarity(found, exact).min() > (0.999999 if dtype == torch.float32 else 0.999)
    seam = torch.tensor([[-180.0, 17.0], [180.0, 17.0]])
    west, east = loaded.get_location_features(seam).float()
    torch.testing.assert_close(west, east, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-2)


def test_spherical_harmonics_train(batch):
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(location_config={"encoder": "spherical_harmonics", "hidden_size": 64}))
    model(**batch, return_loss=True).loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert all(layer.weight.grad.abs().max() > 0 for layer in model.location_model.layers)


@pytest.mark.parametrize("save_dtype", [torch.float32, torch.bfloat16])
def test_saving_and_loading_changes_nothing(tiny_model, batch, tmp_path, save_dtype):
    copy.deepcopy(tiny_model).to(save_dtype).save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    loaded, info = AutoModel.from_pretrained(tmp_path, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert isinstance(loaded, GairModel)
    for capsule, original in zip(loaded.location_model.capsules, tiny_model.location_model.capsules):
        assert torch.equal(capsule.features.frequencies, original.features.frequencies)
    assert torch.equal(loaded.rs_model.alibi.slopes, tiny_model.rs_model.alibi.slopes)
    if save_dtype == torch.float32:
        torch.testing.assert_close(loaded(**batch).localized_rs_embeds, tiny_model(**batch).localized_rs_embeds)
        tower = GairRSModel.from_pretrained(tmp_path)
        expected = tiny_model.rs_model(batch["rs_pixel_values"]).last_hidden_state
        torch.testing.assert_close(tower(batch["rs_pixel_values"]).last_hidden_state, expected)


def test_loading_in_half_precision_keeps_the_frequencies(tiny_model, batch, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert model.location_model.capsules[0].features.frequencies.dtype == torch.float32
    exact = tiny_model(**batch).location_embeds
    assert F.cosine_similarity(model(**batch).location_embeds.float(), exact).min() > 0.99


def test_the_rs_tower_loads_from_its_own_config():
    tower = AutoModel.from_config(
        GairRSConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_channels=4)
    )
    assert tower(torch.rand(1, 4, 16, 16)).last_hidden_state.shape == (1, 4, 32)


def _timm(architecture: str, **model_args) -> dict:
    return {"model_type": "timm_wrapper", "architecture": architecture, "model_args": model_args}


@needs_timm
@pytest.mark.parametrize("architecture", ["vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2"])
def test_a_tower_from_timm_works(batch, tmp_path, architecture):
    torch.manual_seed(0)
    config = GairConfig.tiny(
        rs_config=_timm(architecture, in_chans=10, img_size=96, patch_size=8, depth=1),
        sv_config=_timm("vit_tiny_patch16_224", img_size=64, depth=1),
    )
    model = draw_pixels(GairModel(config))
    outputs = model(**batch, return_loss=True)
    assert model.rs_model(batch["rs_pixel_values"]).last_hidden_state.shape[1] == 144
    outputs.loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    model.eval().save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(**batch).similarity_sv_localized, model(**batch).similarity_sv_localized)
    with pytest.raises(ValueError, match=r"expected \(B, 10, H, H\)"):
        model.get_rs_features(torch.rand(1, 3, 96, 96))


@needs_timm
@pytest.mark.parametrize("architecture", ["resnet10t", "swin_tiny_patch4_window7_224"])
def test_timm_models_without_a_square_grid_of_tokens_are_refused(architecture):
    model = GairModel(GairConfig.tiny(rs_config=_timm(architecture, in_chans=10)))
    with pytest.raises(ValueError, match="expected a square grid of tokens"):
        model.get_rs_features(torch.rand(1, 10, 224, 224))


def _embeds(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 16, generator=generator, dtype=torch.float64), dim=-1)


def test_the_loss_is_incl_plus_secl_over_two():
    s, q, places = (_embeds(5, seed) for seed in range(3))
    coordinates = torch.tensor([[0.0, 0.0], [10, 10], [20, 20], [30, 30], [40, 40]])
    labels = torch.arange(5)
    incl = F.cross_entropy(s @ q.T / 0.07, labels) + F.cross_entropy(q @ s.T / 0.07, labels)
    secl = F.cross_entropy(s @ places.T / 0.07, labels) + F.cross_entropy(q @ places.T / 0.07, labels)
    torch.testing.assert_close(gair_contrastive_loss(s, q, places, coordinates), (incl + secl) / 2)


def test_close_pairs_are_not_negatives():
    s, q, places = (_embeds(3, seed) for seed in range(3))
    # From the first photo the second lies about 111 m (not a negative), the third about 500 m (a negative in INCL only).
    coordinates = torch.tensor([[0.0, 0.0], [0.001, 0.0], [0.0045, 0.0]])
    lon, lat = coordinates.unbind(dim=-1)
    distance = great_circle_distance_m(lon[:, None], lat[:, None], lon, lat)

    def masked(a, b, limit):
        logits = (a @ b.T / 0.07).masked_fill((distance < limit) & ~torch.eye(3, dtype=torch.bool), -math.inf)
        return F.cross_entropy(logits, torch.arange(3))

    expected = (masked(s, q, 150) + masked(q, s, 150) + masked(s, places, 1000) + masked(q, places, 1000)) / 2
    torch.testing.assert_close(gair_contrastive_loss(s, q, places, coordinates), expected)
    published = gair_contrastive_loss(s, q, places, coordinates, incl_min_distance_m=0, secl_min_distance_m=0)
    assert published > expected + 1e-3


def test_great_circle_distances_are_right():
    places = torch.tensor([[0.0, 0.0], [90.0, 0.0], [180.0, 0.0], [-180.0, 0.0], [0.0, 90.0]], dtype=torch.float64)
    lon, lat = places.unbind(dim=-1)
    distance = great_circle_distance_m(lon[:, None], lat[:, None], lon, lat) / 6_371_008.8
    torch.testing.assert_close(distance[0], torch.tensor([0, math.pi / 2, math.pi, math.pi, math.pi / 2]).double())
    assert distance[2, 3] < 1e-7
