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
"""Data of pairs: names of data sets, CSVs, parquet files, and what their rows hold (`open_source` and `PairDecoder`)."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bad_inputs.case import Case, Refused, Right
from tests.helpers.pairs import PROCESSOR, packed, read_rows, write_pairs
from training.pairs.decoding import PairDecoder
from training.pairs.sources import Source, open_source

HEADER = ["id", "rs", "sv", "lon", "lat"]
_folder = TemporaryDirectory(prefix="bad-pairs-")


# CSVs ----------------------------------------------------------------------------------------------------------------


@cache
def _lines() -> list[list[str]]:
    """Two good lines of a pairs CSV, with absolute paths."""
    csv = write_pairs(Path(_folder.name), 2)
    return [[name, *(str(csv.parent / file) for file in (rs, sv)), *place] for name, rs, sv, *place in read_rows(csv)]


def _csv(
    change: Callable[[list[list[str]]], Any] = lambda lines: None,
    header: list[str] = HEADER,
    separator: str = ",",
    name: str = "pairs.csv",
) -> Callable[[Path], Source]:
    """Opens a CSV of the two lines after a change."""

    def run(folder: Path) -> Source:
        lines = [list(line) for line in _lines()]
        change(lines)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(separator.join(line) for line in [header, *lines]), encoding="utf-8")
        return open_source(str(path), 0.0)

    return run


def _set(line: int, column: int, value: str) -> Callable[[list[list[str]]], None]:
    def change(lines: list[list[str]]) -> None:
        lines[line][column] = value

    return change


def _commas(lines: list[list[str]]) -> None:
    for line in lines:
        line[3:] = [degrees.replace(".", ",") for degrees in line[3:]]


def _two_tiles(source: Source) -> bool:
    return len(list(source.train)) == 2


def _text(content: bytes, name: str = "pairs.csv") -> Callable[[Path], Source]:
    def run(folder: Path) -> Source:
        (folder / name).write_bytes(content)
        return open_source(str(folder / name), 0.0)

    return run


_NAMED_OTHERWISE = ["Pair ID", "Tile", "Photo", "Longitude", "Latitude"]
_CSV = [
    Right("columns with other usual names", _csv(header=_NAMED_OTHERWISE), _two_tiles),
    Right("columns x and y", _csv(header=["id", "rs", "sv", "x", "y"]), _two_tiles),
    Right("semicolons", _csv(separator=";"), _two_tiles),
    Right("semicolons and decimal commas", _csv(_commas, separator=";"), _two_tiles),
    Right("tabs and an upper-case suffix", _csv(separator="\t", name="PAIRS.TSV"), _two_tiles),
    Right("a byte order mark", _csv(header=["\ufeffid", *HEADER[1:]]), _two_tiles),
    Right("brackets in the path", _csv(name="run [2]/pairs[1].csv"), _two_tiles),
    Right("wildcards and :: in the path", _csv(name="a*?::b/pairs::1.csv"), _two_tiles),
    Right("longitudes of a second turn", _csv(_set(0, 3, "360.0025")), _two_tiles),
    Right("ids that look like numbers or null", _csv(_set(0, 0, "NA")), lambda source: "NA" in _photo_ids(source)),
    Refused("no header", _csv(header=_NAMED_OTHERWISE[:0]), "has no column"),
    Refused("no photo column", _csv(header=["id", "rs", "picture", "lon", "lat"]), "has no column sv"),
    Refused(
        "two columns for the tile", _csv(header=["id", "tile", "tile_file", "lon", "lat"]), "several columns for rs"
    ),
    Refused("a missing photo", _csv(_set(1, 2, "no.jpg")), "row 2: file not found: 'no.jpg'"),
    Refused("a missing tile", _csv(_set(0, 1, "no.tif")), "row 1: file not found: 'no.tif'"),
    Refused("an empty cell", _csv(_set(1, 4, "")), "row 2: lat is empty"),
    Refused("a latitude beyond the pole", _csv(_set(1, 4, "95")), "row 2: lat is 95"),
    Refused("swapped coordinates in metres", _csv(_set(1, 4, "5820000")), "not degrees"),
    Refused("a longitude in words", _csv(_set(1, 3, "west")), "'west'"),
    Refused("an infinite longitude", _csv(_set(1, 3, "inf")), "inf"),
    Refused("an id that occurs twice", _csv(_set(1, 0, "000")), "occurs twice"),
    Refused("a single pair", _csv(lambda lines: lines.pop()), "holds 1 pairs"),
    Refused("a value too many", _csv(lambda lines: lines[0].append("x")), "cannot be read as a CSV"),
    Refused("an empty file", _text(b""), "is empty"),
    Refused("a workbook", _text(b"PK\x03\x04" + bytes(100)), "workbook"),
    Refused("null bytes", _text(b"id,rs,sv,lon,lat\na\0b,t,p,1,2\n"), "not text"),
]


def _photo_ids(source: Source) -> list[str]:
    return [photo["id"] for row in source.train for photo in row["photos"]]


# Names of data sets --------------------------------------------------------------------------------------------------


@contextmanager
def _offline() -> Iterator[None]:
    """Without the Hub, which a test must not ask."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _named(name: str) -> Callable[[Path], Source]:
    def run(folder: Path) -> Source:
        (folder / "empty").mkdir()
        with _offline():
            return open_source(name.replace("FOLDER", str(folder)), 0.1)

    return run


_NAMES = [
    Refused("a CSV that does not exist", _named("FOLDER/none.csv"), "File not found"),
    Refused("a folder that does not exist", _named("FOLDER/none"), "Data set not found"),
    Refused("a pattern", _named("FOLDER/*.parquet"), "Data set not found"),
    Refused("an address", _named("https://example.org/pairs.parquet"), "Data set not found"),
    Refused("an empty folder", _named("FOLDER/empty"), "holds no parquet files"),
    Refused("a data set on the Hub that cannot be reached", _named("org/none"), "Data set not found"),
]


# Parquet files -------------------------------------------------------------------------------------------------------


@cache
def _row() -> dict[str, Any]:
    """A good row of a parquet file."""
    _lines()
    csv = Path(_folder.name) / "pairs.csv"
    return packed(next(iter(open_source(str(csv), 0.0).train)), csv.parent)


def _parquet(*changes: dict[str, Any], name: str = "train.parquet") -> Callable[[Path], Source]:
    """Opens a folder with a file of one row for each change of the good one."""

    def run(folder: Path) -> Source:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([{**_row(), **change} for change in changes]), path)
        return open_source(str(folder), 0.0)

    return run


def _decoded(*changes: dict[str, Any]) -> Callable[[Path], tuple[list[str], dict[str, int], list[str]]]:
    """Ids of the tiles that could be decoded, the number of bad items by kind, and the messages."""

    def run(folder: Path) -> tuple[list[str], dict[str, int], list[str]]:
        source, decoder = _parquet(*changes)(folder), PairDecoder(PROCESSOR)
        tiles = [decoder(row, source.folder, range(len(row["photos"] or ()))) for row in source.train]
        return [tile.id for tile in tiles if tile is not None], *decoder.take_problems()

    return run


def _cut(folder: Path) -> Source:
    _parquet({}, name="train-0.parquet")(folder)
    whole = _parquet({"id": "a"}, {"id": "b"}, name="train-1.parquet")
    whole(folder)
    path = folder / "train-0.parquet"
    os.truncate(path, path.stat().st_size // 2)
    return open_source(str(folder), 0.0)


def _ids(*expected: str) -> Callable[[Source], bool]:
    return lambda source: [row["id"] for row in source.train] == list(expected)


def _bad(kind: str, says: str) -> Callable[[Any], bool]:
    """The good row is there, the other is counted once, by its kind and with one message."""

    def check(found: tuple[list[str], dict[str, int], list[str]]) -> bool:
        ids, counted, (problem,) = found
        return ids == ["good"] and dict(counted) == {kind: 1} and says in problem and "\n" not in problem

    return check


def _photos(**change: Any) -> dict[str, Any]:
    return {"photos": [{**_row()["photos"][0], **change}]}


def _lazily(change: Callable[[], dict[str, Any]]) -> Callable[[Path], Any]:
    return lambda folder: _decoded(change(), {"id": "good"})(folder)


_PARQUET = [
    Right("ids that are numbers", _parquet({"id": 0}, {"id": 1}), _ids("0", "1")),
    Right("an id that is null", _parquet({"id": "a"}, {"id": None}), _ids("a", "row 1 of part 1")),
    Right("brackets in the name of a file", _parquet({"id": "a"}, name="data [1]/train-*.PARQUET"), _ids("a")),
    Right(
        "a truncated file beside a good one", _cut, lambda source: [row["id"] for row in source.train][1:] == ["a", "b"]
    ),
    Refused("a column too few", lambda folder: _without(folder, "photos"), "has no column photos"),
    Refused("no file that can be read", lambda folder: _text(b"PAR1", "train.parquet")(folder), "None of the 1 files"),
    Refused("test without train", lambda folder: _parquet({}, name="test.parquet")(folder), "no split train"),
    Right("a tile with bytes missing", _lazily(lambda: {"tile": _row()["tile"][:-2]}), _bad("tile", "little-endian")),
    Right("a tile without photos", _lazily(lambda: {"photos": []}), _bad("tile", "no photos")),
    Right("a tile without bounds", _lazily(lambda: {"bounds": None}), _bad("tile", "null")),
    Right("a tile without CRS", _lazily(lambda: {"crs": None}), _bad("tile", "null")),
    Right("a CRS that does not exist", _lazily(lambda: {"crs": "EPSG:0"}), _bad("tile", "EPSG:0")),
    Right("bounds of five numbers", _lazily(lambda: {"bounds": [1.0] * 5}), _bad("tile", "bounds")),
    Right("unknown bands", _lazily(lambda: {"bands": ["violet"] * 10}), _bad("tile", "violet")),
    Right("a photo outside the tile", _lazily(lambda: _photos(lon=50.0)), _bad("place", "outside the tile")),
    Right("a photo at no place", _lazily(lambda: _photos(lat=None)), _bad("place", "lat")),
    Right("a photo that is none", _lazily(lambda: _photos(jpeg=b"text")), _bad("photo", "000")),
    Right("a photo of no bytes", _lazily(lambda: _photos(jpeg=b"")), _bad("photo", "000")),
    Right("a photo whose file is missing", _lazily(lambda: _photos(jpeg=None, file="no.jpg")), _bad("photo", "no.jpg")),
    Right("photos with ids that are null", _lazily(lambda: _photos(id=None)), lambda found: len(found[0]) == 2),
]


def _without(folder: Path, column: str) -> Source:
    row = {name: value for name, value in _row().items() if name != column}
    pq.write_table(pa.Table.from_pylist([row]), folder / "train.parquet")
    return open_source(str(folder), 0.0)


CASES: list[Case] = [*_CSV, *_NAMES, *_PARQUET]
