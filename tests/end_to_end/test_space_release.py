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
"""The Space is published on a loopback Hub in one commit: the whole folder, and the model that it shows."""

import pytest
from huggingface_hub import HfApi

pytest.importorskip("datasets", reason="the extra train is not installed")
from training.hub.options import SPACE, ReleaseOptions
from training.hub.release import release

FILES = {
    path.relative_to(SPACE).as_posix()
    for path in SPACE.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}


def test_the_whole_folder_is_pushed_with_the_model_that_it_shows(hub, here, capsys):
    release(ReleaseOptions(space="org/page", model="org/gair"))
    space = hub.repository("org/page", "spaces")
    assert set(space.files()) == FILES and {"app.py", "README.md", "model/config.json"} <= FILES
    assert space.files()["app.py"].content == (SPACE / "app.py").read_bytes()
    assert space.variables == {"GAIR_MODEL": "org/gair"}
    assert "the Space org/page" in capsys.readouterr().out


def test_a_new_version_deletes_the_files_of_the_old_one(hub, here):
    HfApi().create_repo("org/older", repo_type="space", space_sdk="gradio")
    HfApi().upload_file(path_or_fileobj=b"1", path_in_repo="stale.py", repo_id="org/older", repo_type="space")
    release(ReleaseOptions(space="org/older"))
    space = hub.repository("org/older", "spaces")
    assert set(space.files()) == FILES and space.variables == {}


def test_a_dry_run_pushes_nothing(hub, here, capsys):
    release(ReleaseOptions(space="org/dry", dry_run=True))
    assert "app.py" in (said := capsys.readouterr().out) and "would be pushed to the Space org/dry" in said
    assert ("spaces", "org/dry") not in hub.repositories


def test_a_token_without_write_access_is_an_error(hub, here, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    with pytest.raises(
        ValueError, match=r"'org/refused' does not exist on the Hub at .*, or your token has no write access"
    ):
        release(ReleaseOptions(space="org/refused"))
