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
"""Augmentation: points move with their tiles, draws are reproducible, and disabled changes do nothing."""

import copy

import pytest
import torch
import torch.nn.functional as F

from modeling_gair import GairConfig, GairEncodedTiles, GairModel, GairProcessor
from training.pairs.augmentation import Augmentation, crop, draw_crops, flip, step_generator
from training.pairs.settings import AugmentationSettings

TILES, INDEX = 6, torch.tensor([0, 0, 1, 2, 2, 2, 3, 4, 5, 5])
CONFIG = GairConfig.tiny()
PROCESSOR = GairProcessor.for_config(CONFIG)


def inputs(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "rs_pixel_values": torch.rand(TILES, 10, 96, 96, generator=generator),
        "sv_pixel_values": torch.randn(len(INDEX), 3, 64, 64, generator=generator),
        "coordinates": torch.rand(len(INDEX), 2, generator=generator),
        "query_points": torch.rand(len(INDEX), 1, 2, generator=generator),
        "tile_index": INDEX,
    }


def augmented(given: dict[str, torch.Tensor], seed: int = 0, **settings: float) -> dict[str, torch.Tensor]:
    return Augmentation(AugmentationSettings(**settings), PROCESSOR)(given, step_generator(seed, 1, 0))


def mirrored(model: GairModel, axis: int) -> GairModel:
    """The model with weights mirrored along x (0) or y (1): it sees a mirrored tile as the original sees the tile."""
    model = copy.deepcopy(model)
    kernels = [model.rs_model.embeddings.projection.weight]
    if model.pixel_query is not None:
        kernels.append(model.pixel_query.window_projs[0].weight.unflatten(1, (-1, 5, 5)))
    neighbourhood, offset = model.nili.affine.weight.split([model.nili.affine.in_features - 2, 2], dim=1)
    with torch.no_grad():
        for kernel in kernels:
            kernel.copy_(kernel.flip(3 - axis))
        # Channel-major, row, column.
        neighbourhood.copy_(neighbourhood.unflatten(1, (-1, 3, 3)).flip(3 - axis).flatten(1))
        offset[:, axis].neg_()
    return model


@pytest.mark.parametrize("axis", [0, 1])
def test_nili_reads_the_same_at_the_moved_points_of_flipped_tiles(axis):
    """NILI is equivariant; a point that did not move would be read elsewhere."""
    torch.manual_seed(0)
    config = GairConfig.tiny(nili_init="normal")
    config.initializer_range = 0.2
    model, given = GairModel(config).eval(), inputs()
    # Some points in the border, where NILI extrapolates.
    given["query_points"][::3] *= 0.05
    mirror = mirrored(model, axis)
    flipped = torch.tensor([True, False, True, True, False, True])
    tiles, points = flip(given["rs_pixel_values"], given["query_points"], INDEX, flipped, axis)
    with torch.no_grad():
        whole = model.localize(model.encode_tiles(given["rs_pixel_values"]), given["query_points"], tile_index=INDEX)
        of_flipped = mirror.localize(mirror.encode_tiles(tiles), points, tile_index=INDEX)
        of_left = model.localize(model.encode_tiles(tiles), points, tile_index=INDEX)
        stayed = mirror.localize(mirror.encode_tiles(tiles), given["query_points"], tile_index=INDEX)
    expected = torch.where(flipped[INDEX, None, None], of_flipped, of_left)
    torch.testing.assert_close(expected, whole, rtol=1e-4, atol=1e-4 * whole.abs().max().item())
    assert (stayed - whole)[flipped[INDEX]].abs().max() > 0.05 * whole.abs().max()


def where_tiles() -> torch.Tensor:
    """Tiles whose first two bands hold the pixel's position: x and y in [0, 1]."""
    centers = (torch.arange(96) + 0.5) / 96
    return torch.stack([centers.expand(96, 96), centers[:, None].expand(96, 96)]).expand(TILES, 2, 96, 96).contiguous()


@pytest.mark.parametrize("seed", range(3))
def test_nili_reads_the_same_at_the_moved_points_of_crops(seed):
    """NILI at initialisation reads patch means of tiles that hold positions; the position must stay the same."""
    generator = torch.Generator().manual_seed(seed)
    points = 0.2 + 0.6 * torch.rand(len(INDEX), 1, 2, generator=generator)
    corner, side = draw_crops(points, INDEX, TILES, 0.6, generator)
    tiles, moved = crop(where_tiles(), points, INDEX, corner, side)
    model = GairModel(GairConfig.tiny())
    tokens = F.avg_pool2d(tiles, 8).flatten(2).transpose(1, 2)
    tokens = F.pad(tokens, (0, model.rs_model.hidden_size - 2))
    encoded = GairEncodedTiles(last_hidden_state=tokens)
    with torch.no_grad():
        read = model.localize(encoded, moved, tile_index=INDEX, with_pixels=False)[..., :2]
    # Reading is linear inside the ring of outer patches' centres; beyond it the first patch's value stays.
    inside = ((moved > 1 / 24) & (moved < 23 / 24)).all(dim=-1)
    assert inside.sum() >= 4
    torch.testing.assert_close(read[inside], points[inside], rtol=0, atol=1e-4)
    assert (moved - points).abs().max() > 0.1


@pytest.mark.parametrize("least", [0.1, 0.5, 0.9])
def test_crops_contain_all_points_of_their_tiles(least):
    generator = torch.Generator().manual_seed(1)
    seen = []
    for _ in range(50):
        points = torch.rand(len(INDEX), 1, 2, generator=generator)
        points[0], points[1] = 0.0, 1.0
        corner, side = draw_crops(points, INDEX, TILES, least, generator)
        assert (corner >= 0).all() and (corner + side <= 1 + 1e-6).all() and (side >= least - 1e-6).all()
        # Two points in opposite corners allow only the whole tile.
        assert side[0] == 1 and corner[0].abs().max() < 1e-6
        moved = (points - corner[INDEX, None]) / side[INDEX, None]
        assert moved.min() > -1e-5 and moved.max() < 1 + 1e-5
        seen.append(side[3])
    # A tile with one photo allows any crop.
    assert min(seen) < least + 0.2 * (1 - least) and max(seen) > 1 - 0.2 * (1 - least)


def test_a_crop_of_the_whole_tile_changes_nothing():
    given = inputs()
    corner, side = torch.zeros(TILES, 2), torch.ones(TILES, 1)
    tiles, points = crop(given["rs_pixel_values"], given["query_points"], INDEX, corner, side)
    torch.testing.assert_close(tiles, given["rs_pixel_values"], rtol=0, atol=1e-4)
    assert torch.equal(points, given["query_points"])


def test_disabled_changes_do_nothing():
    given = inputs()
    result = augmented(given)
    assert all(result[name] is value for name, value in given.items())
    photos_only = augmented(given, sv_flip=0.5, sv_jitter=0.5)
    assert photos_only["rs_pixel_values"] is given["rs_pixel_values"]
    assert photos_only["query_points"] is given["query_points"]
    tiles_only = augmented(given, rs_flip=0.5, rs_crop_scale=0.5, rs_jitter=0.5)
    assert tiles_only["sv_pixel_values"] is given["sv_pixel_values"]
    assert tiles_only["coordinates"] is given["coordinates"]


def test_inputs_are_not_modified():
    given = inputs()
    before = {name: value.clone() for name, value in given.items()}
    augmented(given, rs_flip=1, rs_crop_scale=0.5, rs_jitter=1, sv_flip=1, sv_jitter=1)
    assert all(torch.equal(given[name], value) for name, value in before.items())


def test_draws_depend_only_on_seed_step_and_process():
    def drawn(*key: int) -> torch.Tensor:
        torch.rand(1)
        return torch.rand(4, generator=step_generator(*key))

    assert torch.equal(drawn(1, 2, 3), drawn(1, 2, 3))
    different = [drawn(1, 2, 3), drawn(2, 2, 3), drawn(1, 3, 3), drawn(1, 2, 0), drawn(3, 2, 1)]
    assert len({tuple(value.tolist()) for value in different}) == len(different)


def test_images_change_independently_with_the_given_probability():
    given = inputs()
    changed = []
    for seed in range(100):
        result = augmented(given, seed, sv_flip=0.3, rs_jitter=0.3)
        photos = (result["sv_pixel_values"] != given["sv_pixel_values"]).flatten(1).any(dim=1)
        tiles = (result["rs_pixel_values"] != given["rs_pixel_values"]).flatten(1).any(dim=1)
        changed.append([photos.float().mean().item(), tiles.float().mean().item()])
    shares = torch.tensor(changed).mean(dim=0)
    assert (shares - 0.3).abs().max() < 0.06


def test_photos_are_mirrored_left_to_right():
    given = inputs()
    assert torch.equal(augmented(given, sv_flip=1)["sv_pixel_values"], given["sv_pixel_values"].flip(3))


def test_jitter_keeps_black_black_and_stays_within_its_strength():
    sv = PROCESSOR.sv_image_processor
    mean, std = torch.tensor(sv.image_mean)[:, None, None], torch.tensor(sv.image_std)[:, None, None]
    given = inputs()
    given["sv_pixel_values"] = ((0 - mean) / std).expand(len(INDEX), 3, 64, 64)
    black = augmented(given, sv_jitter=1, sv_jitter_strength=0.3)["sv_pixel_values"]
    torch.testing.assert_close(black, given["sv_pixel_values"], rtol=1e-5, atol=1e-5)
    given["sv_pixel_values"] = ((100 - mean) / std).expand(len(INDEX), 3, 64, 64)
    grey = augmented(given, sv_jitter=1, sv_jitter_strength=0.3)["sv_pixel_values"] * std + mean
    # Only brightness changes a uniformly grey image.
    ratio = grey / 100
    assert 0.7 <= ratio.min() < 0.95 and 1.05 < ratio.max() <= 1.3
    assert (grey.flatten(1).amax(dim=1) - grey.flatten(1).amin(dim=1)).max() < 1e-3


def test_tile_contrast_keeps_the_ratios_of_band_means():
    given = inputs()
    tiles = augmented(given, rs_jitter=1, rs_jitter_strength=0.5)["rs_pixel_values"]
    ratio = tiles.mean(dim=(2, 3)) / given["rs_pixel_values"].mean(dim=(2, 3))
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4, atol=0)
    spread = tiles.std(dim=(2, 3)) / given["rs_pixel_values"].std(dim=(2, 3))
    assert ((spread / ratio) - 1).abs().max() > 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rs_flip": 1.5}, "rs_flip is 1.5; expected a probability"),
        ({"sv_jitter": "much"}, "sv_jitter is 'much'; expected a probability"),
        ({"rs_crop_scale": 0}, "rs_crop_scale is 0; expected a number above 0"),
        ({"rs_jitter_strength": 1.0}, "rs_jitter_strength is 1.0; expected a number from 0 to below 1"),
        ({"sv_flip": True}, "sv_flip is True"),
    ],
)
def test_invalid_settings_are_rejected(settings, message):
    with pytest.raises(ValueError, match=message):
        AugmentationSettings(**settings)
