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
"""MAE and MoCo v3: their inputs, losses and settings, and gradient caching."""

import math

import pytest
import torch
import torch.nn.functional as F

from modeling_gair import GairModel
from tests.helpers.objectives import PROCESSOR, inputs, part, small_model
from training.objectives.base import PretrainingModule
from training.objectives.mae import MaeObjective, patches_of, sine_cosine_positions
from training.objectives.moco_v3 import MocoV3Objective
from training.objectives.registry import make_objective
from training.objectives.settings import MaeSettings, MocoV3Settings
from training.pretraining.gradient_cache import backward

MAE = MaeSettings(decoder_size=8, decoder_layers=1, decoder_heads=2)
MOCO = MocoV3Settings(projection_size=6, projection_hidden_size=12)
SETTINGS = pytest.mark.parametrize("settings", [MAE, MOCO], ids=["mae", "moco_v3"])


def module_of(settings, **config) -> PretrainingModule:
    torch.manual_seed(0)
    model = small_model(**config)
    return PretrainingModule(model, make_objective(model, PROCESSOR, settings)).train()


# All objectives ------------------------------------------------------------------------------------------------------


@SETTINGS
def test_every_trained_parameter_has_a_gradient(settings):
    module = module_of(settings)
    rows, shared = module(inputs())
    module.objective.loss(rows, shared)[0].backward()
    without = [name for name, value in module.named_parameters() if value.requires_grad and value.grad is None]
    assert not without
    frozen = {
        name.split(".")[1] for name, value in module.model.named_parameters(prefix="model") if not value.requires_grad
    }
    assert {"location_model", "nili"} <= frozen
    assert any(name.startswith("model.rs_model") for name, value in module.named_parameters() if value.grad is not None)


@SETTINGS
def test_training_lowers_the_loss(settings):
    module = module_of(settings)
    optimizer = torch.optim.Adam([value for value in module.parameters() if value.requires_grad], lr=5e-3)
    losses = []
    for step in range(60):
        torch.manual_seed(step % 3)
        rows, shared = module(inputs())
        loss, _ = module.objective.loss(rows, shared)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        module.objective.after_step(module.model, rows)
        losses.append(loss.item())
    # Random views vary by less than this between steps.
    assert sum(losses[-6:]) < 0.97 * sum(losses[:6])


@SETTINGS
def test_gradient_caching_gives_the_gradient_of_all_parts(settings, accelerator):
    """The second pass must repeat the random masks and views of the first."""
    whole = inputs()
    gradients = []
    for parts in ([whole], [part(whole, number) for number in range(2)]):
        module = module_of(settings)
        torch.manual_seed(5)
        loss, terms, rows = backward(module, parts, accelerator)
        gradients.append({name: value.grad for name, value in module.named_parameters() if value.grad is not None})
        assert math.isfinite(loss.item()) and rows and set(terms) >= {"rs", "sv"}
    # Parts draw other random numbers than the whole batch, so only the names of the gradients are compared.
    assert gradients[0].keys() == gradients[1].keys()
    # The expected gradients, with all parts in one graph.
    module = module_of(settings)
    torch.manual_seed(5)
    embedded = [module(one)[0] for one in parts]
    rows = {name: torch.cat([one[name] for one in embedded]) for name in embedded[0]}
    module.objective.loss(rows, {})[0].backward()
    for name, value in module.named_parameters():
        if value.grad is not None:
            torch.testing.assert_close(gradients[1][name], value.grad, rtol=1e-4, atol=1e-6)


@pytest.fixture
def accelerator():
    from accelerate import Accelerator

    return Accelerator(cpu=True)


# MAE -----------------------------------------------------------------------------------------------------------------


def larger_model() -> GairModel:
    """Towers of 3 × 3 patches; with four, there would be a single visible patch."""
    torch.manual_seed(1)
    tower = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    parts = {name: {**tower, "image_size": 24, "patch_size": 8} for name in ("rs_config", "sv_config")}
    return small_model(**parts)


def test_masked_pixels_do_not_affect_the_reconstruction():
    """Changing masked pixels changes only the target."""
    model = larger_model().eval()
    objective = MaeObjective(model, PROCESSOR, MAE).eval()
    painted = []
    objective.decoders["rs"].register_forward_hook(
        lambda module, arguments, output: painted.append((arguments, output))
    )
    images = torch.rand(2, 10, 24, 24)
    for _ in range(2):
        torch.manual_seed(3)
        objective._errors("rs", model.rs_model, images)
        (_, _, masked), _ = painted[-1]
        changed = patches_of(images, 8)
        for image, hidden in zip(changed, masked):
            image[hidden] = torch.rand(len(hidden), image.shape[1])
        images = F.fold(changed.transpose(1, 2), 24, 8, stride=8)
    assert torch.equal(painted[0][1], painted[1][1])
    assert masked.shape == (2, 7)


def test_a_tower_that_sees_all_patches_gives_the_same_tokens():
    """Patches in another order keep their positions: only the order of the tokens changes."""
    from training.objectives.mae import tokens_of_visible

    model = larger_model().eval()
    order = torch.stack([torch.randperm(9) for _ in range(3)])
    for tower, images in ((model.rs_model, torch.rand(3, 10, 24, 24)), (model.sv_model, torch.rand(3, 3, 24, 24))):
        whole = tower(images).last_hidden_state[:, -9:]
        mixed = tokens_of_visible(tower, images, order, 9)
        torch.testing.assert_close(mixed, whole.gather(1, order[:, :, None].expand_as(whole)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(tower(images).last_hidden_state[:, -9:], whole)


def test_the_error_of_predicting_zeros_is_one():
    """Targets are standardised, so the error of zeros is their variance."""
    model = larger_model()
    objective = MaeObjective(model, PROCESSOR, MAE)
    for decoder in objective.decoders.values():
        torch.nn.init.zeros_(decoder.leave.weight)
        torch.nn.init.zeros_(decoder.leave.bias)
    rows = objective.embed(
        model, {"rs_pixel_values": torch.rand(2, 10, 24, 24), "sv_pixel_values": torch.rand(3, 3, 24, 24)}
    )
    assert rows["rs"].shape == (2,) and rows["sv"].shape == (3,)
    for errors in rows.values():
        torch.testing.assert_close(errors, torch.ones_like(errors), rtol=0.02, atol=0)


def test_positions_distinguish_all_cells():
    positions = sine_cosine_positions(4, 8, torch.device("cpu"))
    assert positions.shape == (16, 8)
    assert torch.cdist(positions, positions).add(torch.eye(16)).min() > 0.1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mask_ratio": 1.0}, "mask_ratio is 1.0; expected a number between 0 and 1"),
        ({"decoder_size": 10, "decoder_heads": 2}, "decoder_size is 10; expected a multiple of 4"),
        ({"rs_weight": 0}, "rs_weight is 0"),
        ({"decoder_layers": 0}, "decoder_layers is 0"),
    ],
)
def test_mae_settings_out_of_range_are_rejected(settings, said):
    with pytest.raises(ValueError, match=said):
        MaeSettings(**settings)


@pytest.mark.parametrize(
    "tower",
    [
        {"model_type": "swin", "image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1], "num_heads": [2]},
        {"model_type": "dinov3_vit", "image_size": 32, "patch_size": 16, "num_hidden_layers": 1},
    ],
)
def test_mae_rejects_photo_towers_that_cannot_leave_out_patches(tower):
    with pytest.raises(
        ValueError, match=f"SV tower is of type '{tower['model_type']}', whose patches mae cannot leave"
    ):
        MaeObjective(small_model(sv_config=tower), PROCESSOR, MAE)


def test_mae_rejects_tile_towers_that_cannot_leave_out_patches():
    pytest.importorskip("timm", reason="the extra timm is not installed")
    tower = {"architecture": "vit_tiny_patch16_224", "model_args": {"in_chans": 10, "img_size": 16, "patch_size": 8}}
    model = small_model(rs_config={"model_type": "timm_wrapper", **tower})
    with pytest.raises(ValueError, match="RS tower is of type 'timm_wrapper', whose patches mae cannot leave out"):
        MaeObjective(model, PROCESSOR, MAE)


# MoCo v3 -------------------------------------------------------------------------------------------------------------


def test_the_loss_of_moco_v3_is_that_of_the_paper():
    objective = MocoV3Objective(small_model(), PROCESSOR, MOCO)
    generator = torch.Generator().manual_seed(0)
    names = [f"{tower}_{kind}_{number}" for tower in ("rs", "sv") for kind in ("query", "key") for number in range(2)]
    rows = {name: F.normalize(torch.randn(5, 6, generator=generator, dtype=torch.float64), dim=1) for name in names}
    loss, terms = objective.loss(rows, {})

    def contrast(queries, keys):
        return 2 * 0.2 * F.cross_entropy(queries @ keys.T / 0.2, torch.arange(5))

    expected = sum(
        contrast(rows[f"{tower}_query_{own}"], rows[f"{tower}_key_{1 - own}"])
        for tower in ("rs", "sv")
        for own in range(2)
    )
    torch.testing.assert_close(loss, expected)
    assert 0 <= terms["accuracy_rs"] <= 1


def test_the_momentum_encoder_follows_and_is_never_trained():
    module = module_of(MOCO)
    objective = module.objective
    before = [value.clone() for value in objective.momentum_encoder.parameters()]
    assert not any(value.requires_grad for value in objective.momentum_encoder.parameters())
    with torch.no_grad():
        for value in module.model.parameters():
            value.add_(1.0)
    objective.after_step(module.model, {})
    moved = {
        name: value - old
        for (name, value), old in zip(objective.momentum_encoder.named_parameters(), before, strict=True)
    }
    towers = [change for name, change in moved.items() if not name.startswith("heads")]
    assert towers and all(torch.allclose(change, torch.full_like(change, 0.01), atol=1e-6) for change in towers)
    assert all(not change.any() for name, change in moved.items() if name.startswith("heads"))


def test_two_views_differ_and_stay_in_shape():
    objective = MocoV3Objective(small_model(), PROCESSOR, MOCO)
    first, second = (objective._view(inputs()) for _ in range(2))
    for name, pixels in (("rs", inputs()["rs_pixel_values"]), ("sv", inputs()["sv_pixel_values"])):
        assert first[name].shape == second[name].shape == pixels.shape
        assert not torch.equal(first[name], second[name])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"momentum": 1.0}, "momentum is 1.0; expected a number from 0 to below 1"),
        ({"crop_scale": 0}, "crop_scale is 0"),
        ({"temperature": 0}, "temperature is 0"),
        ({"views": {"rs_crop_scale": 0.5}}, "views is .*; expected a dict with keys among"),
        ({"views": {"rs_flip": 2}}, "rs_flip is 2"),
    ],
)
def test_moco_settings_out_of_range_are_rejected(settings, said):
    with pytest.raises(ValueError, match=said):
        MocoV3Settings(**settings)
