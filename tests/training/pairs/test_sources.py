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
"""Data sources: rows, held-out tiles, and rejected data sets."""

import numpy as np
import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from datasets import Dataset

from tests.helpers.pairs import packed, read_rows, write_csv, write_pairs
from training.common.schema import CSV_COLUMNS, FEATURES, pack_tile, unpack_tile
from training.pairs.sources import is_held_out, open_source, open_sources
from training.world.settings import WorldSettings


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("eight"), 8)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory):
    """60 photos in 30 tiles."""
    return write_pairs(tmp_path_factory.mktemp("sixty"), 60, tiles=30)


def ids(rows):
    return [row["id"] for row in rows]


def test_a_csv_is_grouped_by_tile_for_all_spellings_of_a_path(sixty):
    rows = read_rows(sixty)[:31]
    rows[30][1] = f"./{rows[30][1]}"
    source = open_source(str(write_csv(sixty.with_name("spelled.csv"), rows)), 0.0)
    first = next(iter(source.train))
    assert first["id"] == "tile_0.tif" and [photo["id"] for photo in first["photos"]] == ["000", "030"]
    assert len(ids(source.train)) == 30 and source.folder == sixty.parent


def test_held_out_tiles_are_not_trained_on(sixty):
    source = open_source(str(sixty), 0.3)
    train, held_out = set(ids(source.train)), set(ids(source.held_out))
    assert len(held_out) >= 2 and not train & held_out and len(train | held_out) == 30


def test_a_hash_of_names_holds_out_the_fraction():
    share = np.mean([is_held_out(f"tile_{index}.tif", 0.1) for index in range(5000)])
    assert 0.08 < share < 0.12


def test_nothing_is_held_out_of_few_tiles_or_with_fraction_zero(eight, sixty):
    for path, fraction in ((eight, 0.3), (sixty, 0.0), (sixty, 1e-9)):
        source = open_source(str(path), fraction)
        assert source.held_out is None and len(ids(source.train)) == (8 if path is eight else 30)


def test_an_existing_evaluation_split_is_used(eight, tmp_path):
    rows = [packed(row, eight.parent) for row in open_source(str(eight), 0.0).train]
    for split, part in (("train", rows[:5]), ("test", rows[5:])):
        Dataset.from_list(part, features=FEATURES).to_parquet(str(tmp_path / f"{split}-00000-of-00001.parquet"))
    source = open_source(str(tmp_path), 0.3)
    assert source.rule == "split test"
    assert ids(source.train) == [f"tile_{index}.tif" for index in range(5)]
    assert ids(source.held_out) == [f"tile_{index}.tif" for index in range(5, 8)]


def test_several_sources_have_weights(eight, sixty):
    sources = open_sources({str(eight): 3, str(sixty): 1}, 0.1, WorldSettings())
    assert [(source.name, source.weight) for source in sources] == [(str(eight), 3), (str(sixty), 1)]


def test_ids_stay_strings_and_further_columns_are_ignored(eight):
    rows = [("NA", "8", *row[1:]) for row in read_rows(eight)[:1]]
    rows += [("007", "", *row[1:]) for row in read_rows(eight)[1:2]]
    path = write_csv(eight.with_name("more.csv"), rows, ("id", "note", *CSV_COLUMNS[1:]))
    assert [row["photos"][0]["id"] for row in open_source(str(path), 0.0).train] == ["NA", "007"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("rs", "nowhere.tif", "row 2: file not found: 'nowhere.tif'"),
        ("sv", "nowhere.jpg", "row 2: file not found: 'nowhere.jpg'"),
        ("sv", "", "row 2: sv is empty"),
        ("lat", "95", "row 2: lat is 95.0"),
        ("lon", "west", "'lon' of 'bad.csv' holds 2 numbers and 1 other cell .such as 'west'."),
        ("lon", "", "row 2: lon is empty"),
        ("id", "000", "row 2: the id '000' occurs twice"),
    ],
)
def test_the_rows_of_a_csv_are_checked_before_training(eight, column, value, message):
    rows = read_rows(eight)[:3]
    rows[1][CSV_COLUMNS.index(column)] = value
    with pytest.raises(ValueError, match=message) as raised:
        open_source(str(write_csv(eight.with_name("bad.csv"), rows)), 0.0)
    assert "\n" not in str(raised.value)


def test_a_csv_without_the_columns_is_rejected(tmp_path):
    with pytest.raises(ValueError, match=r"no column sv \(it has id, rs, lon\)"):
        open_source(str(write_csv(tmp_path / "pairs.csv", [("a", "a.tif", 1)], ("id", "rs", "lon"))), 0.0)
    with pytest.raises(ValueError, match="is empty"):
        open_source(str(write_csv(tmp_path / "pairs.csv", [], ())), 0.0)


def test_missing_data_sets_and_too_few_pairs_are_rejected(eight, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="File not found"):
        open_source(str(eight.with_name("nowhere.csv")), 0.0)
    for name in (str(tmp_path / "nowhere"), str(tmp_path)):
        with pytest.raises(ValueError, match=r"Data set not found: .* a folder with parquet files"):
            open_source(name, 0.0)
    with pytest.raises(ValueError, match="holds 1 pairs"):
        open_source(str(write_csv(eight.with_name("one.csv"), read_rows(eight)[:1])), 0.0)


def test_a_data_set_with_other_columns_is_rejected(tmp_path):
    Dataset.from_dict({"text": ["a", "b"]}).to_parquet(str(tmp_path / "train.parquet"))
    with pytest.raises(ValueError, match="has no column id, tile, photos"):
        open_source(str(tmp_path), 0.0)


def test_a_tile_is_unchanged_by_packing():
    pixels = np.random.default_rng(0).integers(0, 2**16, (10, 7, 5), dtype=np.uint16)
    assert np.array_equal(unpack_tile(pack_tile(pixels)), pixels)
    with pytest.raises(ValueError, match="expected uint16"):
        pack_tile(pixels.astype(np.int32))


def test_files_that_cannot_be_read_by_columns_are_counted(sixty, tmp_path):
    rows = [{**row, "tile_file": str(sixty.parent / row["tile_file"])} for row in open_source(str(sixty), 0.0).train]
    Dataset.from_list(rows).to_json(str(tmp_path / "train.jsonl"))
    source = open_source(str(tmp_path), 0.3)
    assert source.train.count(100) == len(ids(source.train)) < 30
    assert source.train.count(100) + source.held_out.count(100) == 30 and source.train.count(3) == 3
