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
"""Gradient caching gives the gradients of the whole batch, on one and two processes, with dropout and teachers."""

from typing import Any

import pytest
import torch
from accelerate import Accelerator

from modeling_gair import GairModel
from tests.helpers.objectives import (
    TILES,
    inputs,
    objective_of,
    part,
    random_places,
    save_teacher,
    small_model,
)
from training.common.distributed import mean_over_ranks
from training.objectives.base import PretrainingModule
from training.pretraining.gradient_cache import backward

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}
SETTINGS = {"queue_size": 20, "temperature_learned": True, "rs_teacher": "initial"}


def make_module(
    dtype: torch.dtype, dropout: float, places: torch.Tensor | None = None, **settings
) -> PretrainingModule:
    """A module with fixed weights, and a queue that holds the locations of all processes."""
    made = small_model()
    made.config.sv_config.hidden_dropout_prob = dropout
    torch.manual_seed(0)
    model = GairModel(made.config)
    objective = objective_of(model, **{**SETTINGS, **settings})
    module = PretrainingModule(model, objective).to(dtype)
    module.objective.after_step(module.model, {"coordinates": random_places(4) if places is None else places})
    return module.train()


def parts_of(seeds: tuple[int, ...], dtype: torch.dtype) -> list[dict[str, torch.Tensor]]:
    return [
        {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs(seed).items()}
        for seed in seeds
    ]


def uncached(module: PretrainingModule, parts: list[dict[str, torch.Tensor]]) -> tuple[torch.Tensor, dict]:
    """Embeds all parts with their graphs in memory at once."""
    embedded = [module(each, with_shared=each is parts[-1]) for each in parts]
    rows = {name: torch.cat([rows[name] for rows, _ in embedded]) for name in embedded[0][0]}
    loss, terms = module.objective.loss(rows, embedded[-1][1])
    loss.backward()
    return loss.detach(), terms


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.grad for name, value in module.named_parameters() if value.requires_grad}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_gradients_equal_those_without_caching(dtype, dropout, count):
    parts = parts_of(tuple(range(1, count + 1)), dtype)
    one, other = make_module(dtype, dropout), make_module(dtype, dropout)
    torch.manual_seed(1)
    expected_loss, expected_terms = uncached(one, parts)
    torch.manual_seed(1)
    loss, terms, rows = backward(other, parts, Accelerator(cpu=True))
    torch.testing.assert_close(loss, expected_loss, rtol=0, atol=TOLERANCES[dtype])
    assert terms.keys() == expected_terms.keys() and not any(value.requires_grad for value in terms.values())
    assert_same(gradients(other), gradients(one), TOLERANCES[dtype])
    assert torch.equal(rows["coordinates"], torch.cat([each["coordinates"] for each in parts]))
    assert not any(value.requires_grad for value in rows.values())
    if dropout:
        # Dropout matters here: different masks give different gradients.
        torch.manual_seed(2)
        third = make_module(dtype, dropout)
        torch.manual_seed(2)
        backward(third, parts, Accelerator(cpu=True))
        assert not torch.allclose(
            gradients(third)["model.nili.affine.weight"], gradients(one)["model.nili.affine.weight"]
        )


def test_the_loss_is_that_of_the_whole_batch_and_not_the_mean_over_parts():
    parts = parts_of((1, 2), torch.float64)
    whole = {name: torch.cat([each[name] for each in parts]) for name in parts[0]}
    whole["tile_index"] = torch.cat([parts[0]["tile_index"], parts[1]["tile_index"] + sum(TILES)])
    one, other, mean = (make_module(torch.float64, 0.0) for _ in range(3))
    loss, _ = uncached(one, [whole])
    assert torch.isclose(backward(other, parts, Accelerator(cpu=True))[0], loss, rtol=0, atol=1e-9)
    assert_same(gradients(other), gradients(one), 1e-9)
    for each in parts:
        backward(mean, [each], Accelerator(cpu=True))
    found = gradients(mean)["model.nili.affine.weight"] / 2
    assert not torch.allclose(found, gradients(one)["model.nili.affine.weight"], rtol=1e-2)


def test_the_random_state_afterwards_is_that_of_a_single_pass():
    parts, module = parts_of((1, 2), torch.float32), make_module(torch.float32, 0.3)
    torch.manual_seed(3)
    uncached(module, parts)
    expected = torch.rand(3)
    torch.manual_seed(3)
    backward(module, parts, Accelerator(cpu=True))
    assert torch.equal(torch.rand(3), expected)


def train_on_part(rank: int, folder: str) -> dict[Any, Any]:
    told: dict[Any, Any] = {}
    for dtype in TOLERANCES:
        accelerator = Accelerator(cpu=True)
        module = accelerator.prepare(make_module(dtype, 0.0, random_places(4).split([1, 3])[rank], sv_teacher=folder))
        parts = [part(each, rank) for each in parts_of((1, 2, 3), dtype)]
        loss, terms, _ = backward(module, parts, accelerator)
        bare = accelerator.unwrap_model(module)
        told[dtype] = {"terms": mean_over_ranks(terms | {"loss": loss}), "gradients": gradients(bare)}
        told["wrapped"] = type(module).__name__
    return told


def test_two_processes_with_three_parts_each_match_one_process_with_the_whole_batch(two_processes, tmp_path):
    save_teacher(tmp_path)
    told = two_processes.run(train_on_part, str(tmp_path))
    assert told[0]["wrapped"] == "DistributedDataParallel"
    for dtype, tolerance in TOLERANCES.items():
        module = make_module(dtype, 0.0, sv_teacher=str(tmp_path))
        loss, terms = uncached(module, parts_of((1, 2, 3), dtype))
        for rank in range(2):
            found = told[rank][dtype]
            assert_same(found["gradients"], gradients(module), tolerance)
            for name, value in (terms | {"loss": loss}).items():
                assert abs(found["terms"][name] - value.item()) < tolerance, name
