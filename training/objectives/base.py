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
"""What every objective offers to training, and what several of them compute."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import nn

from modeling_gair import GairModel

Tensors = dict[str, torch.Tensor]


class Objective(nn.Module, ABC):
    """
    What is learned. A step embeds a batch, whole or in parts, asks for what all parts share, takes the loss of all rows
    together, and tells the objective of its end. An objective's constructor takes the model, its processor and settings,
    and freezes the parts of the model that its loss does not reach, as processes wait for the gradient of all others.

    Attributes:
        aligns (`bool`): whether photos, tiles and places come to lie in one space, so that one finds another.
    """

    aligns: bool

    @abstractmethod
    def embed(self, model: GairModel, inputs: Tensors) -> Tensors:
        """
        What the loss needs to know of a part of a batch. Parts concatenated by key are the rows of the whole.

        Args:
            model (`GairModel`): the model that is trained.
            inputs (`dict[str, torch.Tensor]`): as `training.pairs.loading.prepare_pairs` gives them, T tiles with N photos.
        """

    def shared(self, model: GairModel) -> Tensors:
        """What the loss needs besides the rows: it depends on the parameters, not on the inputs."""
        return {}

    @abstractmethod
    def loss(self, rows: Tensors, shared: Tensors) -> tuple[torch.Tensor, Tensors]:
        """
        This process's share of the loss of the global batch: the mean of the shares over the processes is that loss, and
        the mean of their gradients, as DDP takes it, its gradient. Processes may have differing numbers of rows, and all
        must call it. Computed in float32, or float64 if the rows are.

        Args:
            rows (`dict[str, torch.Tensor]`): of [`~Objective.embed`], all parts of this process's batch.
            shared (`dict[str, torch.Tensor]`): of [`~Objective.shared`].

        Returns:
            The scalar loss; and its terms: scalars without gradient whose means over the processes are those of the
            global batch.
        """

    def after_step(self, model: GairModel, rows: Tensors) -> None:
        """
        Follows an optimiser's step. All processes must call it.

        Args:
            model (`GairModel`): the model, as the step left it.
            rows (`dict[str, torch.Tensor]`): those of the step.
        """

    @property
    def temperature(self) -> torch.Tensor | None:
        """The temperature that the model is saved with, a scalar; None: as its config says. All processes must ask."""
        return None


class PretrainingModule(nn.Module):
    """
    The model and its objective as one module, which Accelerate wraps: all that has parameters lies in its forward pass.

    Args:
        model (`GairModel`): the model that is trained.
        objective (`Objective`): made for it.
    """

    def __init__(self, model: GairModel, objective: Objective):
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, inputs: Tensors, with_shared: bool = True) -> tuple[Tensors, Tensors]:
        """
        What the objective's `loss` takes. A step's last pass that is followed backwards must be `with_shared`, or
        parameters would be left without gradient.

        Args:
            inputs (`dict[str, torch.Tensor]`): the model's inputs, of a whole batch or a part of it.
            with_shared (`bool`): whether to compute also what does not depend on the inputs; else it is empty.

        Returns:
            The rows of [`~Objective.embed`], and [`~Objective.shared`].
        """
        rows = self.objective.embed(self.model, inputs)
        return rows, self.objective.shared(self.model) if with_shared else {}


def row_losses(
    queries: torch.Tensor, keys: torch.Tensor, own: torch.Tensor, masked: torch.Tensor, temperature: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    InfoNCE (van den Oord et al., 2018) of some of the rows of a batch.

    Args:
        queries: `(n, D)`, L2-normalised.
        keys: `(M, D)`, L2-normalised.
        own: `(n,)`, the index of each query's own key.
        masked: `(n, M)`, bool: keys that are no negatives of a query; the own one is kept.
        temperature: scalar.

    Returns:
        Each query's cross-entropy, and 1 where its best key is its own, else 0; both `(n,)`.
    """
    masked = masked.scatter(1, own[:, None], False)
    logits = (queries @ keys.T / temperature).masked_fill(masked, float("-inf"))
    return F.cross_entropy(logits, own, reduction="none"), (logits.argmax(dim=1) == own).to(logits.dtype)


def share_of_mean(values: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """
    What this process's values `(n,)` add to the mean over the rows of all processes, times their number: the mean of such
    shares over the processes is that mean.
    """
    return values.sum() * (len(counts) / sum(counts))


def precise(values: torch.Tensor) -> torch.Tensor:
    """In float32 at least: half precision is too coarse for logits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
