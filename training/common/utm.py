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
"""Zones of the Universal Transverse Mercator projection."""

from typing import Any

import numpy as np


def utm_epsg(lon: Any, lat: Any) -> Any:
    """
    EPSG codes of the UTM zones of places, without the exceptions of Norway and Svalbard.

    Args:
        lon, lat (`float` or `np.ndarray`): degrees on WGS 84, lon in [-180, 180].

    Returns:
        Whole numbers in the shape of the arguments, such as 32633.
    """
    zone = np.clip(np.floor((np.asarray(lon) + 180) / 6).astype(np.int64) + 1, 1, 60)
    return np.where(np.asarray(lat) >= 0, 32600, 32700) + zone
