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
Whether ESA's offset is in the pixels of a scene. From processing baseline 04.00 on, digital numbers are reflectance x 10,000 + 1,000
(https://sentinels.copernicus.eu/web/sentinel/-/copernicus-sentinel-2-major-products-upgrade-upcoming), and some providers take the
1,000 off again without saying so.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from modeling_gair.bands_gair import GAIR_BANDS
from training.street_pairs.errors import Unusable, UnusableScene
from training.street_pairs.scenes.providers import Provider
from training.street_pairs.scenes.reader import SceneReader

OFFSET = 1000
_SCALE = 1e-4
_FIRST_WITH_OFFSET = "04.00"
# Somewhere in a scene is water or shadow, darker than 900 in some band: unless 1,000 is added.
_DARK, _PERCENTILE = 900, 0.1
# The bands in which dark pixels are the darkest come first: the test ends with the first dark band.
_DARKEST_FIRST = (
    "B12",
    "B11",
    "B04",
    "B02",
    *(band for band in GAIR_BANDS if band not in ("B12", "B11", "B04", "B02")),
)


@dataclass(frozen=True)
class Offset:
    """
    What a scene's digital numbers hold beside reflectance x 10,000.

    Attributes:
        subtract (`dict[str, int]`): what is to be taken off each band.
        removed (`bool`): whether an offset was added by ESA, and is taken off by the provider or here.
        evidence (`str`): how this is known: `"baseline"`, `"asset"` (which declares it) or `"pixels"` (dark ones).
    """

    subtract: dict[str, int]
    removed: bool
    evidence: str


def offset_of(scene: dict[str, Any], provider: Provider, reader: SceneReader) -> Offset:
    """
    The offset of a scene by the provider's rule.

    Args:
        scene (`dict`): a row of [`training.street_pairs.scenes.items.SCENE_SCHEMA`].
        provider ([`Provider`]): whose rule holds.
        reader ([`SceneReader`]): reads pixels where tags are not reliable.

    Raises:
        Unusable: the offset cannot be known.
    """
    assets, baseline = json.loads(scene["assets"]), scene["baseline"]
    nothing = dict.fromkeys(GAIR_BANDS, 0)
    for band in GAIR_BANDS:
        if (scale := assets[band]["scale"]) is not None and not np.isclose(scale, _SCALE):
            raise UnusableScene("scale", f"{scene['item_id']} has a scale of {scale} in {band}; expected {_SCALE}.")
    if baseline is not None and baseline < _FIRST_WITH_OFFSET:
        return Offset(nothing, False, "baseline")
    if provider.offset == "pixels":
        if _dark(assets, reader):
            return Offset(nothing, baseline is not None, "pixels")
        raise _ambiguous(scene, "no band has dark pixels, so an offset may or may not be in them")
    if baseline is None:
        raise _ambiguous(scene, "its baseline is not known")
    if provider.offset == "baseline":
        return Offset(dict.fromkeys(GAIR_BANDS, OFFSET), True, "baseline")
    declared = {band: assets[band]["offset"] for band in GAIR_BANDS}
    if None in declared.values():
        raise _ambiguous(scene, "its assets do not declare their offset")
    subtract = {band: round(-offset / _SCALE) for band, offset in declared.items()}
    return Offset(subtract, any(subtract.values()), "asset")


def reflectance(numbers: np.ndarray, subtract: int) -> np.ndarray:
    """Digital numbers (uint16) without their offset; 0 stays, which is no data, and nothing else becomes 0."""
    lowered = np.maximum(numbers.astype(np.int32) - subtract, 1)
    return np.where(numbers == 0, 0, lowered).astype(np.uint16)


def _dark(assets: dict[str, Any], reader: SceneReader) -> bool:
    for band in _DARKEST_FIRST:
        pixels = reader.overview(assets[band])
        valid = pixels[pixels > 0]
        if valid.size and np.percentile(valid, _PERCENTILE) < _DARK:
            return True
    return False


def _ambiguous(scene: dict[str, Any], why: str) -> Unusable:
    text = f"{scene['item_id']} has baseline {scene['baseline']}, and {why}."
    return UnusableScene("ambiguous_offset", text)
