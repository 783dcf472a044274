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
"""Gradient caching: gradients of a loss over a large batch, with the activations of only one part of it in memory."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import nn

from training.common.distributed import unwrapped

Tensors = dict[str, torch.Tensor]


def backward(
    module: nn.Module, parts: Sequence[Tensors], accelerator: Accelerator
) -> tuple[torch.Tensor, Tensors, Tensors]:
    """
    Accumulates the gradients of the objective over a batch, keeping the activations of one part at a time.

    A batch of one part takes an ordinary forward and backward pass. For several parts, the embeddings of all parts are
    computed without a graph; the loss over all embeddings gives the gradient with respect to each of them; then each part is
    embedded again with the same random numbers, and its share of that gradient is backpropagated (Gao et al., 2021,
    arXiv 2101.06983). The result is the gradient of the whole batch, not the mean over parts, because the negatives of a row
    come from all parts and all processes.

    Args:
        module (`nn.Module`): a [`PretrainingModule`], wrapped by Accelerate.
        parts (`Sequence[dict[str, torch.Tensor]]`): model inputs on the module's device; every process must pass the same
            number of parts.
        accelerator (`Accelerator`): the accelerator that wrapped the module.

    Returns:
        `tuple`: the loss, its terms and the embeddings of all parts, all detached. The mean of the loss and of each term over
        the processes is its value for the global batch.
    """
    objective = unwrapped(module, accelerator).objective
    if len(parts) == 1:
        rows, shared = module(parts[0])
        loss, terms = objective.loss(rows, shared)
        accelerator.backward(loss)
        return loss.detach(), terms, _detached(rows)
    states = []
    embedded: list[Tensors] = []
    with torch.no_grad():
        for part in parts:
            states.append(_random_state(accelerator.device))
            # Values that do not depend on the inputs are computed once, with the last part; likewise in the second pass.
            rows, shared = module(part, with_shared=part is parts[-1])
            embedded.append(rows)
    leaves = {name: _leaf(torch.cat([rows[name] for rows in embedded])) for name in embedded[0]}
    shared = {name: _leaf(value) for name, value in shared.items()}
    loss, terms = objective.loss(leaves, shared)
    accelerator.backward(loss)
    gradients = {
        name: leaf.grad.split([len(rows[name]) for rows in embedded])
        for name, leaf in leaves.items()
        if leaf.grad is not None
    }
    shared_gradients = {name: leaf.grad for name, leaf in shared.items()}
    for number, (part, state) in enumerate(zip(parts, states)):
        own = {name: pieces[number] for name, pieces in gradients.items()}
        last = number == len(parts) - 1
        _set_random_state(state, accelerator.device)
        with nullcontext() if last else accelerator.no_sync(module):
            rows, shared = module(part, with_shared=last)
            _backpropagate(rows | shared, own | shared_gradients)
    return loss.detach(), terms, _detached(leaves)


def _backpropagate(embedded: Tensors, gradients: Tensors) -> None:
    """Backpropagates gradients with respect to embeddings to the parameters."""
    values = {name: value for name, value in embedded.items() if value.requires_grad and name in gradients}
    torch.autograd.backward(list(values.values()), [gradients[name] for name in values])


def _leaf(value: torch.Tensor) -> torch.Tensor:
    return value.detach().requires_grad_(value.is_floating_point())


def _detached(tensors: Tensors) -> Tensors:
    return {name: value.detach() for name, value in tensors.items()}


def _random_state(device: torch.device) -> list[torch.Tensor]:
    """Random states of the CPU and, if it is a different one, of the device; dropout draws from them."""
    own = [] if device.type == "cpu" else [torch.get_device_module(device).get_rng_state(device)]
    return [torch.get_rng_state(), *own]


def _set_random_state(state: list[torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(state[1], device)
