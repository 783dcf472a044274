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
"""Where a place is, in words: its distance from the nearest town that the map knows."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from serving.model import ServedModel
from serving.text import degrees_text

_PLACES = Path(__file__).parents[1] / "geography" / "places.json"
_NEAR_KM = 25


def named_place(served: ServedModel, lon: float, lat: float) -> str:
    """A place in words and in degrees, such as "near Berlin, Germany (13.4000° E, 52.5200° N)"; arguments as in [`near_text`]."""
    return f"{near_text(served, lon, lat)} ({degrees_text(lon, lat)})"


def near_text(served: ServedModel, lon: float, lat: float) -> str:
    """
    A place in words, such as "near Berlin, Germany" or "140 km from Berlin, Germany".

    Args:
        served ([`ServedModel`]): its processor knows distances.
        lon, lat (`float`): degrees.
    """
    names, countries, towns = _towns()
    km = served.coordinates.great_circle_distance_m(lon, lat, *towns) / 1000
    nearest = int(np.argmin(km))
    distance = "near" if km[nearest] < _NEAR_KM else f"{_rounded(float(km[nearest]))} km from"
    return f"{distance} {names[nearest]}, {countries[nearest]}"


def _rounded(km: float) -> int:
    return round(km / 10) * 10


@lru_cache(maxsize=1)
def _towns() -> tuple[list[str], list[str], np.ndarray]:
    """Names, names of countries, and lon, lat `(2, N)`."""
    read = json.loads(_PLACES.read_text(encoding="utf-8"))
    names = [place[0] for place in read["places"]]
    countries = [read["countries"].get(place[1], place[1]) for place in read["places"]]
    return names, countries, np.array([place[2:4] for place in read["places"]], np.float64).T
