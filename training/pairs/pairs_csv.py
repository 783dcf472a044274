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
"""A pairs CSV: one photo a line, with the names of the files of tile and photo."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modeling_gair import GairCoordinateProcessor
from training.common.schema import CSV_COLUMNS

SUFFIXES = (".csv", ".tsv", ".txt")
# The names under which each column is found, in lower case; the first is the one that this package writes.
_NAMES = {
    "id": ("id", "pair_id", "photo_id"),
    "rs": ("rs", "tile", "tile_file", "tile_path", "rs_file", "rs_path"),
    "sv": ("sv", "photo", "photo_file", "photo_path", "sv_file", "sv_path", "street_view"),
    "lon": ("lon", "lng", "long", "longitude", "x"),
    "lat": ("lat", "latitude", "y"),
}
_SEPARATORS = (",", ";", "\t", "|")
_ROWS_PER_SHARD = 256
_COORDINATES = GairCoordinateProcessor()

Row = dict[str, Any]


class PairsCSV:
    """
    The tiles of a pairs CSV with their photos, as rows that name files instead of holding bytes.

    Args:
        path (`Path`): the CSV; see [`read_pairs`].

    Raises:
        ValueError: as in [`read_pairs`].
    """

    def __init__(self, path: Path):
        tiles: dict[str, Row] = {}
        for pair in read_pairs(path):
            # Different spellings of a path mean the same tile.
            tile = os.path.normpath(pair["rs"])
            row = tiles.setdefault(tile, {"id": tile, "tile_file": pair["rs"], "photos": []})
            row["photos"].append({"id": pair["id"], "file": pair["sv"], "lon": pair["lon"], "lat": pair["lat"]})
        self._rows = list(tiles.values())

    @property
    def count(self) -> int:
        return -(-len(self._rows) // _ROWS_PER_SHARD)

    def rows(self, index: int) -> Iterator[Row]:
        # Equal shards, so that readers get equal shares.
        first, last = (len(self._rows) * edge // self.count for edge in (index, index + 1))
        yield from self._rows[first:last]

    def places(self) -> Iterator[Row]:
        yield from self._rows


def read_pairs(path: Path) -> list[Row]:
    """
    Reads a pairs CSV. Values, files, coordinates and ids of all rows are checked, so that none fails in training.

    The separator (`,` `;` tab or `|`) is the one that the header uses; except with `,`, numbers may have a decimal comma.
    Columns may have other usual names (`longitude`, `tile` …), which are then printed.

    Returns:
        `list[dict]`: `id`, `rs` and `sv` (paths, absolute or relative to the CSV), `lon` and `lat` (degrees).

    Raises:
        ValueError: the file does not exist or is not such a CSV, or a row is wrong; the message says which.
    """
    if not path.is_file():
        raise ValueError(f"File not found: {str(path)!r}; pass a pairs CSV as --data.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            separator = max(_SEPARATORS, key=header.count)
            file.seek(0)
            pairs = _checked(path, csv.reader(file, delimiter=separator, strict=True), separator)
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 text; save it as a CSV in UTF-8.") from error
    except csv.Error as error:
        raise ValueError(f"{str(path)!r} is not a valid CSV ({error}); check its quotes and save it again.") from error
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read ({error.strerror}); check its permissions.") from error
    if len(pairs) < 2:
        raise ValueError(
            f"{str(path)!r} holds {len(pairs)} pairs, but contrastive training needs two or more; add pairs."
        )
    return pairs


def _checked(path: Path, lines: Any, separator: str) -> list[Row]:
    header = next(lines, [])
    columns = _columns_of(path, header)
    pairs: dict[str, Row] = {}
    # Most photos share a tile with others.
    exists: dict[str, bool] = {}
    for number, line in enumerate((line for line in lines if line), start=1):
        try:
            pair = _pair(path.parent, header, columns, line, separator, exists)
            if pair["id"] in pairs:
                raise ValueError(f"the id {pair['id']!r} occurs twice; make ids unique.")
        except ValueError as error:
            raise ValueError(f"{str(path)!r}, row {number}: {error}") from error
        pairs[pair["id"]] = pair
    return list(pairs.values())


def _columns_of(path: Path, header: Sequence[str]) -> dict[str, int]:
    """The position of each column of `CSV_COLUMNS`. Says which other names were taken for them."""
    given = [name.strip().lower().replace(" ", "_") for name in header]
    columns: dict[str, int] = {}
    for column in CSV_COLUMNS:
        found = [position for position, name in enumerate(given) if name in _NAMES[column]]
        exact = [position for position in found if given[position] == column]
        if len(exact or found) > 1:
            names = ", ".join(repr(header[position]) for position in exact or found)
            raise ValueError(f"{str(path)!r} has several columns for {column} ({names}); name one of them {column}.")
        if found:
            columns[column] = (exact or found)[0]
    missing = [column for column in CSV_COLUMNS if column not in columns]
    if missing:
        raise ValueError(
            f"{str(path)!r} has no column {', '.join(missing)} (it has {', '.join(map(repr, header[:20])) or 'none'}); name "
            f"the columns {', '.join(CSV_COLUMNS)} in its first line."
        )
    others = {column: header[position] for column, position in columns.items() if given[position] != column}
    if others:
        print(f"{path.name}: " + ", ".join(f"{column} is the column {name!r}" for column, name in others.items()))
    return columns


def _pair(
    folder: Path,
    header: Sequence[str],
    columns: Mapping[str, int],
    line: Sequence[str],
    separator: str,
    exists: dict[str, bool],
) -> Row:
    if len(line) > len(header):
        raise ValueError(
            f"it has {len(line)} values for {len(header)} columns; quote values that contain {separator!r}."
        )
    pair: Row = {column: line[at].strip() if at < len(line) else "" for column, at in columns.items()}
    empty = [column for column, value in pair.items() if not value]
    if empty:
        raise ValueError(f"{', '.join(empty)} is empty; expected a value in each of {', '.join(CSV_COLUMNS)}.")
    for column in ("rs", "sv"):
        name = pair[column]
        pair[column] = os.path.expanduser(name)
        if pair[column] not in exists:
            exists[pair[column]] = (folder / pair[column]).is_file()
        if not exists[pair[column]]:
            raise ValueError(f"file not found: {name!r}; write {column} relative to the CSV.")
    if separator != ",":
        pair |= {axis: pair[axis].replace(",", ".") for axis in ("lon", "lat")}
    _COORDINATES.check(pair["lon"], pair["lat"])
    return pair | {axis: float(pair[axis]) for axis in ("lon", "lat")}
