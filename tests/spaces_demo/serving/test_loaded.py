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
"""Which model the page shows, what it calls it, and that the folder needs nothing else of this repository."""

import ast
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
import serving.loaded as loaded

FOLDER = Path(loaded.__file__).parent


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A model that is not the bundled one."""
    folder = tmp_path_factory.mktemp("secret") / "my-model"
    shutil.copytree(loaded.BUNDLED, folder)
    config = folder / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"seed": 0', '"seed": 1') + "\n", encoding="utf-8")
    return folder


def test_the_bundled_model_is_the_default_and_says_what_it_knows(monkeypatch, space_loaded):
    monkeypatch.delenv("GAIR_MODEL", raising=False)
    found = loaded.load()
    assert "bundled" in found.name and "sample world" in found.note
    assert found.fingerprint == space_loaded.fingerprint and not found.model.training


def test_the_environment_chooses_and_no_path_is_shown(monkeypatch, other, space_loaded):
    monkeypatch.setenv("GAIR_MODEL", str(other))
    found = loaded.load()
    assert found.name == "my-model" and str(other.parent) not in f"{found.name} {found.note}"
    assert "sample world" not in found.note and found.fingerprint != space_loaded.fingerprint


@pytest.mark.parametrize("name", ["no/such/folder", "nobody-has-this/model"])
def test_a_model_that_is_not_there_is_one_sentence(monkeypatch, name):
    monkeypatch.setattr(loaded, "snapshot_download", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(ValueError, match=r"GAIR_MODEL is .* expected a directory or a repository"):
        loaded.load(name)


def test_a_folder_without_a_model_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds no whole model"):
        loaded.load(str(tmp_path))


def test_embeddings_have_length_one_and_parts_change_nothing(monkeypatch, space_loaded):
    lon, lat = np.linspace(-180, 180, 50), np.linspace(-90, 90, 50)
    whole = space_loaded.places(lon, lat)
    assert np.linalg.norm(whole, axis=1) == pytest.approx(np.ones(50), abs=1e-5)
    monkeypatch.setattr(loaded, "_PLACES_AT_ONCE", 7)
    assert space_loaded.places(lon, lat) == pytest.approx(whole, abs=1e-5)


def test_the_folder_imports_nothing_else_of_this_repository():
    for path in FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        assert not {name.split(".")[0] for name in names} & {"modeling_gair", "training", "tests", "spaces_demo"}, path
