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
"""The measures of all runs, as tables and plots select them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evidence.arms import LABELS, LOCATION_LABELS

TRAINED, UNTRAINED = "trained", "untrained"
HOLDOUT_LABELS = {"random": "random", "spatial10": "10°", "unseen": "regions unseen in training"}
ROBUST = {
    "offset": "distance between photo and query point, in metres",
    "noise": "noise on the query point, σ in metres",
    "noise location": "noise on the location encoder's lon, lat, σ in metres",
    "scale": "side of the visible part of the tile, as a fraction",
    "scale mean": "side of the visible part of the tile, as a fraction, read by its mean",
}

Arms = tuple[str, ...]


@dataclass(frozen=True)
class MeasuredRun:
    """
    The measures of an arm with a seed, or of a baseline.

    Attributes:
        arm (`str`): name of the arm or the baseline.
        seed (`int`): seed of training; for a baseline, of the folds.
        figures (`dict[str, dict[str, float]]`): weights (`trained` or `untrained`; `""` for a baseline) → measure → value.
    """

    arm: str
    seed: int
    figures: Mapping[str, Mapping[str, float]]


def spread(runs: Sequence[MeasuredRun], arm: str, measure: str, weights: str = TRAINED) -> np.ndarray:
    """The values of a measure of an arm, in order of seeds; empty if it was not measured."""
    own = [run.figures.get(weights, {}) for run in sorted(runs, key=lambda run: run.seed) if run.arm == arm]
    return np.array([figures[measure] for figures in own if measure in figures])


def place_encoders(arms: Arms) -> dict[str, tuple[str, str]]:
    """Label of each location encoder → its arm and weights; baselines have no weights."""
    encoders = {
        f"{LOCATION_LABELS.get(arm, LABELS[arm])}, {weights}": (arm, weights)
        for arm in arms
        for weights in (TRAINED, UNTRAINED)
    }
    return encoders | {name: (name, "") for name in ("sin/cos", "inverse distance")}


def place_targets_of(runs: Sequence[MeasuredRun]) -> list[str]:
    """The names of all measured targets of location encoders."""
    names = {name for run in runs for part in run.figures.values() for name in part}
    return sorted({name.split("/")[1] for name in names if name.startswith("place/")})


def levels_of(kind: str, runs: Sequence[MeasuredRun]) -> list[str]:
    """The measured levels of a kind of disturbance, in order."""
    names = {name for run in runs for name in run.figures.get(TRAINED, {})}
    levels = {name.removeprefix(f"{kind}/") for name in names if name.startswith(f"{kind}/")}
    return sorted(levels, key=level_number)


def level_number(level: str) -> float:
    """The number of a level, such as 50 for `50 m`."""
    return float(level.removesuffix(" m"))
