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
"""
Training on a GPU, without one: shapes alone are computed, on the device "cuda", and whatever would make the processor wait for the GPU is
found. Gradients need a GPU; `test_gpu_step.py` takes whole steps where there is one.
"""

from collections import Counter

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

pytest.importorskip("accelerate", reason="the extra train is not installed")
from modeling_gair import GairConfig, GairModel, GairProcessor
from tests.helpers.pairs import ALL_AUGMENTATIONS, made_batch
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.objectives.settings import OBJECTIVE_SETTINGS, GairSettings
from training.pairs.augmentation import Augmentation, step_generator
from training.pairs.loading import prepare_pairs

GPU = torch.device("cuda", 0)


class Waits(TorchDispatchMode):
    """Counts copies between processor and GPU that block. Fake tensors refuse by themselves to tell a value, or a shape that depends on one."""

    def __init__(self):
        super().__init__()
        self.found: Counter = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if name in ("_to_copy", "copy_") and _blocks(name, args, kwargs or {}, result):
            self.found[f"{args[0].device} to {result.device}, {tuple(result.shape)}"] += 1
        return result


def _blocks(name: str, args, kwargs, result: torch.Tensor) -> bool:
    source = args[0] if name == "_to_copy" else args[1]
    patient = kwargs.get("non_blocking", len(args) > 2 and args[2])
    return source.device.type != result.device.type and not patient


@pytest.mark.parametrize("sizes_differ", [False, True], ids=["of one size", "of several sizes"])
def test_preparing_and_augmenting_a_batch_waits_for_nothing(sizes_differ):
    processor, batch = GairProcessor.for_config(GairConfig.tiny()), made_batch(sizes_differ)
    augment = Augmentation(ALL_AUGMENTATIONS, processor)
    with FakeTensorMode(allow_non_fake_inputs=True), Waits() as waits:
        inputs = augment(prepare_pairs(batch, processor, GPU), step_generator(0, 1, 0))
    assert not waits.found
    assert all(values.device == GPU for values in inputs.values()) and inputs["sv_pixel_values"].shape[0] == 4


def test_all_tensors_of_a_batch_are_pinned(monkeypatch):
    # Only a GPU's driver can pin memory.
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    batch = made_batch()
    pinned = batch.pin_memory()
    for name in ("tiles", "photos", "coordinates", "query_points", "tile_index"):
        copied, values = getattr(pinned, name), getattr(batch, name)
        assert copied is not values and torch.equal(copied, values)
    assert pinned.photo_ids == batch.photo_ids


@pytest.mark.parametrize("name", OBJECTIVE_SETTINGS)
def test_a_loss_waits_for_nothing(name):
    settings = OBJECTIVE_SETTINGS[name]()
    if isinstance(settings, GairSettings):
        settings = GairSettings(queue_size=8, temperature_learned=True)
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny())
    processor = GairProcessor.for_config(model.config)
    module = PretrainingModule(model, make_objective(model, processor, settings))
    batch = made_batch()
    with FakeTensorMode(allow_non_fake_inputs=True):
        module = module.to(GPU)
        inputs = prepare_pairs(batch, processor, GPU)
        with Waits() as waits:
            rows, shared = module(inputs)
            loss, _ = module.objective.loss(rows, shared)
            module.objective.after_step(model, rows)
    assert not waits.found and loss.device == GPU and loss.shape == ()


def test_waiting_is_found():
    with FakeTensorMode(allow_non_fake_inputs=True), Waits() as waits:
        torch.rand(2).to(GPU, non_blocking=True)
        assert not waits.found
        torch.tensor([1.0, 2.0], device=GPU)
        values = torch.rand(3).to(GPU)
        values.cpu()
        with pytest.raises(DynamicOutputShapeException):
            values[values > 0.5]
        with pytest.raises(DataDependentOutputException):
            values.sum().item()
    assert waits.found.total() == 3
