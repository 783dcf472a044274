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
"""The decoder: transformers' UPerNet head behind PANGAEA's neck."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import UperNetConfig
from transformers.models.upernet.modeling_upernet import UperNetHead

_DROPOUT = 0.1

Maps = list[torch.Tensor]


class Pyramid(nn.Module):
    """
    Rescales four maps of one size by 4, 2, 1 and 1/2, as PANGAEA's neck does for vision transformers: two transposed
    convolutions, one, none, and a 2 × 2 maximum.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        first, second = widths[:2]
        self.levels = nn.ModuleList(
            [
                nn.Sequential(
                    nn.ConvTranspose2d(first, first, kernel_size=2, stride=2),
                    nn.BatchNorm2d(first),
                    nn.GELU(),
                    nn.ConvTranspose2d(first, first, kernel_size=2, stride=2),
                ),
                nn.ConvTranspose2d(second, second, kernel_size=2, stride=2),
                nn.Identity(),
                nn.MaxPool2d(kernel_size=2, stride=2),
            ]
        )

    def forward(self, maps: Maps) -> Maps:
        return [level(one) for level, one in zip(self.levels, maps)]


class Decoder(nn.Module):
    """
    UPerNet on the feature maps of a frozen backbone.

    Args:
        widths (`Sequence[int]`): channels of the four maps.
        outputs (`int`): number of classes, or 1 for a number.
        channels (`int`): width of the decoder.
        rescale (`bool`): whether all maps have one size, so that a [`Pyramid`] comes first.
        dates (`int`): dates per sample. With several, each level is their learned weighted sum, with one weight per date
            (PANGAEA's strategy "linear").
        numbers (`tuple[float, float]`, *optional*): mean and standard deviation of the targets, if these are numbers. They
            are taken to be positive: the output, in their units, passes through a ReLU as PANGAEA's does.
    """

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int,
        channels: int,
        rescale: bool,
        dates: int,
        numbers: tuple[float, float] | None,
    ):
        super().__init__()
        self.over_dates = nn.Linear(dates, 1) if dates > 1 else None
        self.pyramid = Pyramid(widths) if rescale else nn.Identity()
        head: Any = UperNetHead(_head_config(channels, outputs), list(widths))
        head.classifier = nn.Sequential(nn.Dropout2d(_DROPOUT), head.classifier)
        self.head = head
        self.numbers = numbers

    def forward(self, maps: Maps) -> torch.Tensor:
        """
        Args:
            maps (`list[torch.Tensor]`): four of shape `(B, T, D, h, w)`, T dates.

        Returns:
            `torch.Tensor` of shape `(B, outputs, H, W)`: logits, or numbers, on the grid of the finest level; see
            [`resized`].
        """
        if self.over_dates is None:
            merged = [one[:, 0] for one in maps]
        else:
            merged = [self.over_dates(one.movedim(1, -1))[..., 0] for one in maps]
        output = self.head(self.pyramid(merged))
        if self.numbers is not None:
            # Start at the targets' mean: around 0, half of the outputs would start where the ReLU has no gradient.
            output = F.relu(self.numbers[0] + self.numbers[1] * output)
        return output


def resized(output: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A decoder's output `(B, K, h, w)` on the grid of its labels, `(B, K, H, W)`, by bilinear interpolation."""
    return F.interpolate(output, size=size, mode="bilinear", align_corners=False)


def _head_config(channels: int, outputs: int) -> UperNetConfig:
    config = UperNetConfig(hidden_size=channels)
    config.num_labels = outputs
    return config
