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
"""Reading users' tables: mutated files, and cells of every kind."""

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.common.columns import holds_numbers, read_numbers, read_target, read_values
from training.common.table_places import read_lon_lat
from training.common.tables import Table, local_path, read_table, shown

FUZZ_SECONDS = 20
SEED_CSVS = (
    b"lon,lat,y,zone\n13.4,52.5,1.5,north\n2.35,48.86,2.5,south\n,1,NA,north\n",
    "lon;lat;größe\n13,4;52,5;1,5\n2,35;48,86;2,5\n".encode("latin-1"),
    b'id\tgeometry\ty\na\t"POINT (13.4 52.5)"\t1\nb\tSRID=32633;POINT (390000 5820000)\t2\n',
    "\ufefflongitude,latitude,y\n1,2,−3\n".encode(),
    "x,y,z\n1,2,3\n".encode("utf-16"),
)


def seed_parquets(folder: Path) -> Iterator[bytes]:
    columns = {"lon": [13.4, None, 2.0], "lat": [52.5, 1.0, 48.9], "y": ["1", "2", "-"], "c": pa.nulls(3)}
    for compression in ("none", "snappy", "zstd"):
        path = folder / f"{compression}.parquet"
        table = pa.table({**columns, "d": pa.array(["a", "b", "a"]).dictionary_encode(), "n": [[1], None, []]})
        pq.write_table(table, path, compression=compression)
        yield path.read_bytes()


def mutated(content: bytes, generator: random.Random) -> bytes:
    """The content with a few bytes changed, removed, repeated or put in, or cut short."""
    changed = bytearray(content)
    for _ in range(generator.randint(1, 6)):
        start = generator.randrange(len(changed) + 1)
        end = min(len(changed), start + generator.randint(1, 12))
        kind = generator.randrange(5)
        if kind == 0:
            changed[start:end] = generator.randbytes(end - start)
        elif kind == 1:
            del changed[start:end]
        elif kind == 2:
            changed[start:start] = changed[start:end]
        elif kind == 3:
            changed[start:start] = generator.choice(
                (b'"', b",", b";", b"\n", b"\r", b"\0", b"\xff", b"1e999", b"nan", b"POINT")
            )
        else:
            del changed[start + generator.randint(0, 400) :]
    return bytes(changed)


def read_everything(path: Path) -> None:
    """Reads a table as an evaluation does; only a refusal in one sentence may escape."""
    try:
        table = read_table(path)
        names = table.data.column_names
        for name in dict.fromkeys(names):
            for reads in (read_target, holds_numbers, read_values):
                try:
                    reads(table, name, *((None,) if reads is read_target else ()))
                except ValueError as error:
                    check_sentence(error)
        lon_lat, _ = read_lon_lat(table)
        assert lon_lat.shape == (table.data.num_rows, 2)
    except ValueError as error:
        check_sentence(error)


def check_sentence(error: ValueError) -> None:
    assert type(error) is ValueError, repr(error)
    assert str(error).endswith((".", "?")) and len(str(error)) < 1500, str(error)


def test_a_category_that_the_column_lacks_is_refused():
    damaged = pa.DictionaryArray.from_arrays(pa.array([0, 7]), pa.array(["forest"]), safe=False)
    with pytest.raises(ValueError, match=r"'cover\.parquet' has a damaged column 'kind'.*write or download"):
        Table("'cover.parquet'", pa.table({"kind": damaged})).column("kind")


@pytest.mark.ci
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_mutated_files_are_read_or_refused(tmp_path, suffix):
    generator = random.Random(0)
    seeds = list(SEED_CSVS) if suffix == ".csv" else list(seed_parquets(tmp_path))
    path, end, count = tmp_path / f"fuzzed{suffix}", time.monotonic() + FUZZ_SECONDS, 0
    while time.monotonic() < end:
        content = mutated(generator.choice(seeds), generator)
        path.write_bytes(content)
        try:
            read_everything(path)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} escaped on the bytes {content!r}") from error
        count += 1
    assert count


# A table of one column of text, as a CSV has it.
def text_table(cells: list[str | None], semicolons: bool = False) -> Table:
    return Table("'own.csv'", pa.table({"y": pa.array(cells, pa.string())}), semicolons)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=20))
def test_numbers_are_read_exactly_in_every_notation(values):
    plain = [repr(value) for value in values]
    assert read_numbers(text_table(plain), "y").tolist() == values
    fixed = [f"{value:.4f}" for value in values]
    commas = [text.replace(".", ",") for text in fixed]
    assert read_numbers(text_table(commas), "y").tolist() == [float(text) for text in fixed]
    # Points of thousands, which a decimal comma follows, are not guessed at.
    with pytest.raises(ValueError, match="other cell"):
        read_numbers(text_table([*commas, "1.234,5"]), "y")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(NUMBERS, min_size=1, max_size=10),
    st.lists(
        st.text(max_size=8).filter(lambda text: re.fullmatch(r"\s*[-+−]?[0-9.,eE+\-−]*\s*", text) is None), max_size=5
    ),
)
def test_a_column_is_regressed_only_if_all_cells_are_numbers(values, others):
    cells: list[Any] = [*map(repr, values), *others]
    missing = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "")
    if all(text.strip() in missing for text in others):
        found, kind, _ = read_target(text_table(cells), "y", None)
        assert kind == "regression" and found[: len(values)].tolist() == values
    else:
        with pytest.raises(ValueError, match="other cell"):
            read_target(text_table(cells), "y", None)


def test_semicolons_make_commas_decimal():
    thousands = ["1,234", "2,345"]
    assert read_numbers(text_table(thousands, semicolons=True), "y").tolist() == [1.234, 2.345]
    with pytest.raises(ValueError, match="holds 0 numbers and 2 other cells"):
        read_numbers(text_table(thousands), "y")
    # No thousands separator follows a zero.
    assert read_numbers(text_table(["0,234", "2,345"]), "y").tolist() == [0.234, 2.345]


def test_the_home_folder_is_found_unless_a_file_has_that_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert local_path("~/p.csv") == tmp_path / "home" / "p.csv"
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "p.csv").touch()
    assert local_path("~/p.csv") == Path("~/p.csv")


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "p.csv"
    for rows in (1, 2):
        path.write_text("y\n" + "1\n" * rows, encoding="utf-8")
        assert read_table(path).data.num_rows == rows
    assert read_table(path) is read_table(path)


def test_long_lists_of_names_are_cut():
    assert shown(["a", "b"]) == "a, b"
    assert shown([str(number) for number in range(20)]).endswith("11 and 8 more")
    assert len(shown(["x" * 1000])) < 50


def test_large_integers_stay_exact():
    table = Table("'own'", pa.table({"y": [2**60, 2**60 + 1] * 2}))
    assert len(np.unique(read_values(table, "y"))) == 2
