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
from modeling_gair import GairProcessor
from training.evidence.arms import COMPARISONS, CONFIGS, LABELS, TEACHERS, arms_in_order
from training.evidence.measure_run import second_world, selection_world
from training.pretraining.costs import flops_per_pair
from training.pretraining.settings import PretrainSettings, load_settings

ARMS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def settings_of(arm: str):
    return load_settings(["--config", str(CONFIGS / f"{arm}.yaml")])


def test_every_arm_answers_a_question_and_has_a_label():
    assert set(ARMS) == {arm for comparison in COMPARISONS.values() for arm in comparison.arms} == set(LABELS)


RATE, START, MODE = "nili_learning_rate_factor", "model.rs_config.pixel_init", "model.query_mode"
PIXELS = {MODE, START, "model.pixel_window"}
# Arm → the settings in which it differs from nili.
DIFFERING = {
    "nili": set(),
    "nili_ninth": {RATE},
    "nili_start": {RATE, START},
    "nili_pixels": {RATE, START, "model.pixel_window"},
    **{name: {MODE} for name in ("bilinear", "bicubic", "mean")},
    "bilinear_start": {MODE, START},
    **dict.fromkeys(("pixels", "mean_pixels", "window_1", "window_3", "window_9"), PIXELS),
    "pixels_no_start": PIXELS - {START} | {"model.pixel_init"},
    "pixels_own_start": PIXELS - {START},
    "pixels_averaged": PIXELS | {"model.pixel_pooling"},
    **{name: PIXELS | {"model.pixel_hidden_size"} for name in ("width_64", "width_256")},
    **{name: PIXELS | {"model.pixel_hidden_size", "model.pixel_layers"} for name in ("stem_2", "stem_3")},
    "patch_4_equal_steps": {MODE, START, "model.rs_config.patch_size"},
    "patch_4": {MODE, START, "model.rs_config.patch_size", "max_steps", "warmup_steps"},
    "long_bilinear": {MODE, START, "max_steps"},
    "long_nili": {RATE, START, "max_steps"},
    "long_pixels": PIXELS | {"max_steps"},
    "long_nili_pixels": {RATE, START, "model.pixel_window", "max_steps"},
    # The tile mean does not distinguish the photos of a tile, so they are not negatives of each other.
    "mean_across": {MODE, "model.incl_min_distance_m", "model.secl_min_distance_m"},
    "no_location": {"objective.secl_weight"},
    "distillation": {"objective.rs_teacher"},
    "spherical_harmonics": {"model.location_config"},
    "published_scales": {"model.location_config"},
}
for name in ("nili", "mean", "mean_across"):
    DIFFERING[f"control_{name}"] = DIFFERING[name] | {"sample_world.control"}
DIFFERING["control_bilinear"] = DIFFERING["bilinear_start"] | {"sample_world.control"}
DIFFERING["control_pixels"] = DIFFERING["pixels"] | {"sample_world.control"}


def flat_settings(arm: str) -> dict:
    settings = settings_of(arm)
    model = settings.gair_config().to_dict()
    model |= {f"rs_config.{key}": value for key, value in model.pop("rs_config").items()}
    values = settings.resolved() | {"model": model | {"location_config": str(model["location_config"])}}
    parts = {key: values.pop(key) for key in ("model", "objective", "sample_world")}
    return values | {f"{key}.{inner}": value for key, part in parts.items() for inner, value in part.items()}


@pytest.mark.parametrize("arm", sorted(set(ARMS) - {"main_job", "shuffled"}))
def test_arms_differ_from_nili_only_in_what_they_are_named_for(arm):
    """Data, steps, batch, learning rate and towers are those of nili."""
    own, other = flat_settings(arm), flat_settings("nili")
    differing = {key for key in own.keys() | other.keys() if own.get(key) != other.get(key)}
    if arm in ("mae", "moco_v3"):
        differing = {key for key in differing if not key.startswith("objective.")}
    assert differing == DIFFERING.get(arm, set())


def test_the_main_job_is_the_programs_default_and_is_shuffled_in_nothing_else():
    own, shuffled, default = flat_settings("main_job"), flat_settings("shuffled"), PretrainSettings()
    assert {key for key in own if own[key] != shuffled[key]} == {"sample_world.shuffled"}
    assert settings_of("main_job").gair_config().to_dict() == default.gair_config().to_dict()
    for name in ("max_steps", "batch_size", "photos_per_tile", "learning_rate", "warmup_steps", RATE):
        assert own[name] == getattr(default, name)


def test_smaller_patches_get_the_steps_of_equal_flops():
    def total(arm: str) -> float:
        settings = settings_of(arm)
        config = settings.gair_config()
        a_pair = flops_per_pair(config, GairProcessor.for_config(config), settings.photos_per_tile)
        return a_pair * settings.max_steps

    assert total("patch_4") == pytest.approx(total("pixels"), rel=0.01)


def test_the_second_world_is_of_the_same_kind_with_another_seed():
    for arm in ("nili", "control_nili"):
        world = settings_of(arm).sample_world
        second = second_world(world)
        assert (second.seed, second.control) == (1, world.control)
        assert second.held_out_tiles == world.held_out_tiles
        assert selection_world(world).seed not in (world.seed, second.seed)


def test_teachers_come_before_the_arms_they_teach():
    order = arms_in_order(["objectives"])
    for pupil, teacher in TEACHERS.items():
        assert order.index(teacher) < order.index(pupil)


def test_settings_of_an_objective_are_those_of_its_file():
    assert settings_of("mae").objective_settings().decoder_size == 96
