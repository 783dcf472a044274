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
"""The arms differ in one thing each, and every arm answers a question."""

import pytest

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")
pytest.importorskip("pyproj", reason="the extra geo is not installed")
from training.evidence.arms import COMPARISONS, CONFIGS, LABELS, TEACHERS, arms_in_order
from training.evidence.measure_run import second_world
from training.pretraining.settings import load_settings

ARMS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def settings_of(arm: str):
    return load_settings(["--config", str(CONFIGS / f"{arm}.yaml")])


def test_every_arm_answers_a_question_and_has_a_label():
    assert set(ARMS) == {arm for comparison in COMPARISONS.values() for arm in comparison.arms} == set(LABELS)


# Arm → the settings in which it differs from nili.
DIFFERING = {
    "nili": set(),
    "nili_ninth": {"nili_learning_rate_factor"},
    **{name: {"model.query_mode"} for name in ("bilinear", "bicubic", "mean")},
    # The tile mean does not distinguish the photos of a tile, so they are not negatives of each other.
    "mean_across": {"model.query_mode", "model.incl_min_distance_m", "model.secl_min_distance_m"},
    "no_location": {"objective.secl_weight"},
    "distillation": {"objective.rs_teacher"},
    "spherical_harmonics": {"model.location_config"},
    "published_scales": {"model.location_config"},
    # The length of the main job.
    "main_job": {"max_steps", "warmup_steps", "nili_learning_rate_factor"},
    "shuffled": {"max_steps", "warmup_steps", "nili_learning_rate_factor", "sample_world.shuffled"},
}
for name in ("nili", "mean", "mean_across"):
    DIFFERING[f"control_{name}"] = DIFFERING[name] | {"sample_world.control"}


@pytest.mark.parametrize("arm", ARMS)
def test_arms_differ_from_nili_only_in_what_they_are_named_for(arm):
    """Data, steps, batch, learning rate and towers are those of nili."""
    parts = []
    for name in (arm, "nili"):
        settings = settings_of(name)
        model = settings.gair_config().to_dict()
        values = settings.resolved() | {"model": model | {"location_config": str(model["location_config"])}}
        parts.append(
            {
                f"{key}.{inner}": value
                for key in ("model", "objective", "sample_world")
                for inner, value in values.pop(key).items()
            }
            | values
        )
    own, other = parts
    differing = {key for key in own.keys() | other.keys() if own.get(key) != other.get(key)}
    if arm in ("mae", "moco_v3"):
        differing = {key for key in differing if not key.startswith("objective.")}
    assert differing == DIFFERING.get(arm, set())


def test_the_second_world_is_of_the_same_kind_with_another_seed():
    for arm in ("nili", "control_nili"):
        world = settings_of(arm).sample_world
        second = second_world(world)
        assert (second.seed, second.control) == (1, world.control)
        assert second.held_out_tiles == world.held_out_tiles


def test_teachers_come_before_the_arms_they_teach():
    order = arms_in_order(["objectives"])
    for pupil, teacher in TEACHERS.items():
        assert order.index(teacher) < order.index(pupil)


def test_settings_of_an_objective_are_those_of_its_file():
    assert settings_of("mae").objective_settings().decoder_size == 96
