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
"""A linear head, or a pooler and a head, trained on features of the frozen street-view tower."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import r2_score, root_mean_squared_error
from torch import nn
from torch.nn import functional as F

from training.common.checks import check_whole


@dataclass(frozen=True)
class HeadSettings:
    """
    How a head is trained. The published runs do not say; these values are ours.

    Args:
        epochs, batch_size (`int`): passes over the training photos, and photos per batch.
        learning_rate, weight_decay (`float`): of AdamW; the learning rate decays to 0 along a cosine.

    Raises:
        ValueError: a count is not a whole number above 0.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        check_whole("head.epochs", self.epochs, 1)
        check_whole("head.batch_size", self.batch_size, 1)


@dataclass(frozen=True)
class LabelledFeatures:
    """
    Features of photos with their labels.

    Attributes:
        features (`np.ndarray` of shape `(N, D)`): float32.
        labels (`np.ndarray` of shape `(N,)`): classes, int64, or numbers, float64.
    """

    features: np.ndarray
    labels: np.ndarray

    def to_tensors(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Features, float32, and labels on a device."""
        return torch.from_numpy(self.features).float().to(device), torch.from_numpy(self.labels).to(device)


class Head(nn.Module):
    """
    A linear layer, or a pooler (linear, tanh; as a ViT's) and a linear layer. Standardises its input, and numbers in its
    output, by the training photos.

    Args:
        train ([`LabelledFeatures`]): the training photos.
        classes (`int`): number of classes; 0 for numbers.
        pooler (`bool`): whether a pooler comes first.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, train: LabelledFeatures, classes: int, pooler: bool):
        super().__init__()
        width, outputs = train.features.shape[1], max(classes, 1)
        mean, std = train.features.mean(axis=0), train.features.std(axis=0)
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("std", torch.from_numpy(np.where(std > 0, std, 1.0)).float())
        linear: list[nn.Module] = [nn.Linear(width, outputs)]
        self.layers = nn.Sequential(*([nn.Linear(width, width), nn.Tanh()] if pooler else []), *linear)
        centre, scale = (0.0, 1.0) if classes else (float(train.labels.mean()), float(train.labels.std()))
        self.centre, self.scale, self.classes = centre, scale, classes

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features `(N, D)` → logits `(N, classes)`, or numbers `(N, 1)`."""
        return self.layers((features - self.mean) / self.std) * self.scale + self.centre

    def loss(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross entropy, or the squared error in units of the variance of the training numbers."""
        if self.classes:
            return F.cross_entropy(self(features), labels)
        return F.mse_loss(self(features)[:, 0], labels.float()) / self.scale**2

    @torch.no_grad()
    def predict(self, features: np.ndarray) -> np.ndarray:
        """Logits or numbers, float64 `(N, outputs)`, of features `(N, D)`."""
        return self(torch.from_numpy(features).float().to(self.mean.device)).double().cpu().numpy()


def train_head(
    train: LabelledFeatures,
    validation: LabelledFeatures,
    classes: int,
    pooler: bool,
    settings: HeadSettings,
    seed: int,
    device: torch.device,
) -> Head:
    """
    Trains a head and returns its state after the epoch with the lowest validation loss.

    Args:
        train, validation ([`LabelledFeatures`]): to train on, and to choose the epoch by.
        classes (`int`): number of classes; 0 for numbers.
        pooler (`bool`): whether a pooler comes first.
        settings ([`HeadSettings`]): how to train.
        seed (`int`): of the weights and of the order.
        device (`torch.device`): where to train.

    Raises:
        ValueError: all training labels are equal.
    """
    if len(np.unique(train.labels)) < 2:
        raise ValueError(f"The {len(train.labels)} training photos have one label; a head needs at least two.")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        head = Head(train, classes, pooler).to(device)
        return _optimize(head, train.to_tensors(device), validation.to_tensors(device), settings)


def _optimize(
    head: Head,
    train: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor],
    settings: HeadSettings,
) -> Head:
    optimizer = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-len(train[0]) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, best_state = float("inf"), head.state_dict()
    for _ in range(settings.epochs):
        for rows in torch.randperm(len(train[0])).split(settings.batch_size):
            loss = head.loss(train[0][rows], train[1][rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            current = float(head.loss(*validation))
        if current < best:
            best, best_state = current, {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(best_state)
    return head.eval()


def number_scores(labels: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """
    Args:
        labels, found (`np.ndarray` of shape `(M,)`): true and predicted numbers.

    Returns:
        `dict[str, float]`: `r2`, and `rmse` in the units of the labels.

    Raises:
        ValueError: all true numbers are equal.
    """
    if np.ptp(labels) == 0:
        raise ValueError(
            f"The {len(labels)} test photos have one label, for which R² is not defined; add other photos."
        )
    return {"r2": float(r2_score(labels, found)), "rmse": float(root_mean_squared_error(labels, found))}
