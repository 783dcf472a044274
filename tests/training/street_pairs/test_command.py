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

import pyarrow.parquet as pq
import pytest

from tests.helpers.street_units import write_units
from training.street_pairs import command
from training.street_pairs.command import make_pairs
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.stages import pack
from training.street_pairs.units import Failure, read_failures, unit_file, write_unit


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job whose stages before the last are done; no unit is run again but those of `left`, which fail."""
    output = tmp_path / "out"
    write_units(output)
    table = tmp_path / "photos.csv"
    table.write_text("id,lon,lat\na,1,2\n")
    options = {"input": str(table), "output": output}
    left = []

    class Stage(command.Stage):
        def complete(self):
            return self.name != "pack" or super().complete()

        def run(self):
            if self.name == "pack" and self.sizes() is None:
                (output / "pack").mkdir(exist_ok=True)
                given = StreetPairsOptions(**options)
                sizes = pack.plan(given, output)
                (output / "pack" / "units.json").write_text(json.dumps(sizes))
                for rank in range(len(sizes)):
                    pack.run(given, output, rank)
            return left

    monkeypatch.setattr(command, "Stage", Stage)

    def run(**others):
        return make_pairs(StreetPairsOptions(**options | others))

    run.left, run.output = left, output
    return run


def test_a_complete_job_ends_with_a_data_set_and_says_what_was_dropped(job, capsys):
    assert job() == (0, True)
    said = capsys.readouterr().out
    assert "photos: gone 2\n" in said and "pack: outside 1\n" in said
    assert "9 photos in 5 tiles are in" in said and (job.output / "dataset" / "SHA256SUMS").is_file()


def test_what_may_pass_makes_the_status_2(job, capsys):
    path = unit_file(job.output, "photos", 0)
    write_unit(path, pq.read_table(path), [*read_failures(path), Failure("p", "server_error", False, "HTTP 500.")])
    assert job() == (2, True)
    assert "photos: server_error 1, which --retry_failed tries again" in capsys.readouterr().out


def test_units_that_were_not_done_end_the_run(job, capsys):
    job.left.append(3)
    assert job() == (1, False)
    said = capsys.readouterr().out
    assert f"1 unit of select failed, first unit 3; its log is in {job.output}/select/logs" in said
    assert job(executor="slurm") == (0, False)
    assert "Submitted 1 unit of select to Slurm" in capsys.readouterr().out
    assert not (job.output / "dataset").exists()


def test_why_nothing_is_left_is_listed(job, capsys, monkeypatch):
    monkeypatch.setattr(pack, "plan", lambda options, output: (_ for _ in ()).throw(ValueError("Nothing is left.")))
    with pytest.raises(ValueError, match="Nothing is left"):
        job()
    assert "photos: gone 2\n" in capsys.readouterr().out
    assert len((job.output / "failures.jsonl").read_text().splitlines()) == 2


def test_a_stage_needs_those_before_it(tmp_path):
    table = tmp_path / "photos.csv"
    table.write_text("id,lon,lat\na,1,2\n")
    with pytest.raises(ValueError, match="--stage tiles needs the stage select, which is not complete; run it first"):
        make_pairs(StreetPairsOptions(input=str(table), output=tmp_path / "out", stage="tiles"))


def test_removal_counts_photos_files_and_unknown_ids(job, tmp_path, capsys):
    job()
    ids = tmp_path / "ids.txt"
    ids.write_text("photo0-1\nnobody\n")
    capsys.readouterr()
    assert job(remove_ids=ids) == (0, True)
    said = capsys.readouterr().out
    assert "Removed 1 photo; 1 file of the data set written again." in said
    assert "1 id not found, such as 'nobody'." in said
    assert "photos | removed" in (job.output / "dataset" / "README.md").read_text()
