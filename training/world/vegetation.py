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
"""What plants and soil look like at places of the sample world: by climate, and by the season of the day."""

from typing import NamedTuple

import numpy as np

from training.world.fields import FieldValues
from training.world.noise import ramp


class Vegetation(NamedTuple):
    """
    Shares from 0 to 1, float32 of the places' shape. Their thresholds are round numbers of roughly the right size, not fitted.

    Attributes:
        green: grass, crops and deciduous leaves that are green on the day; the rest is dry or bare.
        needle: trees that are conifers.
        rainforest: trees that are evergreen and broad-leaved.
        palm: trees that are palms or umbrella-shaped, as in frost-free climates.
        scrub: trees that are low and olive-coloured, as in Mediterranean and other dry climates.
        tundra: wild land without trees because of its cold summers.
        desert: bare soil that is sand, as in deserts.
        rock: bare soil that is rock, as in the cold; where both apply, sand comes first.
    """

    green: np.ndarray
    needle: np.ndarray
    rainforest: np.ndarray
    palm: np.ndarray
    scrub: np.ndarray
    tundra: np.ndarray
    desert: np.ndarray
    rock: np.ndarray


def vegetation_of(fields: FieldValues) -> Vegetation:
    """The vegetation at places of any shape, from their smooth fields on a day."""
    return Vegetation(
        green=ramp((fields.air - 1.0) * (1 / 9)) * ramp((fields.wetness - 0.15) * 4.0),
        needle=ramp((9.5 - fields.temperature) * (1 / 7)),
        rainforest=ramp((fields.coldest - 14.0) * 0.25) * ramp((fields.moisture - 0.42) * 8.0),
        palm=ramp((fields.coldest - 11.0) * (1 / 8)),
        scrub=ramp((0.46 - fields.moisture) * 7.0) * ramp((fields.coldest + 2.0) * (1 / 6)),
        tundra=ramp((11.5 - fields.warmest) * (1 / 3.5)),
        desert=ramp((0.24 - fields.moisture) * 6.0) * ramp((fields.warmest - 8.0) * (1 / 8)),
        rock=ramp((4.0 - fields.temperature) * 0.1),
    )
