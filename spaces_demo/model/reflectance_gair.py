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
"""
The range of Sentinel-2's reflectance: finds pixels without data, and refuses tiles in other units than the processor expects.

Reflectance is a fraction here: the digital numbers of the products, plus their offset, divided by 10,000.

*Pixels without data.* In the products 0 in all bands means no data, and 0 in a single band is a dark surface. A pixel is
missing if all bands are 0, or all are the same negative number, as after an offset was added to such zeros; or if any band
holds what no reflectance is: NaN, or a value below -0.2 or above 3. The products cannot hold less than -0.1, and the sensor
saturates below 3, so such values are fill values (-9999, -32768, 65535 …) or a few broken pixels.

*Units.* They are judged by the median of the brightest band, which neither a few clouds nor a few broken pixels change:
it must stand for a reflectance between 0.0005 (in no landscape are half of the digital numbers of each band 5 or less) and 2
(snow and cloud reach 1.2). Values in percent or of 8 bits fall between those of reflectance and those of digital numbers, but so
do the digital numbers of dark water. Floating-point numbers are refused if 99 % of each band is at most 255, or at most 100 if
they are whole; whole numbers also if most bands reach exactly 255, as images stretched to 8 bits do. Integers that are
merely dark are accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

DIGITAL_NUMBERS_PER_REFLECTANCE = 10_000.0

LEAST_REFLECTANCE, MOST_REFLECTANCE = -0.2, 3.0
LEAST_TYPICAL_REFLECTANCE, MOST_TYPICAL_REFLECTANCE = 0.0005, 2.0

# A file uses few fill values. Further impossible values are taken for broken pixels, up to this share of the pixels.
_MOST_FILL_VALUES = 4
_MOST_BROKEN = 0.01
_MOST_8_BIT, _MOST_PERCENT = 255, 100
# Pixels per band that are enough for a median: it is then right to a few hundredths of the spread.
_SAMPLED = 1024


class NoDataError(ValueError):
    """Raised for a tile that has no data at all."""


@dataclass(frozen=True)
class Scale:
    """
    How a tile's values stand for digital numbers.

    Attributes:
        units (`str`): `"digital_number"` or `"reflectance"`.
        offset (`float`): what is added to the digital numbers to give reflectance times 10,000, e.g. -1000.
    """

    units: str
    offset: float

    @property
    def numbers_per_unit(self) -> float:
        """Digital numbers per unit of the tile's values."""
        return DIGITAL_NUMBERS_PER_REFLECTANCE if self.units == "reflectance" else 1.0

    def value_of(self, number: float) -> float:
        """The tile's value for a digital number."""
        return (number - self.offset) / self.numbers_per_unit

    def value_of_reflectance(self, reflectance: float) -> float:
        """The tile's value for a reflectance."""
        return self.value_of(reflectance * DIGITAL_NUMBERS_PER_REFLECTANCE)

    def reflectance_of(self, value: float) -> float:
        """The reflectance that a value of the tile stands for."""
        return (value * self.numbers_per_unit + self.offset) / DIGITAL_NUMBERS_PER_REFLECTANCE


def check_declared_scales(scales: Sequence[float], units: str, source: str) -> None:
    """
    Refuses a raster that declares (GDAL's band scale) that its values are in other units. Declared offsets are not read, as
    many files declare one that was already applied.

    Args:
        scales (`Sequence[float]`): the scale of each band, 1 where none is declared.
        units (`str`): `"digital_number"` or `"reflectance"`, the processor's.
        source (`str`): the raster, for messages.

    Raises:
        ValueError: a scale that contradicts the units.
    """
    for scale in set(scales):
        of_numbers = abs(scale * DIGITAL_NUMBERS_PER_REFLECTANCE - 1) < 1e-5
        if scale == 1 or (of_numbers and units == "digital_number"):
            continue
        fix = "set units='digital_number' in the processor, or" if of_numbers else "convert the values, and"
        raise ValueError(
            f"{source} declares a scale of {scale:g} for its bands, expected {'none' if units == 'reflectance' else '0.0001 or none'} for "
            f"units={units!r}; {fix} reset the file's scale with gdal_edit.py -scale 1."
        )


def check_pixels(found: np.ndarray, missing: np.ndarray, bands: Sequence[str], scale: Scale, source: str) -> np.ndarray:
    """
    Checks that a tile's values are reflectance in the expected units, and finds the pixels without data.

    Args:
        found (`np.ndarray` of shape `(C, H, W)`): values of integer or floating-point type.
        missing (`np.ndarray` of shape `(H, W)`): pixels that are known to be without data.
        bands (`Sequence[str]`): names of the C bands, for messages.
        scale ([`Scale`]): what the values stand for.
        source (`str`): the tile, for messages.

    Returns:
        `np.ndarray` of shape `(H, W)`: pixels without data, which are not all.

    Raises:
        NoDataError: for a tile without data.
        ValueError: for inf, and values that are in other units or no reflectance.
    """
    floating = found.dtype.kind == "f"
    low, high = (scale.value_of_reflectance(limit) for limit in (LEAST_REFLECTANCE, MOST_REFLECTANCE))
    # NaN fails the comparison.
    plain = found.min() > max(0.0, low) and found.max() <= high
    broken = np.zeros_like(missing)
    if not plain:
        missing = missing | _without_data(found)
        if floating and np.isinf(found[:, ~missing]).any():
            raise ValueError(f"{source} contains inf, expected finite values; set pixels without data to NaN.")
        filled, broken = _impossible(found, missing, low, high)
        missing = missing | filled
    if missing.all():
        raise NoDataError(f"{source} contains no data here, expected a tile with data; pass another tile.")
    _check_units(found, missing, bands, scale, source)
    share = float(broken[~missing].mean()) if broken.any() else 0.0
    if share > _MOST_BROKEN:
        values = found[:, broken]
        raise ValueError(
            f"{source} has values such as {float(values[(values < low) | (values > high)][0]):.6g} in {share:.1%} of its pixels, "
            f"expected {low:g} to {high:g}, which is what reflectance can be; pass surface reflectance."
        )
    return missing | broken


def _without_data(found: np.ndarray) -> np.ndarray:
    """Mask `(H, W)` of pixels that are NaN in any band, or no data in all of them."""
    absent = (found == 0).all(axis=0)
    # In one or two bands a dark surface may have the same small negative number.
    if len(found) > 2 and not found.min() >= 0:
        absent |= (found[0] < 0) & (found == found[0]).all(axis=0)
    return absent | np.isnan(found).any(axis=0) if found.dtype.kind == "f" else absent


def _impossible(found: np.ndarray, missing: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Masks `(H, W)` of further pixels: those with a fill value in any band, and those with another value outside low to high, which are
    broken.
    """
    if found.min() >= low and found.max() <= high:
        return np.zeros_like(missing), np.zeros_like(missing)
    odd = ((found < low) | (found > high)) & ~missing
    values, counts = np.unique(found[odd], return_counts=True)
    filling = values[np.argsort(counts, kind="stable")[-_MOST_FILL_VALUES:]]
    filled = (odd & np.isin(found, filling)).any(axis=0)
    if (missing | filled).all() and not missing.all() and np.median(found[:, ~missing]) > 0:
        # No pixel would be left: the values are data in other units, which is refused later.
        filled = np.zeros_like(missing)
    return filled, odd.any(axis=0) & ~filled


def _sample(found: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Values `(C, n)` of about a thousand pixels with data."""
    step = max(1, isqrt(missing.size // _SAMPLED))
    thin = found[:, ::step, ::step]
    if not missing.any():
        return thin.reshape(len(found), -1)
    values = thin[:, ~missing[::step, ::step]]
    if values.shape[1] >= _SAMPLED // 4:
        return values
    values = found[:, ~missing]
    return values[:, :: max(1, values.shape[1] // _SAMPLED)]


def _check_units(found: np.ndarray, missing: np.ndarray, bands: Sequence[str], scale: Scale, source: str) -> None:
    """Raises `ValueError` if the median of the brightest band says that the values are in other units, or no reflectance."""
    floating = found.dtype.kind == "f"
    sample = _sample(found, missing)
    # np.median takes 30 times as long.
    middle = sample.shape[1] // 2
    medians = np.partition(sample, middle, axis=1)[:, middle]
    brightest = int(medians.argmax())
    typical = float(medians[brightest])
    if scale.units == "reflectance":
        looks = _unlike_reflectance(typical, floating)
        expected = "reflectance as floating-point numbers from 0 to 1"
    else:
        looks = _unlike_digital_numbers(found, missing, sample, typical)
        expected = "digital numbers, reflectance times 10,000"
    reflectance = scale.reflectance_of(typical)
    if not looks and LEAST_TYPICAL_REFLECTANCE <= reflectance <= MOST_TYPICAL_REFLECTANCE:
        return
    what = f"{source} has a median of {typical:.4g} in its brightest band, {bands[brightest]}, which"
    if looks:
        raise ValueError(f"{what} looks like {looks[0]}, expected {expected}; {looks[1]}.")
    raise ValueError(
        f"{what} stands for a reflectance of {reflectance:.3g}, expected {LEAST_TYPICAL_REFLECTANCE:g} to "
        f"{MOST_TYPICAL_REFLECTANCE:g}, as landscapes have; check the processor's units and digital_number_offset."
    )


def _unlike_reflectance(typical: float, floating: bool) -> tuple[str, str] | None:
    """What values seem to be that are not reflectance, and what to do about it."""
    if floating and typical <= MOST_TYPICAL_REFLECTANCE:
        return None
    if floating and typical <= _MOST_PERCENT:
        return "percent", "divide it by 100"
    if floating and typical <= _MOST_8_BIT:
        return "values of 8 bits", "take the values of the product"
    return "digital numbers", "set units='digital_number' in the processor"


def _unlike_digital_numbers(
    found: np.ndarray, missing: np.ndarray, sample: np.ndarray, typical: float
) -> tuple[str, str] | None:
    """What values seem to be that are not digital numbers, and what to do about it."""
    floating = found.dtype.kind == "f"
    if floating and LEAST_REFLECTANCE <= typical <= MOST_TYPICAL_REFLECTANCE:
        return "reflectance", "set units='reflectance' in the processor"
    if typical > _MOST_8_BIT:
        return None
    largest = np.quantile(sample, 0.99, axis=1).max()
    whole = not floating or float((sample == np.floor(sample)).mean()) > 0.5
    if floating and largest <= (_MOST_PERCENT if whole else _MOST_8_BIT):
        return (
            "percent or values of 8 bits",
            "multiply percent by 100, take the values of the product, or pass a tile that is so dark as integers",
        )
    tops = found[:, ~missing].max(axis=1)
    if tops.max() == _MOST_8_BIT and (tops == _MOST_8_BIT).sum() * 2 >= len(tops):
        return "values of 8 bits", "take the values of the product"
    return None


__all__ = ["NoDataError", "Scale", "check_declared_scales", "check_pixels"]
