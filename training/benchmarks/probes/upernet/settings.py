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
"""How UPerNet is trained on a frozen backbone."""

from dataclasses import dataclass

from training.common.checks import check_whole

PYRAMIDS = ("layers", "nili")


@dataclass(frozen=True)
class UperNetSettings:
    """
    How a decoder is trained. The defaults are PANGAEA's, except for `validate_every`, which is ours.

    Args:
        channels (`int`): width of the decoder.
        epochs, batch_size (`int`): passes over the training tiles, and tiles per batch.
        learning_rate, weight_decay (`float`): of AdamW.
        milestones (`tuple[float, float]`): shares of all steps after which the learning rate falls to a tenth.
        pyramid (`str`): `"layers"`, maps from four depths of the backbone, rescaled to four sizes by learned layers; or
            `"nili"`, its continuous map, read at four times the backbone's grid and halved by averaging.
        window (`int`, *optional*): side in pixels of the part of a tile that is encoded at a time, placed at random in
            training and slid over the tile in testing; the whole tile by default.
        validate_every (`int`): epochs between validations; the best validated decoder is tested.

    Raises:
        ValueError: a setting is out of range.
    """

    channels: int = 512
    epochs: int = 80
    batch_size: int = 8
    learning_rate: float = 1e-4
    weight_decay: float = 0.05
    milestones: tuple[float, float] = (0.6, 0.9)
    pyramid: str = "layers"
    window: int | None = None
    validate_every: int = 5

    def __post_init__(self) -> None:
        for name, least in {"channels": 1, "epochs": 1, "batch_size": 2, "validate_every": 1}.items():
            check_whole(f"segmentation.{name}", getattr(self, name), least)
        if self.window is not None:
            check_whole("segmentation.window", self.window, 8)
        if self.pyramid not in PYRAMIDS:
            raise ValueError(f"segmentation.pyramid is {self.pyramid!r}, expected one of {', '.join(PYRAMIDS)}.")
