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
What Jobs get and return through a bucket, on the loopback Hub. The programs as a whole are in `tests/end_to_end/test_hub_jobs.py`.
"""

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from huggingface_hub.utils import _xet

from training.common.hub_jobs import BucketCopy, _Executor, prepare_job
from training.common.jobs import ClusterSettings, Needs, Tasks

STAND_IN = Path(__file__).parents[2] / "helpers" / "xet"


@pytest.fixture
def stand_in(here, monkeypatch):
    """This process uses the loopback Hub, and transfers files as it does."""
    monkeypatch.delitem(sys.modules, "hf_xet", raising=False)
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.setattr(_xet, "_GLOBAL_XET_HOLDER", _xet.XetSessionHolder())
    yield
    sys.modules.pop("hf_xet", None)


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_bucket_follows_this_machine_and_the_output_what_jobs_write(stand_in, hub, tmp_path):
    kept, gone = write(tmp_path / "out" / "plan" / "a.json"), write(tmp_path / "out" / "b #1.json")
    photo, table = write(tmp_path / "photos" / "c.jpg"), write(tmp_path / "table.csv")
    copy = BucketCopy("org/jobs", tmp_path / "out", [photo.parent, table])
    copy.send()
    gone.unlink()
    copy.send()
    files = hub.buckets.files["org/jobs"]
    code, photos, output = copy.volumes()
    assert f"{output.path}/plan/a.json" in files and f"{photos.path}/c.jpg" in files
    assert not any(path.endswith("b #1.json") for path in files)
    assert f"{code.path}/code/training/common/hub_jobs.py" in files and f"{code.path}/code/pyproject.toml" in files
    assert not any(".pyc" in path or "/tests/" in path for path in files)
    assert [(volume.mount_path, volume.read_only) for volume in (photos, output)] == [
        (str(photo.parent), True),
        (str(tmp_path / "out"), False),
    ]
    ((path, target),) = copy.links().items()
    assert path == str(table) and target.replace("/mnt/gair", str(code.path)) in files

    files[f"{output.path}/c/d.parquet"] = files[f"{photos.path}/c.jpg"]
    copy.fetch()
    assert (tmp_path / "out" / "c" / "d.parquet").read_text() == "text" and kept.is_file() and not gone.exists()


def test_a_job_finds_folders_files_and_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "mounted" / "x.csv")
    for _ in range(2):
        prepare_job(
            [str(tmp_path / "out" / "empty")], {str(tmp_path / "in" / "t.csv"): str(file)}, str(tmp_path / "here")
        )
        assert Path("../in/t.csv").read_text() == "text" and Path("../out/empty").is_dir()


def test_folders_in_each_other_are_refused(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=r"out' lies in .*, and Jobs need each folder by itself"):
        BucketCopy("org/jobs", tmp_path / "out", [tmp_path])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"bucket": "work"}, r"--cluster\.bucket is 'work', expected ORG/NAME"),
        ({"bucket": "org/jobs", "time": "4h"}, r"--cluster\.time is '4h', expected HH:MM:SS"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(stand_in, tmp_path, settings, problem):
    tasks = Tasks(print, [1], tmp_path / "logs", "note", Needs(tmp_path))
    with pytest.raises(ValueError, match=problem):
        tasks.run("jobs", 1, ClusterSettings(**settings), "item")


def test_a_token_that_may_not_write_is_refused_in_a_sentence(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    tasks = Tasks(print, [1], tmp_path / "logs", "note", Needs(tmp_path))
    with pytest.raises(ValueError, match="may write there and run Jobs"):
        tasks.run("jobs", 1, ClusterSettings(bucket="org/jobs"), "item")


def test_jobs_end_with_the_process_that_waits_for_them(stand_in, hub, monkeypatch):
    hub.buckets.failing = 1
    executor = _Executor(
        [], tasks=1, logging_dir="hf://buckets/org/jobs/logs", namespace="org", poll_interval=0, volumes=[]
    )

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("datatrove.executor.jobs.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        executor._launch_and_wait(1, "executor.pik", 1, os.environ["HF_TOKEN"])
    (name,) = executor.started
    assert hub.buckets.jobs[name].stage == "CANCELED"
