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
"""Settings: YAML, flags, and what is refused."""

from dataclasses import fields

import pytest
import yaml

from training.pretraining.settings import DEFAULT_CONFIG, PretrainSettings, load_settings

DATA = ["--data", "pairs.csv"]


def test_the_yaml_states_every_setting_at_its_default():
    written = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    assert set(written) == {setting.name for setting in fields(PretrainSettings)}
    assert load_settings([]) == PretrainSettings()


def test_flags_override_the_yaml(tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("data: own.csv\nmax_steps: 7\nlearning_rate: 5e-4\n", encoding="utf-8")
    settings = load_settings(["--config", str(config), "--max_steps=9", "--betas", "[0.8, 0.9]", "--seed", "3"])
    assert (settings.data, settings.max_steps, settings.seed) == ("own.csv", 9, 3)
    assert settings.learning_rate == 5e-4 and settings.betas == [0.8, 0.9]


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", "1E-03", "1.e-3"])
def test_a_number_is_a_number_however_it_is_written(text):
    assert load_settings([*DATA, "--learning_rate", text]).learning_rate == 1e-3


@pytest.mark.parametrize("path", ["2024", "runs: 1", "a #b", "1e5", "null"])
def test_paths_are_taken_as_they_stand(path):
    assert load_settings([*DATA, "--output_dir", path]).output_dir == path


def test_presets():
    assert load_settings(DATA).gair_config().rs_config.hidden_size == 96
    assert load_settings([*DATA, "--model", "base"]).gair_config().rs_config.hidden_size == 768


def test_dotted_flags_reach_into_the_preset():
    flags = ["--model.rs_config.num_hidden_layers", "4", "--model.temperature", "0.1"]
    config = load_settings([*DATA, *flags]).gair_config()
    assert config.temperature == 0.1
    # What was not named stays the preset's, in the tower that was touched and in the others.
    assert (config.rs_config.num_hidden_layers, config.rs_config.hidden_size) == (4, 96)
    assert (config.sv_config.image_size, list(config.location_config.scales)) == (64, [0.25, 1.0])


def test_a_model_may_be_a_dict_in_the_yaml(tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("model: {preset: tiny, location_config: {scales: [1.0]}}\n", encoding="utf-8")
    settings = load_settings(["--config", str(config), *DATA, "--model.nili_init", "normal"])
    made = settings.gair_config()
    assert (made.nili_init, list(made.location_config.scales), made.location_config.hidden_size) == (
        "normal",
        [1.0],
        256,
    )
    assert PretrainSettings(data="x", model={"temperature": 0.2}).gair_config().rs_config.hidden_size == 768


def test_a_tower_of_another_type_stands_on_its_own():
    model = {"preset": "tiny", "sv_config": {"model_type": "dinov2", "hidden_size": 48, "num_attention_heads": 4}}
    config = PretrainSettings(data="x", model=model).gair_config()
    assert (config.sv_config.model_type, config.sv_config.hidden_size) == ("dinov2", 48)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--learning_rat", "1"], "did you mean 'learning_rate'"),
        (["--zzz", "1"], "expected one of .*batch_size"),
        (["--model.temprature", "1"], "did you mean 'temperature'"),
        (["--model.rs_config.hiden_size", "96"], "model.rs_config sets 'hiden_size'.*did you mean 'hidden_size'"),
        (["--model.location_config.scale", "[1]"], "did you mean 'scales'"),
        (["--seed.x", "1"], "seed, which is 0"),
        (["--max_steps"], "--max_steps has no value"),
        (["--max_steps", "--seed"], "--max_steps has no value"),
        (["max_steps", "3"], "'max_steps' is no flag"),
        (["--seed", "1", "--seed", "2"], "given twice"),
        (["--betas", "[0.9"], "--betas is no valid YAML"),
        (["--betas", "0.9"], "betas is 0.9"),
        (["--max_steps", "0"], "max_steps is 0"),
        (["--max_steps", "2.5"], "max_steps is 2.5"),
        (["--batch_size", "0"], "batch_size is 0"),
        (["--evaluation_tiles", "1"], "evaluation_tiles is 1"),
        (["--sample_world.tile", "9"], "sample_world sets 'tile'.*did you mean 'tiles'"),
        (["--sample_world", "9"], "sample_world is 9"),
        (["--batch_size", "true"], "batch_size is True"),
        (["--learning_rate", "fast"], "learning_rate is 'fast'"),
        (["--learning_rate", ".nan"], "learning_rate is nan"),
        (
            ["--nili_learning_rate_factor", "0"],
            "nili_learning_rate_factor is 0; expected a finite number greater than 0",
        ),
        (["--holdout_fraction", "1"], "holdout_fraction is 1"),
        (["--model", "huge"], "model is 'huge'"),
        (["--model", "[1]"], r"model is \[1\]"),
        (["--model.rs_config.hidden_size", "97"], "4 attention heads do not divide"),
        (["--model.temperature", "warm"], "temperature"),
        (["--model.rs_config", "5"], "do not fit"),
        (["--config", "nowhere.yaml"], "no settings file 'nowhere.yaml'"),
        (["--batches_per_step", "0"], "batches_per_step is 0"),
        (["--checkpoint_every", "0"], "checkpoint_every is 0"),
        (["--keep_checkpoints", "0"], "keep_checkpoints is 0"),
        (["--retrieval_every", "-1"], "retrieval_every is -1"),
        (["--resume", "maybe"], "resume is 'maybe'; expected auto or none"),
        (["--allow_inexact_resume", "perhaps"], "allow_inexact_resume is 'perhaps'"),
        (["--report_to", "[1]"], r"report_to is \[1\]"),
        (["--objective.queue", "8"], "objective sets 'queue'.*did you mean 'queue_size'"),
        (["--objective", "gair"], "objective is 'gair'"),
        (["--augmentation.rs_flips", "1"], "augmentation sets 'rs_flips'.*did you mean 'rs_flip'"),
        (["--augmentation.rs_flip", "2"], "rs_flip is 2"),
    ],
)
def test_what_is_refused(flags, message):
    with pytest.raises(ValueError, match=message) as raised:
        load_settings([*DATA, *flags]).gair_config()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "expected a pairs CSV, a folder"),
        ("{}", "expected a pairs CSV, a folder"),
        ("{a.csv: 0}", "'a.csv' the weight 0"),
        ("{a.csv: much}", "'a.csv' the weight 'much'"),
    ],
)
def test_what_is_refused_as_data(data, message):
    with pytest.raises(ValueError, match=message):
        load_settings(["--data", data])


def test_data_alone_or_with_weights():
    assert load_settings([]).weights() == {"sample_world": 1}
    assert load_settings(DATA).weights() == {"pairs.csv": 1}
    assert load_settings(["--data", "{a.csv: 3, sample_world: 0.5}"]).weights() == {"a.csv": 3, "sample_world": 0.5}


def test_the_sample_world_is_set_by_dotted_flags():
    world = load_settings(["--sample_world.tiles", "64", "--sample_world.control", "true"]).world()
    assert (world.tiles, world.control, world.photos) == (64, True, 4)


def test_flags_without_a_value_are_true_where_they_are_booleans():
    settings = load_settings([*DATA, "--dry_run", "--allow_inexact_resume", "--seed", "2"])
    assert settings.dry_run and settings.allow_inexact_resume and settings.seed == 2


def test_trackers_are_named_alone_in_a_list_or_not_at_all():
    assert load_settings(DATA).trackers() == ["tensorboard"]
    assert load_settings([*DATA, "--report_to", "none"]).trackers() == []
    assert load_settings([*DATA, "--report_to", "[tensorboard, wandb]"]).trackers() == ["tensorboard", "wandb"]


def test_a_resumed_run_must_have_the_settings_that_decide_what_is_trained():
    first = load_settings(DATA).run()
    for flags in (
        ["--output_dir", "other"],
        ["--checkpoint_every", "7"],
        ["--report_to", "none"],
        ["--num_workers", "0"],
    ):
        assert load_settings([*DATA, *flags]).run() == first
    for flags in (
        ["--seed", "1"],
        ["--objective.queue_size", "8"],
        ["--augmentation.sv_flip", "0.5"],
        ["--max_steps", "9"],
    ):
        assert load_settings([*DATA, *flags]).run() != first
    # A default that is spelt out is no other setting.
    assert load_settings([*DATA, "--objective.incl_weight", "0.5"]).run() == first


@pytest.mark.parametrize(
    ("text", "message"),
    [("max_step: 3", "did you mean 'max_steps'"), ("- 3", "holds no settings"), ("a: [", "no valid YAML")],
)
def test_what_is_refused_in_a_yaml(tmp_path, text, message):
    config = tmp_path / "own.yaml"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_settings(["--config", str(config), *DATA])
