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
"""Every entry point on bad and odd inputs: see `tests/bad_inputs/case.py`."""

import importlib
import pkgutil
import warnings

import pytest

import tests.bad_inputs
from tests.bad_inputs.case import Case, Program


def _cases() -> list[tuple[str, Case]]:
    modules = [module.name for module in pkgutil.iter_modules(tests.bad_inputs.__path__) if module.name != "case"]
    return [
        (f"{name}: {case.name}", case)
        for name in sorted(modules)
        for case in importlib.import_module(f"tests.bad_inputs.{name}").CASES
    ]


CASES = _cases()


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_it_is_right_or_refused(case, tmp_path, tmp_path_factory, capsys, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(cache))
    monkeypatch.setenv("HF_HOME", str(cache))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(case, Program):
            case.verify(tmp_path, capsys)
        else:
            case.verify(tmp_path)


def test_the_table_is_long_and_its_names_are_unique():
    names = [name for name, _ in CASES]
    assert len(names) == len(set(names)) and len(names) >= 150
    assert sum(isinstance(case, Program) and case.launched for _, case in CASES) >= 10
