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
"""Measures of pair features: retrieval, linear probes and robustness."""

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

from training.evidence.pair_features import Features, PairFeatures
from training.measuring.probes import ridge_r2
from training.measuring.retrieval import one_photo_per_tile, photos_of_each_tile, retrieval

Figures = dict[str, float]


def pair_measures(features: PairFeatures) -> Figures:
    """
    Measures retrieval among held-out pairs.

    Returns:
        `dict`: `across/median_rank`, `across/R@5` and `across/mean_rank` of a photo's location in its tile among one photo
        of each tile; `among/mean_rank` among the photos of its tile; `location/median_rank` of its coordinates.
    """
    pairs = features.pairs
    across, among = one_photo_per_tile(pairs["tile"]), photos_of_each_tile(pairs["tile"])
    found = _ranks(pairs, across, "localized")
    return {
        **{f"across/{name}": found[name] for name in ("median_rank", "R@5", "mean_rank")},
        "among/mean_rank": _ranks(pairs, among, "localized")["mean_rank"],
        "location/median_rank": _ranks(pairs, across, "location")["median_rank"],
    }


def probe_measures(fitted_on: PairFeatures, held_out: PairFeatures) -> Figures:
    """
    Measures R² of linear probes of frozen embeddings on held-out tiles.

    Returns:
        `dict`: `probe/cover from the point` (the tile read at the photo), `probe/cover from SV` and `probe/moisture from RS`.
    """
    train, test = fitted_on.pairs, held_out.pairs
    probes = {
        "cover from the point": ("localized", "cover"),
        "cover from SV": ("sv_tokens", "cover"),
        "moisture from RS": ("tile_mean", "moisture"),
    }
    return {
        f"probe/{name}": ridge_r2(train[given], train[wanted].numpy(), test[given], test[wanted].numpy())
        for name, (given, wanted) in probes.items()
    }


def robustness_measures(features: PairFeatures) -> Figures:
    """
    Measures retrieval across tiles under disturbances, as median ranks.

    Noise that leaves the tile is drawn again. The few photos whose tile is too small for some offset are left out at all
    levels, because ranks among fewer candidates are not comparable.

    Returns:
        `dict`: `offset/M m`, with the tile read at a distance from the photo; `noise/M m` on the query point and `noise
        location/M m` on the coordinates; `scale/S` in a crop around the photo, and `scale mean/S` by the crop's mean.
    """
    figures: Figures = {}
    for part in (features.pairs, features.cropped):
        disturbed = sorted(name for name in part if "/" in name)
        whole = torch.stack([part[name].isfinite().all(dim=1) for name in disturbed]).all(dim=0)
        groups = [group[whole[group]] for group in one_photo_per_tile(part["tile"])]
        figures |= {name: _ranks(part, groups, name)["median_rank"] for name in disturbed}
    return figures


def _ranks(features: Features, groups: Sequence[torch.Tensor], target: str) -> Figures:
    """Ranks of the photos' own `target` features; chance level if the query mode does not distinguish them."""
    unit = {name: normalize(features[name].float(), dim=1) for name in ("sv", target)}
    table = retrieval({"sv": unit["sv"], "nili": unit[target]}, groups, [("sv", "nili")])
    return list(table.values())[-1]
