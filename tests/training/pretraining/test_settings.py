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
"""Settings of a run from flags and YAML files, and errors in one sentence."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

pytest.importorskip("jsonargparse", reason="the extra train is not installed")
from modeling_gair import GairConfig
from training.objectives.settings import MaeSettings
from training.pairs.settings import AugmentationSettings
from training.pretraining.settings import PretrainSettings, load_settings
from training.world.settings import WorldSettings

ROOT = Path(__file__).parents[3]
DATA = ["--data", "pairs.csv"]


# Values ----------------------------------------------------------------------------------------------------------------


def test_without_flags_settings_have_their_defaults():
    assert load_settings([]) == PretrainSettings()


def test_every_setting_is_described():
    for setting in fields(PretrainSettings):
        assert f"        {setting.name} (`" in PretrainSettings.__doc__, setting.name


def test_printed_settings_can_be_read_again(tmp_path, capsys):
    flags = ["--sample_world.tiles", "64", "--model.temperature", "0.1", "--objective.queue_size", "8"]
    with pytest.raises(SystemExit):
        load_settings([*flags, "--print_config"])
    printed = tmp_path / "own.yaml"
    printed.write_text(capsys.readouterr().out, encoding="utf-8")
    assert set(yaml.safe_load(printed.read_text(encoding="utf-8"))) == {
        setting.name for setting in fields(PretrainSettings)
    }
    assert load_settings(["--config", str(printed)]) == load_settings(flags)


def test_flags_override_the_yaml(tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("data: own.csv\nmax_steps: 7\nlearning_rate: 5e-4\n", encoding="utf-8")
    settings = load_settings(["--config", str(config), "--max_steps=9", "--betas", "[0.8, 0.9]", "--seed", "3"])
    assert (settings.data, settings.max_steps, settings.seed) == ("own.csv", 9, 3)
    assert settings.learning_rate == 5e-4 and settings.betas == [0.8, 0.9]


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", "1E-03", "1.e-3"])
def test_numbers_may_be_written_in_any_notation(text):
    assert load_settings([*DATA, "--learning_rate", text]).learning_rate == 1e-3


@pytest.mark.parametrize("path", ["2024", "runs: 1", "a #b", "1e5", "null"])
def test_paths_are_not_read_as_yaml(path):
    assert load_settings([*DATA, "--output_dir", path]).output_dir == path


def test_data_may_be_one_name_or_several_with_weights():
    assert load_settings([]).weights() == {"sample_world": 1}
    assert load_settings(DATA).weights() == {"pairs.csv": 1}
    assert load_settings(["--data", "{a.csv: 3, sample_world: 0.5}"]).weights() == {"a.csv": 3, "sample_world": 0.5}


def test_dotted_flags_reach_into_the_sample_world_and_the_augmentation():
    settings = load_settings(["--sample_world.tiles", "64", "--sample_world.control", "--augmentation.rs_flip", "0.5"])
    assert settings.sample_world == WorldSettings(tiles=64, control=True)
    assert settings.augmentation == AugmentationSettings(rs_flip=0.5)


def test_the_objective_is_chosen_by_name():
    settings = load_settings(["--objective.name", "mae", "--objective.mask_ratio", "0.5"])
    assert settings.objective_settings() == MaeSettings(mask_ratio=0.5)


def test_booleans_need_no_value():
    settings = load_settings([*DATA, "--dry_run", "--allow_inexact_resume", "--seed", "2"])
    assert settings.dry_run and settings.allow_inexact_resume and settings.seed == 2


def test_trackers_may_be_one_several_or_none():
    assert load_settings(DATA).trackers() == ["tensorboard"]
    assert load_settings([*DATA, "--report_to", "none"]).trackers() == []
    for flags in (["[tensorboard, wandb]"], ["tensorboard", "wandb"]):
        assert load_settings([*DATA, "--report_to", *flags]).trackers() == ["tensorboard", "wandb"]


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
    # Spelling out a default changes nothing.
    assert load_settings([*DATA, "--objective.incl_weight", "0.5"]).run() == first


# The model's config ----------------------------------------------------------------------------------------------------


def test_presets():
    for name, preset in (("tiny", GairConfig.tiny), ("base", GairConfig.base)):
        found = load_settings([*DATA, "--model", name, "--model.temperature", "0.1"]).gair_config()
        assert found.to_dict() == preset(temperature=0.1).to_dict() and found.pixel_window == 5
    published = load_settings(
        [*DATA, "--model", "base", "--model.pixel_window", "0", "--model.rs_config.pixel_init", "normal"]
    )
    assert published.gair_config().to_dict() == GairConfig().to_dict()
    assert load_settings(DATA).gair_config().rs_config.hidden_size == 96
    assert load_settings([*DATA, "--model", "base"]).gair_config().rs_config.hidden_size == 768


def test_dotted_flags_reach_into_the_preset():
    flags = ["--model.rs_config.num_hidden_layers", "4", "--model.temperature", "0.1"]
    config = load_settings([*DATA, *flags]).gair_config()
    assert config.temperature == 0.1
    # Everything else stays as in the preset, in the tower that was changed and in the others.
    assert (config.rs_config.num_hidden_layers, config.rs_config.hidden_size) == (4, 96)
    assert (config.sv_config.image_size, list(config.location_config.scales)) == (64, [0.25, 1.0])


def test_a_model_may_be_a_dictionary_in_the_yaml(tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("model: {preset: tiny, location_config: {scales: [1.0]}}\n", encoding="utf-8")
    made = load_settings(["--config", str(config), *DATA, "--model.nili_init", "normal"]).gair_config()
    assert (made.nili_init, list(made.location_config.scales)) == ("normal", [1.0])
    assert made.location_config.hidden_size == 256
    assert PretrainSettings(data="x", model={"temperature": 0.2}).gair_config().rs_config.hidden_size == 768


def test_a_tower_of_another_type_starts_from_the_defaults_of_that_type():
    model = {"preset": "tiny", "sv_config": {"model_type": "dinov2", "hidden_size": 48, "num_attention_heads": 4}}
    config = PretrainSettings(data="x", model=model).gair_config()
    assert (config.sv_config.model_type, config.sv_config.hidden_size) == ("dinov2", 48)


# Refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--learning_rat", "1"], "did you mean 'learning_rate'"),
        (["--zzz", "1"], "expected one of .*batch_size"),
        (["--model.temprature", "1"], "did you mean 'temperature'"),
        (
            ["--model.rs_config.hiden_size", "96"],
            "no setting 'hiden_size'.*did you mean 'hidden_size'",
        ),
        (["--model.location_config.scale", "[1]"], "did you mean 'scales'"),
        (["--seed.x", "1"], "seed is 0, which has no keys"),
        (["--max_steps"], "--max_steps has no value"),
        (["--max_steps", "--seed"], "--max_steps has no value"),
        (["max_steps", "3"], "'max_steps' is not an option"),
        (["--seed", "1", "--seed", "2"], "given twice"),
        (["--betas", "[0.9"], r"betas is '\[0.9'"),
        (["--betas", "0.9"], r"betas is \[0.9\]; expected two numbers"),
        (["--max_steps", "0"], "max_steps is 0"),
        (["--max_steps", "2.5"], "max_steps is '2.5'"),
        (["--batch_size", "0"], "batch_size is 0"),
        (["--evaluation_tiles", "1"], "evaluation_tiles is 1"),
        (["--sample_world.tile", "9"], "sample_world: unknown setting 'tile'.*did you mean 'tiles'"),
        (["--sample_world", "9"], "sample_world is '9'; expected its settings one by one"),
        (["--sample_world.tiles", "0"], "tiles is 0"),
        (["--batch_size", "true"], "batch_size is 'True'"),
        (["--learning_rate", "fast"], "learning_rate is 'fast'"),
        (["--learning_rate", ".nan"], "learning_rate is nan"),
        (
            ["--nili_learning_rate_factor", "0"],
            r"nili_learning_rate_factor is 0\.0; expected a finite number greater than 0",
        ),
        (["--holdout_fraction", "1"], "holdout_fraction is 1"),
        (["--model", "huge"], "model is 'huge'"),
        (["--model", "[1]"], r"model is '\[1\]'"),
        (["--model.rs_config.hidden_size", "97"], "not divisible by 4 attention heads"),
        (["--model.temperature", "warm"], "temperature"),
        (["--model.rs_config", "5"], "do not fit"),
        (["--config", "nowhere.yaml"], "File not found: 'nowhere.yaml'"),
        (["--batches_per_step", "0"], "batches_per_step is 0"),
        (["--checkpoint_every", "0"], "checkpoint_every is 0"),
        (["--keep_checkpoints", "0"], "keep_checkpoints is 0"),
        (["--retrieval_every", "-1"], "retrieval_every is -1"),
        (["--resume", "maybe"], "resume is 'maybe'; expected 'auto' or 'none'"),
        (["--allow_inexact_resume", "perhaps"], "allow_inexact_resume is 'perhaps'"),
        (["--objective.queue", "8"], "objective: unknown setting 'queue'.*did you mean 'queue_size'"),
        (["--objective.name", "nothing"], "objective.name is 'nothing'; expected one of gair, mae, moco_v3"),
        (["--objective", "gair"], "objective is 'gair'"),
        (["--augmentation.rs_flips", "1"], "augmentation: unknown setting 'rs_flips'.*did you mean 'rs_flip'"),
        (["--augmentation.rs_flip", "2"], "rs_flip is 2"),
        (["--data={}"], "expected a pairs CSV, a folder"),
        (["--data", "{a.csv: 0}"], r"'a.csv' the weight 0\.0"),
        (["--data", "{a.csv: much}"], "expected a pairs CSV, a folder"),
    ],
)
def test_wrong_flags_are_refused_in_one_sentence(flags, message):
    with pytest.raises(ValueError, match=message) as raised:
        load_settings(flags if flags[0].startswith("--data") else [*flags, *DATA]).gair_config()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_step: 3", "did you mean 'max_steps'"),
        ("sample_world: {tile: 3}", "sample_world: unknown setting 'tile'.*did you mean 'tiles'"),
        ("- 3", "contains a list; expected options"),
        ("a: [", "not valid YAML"),
    ],
)
def test_wrong_yaml_files_are_refused(tmp_path, text, message):
    config = tmp_path / "own.yaml"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_settings(["--config", str(config), *DATA])


# The program -----------------------------------------------------------------------------------------------------------


def run_program(*flags: str, before: str = "") -> subprocess.CompletedProcess:
    """Runs `python training/pretrain.py` and reports the imported heavy modules and the CPU time on stderr."""
    code = f"""
import atexit, resource, runpy, sys
def tell():
    heavy = [name for name in ("torch", "transformers", "accelerate", "modeling_gair") if name in sys.modules]
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(heavy, used.ru_utime + used.ru_stime, file=sys.stderr)
atexit.register(tell)
sys.argv = ["training/pretrain.py", *{list(flags)!r}]
runpy.run_path("training/pretrain.py", run_name="__main__")
"""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_help_explains_every_setting_without_importing_the_model():
    run = run_program("--help")
    heavy, _ = run.stderr.strip().splitlines()[-1].rsplit(" ", 1)
    assert run.returncode == 0 and heavy == "[]", run.stderr
    for setting in fields(PretrainSettings):
        assert f"--{setting.name}" in run.stdout
    assert "(type: float, default: 0.002)" in " ".join(run.stdout.split())


def test_a_wrong_flag_ends_the_program_with_one_sentence():
    run = run_program("--learning_rat", "1")
    message, told = run.stderr.strip().splitlines()
    assert run.returncode == 1 and message.endswith("did you mean 'learning_rate'?") and told.startswith("[]")
