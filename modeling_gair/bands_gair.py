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
"""Sentinel-2's bands by name: as products, files and catalogues write them, and in which order a raster holds them."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache

from .pixels_gair import listed, shown

GAIR_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

# Band orders that the caller may declare for rasters without band names.
BAND_ORDERS: dict[str, tuple[str, ...]] = {
    "gair_10": GAIR_BANDS,
    "sentinel2_l2a_12": ("B01", *GAIR_BANDS[:8], "B09", "B11", "B12"),
    "sentinel2_l1c_13": ("B01", *GAIR_BANDS[:8], "B09", "B10", "B11", "B12"),
}

# The column "Sentinel-2" of STAC's common band names (https://github.com/stac-extensions/eo, version 2.0), and the assets of
# Earth Search (https://earth-search.aws.element84.com/v1, sentinel-2-l2a and sentinel-2-l1c), which numbers the red edges.
COMMON_NAMES = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge071": "B05",
    "rededge1": "B05",
    "rededge075": "B06",
    "rededge2": "B06",
    "rededge078": "B07",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "cirrus": "B10",
    "swir16": "B11",
    "swir22": "B12",
}
# STAC's name of B05, B06 and B07 alike.
_ANY_RED_EDGE = "rededge"

_BAND_NAME = re.compile(r"B?(?:0?([1-9])|(1[0-2]))", re.IGNORECASE)
_BAND_8A = re.compile(r"B?0?8A", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:band|layer|channel|b)?[\s_.#-]*(\d{1,4})", re.IGNORECASE)
# A file in SAFE and its STAC asset: B02_10m. A band of GDAL's Sentinel-2 driver: B4, central wavelength 665 nm.
_SUFFIX = re.compile(r"(_[126]0m|,.*)$", re.IGNORECASE)
# Sentinel-2's first bands are numbered 1 to 8, and 8A follows: a longer list that only counts does not name its bands.
_MOST_CONSECUTIVE = 8


def _plain(name: str | None) -> str:
    """A name without spaces around it, and without the suffixes of files and drivers."""
    return _SUFFIX.sub("", (name or "").strip())


def _common(name: str | None) -> str:
    """A name as the keys of `COMMON_NAMES` are written."""
    return re.sub(r"[\s_-]", "", _plain(name)).lower()


@lru_cache
def band_name(name: str | None) -> str | None:
    """
    The canonical name (B02 … B8A … B12) of a band written as B2, B02, 2, B8A, B08A, 8A or B02_10m, or by its common name
    (`COMMON_NAMES`); None for other text.
    """
    text = _plain(name)
    if _BAND_8A.fullmatch(text):
        return "B8A"
    match = _BAND_NAME.fullmatch(text)
    return f"B{int(match[1] or match[2]):02d}" if match else COMMON_NAMES.get(_common(name))


def _orders() -> str:
    """The ways to declare an order, for messages."""
    return "bands=[names in order] or bands=" + " or ".join(repr(key) for key in BAND_ORDERS)


def _only_count(names: Sequence[str | None]) -> bool:
    """Whether names number the bands from 0 or 1, as in b1 … b12, which says nothing of their wavelengths; B8A would."""
    if "B8A" in map(band_name, names):
        return False
    numbers = [(position, _NUMBERED.fullmatch((name or "").strip())) for position, name in enumerate(names)]
    counted = [(position, int(match[1])) for position, match in numbers if match]
    first = names and counted and counted[0][0] == 0
    return bool(first) and counted[0][1] in (0, 1) and len({number - position for position, number in counted}) == 1


def _red_edges() -> str:
    """The unambiguous names of the red edges with their bands, for messages."""
    numbered = [name for name in COMMON_NAMES if re.fullmatch(_ANY_RED_EDGE + r"\d", name)]
    return ", ".join(f"{name} ({COMMON_NAMES[name]})" for name in numbered)


def declared_order(bands: str | Sequence[str] | None) -> list[str] | None:
    """
    The band names that the caller declared, canonical where they are Sentinel-2 bands; None if nothing was declared.

    Args:
        bands (`str` or `Sequence[str]`, *optional*): a key of `BAND_ORDERS`, or names in order.

    Raises:
        ValueError: an unknown order, something else than names in order, or ambiguous names.
    """
    if bands is None:
        return None
    if isinstance(bands, str):
        if bands not in BAND_ORDERS:
            raise ValueError(f"bands is {shown(bands)}, which is not a known order; pass {_orders()}.")
        return list(BAND_ORDERS[bands])
    # A set has no order, and a dict is more than names.
    names = list(bands) if isinstance(bands, Iterable) and not isinstance(bands, (Set, Mapping)) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"bands is {shown(bands)}, expected band names; pass {_orders()}.")
    if _only_count(names) and len(names) > _MOST_CONSECUTIVE:
        raise ValueError(
            f"bands is {shown(names)}, which only counts, expected Sentinel-2's names, among them B8A; pass {_orders()}."
        )
    if any(_common(name) == _ANY_RED_EDGE for name in names):
        raise ValueError(f"bands names {_ANY_RED_EDGE!r}, which may be three bands; pass {_red_edges()} instead.")
    return [band_name(name) or name for name in names]


def _file_order(names: Sequence[str | None]) -> list[str | None] | None:
    """The bands that a file names; None if its descriptions are empty, of something else, or only number the bands."""
    order = [band_name(name) for name in names]
    return None if _only_count(names) or not any(order) else order


def agreed_order(names: Sequence[str | None], declared: list[str] | None, source: str) -> Sequence[str | None]:
    """
    The order of a raster's bands, from its own names and the caller's declaration.

    Args:
        names (`Sequence[str | None]`): the bands' descriptions, None for bands without one.
        declared (`list[str]`, *optional*): from [`declared_order`]; completes the raster's own names.
        source (`str`): the raster, for messages.

    Returns:
        `Sequence[str | None]`: a name for each band, None where it is unknown.

    Raises:
        ValueError: for a raster without usable names or with unclear ones, and for contradictions.
    """
    own = _file_order(names)
    if declared is None:
        if any(_common(name) == _ANY_RED_EDGE for name in names):
            raise ValueError(
                f"{source} names a band {_ANY_RED_EDGE!r}, which may be B05, B06 or B07; pass bands=[names in order] with {_red_edges()}."
            )
        if own is None:
            given = list(dict.fromkeys(name for name in names if name))
            what = f" (they are called {listed(given)})" if given else ""
            raise ValueError(f"{source} has {len(names)} bands without usable names{what}; pass {_orders()}.")
        return own
    if len(declared) != len(names):
        raise ValueError(
            f"{source} has {len(names)} bands but bands lists {len(declared)} (alpha bands are not counted); pass {_orders()}."
        )
    for position, (mine, theirs) in enumerate(zip(own or (), declared), 1):
        if mine is not None and mine != theirs:
            raise ValueError(
                f"Band {position} of {source} is named {mine} but bands says {theirs}; leave bands out, or correct it or "
                "the file's descriptions."
            )
    return declared


__all__ = ["BAND_ORDERS", "COMMON_NAMES", "GAIR_BANDS", "agreed_order", "band_name", "declared_order"]
