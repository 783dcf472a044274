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
"""The converter of the published checkpoint, `python -m modeling_gair.convert_gair_checkpoint`, on other files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.bad_inputs.case import Case, Program


class _Code:
    """Would run when unpickled."""

    def __reduce__(self) -> Any:
        return print, ("code of the checkpoint ran",)


def _saved(content: Any) -> Callable[[Path], list[Path]]:
    def arguments(folder: Path) -> list[Path]:
        torch.save(content, folder / "gair.pth")
        return [folder / "gair.pth", folder / "out"]

    return arguments


def _written(content: bytes) -> Callable[[Path], list[Path]]:
    def arguments(folder: Path) -> list[Path]:
        (folder / "gair.pth").write_bytes(content)
        return [folder / "gair.pth", folder / "out"]

    return arguments


def _into_a_full_folder(folder: Path) -> list[Path]:
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    return [folder / "gair.pth", folder]


def _into_a_file(folder: Path) -> list[Path]:
    (folder / "out").write_text("mine", encoding="utf-8")
    return [folder / "gair.pth", folder / "out"]


def _torn(folder: Path) -> list[Path]:
    torch.save({"a": torch.zeros(100)}, folder / "gair.pth")
    whole = (folder / "gair.pth").read_bytes()
    (folder / "gair.pth").write_bytes(whole[: len(whole) // 2])
    return [folder / "gair.pth", folder / "out"]


def _nothing_written(folder: Path) -> bool:
    return not (folder / "out").is_dir() and not list(folder.glob(".out*"))


def _case(name: str, arguments: Callable[[Path], list[Path]], says: str, launched: bool = False) -> Program:
    module = "modeling_gair.convert_gair_checkpoint"
    return Program(name, module, arguments, says, check=_nothing_written, launched=launched)


CASES: list[Case] = [
    _case("no file", lambda folder: [folder / "gair.pth", folder / "out"], "file not found, expected the published"),
    _case("a folder", lambda folder: [folder, folder / "out"], "file not found, expected the published"),
    _case("an empty file", _written(b""), "cannot be read as a checkpoint"),
    _case("text", _written(b"git-lfs pointer"), "cannot be read as a checkpoint"),
    _case("a torn file", _torn, "cannot be read as a checkpoint"),
    _case("code", _saved({"model": _Code()}), "cannot be read as a checkpoint of plain tensors", launched=True),
    _case("a list", _saved([torch.zeros(1)]), "contains no tensors"),
    _case("numbers", _saved({"model": {"epoch": 3}}), "contains no tensors"),
    _case("another model", _saved({"weight": torch.zeros(2, 2)}), "does not match the published GAIR model"),
    _case("a folder with files", _into_a_full_folder, "expected a new or empty directory"),
    _case("a file in the place of the folder", _into_a_file, "expected a new or empty directory"),
]
