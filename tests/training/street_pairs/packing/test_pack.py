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
"""Packing: which rows there are, in which file, what they hold, and what lies beside them."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from tests.helpers.street_units import BANDS, write_units
from training.common.schema import FEATURES, unpack_tile
from training.hub.push_street_pairs import push_street_pairs
from training.pairs.sources import open_source
from training.street_pairs.failures_report import write_failures
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.packing.finish import finish
from training.street_pairs.packing.removal import remove
from training.street_pairs.packing.shards import DATA, DATASET, SUMS
from training.street_pairs.stages import pack
from training.street_pairs.units import unit_file, write_unit


@pytest.fixture
def output(tmp_path):
    write_units(tmp_path)
    return tmp_path


def packed(output: Path, rows_per_shard: int = 2) -> dict[str, bytes]:
    options = StreetPairsOptions(input="photos.csv", output=output, rows_per_shard=rows_per_shard)
    for rank in range(len(pack.plan(options, output))):
        pack.run(options, output, rank)
    finish(output, {"seed": 0, "provider": "earth-search"}, write_failures(output))
    return files_of(output)


def files_of(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (output / DATASET).rglob("*") if path.is_file()}


def rows_of(output: Path) -> dict[str, dict]:
    files = sorted((output / DATASET / DATA).glob("*.parquet"))
    return {row["id"]: row for path in files for row in pq.read_table(path).to_pylist()}


def test_rows_hold_tile_photos_and_labels(output):
    packed(output)
    rows = rows_of(output)
    # Tile 2 has no photo left.
    assert sorted(rows) == ["tile0", "tile1", "tile3", "tile4", "tile5"]
    row = rows["tile0"]
    assert list(row)[: len(FEATURES)] == list(FEATURES)
    assert unpack_tile(row).shape == (10, 8, 8) and row["bands"] == BANDS
    assert row["tile_time"] == "2021-06-01T10:20:30Z" and row["settlement"] == "urban centre"
    assert [photo["id"] for photo in row["photos"]] == ["photo0-0", "photo0-1"]
    assert row["photos"][1]["time"] == "2021-06-04T10:20:30Z" and row["photo_days_apart"] == [0.0, 3.0]
    assert row["photos"][0]["attribution"] == "Photo from Mapillary, CC BY-SA 4.0, by @anna0, resized"
    # One photo of tile 1 lies outside.
    assert [photo["id"] for photo in rows["tile1"]["photos"]] == ["photo1-1"]
    assert rows["tile5"]["split"] == "test" and rows["tile4"]["split"] == "train"


def test_files_are_those_of_a_data_set_for_training(output):
    files = packed(output)
    names = sorted(name for name in files if name.endswith(".parquet"))
    assert names == ["test-00000-of-00001.parquet", "train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    source = open_source(str(output / DATASET), 0.1)
    assert source.rule == "split test" and source.held_out.count(10) == 1 and source.train.count(10) == 4
    assert len(load_dataset(str(output / DATASET), split="train", streaming=True).take(1).__iter__().__next__()) > 10


def test_files_are_the_same_each_time_and_checked_by_their_sums(output):
    files = packed(output)
    assert packed(output) == files
    for line in files[SUMS].decode().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((output / DATASET / name).read_bytes()).hexdigest() == digest
    assert len(files[SUMS].splitlines()) == len(files) - 1


def test_what_is_left_out_is_counted_and_said(output):
    files = packed(output)
    assert write_failures(output) == Counter(
        {("photos", "gone", True): 2, ("pack", "outside", True): 1, ("pack", "no_photos", True): 1}
    )
    card = files["README.md"].decode()
    for sentence in (
        "| pack | outside | photos | no | 1 |",
        "| pack | no_photos | tiles | no | 1 |",
        "| licence | photos | 100 | 12 |",
        "| in the data set | tiles | 6 | 5 |",
        "| in the data set | photos | 12 | 9 |",
        "| mapillary | CC BY-SA 4.0 | 9 |",
    ):
        assert sentence in card
    assert "license: cc-by-sa-4.0" in card and "Contains modified Copernicus Sentinel data 2021." in card
    assert str(output) not in card
    assert "mapillary,CC BY-SA 4.0,anna1" in files["attributions.csv"].decode()


def test_tiles_that_were_not_checked_for_clouds_are_counted(output):
    assert "not checked for clouds" not in packed(output)["README.md"].decode()
    path = unit_file(output, "tiles", 0)
    table = pq.read_table(path)
    names = table["tile_id"].to_pylist()
    unknown = pa.array([None if name == "tile0" else 0.9 for name in names], pa.float64())
    write_unit(path, table.set_column(table.column_names.index("clear_fraction"), "clear_fraction", unknown))
    assert "**1 of the 5 tiles were not checked for clouds**" in packed(output)["README.md"].decode()


def test_what_is_pushed_loads_as_a_data_set(output, hub, here, tmp_path):
    packed(output, rows_per_shard=1)
    push_street_pairs(output, "someone/pairs", private=True)
    repository = hub.repositories["datasets", "someone/pairs"]
    assert repository.private and {"README.md", "map.png", "attributions.csv", SUMS} <= set(repository.files())
    packed(output, rows_per_shard=2)
    push_street_pairs(output, "someone/pairs", private=True)
    # Those of the first push, which had a file for each row, are gone.
    assert sorted(name for name in repository.files() if name.startswith(DATA)) == [
        f"{DATA}/{name}" for name in sorted(files_of(output)) if name.endswith(".parquet")
    ]
    # In a process of its own, since the libraries read where the Hub is when they are imported.
    code = (
        "import json; from datasets import load_dataset; "
        "rows = [row for split in load_dataset('someone/pairs').values() for row in split]; "
        "print(json.dumps({row['id']: [row['tile'].hex(), [photo['jpeg'].hex() for photo in row['photos']]] for row in rows}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **hub.environment(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        name: [row["tile"].hex(), [photo["jpeg"].hex() for photo in row["photos"]]]
        for name, row in rows_of(output).items()
    }


def test_removal_rewrites_only_the_files_concerned_and_is_kept(output):
    before = packed(output)
    holder = next(
        name
        for name, content in before.items()
        if name.endswith(".parquet")
        and "tile0" in pq.read_table(output / DATASET / DATA / name, columns=["id"])["id"].to_pylist()
    )
    assert remove(output, {"photo0-1", "nobody"}) == (1, 1, {"nobody"})
    after = files_of(output)
    assert [name for name in before if after[name] != before[name]] == [holder]
    row = rows_of(output)["tile0"]
    assert [photo["id"] for photo in row["photos"]] == ["photo0-0"] and row["photo_days_apart"] == [0.0]
    # The plan names it still, but a file that is packed again does not hold it.
    path = output / DATASET / DATA / holder
    expected = path.read_bytes()
    path.unlink()
    options = StreetPairsOptions(input="photos.csv", output=output, rows_per_shard=2)
    for rank in range(3):
        pack.run(options, output, rank)
    assert path.read_bytes() == expected
    # All photos of a tile, and so the tile.
    assert remove(output, {"tile0"})[0] == 1 and "tile0" not in rows_of(output)
