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
"""Common tests for all models of this package, modelled on transformers' ModelTesterMixin."""

import copy
import warnings
from typing import Any

import pytest
import torch
from transformers import AutoModel

from modeling_gair import (
    GairConfig,
    GairLocationConfig,
    GairLocationEncoder,
    GairModel,
    GairRSConfig,
    GairRSModel,
    GairSphericalHarmonicsEncoder,
)
from tests.helpers.models import draw_pixels
from tests.helpers.requirements import enable_gradient_checkpointing, needs_traceable_library

_LOCATION = {"num_frequencies": 16, "degree": 4, "hidden_size": 32, "output_size": 24}
CONFIGS = {
    GairModel: lambda: GairConfig.tiny(nili_init="normal", pixel_layers=2),
    GairRSModel: lambda: GairRSConfig(**_small_tower()),
    GairLocationEncoder: lambda: GairLocationConfig(scales=[1, 256], **_LOCATION),
    GairSphericalHarmonicsEncoder: lambda: GairLocationConfig(encoder="spherical_harmonics", **_LOCATION),
}
WITH_ATTENTION = [GairModel, GairRSModel]


def _small_tower() -> dict[str, int]:
    return {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def build(model_class):
    torch.manual_seed(0)
    model = model_class(CONFIGS[model_class]()).eval()
    return draw_pixels(model) if model_class is GairModel else model


def inputs_of(model_class) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    inputs = {
        "rs_pixel_values": torch.rand(2, 10, 96, 96, generator=generator),
        "sv_pixel_values": torch.rand(2, 3, 64, 64, generator=generator),
        "coordinates": torch.tensor([[-83.3, 42.5], [139.8, 35.7]]),
        "query_points": torch.rand(2, 1, 2, generator=generator),
    }
    needed = {GairModel: tuple(inputs), GairRSModel: ("rs_pixel_values",)}.get(model_class, ("coordinates",))
    return {name: inputs[name] for name in needed} | ({"return_loss": True} if model_class is GairModel else {})


def run(model) -> list[torch.Tensor]:
    """The outputs as a list of float32 tensors."""
    outputs = model(**inputs_of(_class_of(model)))
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs.values()
    return [output.float() for output in outputs]


def _class_of(model) -> type:
    return next(model_class for model_class in CONFIGS if isinstance(model, model_class))


def assert_equal(found, expected, **tolerance) -> None:
    assert len(found) == len(expected) > 0
    for ours, theirs in zip(found, expected):
        torch.testing.assert_close(ours, theirs, **tolerance)


all_models = pytest.mark.parametrize("model_class", CONFIGS)


@all_models
@torch.no_grad()
def test_saving_and_loading_through_auto_model_changes_nothing(model_class, tmp_path):
    model = build(model_class)
    model.save_pretrained(tmp_path)
    loaded, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is model_class
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert_equal(run(loaded), run(model), rtol=0, atol=0)


@all_models
def test_the_auto_class_builds_the_class_of_a_config(model_class):
    assert type(AutoModel.from_config(CONFIGS[model_class]())) is model_class


@all_models
@torch.no_grad()
def test_the_same_input_gives_the_same_output(model_class):
    model = build(model_class)
    assert_equal(run(model), run(model), rtol=0, atol=0)


@all_models
def test_the_same_seed_gives_the_same_weights(model_class):
    first, second = build(model_class).state_dict(), build(model_class).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@all_models
@torch.no_grad()
def test_loading_in_half_precision_stays_close(model_class, tmp_path):
    model = build(model_class)
    model.save_pretrained(tmp_path)
    half = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half.dtype == torch.bfloat16
    for found, expected in zip(run(half), run(model)):
        assert torch.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.98


@all_models
def test_every_parameter_gets_a_gradient(model_class):
    model = build(model_class).train()
    inputs = inputs_of(model_class)
    outputs = (
        model(**inputs).loss
        if model_class is GairModel
        else torch.stack([output.square().mean() for output in run(model)]).sum()
    )
    outputs.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("model_class", WITH_ATTENTION)
@torch.no_grad()
def test_eager_and_sdpa_attention_agree(model_class):
    model = build(model_class)
    sdpa = run(model)
    model.set_attn_implementation("eager")
    assert_equal(run(model), sdpa, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model_class", WITH_ATTENTION)
def test_gradient_checkpointing_changes_no_gradient_and_warns_of_nothing(model_class):
    gradients = []
    for checkpointing in (False, True):
        model = build(model_class).train()
        if checkpointing:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                enable_gradient_checkpointing(model)
            layers = model.layers if model_class is GairRSModel else model.rs_model.layers
            assert all(layer.gradient_checkpointing for layer in layers)
        torch.stack([output.square().mean() for output in run(model) if output.requires_grad]).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    assert_equal(*gradients)


@needs_traceable_library
@pytest.mark.parametrize(
    "model_class",
    [
        # Daily runs test the parts only: the whole model takes as long as all other tests of this file.
        model_class if model_class is not GairModel else pytest.param(model_class, marks=pytest.mark.ci)
        for model_class in CONFIGS
    ],
)
@torch.no_grad()
def test_it_compiles_as_one_graph(model_class):
    model = build(model_class)
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True, backend="aot_eager")
    outputs = compiled(**inputs_of(model_class))
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs.values())
    assert_equal(outputs, run(model))


@pytest.mark.parametrize("model_class", [GairRSModel, GairLocationEncoder, GairSphericalHarmonicsEncoder])
@torch.no_grad()
def test_a_part_loads_from_the_whole_model(model_class, tmp_path):
    encoder = "spherical_harmonics" if model_class is GairSphericalHarmonicsEncoder else "equal_earth_rff"
    torch.manual_seed(0)
    whole = GairModel(GairConfig.tiny(location_config={"encoder": encoder, "hidden_size": 32})).eval()
    whole.save_pretrained(tmp_path)
    width = {} if model_class is GairRSModel else {"output_size": 96}
    part, info = model_class.from_pretrained(tmp_path, **width, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    own = whole.rs_model if model_class is GairRSModel else whole.location_model
    assert_equal(run(part), run(own), rtol=0, atol=0)


def test_a_location_encoder_needs_a_width_and_its_own_kind_of_config():
    with pytest.raises(ValueError, match="output_size is None"):
        GairLocationEncoder(GairLocationConfig())
    with pytest.raises(ValueError, match="use GairSphericalHarmonicsEncoder"):
        GairLocationEncoder(GairLocationConfig(encoder="spherical_harmonics", output_size=8))
    with pytest.raises(ValueError, match="output_size is 8, expected the RS tower's width, 96"):
        GairModel(GairConfig.tiny(location_config={"output_size": 8}))


@torch.no_grad()
def test_the_rs_tower_pools_the_mean_of_the_patches_it_sees():
    tower, pixels = build(GairRSModel), inputs_of(GairRSModel)["rs_pixel_values"]
    whole = tower(pixels)
    torch.testing.assert_close(whole.pooler_output, whole.last_hidden_state.mean(dim=1))
    order = torch.stack([torch.randperm(144) for _ in range(2)])
    shuffled = tower(pixels, visible_patches=order)
    expected = whole.last_hidden_state.gather(1, order[:, :, None].expand(-1, -1, 32))
    torch.testing.assert_close(shuffled.last_hidden_state, expected, rtol=1e-4, atol=1e-5)
    few = tower(pixels, visible_patches=order[:, :7])
    assert few.last_hidden_state.shape == (2, 7, 32)
    torch.testing.assert_close(few.pooler_output, few.last_hidden_state.mean(dim=1))
    # Hidden patches have no influence.
    changed = pixels.clone()
    row, column = divmod(int(order[0, -1]), 12)
    changed[0, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 1
    assert torch.equal(tower(changed, visible_patches=order[:, :7]).last_hidden_state, few.last_hidden_state)
