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
"""AdamW with its parameter groups, and the learning-rate schedule."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from training.objectives.base import PretrainingModule
from training.pretraining.settings import NILI_LEARNING_RATE_FACTOR, PretrainSettings


def make_optimizer(module: PretrainingModule, settings: PretrainSettings) -> torch.optim.Optimizer:
    """
    AdamW with weight decay on the weights of linear maps and convolutions, and on nothing else; see [`decaying`].

    NILI's affine map can have its own learning rate: AdamW moves every weight by about the same amount, so the output of a
    map with 9 D inputs moves nine times as far as that of a map with D (arXiv 2203.03466).

    Args:
        module ([`PretrainingModule`]): what is trained.
        settings ([`PretrainSettings`]): learning rate, its factor for NILI, betas and weight decay.

    Raises:
        ValueError: there is a factor for NILI's map, but the map is not trained.
    """
    nili = module.model.nili.affine.weight
    parameters = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    decays = decaying(module)
    groups: list[dict[str, Any]] = [
        {"params": [parameter for name, parameter in parameters.items() if name in decays]},
        {"params": [parameter for name, parameter in parameters.items() if name not in decays], "weight_decay": 0.0},
    ]
    factor = settings.nili_learning_rate_factor
    if not nili.requires_grad and factor not in (1, NILI_LEARNING_RATE_FACTOR):
        raise ValueError(f"nili_learning_rate_factor is {factor}, but this run does not train NILI; leave it out.")
    if nili.requires_grad and factor != 1:
        groups[0]["params"] = [parameter for parameter in groups[0]["params"] if parameter is not nili]
        groups.append({"params": [nili], "lr": settings.learning_rate * factor})
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.betas[0], settings.betas[1]),
        weight_decay=settings.weight_decay,
        fused=True,
    )


def decaying(module: nn.Module) -> set[str]:
    """
    Names of the parameters that weight decay reaches: the weights of linear maps and convolutions. As in timm and DINO, it
    leaves out biases, norms and other scales, class, register and mask tokens, positions (also as tables of relative
    biases or as embeddings), and temperatures.

    Args:
        module (`nn.Module`): any module, of any library: a weight is what is named so, has two dimensions or more that are
            longer than 1, and does not belong to an embedding.
    """
    embeddings = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    matrices = {name for name, parameter in module.named_parameters() if sum(side > 1 for side in parameter.shape) > 1}
    return {name for name in matrices - embeddings if name.endswith("weight")}


def make_schedule(optimizer: torch.optim.Optimizer, settings: PretrainSettings) -> LambdaLR:
    """The schedule of [`learning_rate_factor`], which counts the steps of the run."""
    return LambdaLR(optimizer, lambda step: learning_rate_factor(step, settings))


def learning_rate_factor(step: int, settings: PretrainSettings) -> float:
    """The learning rate as a fraction of its peak: linear warm-up to 1, then a cosine to 0 at the last step."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(settings.max_steps - settings.warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1)))
