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
"""Coordinates of places: numbers, masks, ranges and shapes."""

from typing import Any

import numpy as np

from modeling_gair import GairCoordinateProcessor
from tests.bad_inputs.case import Case, Refused, Right


def _check(lon: Any, lat: Any) -> Any:
    return lambda folder: GairCoordinateProcessor().check(lon, lat)


CASES: list[Case] = [
    Refused("NaN", _check(float("nan"), 0.0), "lon contains nan, expected finite degrees"),
    Refused("inf", _check(0.0, np.inf), "lat contains inf"),
    Refused("lat beyond a pole", _check(0.0, 91.0), "lat is 91.0, expected -90 to 90"),
    Refused("swapped", _check(48.0, 139.0), "lon and lat are not swapped"),
    Refused("text", _check("east", 0.0), "lon is 'east', expected degrees as a number"),
    Refused("None", _check(None, 0.0), "lon"),
    Refused("different shapes", _check([1.0, 2.0], [1.0]), "expected equal shapes"),
    Right("one turn too far", _check(190.0, 0.0), lambda found: found.tolist() == [-170.0, 0.0]),
    Right("numbers as text", _check("13.4", "52.5"), lambda found: found.tolist() == [13.4, 52.5]),
    Right("float16-free integers", _check(np.int64(13), np.int64(52)), lambda found: found.dtype == np.float64),
]
