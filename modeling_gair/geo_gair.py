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
"""Geodesy that everything else shares: the Earth's radius, great-circle distance and the wrap of longitudes."""

from typing import Any

import numpy as np
import torch

# Mean radius of the Earth in metres (IUGG).
EARTH_RADIUS_M = 6_371_008.8


def great_circle_distance_m(lon: Any, lat: Any, other_lon: Any, other_lat: Any) -> Any:
    """
    Great-circle distances between points on a sphere of the Earth's mean radius, by the haversine formula.

    Args:
        lon, lat (`float`, `np.ndarray` or `torch.Tensor`): degrees, of any shapes that broadcast.
        other_lon, other_lat (`float`, `np.ndarray` or `torch.Tensor`): degrees, likewise; tensors go with tensors.

    Returns:
        Metres, in the shape that the arguments broadcast to: a `torch.Tensor` if they are tensors, else NumPy's.
    """
    library: Any = torch if isinstance(lon, torch.Tensor) else np
    lon, lat, other_lon, other_lat = (library.deg2rad(degrees) for degrees in (lon, lat, other_lon, other_lat))
    cosines = library.cos(lat) * library.cos(other_lat)
    haversine = library.sin((other_lat - lat) / 2) ** 2 + cosines * library.sin((other_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_M * library.arcsin(library.sqrt(library.clip(haversine, 0, 1)))


def wrap_longitude(lon: Any) -> np.ndarray:
    """
    Wraps longitudes to [-180, 180); a value already in this range keeps its last bit.

    Args:
        lon (`float` or `np.ndarray`): degrees, of any shape; finite.

    Returns:
        `np.ndarray` of the same shape and floating-point type.
    """
    lon = np.asarray(lon)
    turned = lon - 360.0 * np.floor((lon + 180.0) / 360.0)
    # Rounding may carry a value just outside the range onto its open end, or a hair below its closed one.
    turned = np.where((turned < -180.0) | (turned >= 180.0), -180.0, turned)
    return np.where((lon >= -180.0) & (lon < 180.0), lon, turned)


__all__ = ["EARTH_RADIUS_M", "great_circle_distance_m", "wrap_longitude"]
