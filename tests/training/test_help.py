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
"""`--help` of the programs works without the model code, so that it is instant."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jsonargparse", reason="the extra train is not installed")

ROOT = Path(__file__).parents[2]
# A name that is None in sys.modules can't be imported.
WITHOUT_MODEL_CODE = """
import runpy, sys

for name in ("torch", "transformers", "modeling_gair", "accelerate", "datasets"):
    sys.modules[name] = None
program = sys.argv[1]
sys.argv = [program, *sys.argv[2:], "--help"]
runpy.run_path(program, run_name="__main__") if program.endswith(".py") else runpy.run_module(program, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("program", "option"),
    [
        ("training/embed.py", "--executor"),
        ("training/export.py", "--int8"),
        ("training/release.py", "--pull_request"),
        ("training/search.py index", "--memory_gb"),
        ("training/streetscapes.py", "--retry_failed"),
        ("training/search.py query", "--where"),
        ("training/search.py classify", "--class_column"),
        ("training.evidence", "--seeds"),
        ("training.hub.space_files", "--output"),
    ],
)
def test_help_needs_no_model_code(program, option):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MODEL_CODE, *program.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert option in done.stdout and "default: " in done.stdout
