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
"""Figures of a made-up training run, and releases gathered from a directory."""

from pathlib import Path

from training.hub.gather import gather
from training.hub.options import ReleaseOptions
from training.measuring.similarity_ranges import PERCENTILES
from training.pretraining.finish import training_facts
from training.pretraining.settings import PretrainSettings

FACTS = {**training_facts(PretrainSettings()), "max_steps": 7}
_FIGURES = {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.5, "mean_rank": 1.5}
METRICS = {
    "evaluated": "8 photos of 4 held-out tiles",
    "tiles": 4,
    "photos": 8,
    "across_tiles": {"chance": _FIGURES, "SV → RS at the point (NILI)": _FIGURES},
    "among_points": {},
    "probes": {},
}
RANGES = {
    "percentiles": list(PERCENTILES),
    "measured_on": "one photo of each of 4 held-out tiles of `pairs`",
    "pairs": {"sv_localized": {"matched": [0.1 * n for n in range(7)], "others": [0.1 * n - 0.5 for n in range(7)]}},
}


def gathered(folder: Path, shard_size: str = "2GB", **options) -> Path:
    """Gather the release of the model in `folder` in a new folder beside it."""
    target = folder.parent / f"release-{len(list(folder.parent.iterdir()))}"
    gather(ReleaseOptions(model=str(folder), repo="org/gair", **options), target, shard_size)
    return target
