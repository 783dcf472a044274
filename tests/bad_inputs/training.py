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
"""`training/pretrain.py` on wrong settings, which are refused before anything is loaded."""

from pathlib import Path

from tests.bad_inputs.case import Case, Program


def _refused(name: str, says: str, *flags: str, launched: bool = False) -> Program:
    return Program(name, "training.pretrain", lambda folder: _with_folder(folder, flags), says, launched=launched)


def _with_folder(folder: Path, flags: tuple[str, ...]) -> list[str]:
    return [*(flag.replace("FOLDER", str(folder)) for flag in flags), "--output_dir", str(folder / "run")]


def _yaml(name: str, text: str, says: str) -> Program:
    def arguments(folder: Path) -> list[str]:
        (folder / "own.yaml").write_text(text, encoding="utf-8")
        return _with_folder(folder, ("--config", "FOLDER/own.yaml"))

    return Program(name, "training.pretrain", arguments, says)


CASES: list[Case] = [
    _refused("misspelt setting", "did you mean 'learning_rate'", "--learning_rat", "1", launched=True),
    _refused("setting without a value", "--max_steps has no value", "--max_steps"),
    _refused("setting twice", "given twice", "--seed", "1", "--seed", "2"),
    _refused("misspelt setting of the model", "did you mean 'temperature'", "--model.temprature", "1"),
    _refused("misspelt setting of a tower", "did you mean 'hidden_size'", "--model.rs_config.hiden_size", "96"),
    _refused("misspelt setting of the objective", "did you mean 'queue_size'", "--objective.queue", "8"),
    _refused("unknown objective", "expected one of gair, mae, moco_v3", "--objective.name", "clip"),
    _refused("unknown preset", "model is 'huge'", "--model", "huge"),
    _refused("no steps", "max_steps is 0; expected a whole number", "--max_steps", "0"),
    _refused("half a step", "max_steps is '2.5'", "--max_steps", "2.5"),
    _refused("NaN learning rate", "learning_rate is nan", "--learning_rate", ".nan"),
    _refused("text for a number", "learning_rate is 'fast'", "--learning_rate", "fast"),
    _refused("decay of 1", "weight_decay is 1", "--weight_decay", "1"),
    _refused("one beta", "expected two numbers", "--betas", "[0.9]"),
    _refused("all tiles held out", "holdout_fraction is 1", "--holdout_fraction", "1"),
    _refused("a weight of 0", "the weight 0", "--data", "{a.csv: 0}"),
    _refused("a negative weight", "the weight -1", "--data", "{a.csv: -1, b.csv: 1}"),
    _refused("no data", "expected a pairs CSV", "--data={}"),
    _refused("unknown way to resume", "expected 'auto' or 'none'", "--resume", "maybe"),
    _refused("sizes that do not divide", "not divisible by 4 attention heads", "--model.rs_config.hidden_size", "97"),
    _refused("no configuration file", "File not found", "--config", "FOLDER/nowhere.yaml"),
    _yaml("broken YAML", "a: [", "not valid YAML"),
    _yaml("YAML of a list", "- 3", "contains a list"),
    _yaml("misspelt setting in YAML", "max_step: 3", "did you mean 'max_steps'"),
    Program(
        "data that do not exist",
        "training.pretrain",
        lambda folder: ["--data", folder / "nothing.csv", "--output_dir", folder / "run", "--report_to", "none"],
        "not found.*nothing.csv",
        launched=True,
    ),
]  # fmt: skip
