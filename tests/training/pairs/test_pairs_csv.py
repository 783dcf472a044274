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
"""Pairs CSVs as people write them: names of columns, separators, decimal commas, quotes, and files that are none."""

import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from tests.helpers.pairs import read_rows, write_csv
from training.pairs.pairs_csv import read_pairs
from training.pairs.sources import open_source

HEADER = "id,rs,sv,lon,lat"


def lines_of(eight, count=2):
    return read_rows(eight)[:count]


@pytest.mark.parametrize(
    "names",
    [
        ("id", "tile", "photo", "longitude", "latitude"),
        ("Pair ID", "RS", "SV", "Lng", "Latitude (deg)"),
        (" id ", "rs_path", "sv_path", "x", "y"),
    ],
)
def test_usual_names_of_columns_are_found_and_said(eight, names, capsys):
    pairs = read_pairs(write_csv(eight.with_name("names.csv"), lines_of(eight), names))
    assert pairs == read_pairs(write_csv(eight.with_name("plain.csv"), lines_of(eight)))
    told = capsys.readouterr().out
    assert all(repr(name) in told for name in names if name.strip() not in HEADER.split(","))


def test_the_exact_name_wins_and_others_are_not_guessed(eight):
    rows = [[*line, "999"] for line in lines_of(eight)]
    assert read_pairs(write_csv(eight.with_name("both.csv"), rows, ("id", "rs", "sv", "lon", "lat", "longitude")))
    with pytest.raises(ValueError, match=r"several columns for rs \(tile, tile_file\); name one rs"):
        read_pairs(write_csv(eight.with_name("both.csv"), rows, ("id", "tile", "sv", "lon", "lat", "tile_file")))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".tsv"])
def test_separators_are_recognised(eight, separator, suffix):
    path = eight.with_name(f"separated{suffix}")
    path.write_text("\n".join(separator.join(line) for line in [HEADER.split(","), *lines_of(eight)]))
    assert len(list(open_source(str(path), 0.0).train)) == 2


def test_decimal_commas_are_numbers_where_the_comma_does_not_separate(eight):
    path = eight.with_name("commas.csv")
    lines = [";".join([*line[:3], *(degrees.replace(".", ",") for degrees in line[3:])]) for line in lines_of(eight)]
    path.write_text("\n".join(["id;rs;sv;lon;lat", *lines]))
    pairs = read_pairs(path)
    assert [(pair["lon"], pair["lat"]) for pair in pairs] == [(0.0025, 10.005), (1.0025, 10.005)]


def test_the_files_of_a_pair_may_be_absolute_or_at_home(eight, monkeypatch):
    monkeypatch.setenv("HOME", str(eight.parent))
    first, second = lines_of(eight)
    first[1:3] = [str(eight.parent / name) for name in first[1:3]]
    second[1:3] = [f"~/{name}" for name in second[1:3]]
    rows = list(open_source(str(write_csv(eight.with_name("home.csv"), [first, second])), 0.0).train)
    assert all((eight.parent / row["tile_file"]).is_file() for row in rows)


@pytest.mark.parametrize("name", ["[1].csv", "a*.csv", "run::2.csv", "~.csv", "pairs.csv.gz.CSV"])
def test_the_path_of_a_csv_is_never_a_pattern(eight, name):
    assert len(list(open_source(str(write_csv(eight.with_name(name), lines_of(eight))), 0.0).train)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEADER}\n" + "a" * 200_000 + ",t,p,1,2\n", "row 1: file not found: 't'"),
        (f"{HEADER}\na,t.tif,p.jpg,1,2,3\n", "cannot be read as a CSV"),
        (f"{HEADER}\na,t.tif\n", "row 1: sv, lon, lat is empty"),
        (f"{HEADER}\n\n\n", "has no rows"),
        ("", "is empty"),
    ],
)
def test_what_is_not_a_pairs_csv_is_refused(tmp_path, content, message):
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as raised:
        read_pairs(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 700


def test_file_names_in_another_encoding_are_found_or_refused(eight):
    path = eight.with_name("western.csv")
    lines = [",".join(line) for line in lines_of(eight)]
    path.write_text("\n".join([HEADER, lines[0].replace("000", "ä0"), lines[1]]), encoding="latin-1")
    assert [pair["id"] for pair in read_pairs(path)] == ["ä0", "001"]
    path.write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(ValueError, match="a workbook or an archive"):
        read_pairs(path)
