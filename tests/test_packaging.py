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
"""The wheel: its files, its version and its requirements; CI runs the lowest versions that it allows."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from modeling_gair import __version__

pytest.importorskip("hatchling", reason="the extra ci is not installed")
pytestmark = pytest.mark.ci
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.iterdir()
    return zipfile.ZipFile(path)


def test_the_wheel_holds_only_the_package(wheel):
    own = {f"modeling_gair/{path.name}" for path in (ROOT / "modeling_gair").iterdir() if path.is_file()}
    about = f"gair-{__version__}.dist-info/"
    assert {name for name in wheel.namelist() if not name.startswith(about)} == own
    assert "modeling_gair/py.typed" in own and f"{about}licenses/LICENSE" in wheel.namelist()


def test_the_version_is_stated_once(wheel):
    metadata = message_from_bytes(wheel.read(f"gair-{__version__}.dist-info/METADATA"))
    assert metadata["Version"] == __version__ and "version" not in PROJECT
    newest = re.search(
        r"^## (?!Unreleased)(.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert newest and newest[1] == __version__


def test_the_base_needs_six_packages_and_geo_adds_two(wheel):
    metadata = message_from_bytes(wheel.read(f"gair-{__version__}.dist-info/METADATA"))
    needs = [need.replace(" ", "") for need in metadata.get_all("Requires-Dist")]
    names = [re.split(r"[><=;\[]", need)[0] for need in needs if "extra==" not in need]
    assert sorted(names) == ["huggingface-hub", "numpy", "pillow", "safetensors", "torch", "transformers"]
    geo = [re.split(r"[><=;\[]", need)[0] for need in needs if re.search(r"extra==.geo.$", need)]
    assert sorted(geo) == ["pyproj", "rasterio"]


def test_ci_runs_the_lowest_supported_versions():
    floors = dict(need.split(">=") for need in PROJECT["dependencies"] if ">=" in need)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (oldest,) = re.findall(r"^ *make_environment oldest (.+)$", script, flags=re.MULTILINE)
    pinned = dict(re.findall(r'"(\w+)==(\d+\.\d+)\.0"', oldest))
    assert floors == pinned == {"torch": floors["torch"], "transformers": floors["transformers"]}
