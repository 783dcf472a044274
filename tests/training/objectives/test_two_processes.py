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
"""Training steps of model and objective, on one process and on two."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel

from tests.helpers.objectives import (
    PHOTOS,
    PROCESSOR,
    TILES,
    inputs,
    objective_of,
    part,
    random_places,
    small_model,
)
from training.common.distributed import mean_over_ranks
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.objectives.settings import MocoV3Settings


def cases(folder: str) -> dict[str, dict]:
    """Settings of the objective for each case."""
    return {
        "plain": {},
        "published": {"queue_size": 9, "in_batch_places": False},
        "without places": {"secl_weight": 0},
        "all": {
            "queue_size": 20,
            "temperature_learned": True,
            "sv_teacher": folder,
            "sv_teacher_projection": "linear",
            "rs_teacher": "initial",
            "rs_teacher_projection": "linear",
        },
    }


CASES = list(cases(""))
DTYPES = {"float64": torch.float64, "float32": torch.float32}
TOLERANCES = {"float64": 1e-6, "float32": 1e-4}


def make_module(case: str, folder: str, dtype: torch.dtype, places: torch.Tensor) -> PretrainingModule:
    """A module that is the same on every call, with the places of all processes in its queue."""
    distances = {"incl_min_distance_m": 0, "secl_min_distance_m": 0}
    config = {"published": distances, "without places": {"query_mode": "bilinear"}}
    model = small_model(**config.get(case, {}))
    module = PretrainingModule(model, objective_of(model, **cases(folder)[case])).to(dtype)
    module.objective.after_step(module.model, {"coordinates": places})
    return module


def two_steps(module: torch.nn.Module, batches: list[dict[str, torch.Tensor]]) -> list[dict]:
    """Train on the batches; return for each step the loss and its terms over all processes, the gradients and the queue."""
    bare = module.module if isinstance(module, DistributedDataParallel) else module
    told = []
    for batch in batches:
        rows, shared = module(batch)
        loss, terms = bare.objective.loss(rows, shared)
        loss.backward()
        trained = {name: parameter for name, parameter in bare.named_parameters() if parameter.requires_grad}
        gradients = {name: parameter.grad for name, parameter in trained.items()}
        told.append({"terms": mean_over_ranks(terms | {"loss": loss.detach()}), "gradients": gradients})
        with torch.no_grad():
            for parameter in trained.values():
                parameter -= 0.05 * parameter.grad
        module.zero_grad(set_to_none=True)
        bare.objective.after_step(bare.model, rows)
        told[-1]["queue"] = {name: value.clone() for name, value in bare.objective.named_buffers() if "queue" in name}
    return told


def view_rows(rank: int | None = None) -> dict[str, torch.Tensor]:
    """Random rows for MoCo v3: those of one of two processes, or all."""
    generator = torch.Generator().manual_seed(0)
    rows = {}
    for tower, counts in (("rs", TILES), ("sv", PHOTOS)):
        for name in ("query_0", "query_1", "key_0", "key_1"):
            drawn = torch.randn(sum(counts), 6, generator=generator, dtype=torch.float64)
            whole = F.normalize(drawn, dim=1)
            rows[f"{tower}_{name}"] = whole if rank is None else whole.split(counts)[rank]
    return rows


def moco_v3_step(rows: dict[str, torch.Tensor]) -> dict:
    """The loss over all processes, and the gradient of each query."""
    objective = make_objective(small_model(), PROCESSOR, MocoV3Settings(projection_size=6, projection_hidden_size=8))
    leaves = {name: value.clone().requires_grad_("query" in name) for name, value in rows.items()}
    loss, terms = objective.loss(leaves, {})
    loss.backward()
    gradients = {name: value.grad for name, value in leaves.items() if value.requires_grad}
    return {"terms": mean_over_ranks(terms | {"loss": loss.detach()}), "gradients": gradients}


def train_on_part(rank: int, folder: str, case: str, dtype: str) -> list[dict[str, Any]]:
    """The results of a case on one of two processes."""
    bare = make_module(case, folder, DTYPES[dtype], random_places(4).split([1, 3])[rank])
    # As in training: the queues stay equal without being broadcast.
    module = DistributedDataParallel(bare, broadcast_buffers=False)
    return two_steps(module, [part(inputs(seed), rank) for seed in (1, 2)])


def moco_v3_on_part(rank: int) -> dict[str, Any]:
    return moco_v3_step(view_rows(rank))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_like_one_on_the_whole_batch(two_processes, wide_teacher, case, dtype):
    told = two_processes.run(train_on_part, wide_teacher, case, dtype)
    module = make_module(case, wide_teacher, DTYPES[dtype], random_places(4))
    tolerance = {"rtol": TOLERANCES[dtype], "atol": TOLERANCES[dtype]}
    alone = two_steps(module, [inputs(seed) for seed in (1, 2)])
    for rank in range(2):
        for step, expected in enumerate(alone):
            found = told[rank][step]
            assert found["terms"].keys() == expected["terms"].keys()
            for name, value in expected["terms"].items():
                assert math.isclose(found["terms"][name], value, rel_tol=TOLERANCES[dtype], abs_tol=TOLERANCES[dtype])
            assert found["gradients"].keys() == expected["gradients"].keys()
            for name, gradient in expected["gradients"].items():
                torch.testing.assert_close(
                    found["gradients"][name], gradient, **tolerance, msg=lambda m, n=name: f"{n}: {m}"
                )
            assert found["queue"].keys() == expected["queue"].keys()
            for name, values in expected["queue"].items():
                assert torch.equal(found["queue"][name], values)


def test_moco_v3_uses_the_negatives_of_both_processes(two_processes):
    told = two_processes.run(moco_v3_on_part)
    alone = moco_v3_step(view_rows())
    for rank in range(2):
        found = told[rank]
        assert found["terms"] == pytest.approx(alone["terms"], abs=1e-9)
        for name, gradient in alone["gradients"].items():
            own = gradient.split(TILES if name.startswith("rs") else PHOTOS)[rank]
            # Gradients are averaged over the processes, and each process has only its own rows.
            torch.testing.assert_close(found["gradients"][name] / 2, own)


@pytest.mark.parametrize("in_batch_places", [True, False])
@pytest.mark.parametrize("temperature_learned", [True, False])
def test_every_parameter_gets_a_gradient(wide_teacher, in_batch_places, temperature_learned):
    """With an empty and a filled queue; DDP would not reduce gradients if a parameter had none."""
    teachers = {"sv_teacher": wide_teacher, "sv_teacher_projection": "linear", "rs_teacher": "initial"}
    for more in ({}, {"incl_weight": 0, "secl_weight": 0}, teachers, teachers | {"rs_teacher_projection": "linear"}):
        model = small_model()
        settings = {"queue_size": 6, "in_batch_places": in_batch_places, "temperature_learned": temperature_learned}
        module = PretrainingModule(model, objective_of(model, **settings, **more))
        for seed in (1, 2):
            rows, shared = module(inputs(seed))
            module.zero_grad(set_to_none=True)
            module.objective.loss(rows, shared)[0].backward()
            trained = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
            assert [name for name in trained if module.get_parameter(name).grad is None] == []
            assert all(module.get_parameter(name).grad.isfinite().all() for name in trained)
            module.objective.after_step(module.model, rows)


def test_parts_of_a_batch_give_the_rows_of_the_whole(wide_teacher):
    model = small_model()
    teachers = {"sv_teacher": wide_teacher, "sv_teacher_projection": "linear", "rs_teacher": "initial"}
    module = PretrainingModule(model, objective_of(model, **teachers, queue_size=3))
    whole, shared = module(inputs())
    parts = [module(part(inputs(), number), with_shared=False) for number in range(2)]
    assert set(shared) == {"queue"} and [shared for _, shared in parts] == [{}, {}]
    embeds = {"sv", "localized", "location", "coordinates"}
    assert set(whole) == embeds | {"sv_teacher_cosine", "rs_teacher_cosine"}
    assert set(objective_of(model).embed(model, inputs())) == embeds
    for name, values in whole.items():
        torch.testing.assert_close(torch.cat([rows[name] for rows, _ in parts]), values)
        assert values.requires_grad == (name != "coordinates")
