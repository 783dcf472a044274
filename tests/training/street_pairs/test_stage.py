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
from types import SimpleNamespace

import pyarrow as pa
import pytest

from training.street_pairs import stage as stage_module
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.packing.shards import DATASET
from training.street_pairs.stage import Stage, prepare_retry, run_unit
from training.street_pairs.units import Failure, unit_file, write_unit

PASSING, PERMANENT = Failure("1", "stac", False, "It was down."), Failure("2", "gone", True, "It is gone.")
# Of 1, 65 and 64 tiles, which make one, two and one unit of tiles.
SIZES = {"photos": [3], "search": [2, 2, 2], "choose": [1, 65, 64], "tiles": [1, 32, 33, 64]}


@pytest.fixture
def done(tmp_path):
    """A job whose units are all done; `fail(stage, rank)` makes one that failed in passing."""
    for name, sizes in SIZES.items():
        for rank in range(len(sizes)):
            write_unit(unit_file(tmp_path, name, rank), pa.table({"tile_id": ["a"]}), [PERMANENT])
        (tmp_path / name / "units.json").write_text(json.dumps(sizes))
    (tmp_path / DATASET / "data").mkdir(parents=True)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "units.json").write_text("[1]")

    def fail(name, rank):
        write_unit(unit_file(tmp_path, name, rank), pa.table({"tile_id": ["a"]}), [PASSING])

    return SimpleNamespace(options=StreetPairsOptions(input="photos.csv", output=tmp_path), output=tmp_path, fail=fail)


def units(output):
    return {name: [int(path.stem) for path in sorted((output / name).glob("0*.parquet"))] for name in SIZES}


ALL = {name: list(range(len(sizes))) for name, sizes in SIZES.items()}


@pytest.mark.parametrize(
    ("failed", "left"),
    [
        ([("photos", 0)], ALL),
        # What was chosen for the tiles of the query, and the tiles that were read.
        ([("search", 1)], {**ALL, "choose": [0, 2], "tiles": [0, 3]}),
        ([("choose", 2)], {**ALL, "tiles": [0, 1, 2]}),
        ([("search", 0), ("choose", 1), ("tiles", 3)], {**ALL, "choose": [1, 2], "tiles": [3]}),
    ],
)
def test_another_try_does_again_only_what_follows_from_what_failed(done, failed, left):
    for name, rank in failed:
        done.fail(name, rank)
    assert prepare_retry(done.options) == len(failed)
    assert units(done.output) == left
    # The files of the data set depend on everything.
    assert not (done.output / DATASET).exists() and Stage(done.options, "pack").sizes() is None
    if left != ALL:
        assert Stage(done.options, "tiles").sizes() is None


def test_nothing_is_done_again_if_nothing_failed_in_passing(done):
    assert prepare_retry(done.options) == 0
    assert units(done.output) == ALL and (done.output / DATASET).is_dir()
    assert all(Stage(done.options, name).complete() for name in SIZES)


def test_a_stage_is_complete_when_all_its_units_are_there(done):
    search = Stage(done.options, "search")
    assert search.failed_in_passing() == []
    done.fail("search", 2)
    assert search.failed_in_passing() == [2] and search.complete()
    search.file(1).unlink()
    assert not search.complete() and not Stage(done.options, "select").complete()


def test_a_unit_that_is_there_is_done_again_only_to_retry_what_may_pass(done, monkeypatch):
    ran = []
    fake = SimpleNamespace(run=lambda options, output, rank: ran.append(rank))
    monkeypatch.setattr(stage_module, "_module", lambda name: fake)
    done.fail("search", 1)
    for rank in range(3):
        run_unit(done.options, "search", rank)
    assert ran == []
    again = StreetPairsOptions(input="photos.csv", output=done.output, retry_failed=True)
    for rank in range(3):
        run_unit(again, "search", rank)
    assert ran == [1]
    unit_file(done.output, "search", 0).unlink()
    run_unit(done.options, "search", 0)
    assert ran == [1, 0]
