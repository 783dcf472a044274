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

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modeling_gair import GairCoordinateProcessor
from training.common.schema import CSV_COLUMNS
from training.common.table_places import place_columns, read_lon_lat
from training.common.tables import Table, read_table, shown

# The names under which a column is found, compared in lower case and with underscores; the first is the documented one.
_NAMES = {
    "id": ("id", "pair_id", "photo_id"),
    "rs": ("rs", "rs_file", "rs_path", "tile", "tile_file", "tile_path"),
    "sv": ("sv", "sv_file", "sv_path", "photo", "photo_file", "photo_path", "street_view"),
}
_ROWS_PER_SHARD = 256
_COORDINATES = GairCoordinateProcessor()

Row = dict[str, Any]


class PairsCSV:
    """
    The tiles of a pairs CSV with their photos, as rows that name files instead of holding bytes.

    Args:
        path (`Path`): the CSV; see [`read_pairs`].
        checked (`bool`): whether files and coordinates are checked here; else whoever reads a row does.

    Raises:
        ValueError: as in [`read_pairs`].
    """

    def __init__(self, path: Path, checked: bool = True):
        tiles: dict[str, Row] = {}
        for pair in read_pairs(path, checked):
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


def read_pairs(path: Path, checked: bool = True) -> list[Row]:
    """
    Reads a pairs CSV. Values, files, coordinates and ids of all rows are checked, so that none fails in training. Other usual
    names of columns, and other separators than commas, are found and printed.

    Args:
        path (`Path`): the CSV.
        checked (`bool`): whether files and coordinates are checked, and that there are two pairs or more. Names and ids always are.

    Returns:
        `list[dict]`: `id`, `rs` and `sv` (paths, absolute or relative to the CSV), `lon` and `lat` (degrees).

    Raises:
        ValueError: the file does not exist or is not such a CSV, or a row is wrong; the message says which.
    """
    if not path.is_file():
        raise ValueError(f"File not found: {str(path)!r}; pass a pairs CSV as --data.")
    table = read_table(path)
    names, remarks = _column_names(table)
    columns = {column: _text(table, name) for column, name in names.items()}
    lon_lat, more = read_lon_lat(table)
    for remark in dict.fromkeys([*table.remarks, *remarks, *more]):
        print(remark)
    pairs: dict[str, Row] = {}
    # Most photos share a tile with others.
    exists: dict[str, bool] = {}
    for number, (values, place) in enumerate(zip(zip(*columns.values()), lon_lat), start=1):
        pair = dict(zip(columns, values))
        try:
            _check_filled(pair, place if checked else ())
            if checked:
                _check_files_and_place(pair, place, path.parent, exists)
            if pair["id"] in pairs:
                raise ValueError(f"the id {pair['id']!r} occurs twice; make ids unique.")
        except ValueError as error:
            raise ValueError(f"{str(path)!r}, row {number}: {error}") from error
        pairs[pair["id"]] = pair | dict(zip(("lon", "lat"), place.tolist()))
    if checked and len(pairs) < 2:
        raise ValueError(
            f"{str(path)!r} holds {len(pairs)} pairs, but contrastive training needs two or more; add pairs."
        )
    return list(pairs.values())


def further_columns(path: Path) -> tuple[list[str], pa.Table]:
    """
    The ids of a pairs CSV that [`read_pairs`] accepts, and its columns beside those that say which photo is where, in the order of its
    rows.
    """
    table = read_table(path)
    names, _ = _column_names(table)
    used = {*names.values(), *place_columns(table)}
    return _text(table, names["id"]), table.data.select([name for name in table.data.column_names if name not in used])


def _column_names(table: Table) -> tuple[dict[str, str], list[str]]:
    """The columns of `id`, `rs` and `sv`, and sentences on other names that were taken for these."""
    have = table.data.column_names
    names: dict[str, str] = {}
    remarks = []
    for column, known in _NAMES.items():
        found = [name for name in have if name.lower().replace(" ", "_").replace("-", "_") in known]
        exact = [name for name in found if name == column]
        if len(exact or found) > 1:
            raise ValueError(
                f"{table.name} has several columns for {column} ({shown(exact or found)}); name one {column}."
            )
        if found:
            names[column] = (exact or found)[0]
            if not exact:
                remarks.append(f"The column {names[column]!r} of {table.name} is taken for {column}.")
    if missing := [column for column in _NAMES if column not in names]:
        raise ValueError(
            f"{table.name} has no column {', '.join(missing)} (it has {shown(have)}); name the columns "
            f"{', '.join(CSV_COLUMNS)} in its first line."
        )
    return names, remarks


def _text(table: Table, name: str) -> list[str]:
    return [(value or "").strip() for value in table.column(name).cast(pa.string()).to_pylist()]


def _check_filled(pair: Row, place: Sequence[float]) -> None:
    """Checks that no name and no coordinate is empty, and writes out the home folder."""
    empty = [column for column, value in pair.items() if not value]
    empty += [axis for axis, degrees in zip(("lon", "lat"), place) if np.isnan(degrees)]
    if empty:
        raise ValueError(f"{', '.join(empty)} is empty; expected a value in each of {', '.join(CSV_COLUMNS)}.")
    for column in ("rs", "sv"):
        pair[column] = os.path.expanduser(pair[column])


def _check_files_and_place(pair: Row, place: Sequence[float], folder: Path, exists: dict[str, bool]) -> None:
    for column in ("rs", "sv"):
        name = pair[column]
        if name not in exists:
            exists[name] = os.path.isfile(folder / name)
        if not exists[name]:
            raise ValueError(f"file not found: {name!r}; write {column} relative to the CSV.")
    _COORDINATES.check(*place)
