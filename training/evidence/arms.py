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
        selects (`bool`): whether its arms are compared to choose among them, on a world of its own.
    """

    question: str
    arms: tuple[str, ...]
    robust: bool = False
    places: bool = False
    selects: bool = False


# Every arm is read in the query mode it was trained with: tokens trained through NILI are not read by interpolation.
COMPARISONS = {
    "window": Comparison(
        "How many pixels about the point, and how wide a layer? (Chosen on a third world, and reported on no other.)",
        ("window_1", "window_3", "pixels", "window_9", "width_64", "width_256"),
        selects=True,
    ),
    "query_modes": Comparison(
        "Does reading the tile at the photo's location help, and does NILI help over plain interpolation?",
        ("nili", "nili_ninth", "bilinear", "bicubic", "mean", "mean_across"),
    ),
    "pixels": Comparison(
        "Do the pixels about the point help, and is it because they are finer than a token?",
        ("bilinear_start", "nili_start", "pixels", "nili_pixels", "pixels_averaged", "mean_pixels"),
    ),
    "start": Comparison(
        "Does it help that maps of pixels start as standard scores?",
        ("bilinear", "bilinear_start", "nili_ninth", "nili_start", "pixels_no_start", "pixels_own_start", "pixels"),
    ),
    "longer": Comparison(
        "Does it hold after 720 steps?",
        ("long_bilinear", "long_nili", "long_pixels", "long_nili_pixels"),
    ),
    "rivals": Comparison(
        "Is a stem of convolutions better than one window, or are smaller patches, for the same FLOPs?",
        ("bilinear_start", "pixels", "stem_2", "stem_3", "patch_4", "patch_4_equal_steps"),
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
        ("control_nili", "control_bilinear", "control_pixels", "control_mean", "control_mean_across"),
    ),
    "robustness": Comparison(
        "How robust is retrieval to offset points, noisy coordinates and smaller tiles?",
        ("nili_start", "bilinear_start", "pixels", "mean_across"),
        robust=True,
    ),
}
# The questions that the program answers by default, in at most two hours on two idle cores.
MAIN_QUESTIONS = ("window", "query_modes", "pixels", "start", "nili_rate", "control", "robustness")
# Arm → the arm whose trained model is its RS teacher.
TEACHERS = {"distillation": "mae"}
# Arms whose initial weights are measured as well.
UNTRAINED = ("nili", "main_job", "spherical_harmonics", "published_scales")
LABELS = {
    "main_job": "main job",
    "shuffled": "main job, shuffled world",
    "nili": "NILI (GAIR)",
    "nili_ninth": "NILI, 1/9 of the learning rate for its map",
    "nili_start": "NILI, standard-score start",
    "nili_pixels": "NILI + pixels",
    "bilinear": "bilinear",
    "bilinear_start": "bilinear, standard-score start",
    "pixels": "bilinear + pixels",
    "pixels_no_start": "bilinear + pixels, no standard-score start",
    "pixels_own_start": "bilinear + pixels, standard-score start of the pixels' map alone",
    "pixels_averaged": "bilinear + pixels averaged over patches",
    "mean_pixels": "tile average + pixels",
    "long_bilinear": "bilinear, standard-score start, 720 steps",
    "long_nili": "NILI, standard-score start, 720 steps",
    "long_pixels": "bilinear + pixels, 720 steps",
    "long_nili_pixels": "NILI + pixels, 720 steps",
    "window_1": "bilinear + the nearest pixels alone",
    "window_3": "bilinear + 3 × 3 pixels",
    "window_9": "bilinear + 9 × 9 pixels",
    "width_64": "bilinear + pixels, width 64",
    "width_256": "bilinear + pixels, width 256",
    "stem_2": "bilinear + stem of 2 convolutions",
    "stem_3": "bilinear + stem of 3 convolutions",
    "patch_4": "bilinear, patches of 4 pixels, equal FLOPs (56 steps)",
    "patch_4_equal_steps": "bilinear, patches of 4 pixels, equal steps (4.3 times the FLOPs)",
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
    "control_bilinear": "bilinear, control world",
    "control_pixels": "bilinear + pixels, control world",
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
