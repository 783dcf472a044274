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
"""
What must happen to a bad or odd input: the right value, or one sentence that names the fix, with nothing lost.

Each file of this folder lists the cases of one entry point as `CASES`; `tests/test_bad_inputs.py` runs them all.
"""

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "spaces_demo" / "model"
# Room for the value, what was expected and the fix; a longer message is a dump.
_LONGEST_SENTENCE = 700


@dataclass(frozen=True)
class Right:
    """An odd input that has one right meaning: `check` accepts what `run` returns."""

    name: str
    run: Callable[[Path], Any]
    check: Callable[[Any], bool]

    def verify(self, folder: Path) -> None:
        found = self.run(folder)
        assert self.check(found), f"{self.name}: {found!r}"


@dataclass(frozen=True)
class Refused:
    """A bad input: `run` raises `error` with one sentence that matches the regular expression `says`."""

    name: str
    run: Callable[[Path], Any]
    says: str
    error: type[Exception] = ValueError

    def verify(self, folder: Path) -> None:
        try:
            found = self.run(folder)
        except self.error as error:
            check_sentence(str(error), self.says)
        else:
            raise AssertionError(f"{self.name} was accepted: {found!r}")


@dataclass(frozen=True)
class Program:
    """
    A program on a bad or odd input, in this process: `arguments` writes the inputs into a folder and returns the command
    line. The files written before the program started must be unchanged after it.

    Attributes:
        program: module of the program, such as `training.evaluate`.
        says: regular expression that the output, or the sentence of the refusal, matches.
        status: the exit status; 1 stands for a refusal in one sentence and for a run that reports a failure.
        check: accepts the folder afterwards.
        launched: whether to run the program in a process of its own, as users do.
    """

    name: str
    program: str
    arguments: Callable[[Path], Sequence[str | Path]]
    says: str
    status: int = 1
    check: Callable[[Path], bool] = lambda folder: True
    launched: bool = False

    def verify(self, folder: Path, capsys: Any) -> None:
        command = [str(argument) for argument in self.arguments(folder)]
        before = _contents(folder)
        status, text = self._launch(command) if self.launched else self._call(command, capsys)
        assert status == self.status, f"{self.name}: status {status}\n{text}"
        assert re.search(self.says, text), f"{self.name}: {text}"
        assert "Traceback" not in text, f"{self.name}: {text}"
        after = _contents(folder)
        assert {path: after.get(path) for path in before} == before, f"{self.name} changed its inputs"
        assert self.check(folder), f"{self.name}: {sorted(map(str, after))}"

    def _call(self, command: list[str], capsys: Any) -> tuple[int, str]:
        main = importlib.import_module(self.program).main
        try:
            status = main(command)
        except ValueError as error:
            check_sentence(str(error), self.says)
            return 1, str(error)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        output = capsys.readouterr()
        return status or 0, output.out + output.err

    def _launch(self, command: list[str]) -> tuple[int, str]:
        script = [sys.executable, *(["-m", self.program] if "modeling" in self.program else [self._script()])]
        done = subprocess.run([*script, *command], cwd=ROOT, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def _script(self) -> str:
        return str(ROOT / f"{self.program.replace('.', '/')}.py")


Case = Right | Refused | Program


def check_sentence(text: str, says: str) -> None:
    """Checks that a message is one readable sentence or two, and says what it should."""
    assert re.search(says, text), f"{text!r} does not match {says!r}"
    assert "\n" not in text.strip() and len(text) <= _LONGEST_SENTENCE, f"not one sentence: {text!r}"
    assert text.rstrip().endswith((".", "!", "?")), f"not a whole sentence: {text!r}"


def _contents(folder: Path) -> Mapping[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
