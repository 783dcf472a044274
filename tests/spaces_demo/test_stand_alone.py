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
"""The folder of the Space stands alone: it imports nothing else of this repository, and has what the Hub needs."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "spaces_demo"
OWN_CODE = sorted(path for path in FOLDER.rglob("*.py") if path.parent.name != "model")


@pytest.mark.parametrize("path", OWN_CODE, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_file_imports_anything_else_of_this_repository(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not {name.split(".")[0] for name in names} & {"modeling_gair", "training", "tests", "spaces_demo"}


def test_serving_imports_neither_widgets_nor_views():
    for path in (FOLDER / "serving").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "from widgets" not in text and "from views" not in text and "import gradio" not in text


def test_the_folder_has_what_the_hub_needs():
    head = (FOLDER / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert "sdk: gradio" in head and "app_file: app.py" in head and "python_version:" in head
    needs = (FOLDER / "requirements.txt").read_text(encoding="utf-8").split()
    assert not any(need.startswith("gradio") for need in needs) and any(need.startswith("rasterio") for need in needs)
    assert sum(path.stat().st_size for path in (FOLDER / "model").iterdir()) <= 5 * 2**20
