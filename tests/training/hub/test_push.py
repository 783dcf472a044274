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
"""Pushing to a loopback Hub: branches, pull requests, private repositories, newer releases, and failures."""

import time

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

pytest.importorskip("datasets", reason="the extra train is not installed")
from training.hub.options import ReleaseOptions
from training.hub.push import push


def options(repo: str = "org/other", **chosen) -> ReleaseOptions:
    return ReleaseOptions(model="unused", repo=repo, **chosen)


def test_branches_pull_requests_and_private_repositories(hub, here, release):
    push(options(), release)
    other = hub.repository("org/other")
    main_commit = other.refs["main"]
    assert set(other.files()) == {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    (release / "metrics.json").write_text("{}")
    pushed = push(options(branch="v2/next"), release)
    assert other.refs["v2/next"] == pushed.oid != main_commit == other.refs["main"]
    assert other.files("v2/next")["metrics.json"].content == b"{}"
    proposed = push(options(pull_request=True), release)
    assert proposed.pr_url == f"{hub.url}/org/other/discussions/1" and other.refs["main"] == main_commit
    assert other.files("refs/pr/1")["metrics.json"].content == b"{}"
    push(options("org/secret", private=True), release)
    assert hub.repository("org/secret").private and not other.private


def test_a_new_release_replaces_the_old_one_and_keeps_other_files(hub, here, release):
    push(options(branch="old"), release)
    repository = hub.repository("org/other")
    stale = {"model-00001-of-00002.safetensors": release / "LICENSE", "picture.png": release / "LICENSE"}
    added = [CommitOperationAdd(name, str(path)) for name, path in stale.items()]
    HfApi().create_commit("org/other", added, commit_message="By hand", revision="old")
    push(options(branch="old"), release)
    names = set(repository.files("old"))
    assert "picture.png" in names and "model-00001-of-00002.safetensors" not in names and "model.safetensors" in names


def test_if_the_upload_fails_nothing_is_published(hub, here, release, monkeypatch):
    to_new = options("org/new")
    push(options("org/gair"), release)
    with pytest.raises(ValueError, match="--private was passed, but 'org/gair' exists and is public"):
        push(options("org/gair", private=True), release)
    with pytest.raises(
        ValueError, match=r"'org/absent' does not exist on the Hub at .*, or your token has no write access"
    ):
        push(options("org/absent", pull_request=True), release)
    with (
        hub.fault("cut", "POST", r"^/api/models/org/new/commit/main$"),
        pytest.raises(ValueError, match=r"The connection to the Hub at .* Nothing was committed to 'org/new'\."),
    ):
        push(to_new, release)
    assert not hub.repository("org/new").files()
    (release / "example" / "photo.jpg").write_bytes(b"another photo")
    # The client waits before each retry.
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with (
        hub.fault("cut", "PUT", "^/upload/"),
        pytest.raises(ValueError, match=r"The connection to the Hub at .* Nothing was committed to 'org/new'\."),
    ):
        push(to_new, release)
    assert not hub.repository("org/new").files()
    push(to_new, release)
    assert hub.repository("org/new").files().keys() == {
        path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()
    }
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(
        ValueError, match=r"'org/newer' does not exist on the Hub at .* no write access; run hf auth login"
    ):
        push(options("org/newer"), release)
    assert ("models", "org/newer") not in hub.repositories
