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
"""Values of tiles: their units, and what is no data, in files and arrays."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from modeling_gair import GairRSImageProcessor
from modeling_gair.image_processing_gair_rs import GAIR_BANDS
from tests.bad_inputs.case import Case, Refused, Right
from tests.helpers.rasters import rasterio, write_tif

SIDE = 60
_PIXELS = SIDE**2
_NORTH = np.s_[:, : SIDE // 2]
_ONE = np.s_[3, 5, 5]


@cache
def numbers(bands: int = 10, dtype: str = "uint16") -> np.ndarray:
    """Digital numbers of a made landscape; never written to."""
    return np.random.default_rng(0).integers(200, 4000, (bands, SIDE, SIDE)).astype(dtype)


def changed(values: np.ndarray, where: Any, value: Any) -> np.ndarray:
    """A copy of a tile with other values somewhere."""
    copy = values.copy()
    copy[where] = value
    return copy


def from_array(values: np.ndarray, bands: Any = "gair_10", **settings: Any) -> Callable[[Path], Any]:
    """Reads an array as a tile."""
    return lambda folder: GairRSImageProcessor(**settings).read(values, bands=bands)


def from_file(
    values: np.ndarray,
    bands: Any = None,
    edit: Callable[[Any], None] | None = None,
    name: str = "tile.tif",
    internal: bool = True,
    settings: dict[str, Any] | None = None,
    **profile: Any,
) -> Callable[[Path], Any]:
    """Reads a GeoTIFF as a tile, after `edit` changed the open file; masks are written into the file or beside it."""

    def run(folder: Path) -> Any:
        path = write_tif(folder / name, values, **{"names": GAIR_BANDS, **profile})
        if edit is not None:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as file:
                edit(file)
        return GairRSImageProcessor(**(settings or {})).read(path, bands=bands)

    return run


_REFLECTANCE = (numbers() / 10_000).astype(np.float32)
_WATER = np.random.default_rng(1).integers(1, 301, (10, SIDE, SIDE)).astype(np.uint16)
_8_BITS = np.random.default_rng(2).integers(0, 256, (10, SIDE, SIDE))
_AS_REFLECTANCE: dict[str, Any] = {"units": "reflectance"}
_IS_SOUTH = np.repeat(np.arange(SIDE) >= SIDE // 2, SIDE).reshape(SIDE, SIDE)
_WITH_ALPHA = np.concatenate([numbers(), _IS_SOUTH[None].astype(np.uint16) * 65535])


def _scaled(factor: float) -> Callable[[Any], None]:
    return lambda file: setattr(file, "scales", (factor,) * file.count)


def _alpha(file: Any) -> None:
    kinds = rasterio.enums.ColorInterp
    file.colorinterp = [kinds.gray] + [kinds.undefined] * (file.count - 2) + [kinds.alpha]


def _mask(file: Any) -> None:
    file.write_mask(_IS_SOUTH)


def _whole(tile: Any) -> bool:
    return tile.valid_fraction == 1.0


def _south(tile: Any) -> bool:
    """Half of the pixels are data, and the others are filled with the bands' means."""
    south = (tile.pixels[:, SIDE // 2 :] == numbers()[:, SIDE // 2 :]).all()
    return tile.valid_fraction == 0.5 and bool(south) and round(float(tile.pixels[0, 0, 0])) == 1173


def _lacks(pixels: int) -> Callable[[Any], bool]:
    return lambda tile: round((1 - tile.valid_fraction) * _PIXELS) == pixels


_UNITS: list[Case] = [
    Refused("reflectance", from_array(_REFLECTANCE), "looks like reflectance.*set units='reflectance'"),
    Refused("one bright pixel", from_array(changed(_REFLECTANCE, np.s_[:, 5, 5], 1.62)), "looks like reflectance"),
    Refused("bright clouds", from_file(changed(_REFLECTANCE, np.s_[:, :20], 2.8)), "looks like reflectance"),
    Refused("with fill values", from_array(changed(_REFLECTANCE, _NORTH, -9999)), "looks like reflectance"),
    Refused("percent", from_array(_REFLECTANCE * 100), "looks like percent or values of 8 bits"),
    Refused("8 bits as fractions", from_array((_8_BITS * 0.9).astype(np.float32)), "values of 8 bits"),
    Refused("8 bits as whole floats", from_array(_8_BITS.astype(np.float32)), "values of 8 bits"),
    Refused("8 bits as integers", from_array(_8_BITS.astype(np.int16)), "values of 8 bits, expected digital numbers"),
    Refused("uint8", from_array(_8_BITS.astype(np.uint8)), "contains uint8.*take the values of the product"),
    Refused("reflectance cut to integers", from_array((_REFLECTANCE > 0.1).astype(np.uint16)), "reflectance of 0.0001"),
    Refused("100,000 times reflectance", from_array(numbers(dtype="int32") * 11), "reflectance of 2.3"),
    Refused("stretched to 16 bits", from_array(numbers() * np.uint16(16)), "reflectance of 3"),
    Refused(
        "half of it", from_array(numbers() * np.uint16(9)), "values such as 3.* of its pixels.*expected -2000 to 30000"
    ),
    Refused("hundredths of dB", from_array(-numbers(dtype="int16")), "reflectance of -0.2"),
    Refused("digital numbers", from_array(numbers(), **_AS_REFLECTANCE), "digital numbers.*set units='digital_number'"),
    Refused("as floats", from_array(numbers(dtype="float64"), **_AS_REFLECTANCE), "looks like digital numbers"),
    Refused("a constant", from_array(np.full((10, 9, 9), 1000.0), **_AS_REFLECTANCE), "looks like digital numbers"),
    Refused("percent as reflectance", from_array(_REFLECTANCE * 100, **_AS_REFLECTANCE), "percent.*divide it by 100"),
    Refused("8 bits as reflectance", from_array(_8_BITS * 1.0, **_AS_REFLECTANCE), "looks like values of 8 bits"),
    Refused(
        "scaled twice", from_array(_REFLECTANCE / 10_000, **_AS_REFLECTANCE), "a reflectance of 2.*expected 0.0005 to 2"
    ),
    Refused("inf", from_array(changed(_REFLECTANCE, _ONE, np.inf), **_AS_REFLECTANCE), "contains inf"),
    Right("reflectance above 1", from_array(changed(_REFLECTANCE, np.s_[:, 5, :9], 1.9), **_AS_REFLECTANCE), _whole),
    Right("dark water", from_array(_WATER), _whole),
    Right("as whole floats", from_array(_WATER.astype(np.float32)), _whole),
    Right("as reflectance", from_array(_WATER / 10_000, **_AS_REFLECTANCE), _whole),
    Right("darker water", from_array(_WATER // 3 + np.uint16(1)), _whole),
    Right("snow", from_array(numbers() + np.uint16(9000)), _whole),
    Right("an offset to apply", from_array(numbers() + np.uint16(1000), digital_number_offset=-1000), _whole),
    Right("negative after the offset", from_array(numbers(dtype="int16") - 700), _lacks(0)),
    Refused("a scale of percent", from_file(numbers(), edit=_scaled(0.01)), "declares a scale of 0.01.*0.0001 or none"),
    Refused(
        "a scale on reflectance",
        from_file(_REFLECTANCE, edit=_scaled(1e-4), settings=_AS_REFLECTANCE),
        "declares a scale of 0.0001.*set units='digital_number'",
    ),
    Right("a scale on digital numbers", from_file(numbers(), edit=_scaled(1e-4)), _whole),
]

_NO_DATA: list[Case] = [
    Right("0 declared", from_file(changed(numbers(), _NORTH, 0), nodata=0), _south),
    Right("0 not declared", from_file(changed(numbers(), _NORTH, 0)), _south),
    Right("0 in an array", from_array(changed(numbers(), _NORTH, 0)), _south),
    Right("0 in one band is data", from_file(changed(numbers(), _ONE, 0), nodata=0), _whole),
    Right("0 less the offset", from_array(changed(_REFLECTANCE, np.s_[:, 5, 5], -0.1), **_AS_REFLECTANCE), _lacks(1)),
    Right("-1 in all bands", from_array(changed(numbers(dtype="int16"), np.s_[:, 5, 5], -1)), _lacks(1)),
    Right("-1 in one band is data", from_array(changed(numbers(dtype="int16"), _ONE, -1)), _whole),
    Right("a mask in the file", from_file(numbers(), edit=_mask), _south),
    Right("a mask beside the file", from_file(numbers(), edit=_mask, internal=False), _south),
    Right(
        "a mask and a value",
        from_file(changed(numbers(), np.s_[3, 50, 50], 65535), edit=_mask, nodata=65535),
        _lacks(_PIXELS // 2 + 1),
    ),
    Right("an alpha band", from_file(_WITH_ALPHA, names=[*GAIR_BANDS, "alpha"], edit=_alpha), _south),
    Right("an alpha band, no names", from_file(_WITH_ALPHA, "gair_10", _alpha, names=None), _south),
    Refused(
        "an alpha band called B12", from_file(_WITH_ALPHA[1:], edit=_alpha), "marks its band 'B12' as an alpha band"
    ),
    Refused(
        "an alpha band in the order",
        from_file(_WITH_ALPHA, [*GAIR_BANDS, "alpha"], _alpha, names=None),
        "has 10 bands but bands lists 11",
    ),
    Right("a declared value in one band", from_file(changed(numbers(), _ONE, 7777), nodata=7777), _lacks(1)),
    Right(
        "-9999 in one band, declared", from_file(changed(numbers(dtype="int16"), _ONE, -9999), nodata=-9999), _lacks(1)
    ),
    Right("-9999 not declared", from_file(changed(numbers(dtype="int16"), _ONE, -9999)), _lacks(1)),
    Right("-32768", from_array(changed(numbers(dtype="int16"), _ONE, -32768)), _lacks(1)),
    Right("65535", from_file(changed(numbers(), _ONE, 65535)), _lacks(1)),
    Right("the least float32", from_array(changed(numbers(dtype="float32"), _ONE, -3.4028235e38)), _lacks(1)),
    Right("1e20", from_array(changed(_REFLECTANCE, _ONE, 1e20), **_AS_REFLECTANCE), _lacks(1)),
    Right(
        "9999 in half",
        from_array(changed(_REFLECTANCE, _NORTH, 9999), **_AS_REFLECTANCE),
        lambda tile: tile.valid_fraction == 0.5,
    ),
    Right(
        "NaN and a value",
        from_file(changed(changed(numbers(dtype="float32"), _ONE, np.nan), np.s_[2, 9, 9], -9999), nodata=-9999),
        _lacks(2),
    ),
    Right("NaN declared", from_file(changed(numbers(dtype="float32"), _ONE, np.nan), nodata=float("nan")), _lacks(1)),
    Right("six broken pixels", from_array(changed(numbers(), np.s_[3, 5, :6], 40_000 + np.arange(6))), _lacks(6)),
    Refused("nothing but 0", from_file(numbers() * 0), "contains no data here"),
    Refused("an array of 0", from_array(numbers() * 0), "contains no data here"),
    Refused("an array of NaN", from_array(np.full((10, 9, 9), np.nan)), "contains no data here"),
    Refused("an array of -9999", from_array(np.full((10, 9, 9), -9999)), "contains no data here"),
    Refused(
        "all masked",
        from_file(numbers(), edit=lambda file: file.write_mask(_IS_SOUTH & False)),
        "contains no data here",
    ),
    Refused("a masked array", from_array(np.ma.masked_equal(numbers(), 777)), r"masked array.*astype\('float32'\)"),
]

CASES: list[Case] = [*_UNITS, *_NO_DATA]
