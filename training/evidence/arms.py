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
"""The arms of the comparison, and the questions that they answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# One file per arm.
CONFIGS = Path(__file__).parents[1] / "configs" / "evidence"


@dataclass(frozen=True)
class Comparison:
    """
    A question, and the arms that answer it.

    Attributes:
        question (`str`): as a reader would ask it.
        arms (`tuple[str, ...]`): names of files in training/configs/evidence/.
        robust (`bool`): whether retrieval is also measured with offsets, noise and smaller tiles.
        places (`bool`): whether location encoders are probed.
    """

    question: str
    arms: tuple[str, ...]
    robust: bool = False
    places: bool = False


# Every arm is read in the query mode it was trained with: tokens trained through NILI are not read by interpolation.
COMPARISONS = {
    "query_modes": Comparison(
        "Does reading the tile at the photo's location help, and does NILI help over plain interpolation?",
        ("nili", "nili_ninth", "bilinear", "bicubic", "mean", "mean_across"),
    ),
    "nili_rate": Comparison(
        "Is NILI behind because of what it computes, or because of its learning rate?",
        ("nili", "nili_ninth", "bilinear"),
    ),
    "objectives": Comparison(
        "How does GAIR compare with objectives that do not align modalities, and with distillation?",
        ("nili", "distillation", "mae", "moco_v3"),
    ),
    "location": Comparison("Does training with locations cost retrieval?", ("nili", "no_location")),
    "location_encoders": Comparison(
        "Which location encoder is best?", ("nili", "spherical_harmonics", "published_scales"), places=True
    ),
    "earth": Comparison(
        "Does the location encoder of the main job learn the Earth's climate, measured at weather stations?",
        ("main_job", "shuffled"),
        places=True,
    ),
    "control": Comparison(
        "Does localization help where it cannot, because photos show their tile's mean?",
        ("control_nili", "control_mean", "control_mean_across"),
    ),
    "robustness": Comparison(
        "How robust is retrieval to offset points, noisy coordinates and smaller tiles?",
        ("nili", "bilinear", "mean_across"),
        robust=True,
    ),
}
# Arm → the arm whose trained model is its RS teacher.
TEACHERS = {"distillation": "mae"}
# Arms whose initial weights are measured as well.
UNTRAINED = ("nili", "main_job", "spherical_harmonics", "published_scales")
LABELS = {
    "main_job": "main job",
    "shuffled": "main job, shuffled world",
    "nili": "NILI (GAIR)",
    "nili_ninth": "NILI, 1/9 of the learning rate for its map",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "mean": "tile average",
    "mean_across": "tile average, negatives from other tiles only",
    "no_location": "GAIR without locations",
    "distillation": "GAIR with distillation (RS, from MAE)",
    "mae": "MAE",
    "moco_v3": "MoCo v3",
    "spherical_harmonics": "spherical harmonics",
    "published_scales": "RFF, published σ",
    "control_nili": "NILI, control world",
    "control_mean": "tile average, control world",
    "control_mean_across": "tile average, negatives from other tiles only, control world",
}
# In a comparison of location encoders, an arm has the name of its encoder.
LOCATION_LABELS = {"nili": "RFF, small σ"}


def arms_in_order(comparisons: Iterable[str]) -> list[str]:
    """All arms of some comparisons, by name, with teachers before the arms they teach."""
    arms = dict.fromkeys(arm for name in comparisons for arm in COMPARISONS[name].arms)
    teachers = [TEACHERS[arm] for arm in arms if arm in TEACHERS]
    return list(dict.fromkeys([*teachers, *arms]))


def comparisons_of(arm: str) -> list[Comparison]:
    """All comparisons that an arm takes part in."""
    return [comparison for comparison in COMPARISONS.values() if arm in comparison.arms]
