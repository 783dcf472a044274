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
"""`training/export.py`: models, options and folders."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bad_inputs.case import MODEL, Case, Program
from tests.helpers.models import drop_pixels, drop_weight, spoil_weight


def _given(*arguments: str) -> Callable[[Path], Sequence[str]]:
    """Arguments with FOLDER in place of the folder of the test."""
    return lambda folder: [argument.replace("FOLDER", str(folder)) for argument in arguments]


def _copy(change: Callable[[Path], object]) -> Callable[[Path], Sequence[str]]:
    def arguments(folder: Path) -> Sequence[str]:
        shutil.copytree(MODEL, folder / "model")
        change(folder / "model")
        return ["--model", str(folder / "model"), "--output", str(folder / "out")]

    return arguments


def _occupied(folder: Path) -> Sequence[str]:
    (folder / "onnx").mkdir()
    return ["--model", str(MODEL), "--output", str(folder)]


def _case(name: str, arguments: Callable[[Path], Sequence[str]], says: str, launched: bool = False) -> Program:
    return Program(
        f"export: {name}",
        "training.export",
        arguments,
        says,
        check=lambda folder: not (folder / "out").exists(),
        launched=launched,
    )


CASES: list[Case] = [
    _case("no model", _given("--output", "FOLDER/out"), "--model is missing"),
    _case("no output", _given("--model", str(MODEL)), "--output is missing", launched=True),
    _case(
        "a misspelt option", _given("--model", "m", "--outptu", "FOLDER/out"), "did you mean 'output'", launched=True
    ),
    _case("a flag that is no boolean", _given("--model", "m", "--output", "FOLDER/out", "--int8", "maybe"), "int8"),
    _case("a model that does not exist", _given("--model", "FOLDER/none", "--output", "FOLDER/out"), "not found"),
    _case("a folder without a model", _given("--model", "FOLDER", "--output", "FOLDER/out"), "not found"),
    _case(
        "truncated weights",
        _copy(lambda model: (model / "model.safetensors").write_bytes(b"12345678")),
        "cannot be loaded",
    ),
    _case("a weight is missing", _copy(drop_weight), "do not match its config, first nili.affine.bias"),
    _case("weights of the pixels are missing", _copy(drop_pixels), "do not match its config, first pixel_query"),
    _case("weights that are not finite", _copy(spoil_weight), "are not finite, first nili.affine.bias"),
    _case("a truncated config", _copy(lambda model: (model / "config.json").write_text("{")), "cannot be loaded"),
    _case("a folder that has an export", _occupied, "exists; delete it"),
]
