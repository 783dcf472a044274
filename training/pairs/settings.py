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
"""Settings of the augmentation, in a module without torch so that `--help` is quick."""

from dataclasses import dataclass, fields

from training.common.checks import is_number


@dataclass
class AugmentationSettings:
    """
    How tiles and photos are augmented in training; everything is off by default.

    Attributes:
        rs_flip (`float`): Probability of mirroring a tile east to west, and independently north to south; 0 to 1.
        rs_crop_scale (`float`): Smallest side of a tile's random crop, as a share of the tile's side; above 0, up to 1 (no
            cropping). The crop is resampled to the size of the tile. It always contains all photos of its tile, so it is
            larger where they lie farther apart.
        rs_jitter (`float`): Probability of changing a tile's brightness and contrast; 0 to 1.
        rs_jitter_strength (`float`): Largest relative change of a tile's brightness and contrast; 0 to below 1.
        sv_flip (`float`): Probability of mirroring a photo left to right; 0 to 1.
        sv_jitter (`float`): Probability of changing a photo's brightness, contrast and saturation; 0 to 1.
        sv_jitter_strength (`float`): Largest relative change of a photo's brightness, contrast and saturation; 0 to below 1.

    Raises:
        ValueError: A value is out of range.
    """

    rs_flip: float = 0.0
    rs_crop_scale: float = 1.0
    rs_jitter: float = 0.0
    rs_jitter_strength: float = 0.2
    sv_flip: float = 0.0
    sv_jitter: float = 0.0
    sv_jitter_strength: float = 0.1

    def __post_init__(self):
        for setting in fields(self):
            value = getattr(self, setting.name)
            number = is_number(value)
            if setting.name == "rs_crop_scale":
                if not number or not 0 < value <= 1:
                    raise ValueError(f"rs_crop_scale is {value!r}; expected a number above 0, up to 1 for no crops.")
            elif setting.name.endswith("strength"):
                if not number or not 0 <= value < 1:
                    raise ValueError(f"{setting.name} is {value!r}; expected a number from 0 to below 1.")
            elif not number or not 0 <= value <= 1:
                raise ValueError(f"{setting.name} is {value!r}; expected a probability from 0 to 1.")
