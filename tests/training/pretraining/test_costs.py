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
"""Costs of a run: counted FLOPs and memory, compared with calculated or measured values."""

import pytest
import torch

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.common.matrix_rate import matrix_rate
from training.pretraining.costs import (
    activation_bytes,
    flops_per_pair,
    format_costs,
    random_inputs,
    step_costs,
)

CONFIG = GairConfig.tiny()
PROCESSOR = GairProcessor.for_config(CONFIG)
CPU = torch.device("cpu")


def products_of_a_vit(tokens: int, width: int, inner: int, layers: int) -> int:
    """Multiply-adds of the matrix products in the blocks: q, k, v and o, two of attention, two of the MLP."""
    return layers * tokens * (4 * width**2 + 2 * tokens * width + 2 * width * inner)


@pytest.mark.parametrize("photos", [4, pytest.param(1, marks=pytest.mark.ci)])
def test_flops_of_the_published_sizes_match_a_manual_calculation(photos):
    config = GairConfig()
    rs = products_of_a_vit(144, 768, 3072, 12) + 144 * 640 * 768
    sv = products_of_a_vit(197, 768, 3072, 12) + 196 * 768 * 768 + 2 * 768 * 768
    location = 3 * (512 * 1024 + 2 * 1024**2 + 1024 * 768)
    nili = 6914 * 768
    # 2 FLOPs per multiply-add in the forward pass, twice that in the backward pass.
    expected = 6 * (rs / photos + sv + location + nili)
    assert flops_per_pair(config, GairProcessor.for_config(config), photos) == pytest.approx(expected, rel=0.02)


def test_counting_initialises_no_weights_and_keeps_the_config():
    config = GairConfig(rs_config={"num_hidden_layers": 2}, sv_config={"num_hidden_layers": 1})
    before = config.to_dict()
    assert flops_per_pair(config, GairProcessor.for_config(config), 1) > 1e10
    assert config.to_dict() == before
    # Models created later are initialised as usual.
    assert GairModel(CONFIG).sv_projection.weight.std() > 0


def test_counted_activations_match_those_kept_by_a_forward_pass():
    model = GairModel(CONFIG)
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model(**random_inputs(PROCESSOR, 6, 2, CPU))
        (outputs.localized_rs_embeds.sum() + outputs.sv_embeds.sum() + outputs.location_embeds.sum()).backward()
    expected = sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in weights)
    assert activation_bytes(CONFIG, PROCESSOR, 6, 2) == pytest.approx(expected, rel=0.05)


def test_costs_of_a_step_scale_with_its_size():
    one, four = (step_costs(CONFIG, PROCESSOR, CPU, torch.float32, 2, 2, parts) for parts in (1, 4))
    assert (one.pairs, four.pairs) == (4, 16)
    assert four.flops_per_pair == one.flops_per_pair
    # Gradient caching keeps one part at a time in memory.
    assert four.activations_bytes == one.activations_bytes and four.weights_bytes == one.weights_bytes
    assert one.weights_bytes == 16 * GairModel(CONFIG).num_parameters()
    assert one.seconds > 0 and four.seconds > 0


def test_costs_are_printed():
    assert 1e8 < matrix_rate(CPU, torch.float32) < 1e14
    text = format_costs(step_costs(CONFIG, PROCESSOR, CPU, torch.float32, 2, 2, 3), processes=8, steps=1000)
    assert (
        f"{GairModel(CONFIG).num_parameters():,}" in text and "8 process(es) × 3 part(s) × 2 tiles × 2 photos" in text
    )
    for word in (
        "RS",
        "SV",
        "location",
        "NILI",
        "FLOPs per pair",
        "GB activations",
        "measured",
        "estimate",
        "1,000 steps",
    ):
        assert word in text
