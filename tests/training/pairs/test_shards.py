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
"""Shards: files of a folder by split, files that cannot be read, and paths that look like patterns."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from tests.helpers.pairs import PROCESSOR, evaluation
from training.pairs.decoding import PairDecoder
from training.pairs.shards import UNREADABLE, Files, files_of
from training.pairs.sources import open_source

NAMES = ("[1]", "a*b?", "run::2", "{x,y}", "a b", "~", "ä%20#")


def write_rows(path, numbers, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"id": number, "tile": b"", "photos": [{"lon": 1.0, "lat": 2.0}], **more} for number in numbers]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return path


def test_files_are_found_by_split(tmp_path):
    names = [
        "data/train-0.parquet",
        "data/TEST-00000-of-00001.PARQUET",
        "validation/part.parquet",
        "eval/train.parquet",
    ]
    names += ["latest.parquet", "fasttrain/x.parquet", "rows.jsonl"]
    for name in [*names, ".cache/train.parquet", "__x/test.parquet", "readme.md"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {
        split: {path.relative_to(tmp_path).as_posix() for path in paths} for split, paths in files_of(tmp_path).items()
    }
    assert found == {
        "test": {names[1]},
        "validation": {names[2]},
        "train": {names[0], names[3], *names[4:]},
    }
    # A folder that holds the data has no say.
    assert list(files_of(tmp_path / "validation")) == ["train"]


@pytest.mark.parametrize("name", NAMES)
def test_the_path_of_a_folder_is_never_a_pattern(tmp_path, name, monkeypatch):
    write_rows(tmp_path / name / "train.parquet", [1, 2])
    write_rows(tmp_path / "1" / "train.parquet", [3])
    monkeypatch.chdir(tmp_path)
    assert [row["id"] for row in open_source(str(tmp_path / name), 0.0).train] == ["1", "2"]
    assert [row["id"] for row in open_source(str(tmp_path / name / "train.parquet"), 0.0).train] == ["1", "2"]


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    write_rows(tmp_path / "pairs" / "train.parquet", [1, 2])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(list(open_source("~/pairs", 0.0).train)) == 2


def test_front_matter_beside_the_files_is_not_read(tmp_path):
    write_rows(tmp_path / "train.parquet", [1, 2])
    (tmp_path / "README.md").write_text("---\nconfigs: [not, what, it: [should be\n---\n")
    assert len(list(open_source(str(tmp_path), 0.0).train)) == 2


def test_files_that_cannot_be_read_are_bad_rows_and_the_others_are_read(tmp_path):
    whole = write_rows(tmp_path / "train-0.parquet", range(3)).read_bytes()
    for number, content in enumerate((whole[: len(whole) // 2], b"", b"PAR1" + b"x" * 100 + b"PAR1"), start=1):
        (tmp_path / f"train-{number}.parquet").write_bytes(content)
    write_rows(tmp_path / "train-4.parquet", range(4, 6))
    rows = list(open_source(str(tmp_path), 0.0).train)
    assert [row["id"] for row in rows if UNREADABLE not in row] == ["0", "1", "2", "4", "5"]
    bad = [row for row in rows if UNREADABLE in row]
    assert len(bad) == 3 and all("cannot be read" in row[UNREADABLE] and row["photos"] is None for row in bad)


def test_a_damaged_row_group_does_not_affect_the_others(tmp_path):
    path = write_rows(tmp_path / "train.parquet", range(6), note="x" * 50)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)
    rows = list(Files([path]).rows(0))
    assert [row["id"] for row in rows if UNREADABLE not in row] == [0, 1, 4, 5]
    assert "row group 1" in next(row[UNREADABLE] for row in rows if UNREADABLE in row)


def test_unreadable_files_are_counted_where_rows_are_decoded(parquet, tmp_path):
    for path in parquet.glob("*.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = sorted(tmp_path.glob("*.parquet"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    batches = list(evaluation(tmp_path, batch_size=32))
    assert sum(len(batch.tile_ids) for batch in batches) == 16
    assert sum(batch.bad["tile"] for batch in batches) == 1
    assert "train-0.parquet" in batches[0].problems[0]


def test_a_folder_in_which_nothing_can_be_read_is_refused(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match=r"None of the 1 files can be read, .*train\.parquet"):
        open_source(str(tmp_path), 0.0)


@pytest.mark.parametrize("ids", [[0, 1, 2], [None, "b", "c"], [None, None, None], [float("nan"), 1.0, 2.0]])
def test_ids_are_text_and_missing_ones_name_the_position(tmp_path, ids):
    write_rows(tmp_path / "train.parquet", ids)
    found = [row["id"] for row in open_source(str(tmp_path), 0.0).train]
    expected = [f"row {at} of part 1" if one is None or one != one else str(one) for at, one in enumerate(ids)]
    assert found == expected


def test_json_lines_are_read(tmp_path):
    rows = [{"id": number, "tile_file": "t.tif", "photos": []} for number in range(3)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row["id"] for row in open_source(str(tmp_path), 0.0).train] == ["0", "1", "2"]


def test_whatever_a_row_holds_it_is_decoded_or_counted(parquet):
    row = next(iter(open_source(str(parquet), 0.0).train))
    photo = row["photos"][0]
    decoder = PairDecoder(PROCESSOR, ("photo_cover",))
    bad = {
        "tile": [
            {"photos": None},
            {"photos": []},
            {"tile": "text"},
            {"tile": None},
            {"tile": None, "tile_file": "nowhere.tif"},
            {"tile": None, "tile_file": 7},
            {"tile_shape": [10, -1, 100]},
            {"tile_shape": None},
            {"bands": None},
            {"bands": [1, 2]},
            {"bounds": ["a", "b", "c", "d"]},
            {"crs": 7.5},
            {"crs": None},
        ],
        "place": [{"photos": [one]} for one in (None, {}, {**photo, "lon": None}, {**photo, "lat": "x"}, {"id": 3})],
        "photo": [{"photos": [{**photo, "jpeg": one}]} for one in (None, b"", b"\xff\xd8\xff\xe1\x00", "text", 3)],
    }
    for kind, changes in bad.items():
        for change in changes:
            changed = {**row, **change}
            found = decoder(changed, Path("."), range(len(changed["photos"] or ())))
            counted, problems = decoder.take_problems()
            assert found is None and counted == {kind: 1} and "\n" not in problems[0], (change, counted, problems)
    mixed = {**row, "photos": [None, photo, {**photo, "id": 7}, {**photo, "id": None}], "photo_cover": [1.0]}
    found = decoder(mixed, Path("."), range(4))
    assert found.photo_ids == [photo["id"], "7", f"{row['id']}, photo 4"] and found.labels == {
        "photo_cover": [None] * 3
    }
    assert decoder.take_problems()[0] == {"place": 1}
