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

import json
import shutil

import pytest

from training.street_pairs.job import JOB, check_job
from training.street_pairs.options import StreetPairsOptions


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_text("id,lon,lat\na,1,2\n")
    return path


def options_of(tmp_path, table, **others):
    return StreetPairsOptions(**{"input": str(table), "output": tmp_path / "out", "seed": 3} | others)


def test_a_job_is_begun_and_found_again(tmp_path, table):
    job = check_job(options_of(tmp_path, table))
    assert job["seed"] == 3 and job["input"] == "photos.csv" and job["content of the input"]
    assert json.loads((tmp_path / "out" / JOB).read_text()) == job
    # How it is done changes nothing.
    again = {"workers": 4, "executor": "slurm", "retry_failed": True, "stage": "tiles", "requests_per_second": 2.0}
    assert check_job(options_of(tmp_path, table, **again)) == job
    # Nor does where the input is.
    (tmp_path / "moved").mkdir()
    moved = shutil.move(table, tmp_path / "moved" / "photos.csv")
    assert check_job(options_of(tmp_path, moved)) == job


def test_other_options_and_another_table_are_refused(tmp_path, table):
    check_job(options_of(tmp_path, table))
    with pytest.raises(ValueError, match=r"holds the job of another command: --days is 5.0 and was 30.0; run the same"):
        check_job(options_of(tmp_path, table, days=5.0))
    table.write_text("id,lon,lat\na,1,2\nb,1,2\n")
    with pytest.raises(ValueError, match="holds the job of another command: content of the input is"):
        check_job(options_of(tmp_path, table))


def test_a_folder_is_another_if_its_files_are(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"1")
    check_job(options_of(tmp_path, photos))
    (photos / "b.jpg").write_bytes(b"2")
    with pytest.raises(ValueError, match="content of the input"):
        check_job(options_of(tmp_path, photos))


def test_no_token_is_in_a_job(tmp_path, table, monkeypatch):
    monkeypatch.setenv("MAPILLARY_TOKEN", "a-secret")
    check_job(options_of(tmp_path, table))
    assert "a-secret" not in (tmp_path / "out" / JOB).read_text()
