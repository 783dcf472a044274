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
"""Köppen–Geiger climate classes from monthly means."""

import numpy as np

_C_AND_D = ("sa", "sb", "sc", "sd", "wa", "wb", "wc", "wd", "fa", "fb", "fc", "fd")
KOPPEN_CLASSES = (
    *("Af", "Am", "Aw", "BWh", "BWk", "BSh", "BSk"),
    *(f"C{name}" for name in _C_AND_D if name[1] != "d"),
    *(f"D{name}" for name in _C_AND_D),
    *("ET", "EF"),
)
# Main groups A to E.
CLIMATE_ZONES = ("tropical", "arid", "temperate", "continental", "polar")
_INDEX = {name: number for number, name in enumerate(KOPPEN_CLASSES)}
_ZONE_OF_CLASS = np.array(["ABCDE".index(name[0]) for name in KOPPEN_CLASSES])


def koppen_class(temperature: np.ndarray, precipitation: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """
    Classifies climates by the rules of Peel, Finlayson and McMahon (2007), table 1 (doi:10.5194/hess-11-1633-2007).

    Args:
        temperature (`np.ndarray` of shape `(12, ...)`): means of January to December in degrees Celsius.
        precipitation (`np.ndarray` of shape `(12, ...)`): sums of January to December in mm.
        lat (`np.ndarray` of shape `(...)`): degrees; decides which half of the year is summer.

    Returns:
        `np.ndarray` of shape `(...)`, int64: indices into `KOPPEN_CLASSES`.
    """
    warm_half = np.zeros((12, *np.shape(lat)), bool)
    warm_half[3:9] = np.asarray(lat) >= 0
    warm_half[[0, 1, 2, 9, 10, 11]] = np.asarray(lat) < 0
    annual, mean = precipitation.sum(axis=0), temperature.mean(axis=0)
    in_summer = np.where(warm_half, precipitation, 0.0).sum(axis=0)
    threshold = 20.0 * mean + np.where(
        in_summer >= 0.7 * annual, 280.0, np.where(in_summer <= 0.3 * annual, 0.0, 140.0)
    )
    hot, cold, dry = temperature.max(axis=0), temperature.min(axis=0), precipitation.min(axis=0)

    tropical = np.where(dry >= 60, "Af", np.where(dry >= 100 - annual / 25, "Am", "Aw")).astype("U3")
    arid = np.where(annual < threshold / 2, "BW", "BS").astype("U3")
    arid = np.char.add(arid, np.where(mean >= 18, "h", "k"))
    wooded = np.char.add(np.where(cold > 0, "C", "D"), _rain_and_warmth(temperature, precipitation, warm_half))
    name = np.where(hot < 10, np.where(hot > 0, "ET", "EF"), np.where(cold >= 18, tropical, wooded))
    name = np.where((annual < threshold) & (hot >= 10), arid, name)
    return np.vectorize(_INDEX.__getitem__, otypes=[np.int64])(name)


def zone_of(classes: np.ndarray) -> np.ndarray:
    """The main groups, indices into `CLIMATE_ZONES`, of indices into `KOPPEN_CLASSES`."""
    return _ZONE_OF_CLASS[classes]


def _rain_and_warmth(temperature: np.ndarray, precipitation: np.ndarray, warm_half: np.ndarray) -> np.ndarray:
    """Second and third letters of the temperate and continental climates."""
    dry_summer = np.where(warm_half, precipitation, np.inf).min(axis=0)
    dry_winter = np.where(warm_half, np.inf, precipitation).min(axis=0)
    wet_summer = np.where(warm_half, precipitation, -np.inf).max(axis=0)
    wet_winter = np.where(warm_half, -np.inf, precipitation).max(axis=0)
    # A climate that meets both rules has its dry season where less rain falls.
    s = (dry_summer < 40) & (dry_summer < wet_winter / 3)
    w = dry_winter < wet_summer / 10
    s &= ~w | (wet_winter > wet_summer)
    rain = np.where(s, "s", np.where(w, "w", "f"))
    hot, cold, mild_months = temperature.max(axis=0), temperature.min(axis=0), (temperature > 10).sum(axis=0)
    warmth = np.where(hot >= 22, "a", np.where(mild_months >= 4, "b", np.where(cold < -38, "d", "c")))
    return np.char.add(rain, warmth)
