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
"""A dry run."""

import json

import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from training.hub.options import ReleaseOptions
from training.hub.release import release


def test_a_dry_run_lists_the_files_and_pushes_nothing(trained, capsys, monkeypatch):
    monkeypatch.setattr("training.hub.release.push", lambda *_: pytest.fail("something was pushed"))
    release(ReleaseOptions(model=str(trained), repo="org/gair", branch="next", dry_run=True))
    printed = capsys.readouterr().out
    assert "modeling_gair.py" in printed and " files" in printed
    assert "Dry run: these files would be pushed to org/gair, branch next." in printed


def test_a_dry_run_measures_nothing_and_says_what_would_be_measured(trained, capsys, monkeypatch, eight):
    for name in ("measure_ranges", "ensure_sample_dataset"):
        monkeypatch.setattr(f"training.hub.gather.{name}", lambda *_: pytest.fail("something was measured"))
    config = json.loads((trained / "config.json").read_text())
    del config["similarity_ranges"]
    (trained / "config.json").write_text(json.dumps(config))
    for data, name in ((None, "the sample world"), (str(eight), "`pairs.csv`")):
        release(ReleaseOptions(model=str(trained), repo="org/gair", dry_run=True, data=data))
        assert f"would be measured on held-out pairs of {name}" in capsys.readouterr().out
    with pytest.raises(ValueError, match="File not found"):
        release(ReleaseOptions(model=str(trained), repo="org/gair", dry_run=True, data="nowhere.csv"))
