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
"""Parameter groups of the optimizer: weight decay and learning rates."""

import pytest
import torch
import transformers

pytest.importorskip("accelerate", reason="the extra train is not installed")
from modeling_gair import GairProcessor
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.pretraining.initial_weights import random_model
from training.pretraining.optimizer import decaying, learning_rate_factor, make_optimizer, make_schedule
from training.pretraining.settings import load_settings


def optimizer_of(*flags: str) -> tuple[PretrainingModule, torch.optim.Optimizer]:
    settings = load_settings(["--model", "tiny", *flags])
    model = random_model(settings)
    processor = GairProcessor.for_config(model.config)
    module = PretrainingModule(model, make_objective(model, processor, settings.objective_settings()))
    return module, make_optimizer(module, settings)


@pytest.mark.parametrize("flags", [(), ("--nili_learning_rate_factor", "0.1"), ("--model.query_mode", "mean")])
def test_each_trainable_parameter_is_in_one_group_and_only_weights_of_maps_decay(flags):
    module, optimizer = optimizer_of(*flags)
    grouped = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert len(grouped) == len(set(grouped)) and set(grouped) == {p for p in module.parameters() if p.requires_grad}
    names = {parameter: name for name, parameter in module.named_parameters()}
    decay, none = ({names[p] for group in optimizer.param_groups if group["weight_decay"] == each for p in group["params"]}
                   for each in (0.05, 0.0))  # fmt: skip
    assert {"model.sv_model.embeddings.cls_token", "model.sv_model.embeddings.position_embeddings"} <= none
    assert {"model.rs_model.embeddings.projection.weight", "model.sv_projection.weight"} <= decay
    assert all(name.endswith("weight") and "norm" not in name for name in decay)
    assert optimizer.defaults["fused"]


@pytest.mark.parametrize(
    "config, spared",
    [
        ("Dinov2WithRegistersConfig", {"cls_token", "mask_token", "position_embeddings", "register_tokens"}),
        ("DeiTConfig", {"cls_token", "distillation_token", "position_embeddings"}),
        ("SiglipVisionConfig", {"position_embedding.weight", "probe"}),
        ("SwinConfig", {"relative_position_bias_table"}),
        ("Swinv2Config", {"logit_scale"}),
        ("ConvNextV2Config", {"grn.weight", "grn.bias"}),
    ],
)
def test_tokens_positions_and_scales_of_any_tower_do_not_decay(config, spared):
    with torch.device("meta"):
        tower = transformers.AutoModel.from_config(getattr(transformers, config)())
    decays, names = decaying(tower), {name for name, parameter in tower.named_parameters() if parameter.ndim > 1}
    for name in spared:
        own = {each for each in names if each.endswith(name)}
        assert own and not own & decays
    assert len(decays) > 20


def test_mask_tokens_do_not_decay():
    module, _ = optimizer_of("--objective.name", "mae")
    tokens = {name for name, _ in module.named_parameters() if "mask_token" in name}
    assert len(tokens) == 2 and not tokens & decaying(module)


def test_the_separate_learning_rate_of_nili_follows_the_schedule():
    module, optimizer = optimizer_of("--nili_learning_rate_factor", "0.1", "--learning_rate", "1e-2")
    settings = load_settings([])
    schedule = make_schedule(optimizer, settings)
    for _ in range(100):
        optimizer.step()
        schedule.step()
    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    nili = module.model.nili.affine
    expected = 1e-2 * learning_rate_factor(100, settings)
    for parameter, rate in rates.items():
        assert rate == pytest.approx(expected / 10 if parameter is nili.weight else expected)


def test_without_a_factor_all_parameters_share_one_learning_rate():
    _, optimizer = optimizer_of("--nili_learning_rate_factor", "1")
    assert len(optimizer.param_groups) == 2 and len({group["lr"] for group in optimizer.param_groups}) == 1


@pytest.mark.parametrize("flags", [("--model.query_mode", "bilinear"), ("--objective.name", "mae")])
def test_a_factor_without_effect_is_refused(flags):
    with pytest.raises(
        ValueError, match=r"nili_learning_rate_factor is 0\.1, but this run does not train NILI; leave it"
    ):
        optimizer_of("--nili_learning_rate_factor", "0.1", *flags)
