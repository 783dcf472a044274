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
"""The interface of objectives, and computations that several of them share."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import nn

from modeling_gair import GairModel

Tensors = dict[str, torch.Tensor]


class Objective(nn.Module, ABC):
    """
    A training objective. A step embeds a batch, whole or in parts ([`~Objective.embed`]), computes what all parts share
    ([`~Objective.shared`]), takes the loss of all rows together ([`~Objective.loss`]), and calls
    [`~Objective.after_step`] at the end. The constructor takes the model, its processor and settings; it freezes the parts
    of the model that the loss does not reach, because DDP waits for the gradients of all others.

    Attributes:
        aligns (`bool`): whether photos, tiles and locations share an embedding space, so that one can retrieve another.
    """

    aligns: bool

    @abstractmethod
    def embed(self, model: GairModel, inputs: Tensors) -> Tensors:
        """
        Compute the rows that the loss needs from a part of a batch. Concatenating the rows of all parts by key gives the
        rows of the whole batch.

        Args:
            model (`GairModel`): the model to train.
            inputs (`dict[str, torch.Tensor]`): inputs as `training.pairs.loading.prepare_pairs` returns them, T tiles with
                N photos.
        """

    def shared(self, model: GairModel) -> Tensors:
        """Compute what the loss needs besides the rows; it depends on the parameters but not on the inputs."""
        return {}

    @abstractmethod
    def loss(self, rows: Tensors, shared: Tensors) -> tuple[torch.Tensor, Tensors]:
        """
        Compute this process's share of the loss of the global batch: the mean of the shares over the processes is that
        loss, and the mean of their gradients, which DDP computes, is its gradient. Processes may have different numbers of
        rows, and all must call it. Computed in float32, or in float64 if the rows are.

        Args:
            rows (`dict[str, torch.Tensor]`): rows from [`~Objective.embed`], of all parts of this process's batch.
            shared (`dict[str, torch.Tensor]`): result of [`~Objective.shared`].

        Returns:
            The scalar loss, and its terms: scalars without gradient whose means over the processes are the terms of the
            global batch.
        """

    def after_step(self, model: GairModel, rows: Tensors) -> None:
        """
        Update the objective after a step of the optimiser. All processes must call it.

        Args:
            model (`GairModel`): the model after the step.
            rows (`dict[str, torch.Tensor]`): rows of the step.
        """

    @property
    def temperature(self) -> torch.Tensor | None:
        """The temperature to save with the model, a scalar; None to keep its config's. All processes must read it."""
        return None


class PretrainingModule(nn.Module):
    """
    The model and its objective as one module for Accelerate to wrap: its forward pass uses all parameters.

    Args:
        model (`GairModel`): the model to train.
        objective (`Objective`): the objective made for the model.
    """

    def __init__(self, model: GairModel, objective: Objective):
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, inputs: Tensors, with_shared: bool = True) -> tuple[Tensors, Tensors]:
        """
        Compute the arguments of the objective's `loss`. The last forward pass with a graph in a step must be `with_shared`, or
        some parameters would have no gradient.

        Args:
            inputs (`dict[str, torch.Tensor]`): the model's inputs, of a whole batch or a part of it.
            with_shared (`bool`): whether to also compute [`~Objective.shared`]; otherwise it is empty.

        Returns:
            The results of [`~Objective.embed`] and [`~Objective.shared`].
        """
        rows = self.objective.embed(self.model, inputs)
        return rows, self.objective.shared(self.model) if with_shared else {}


def row_losses(
    queries: torch.Tensor, keys: torch.Tensor, own: torch.Tensor, masked: torch.Tensor, temperature: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    InfoNCE (van den Oord et al., 2018, arXiv 1807.03748) of some rows of a batch.

    Args:
        queries: `(n, D)`, L2-normalised.
        keys: `(M, D)`, L2-normalised.
        own: `(n,)`, the index of each query's positive key.
        masked: `(n, M)`, bool: keys to leave out of a query's negatives; the positive is always kept.
        temperature: scalar.

    Returns:
        Each query's cross-entropy, and 1 if its nearest key is its positive, else 0; both `(n,)`.
    """
    masked = masked.scatter(1, own[:, None], False)
    logits = (queries @ keys.T / temperature).masked_fill(masked, float("-inf"))
    return F.cross_entropy(logits, own, reduction="none"), (logits.argmax(dim=1) == own).to(logits.dtype)


def share_of_mean(values: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """
    This process's share of a mean over the rows of all processes: the mean of the shares over the processes is that mean.

    Args:
        values: `(n,)`, the values of this process's rows.
        counts: result of `row_counts`.
    """
    return values.sum() * (len(counts) / sum(counts))


def precise(values: torch.Tensor) -> torch.Tensor:
    """Convert to at least float32, since half precision is too coarse for logits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
