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
"""The cosine similarities that a model's config states as typical for matched and unmatched pairs of two modalities."""

from typing import Any

from serving.text import number_text

# Colour scales run from this percentile of unmatched pairs to that of matched pairs.
_LOWEST, _HIGHEST = 1, 99
# Most pairs lie between these percentiles.
_USUAL = (5, 95)


def colour_range(ranges: dict[str, Any], pair: str, highest: float | None = None) -> tuple[float, float] | None:
    """
    The ends of a colour scale that is the same for all queries of one kind.

    Args:
        ranges (`dict`): `similarity_ranges` of the model's config; may be empty.
        pair (`str`): two modalities, such as `"sv_localized"`.
        highest (`float`, *optional*): the upper end; by default the 99th percentile of matched pairs.

    Returns:
        `tuple[float, float]`, low < high, or None if the model states no usable range.
    """
    measured = ranges.get("pairs", {}).get(pair)
    if measured is None:
        return None
    low = measured["others"][ranges["percentiles"].index(_LOWEST)]
    high = measured["matched"][ranges["percentiles"].index(_HIGHEST)] if highest is None else highest
    return (low, high) if low < high else None


def usual_cosines(ranges: dict[str, Any], pair: str) -> str:
    """A sentence on the typical similarities of a pair of modalities; empty if the model does not state them."""
    measured = ranges.get("pairs", {}).get(pair)
    if measured is None:
        return ""
    low, high = (ranges["percentiles"].index(percentile) for percentile in _USUAL)
    matched, others = ([number_text(number, 2) for number in measured[kind]] for kind in ("matched", "others"))
    return (
        f"For scale: pairs from one place usually have cosines of {matched[low]} to {matched[high]}, other pairs "
        f"{others[low]} to {others[high]}: the 5th to 95th percentile, measured on {ranges['measured_on']}. The best of "
        "many scores higher."
    )
