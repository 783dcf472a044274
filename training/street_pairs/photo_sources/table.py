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
"""
Photos of a table, CSV or parquet: id, lon and lat, and what else it has of [`PHOTO_SCHEMA`] under usual names; also those of Global
Streetscapes (Hou et al., 2024), whose rows name photos of Mapillary and KartaView by `source` and `orig_id`.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.common.errors import first_line
from training.common.table_places import read_lon_lat
from training.common.tables import PARQUET_SUFFIXES, Table, read_table, shown
from training.street_pairs.photo_sources.photo import (
    BLURRING_SOURCES,
    BY_SA,
    PHOTO_SCHEMA,
    PhotoList,
)
from training.street_pairs.selection.cells import cells_of

# Column → the names it may have, in the order in which they are looked for; compared without case and separators.
_NAMES = {
    "time": ("time", "datetime", "capturedat", "datetimelocal", "shotdate", "timestamp"),
    "heading": ("heading", "computedcompassangle", "compassangle", "bearing"),
    "source": ("source", "platform"),
    "licence": ("licence", "license"),
    "creator": ("creator", "creatorusername", "username", "author", "user"),
    "sequence": ("sequence", "sequenceid"),
    "url": ("url", "imageurl", "photourl", "thumburl"),
    "path": (
        *("path", "file", "filepath", "image", "imagepath", "imagefile", "photo", "photopath", "photofile"),
        *("filename", "sv", "svpath", "svfile", "streetview", "streetviewpath", "streetviewfile"),
    ),
    "camera": ("camera", "cameratype", "projectiontype"),
    "position": ("position", "positionkind"),
    "site": ("site", "city"),
}
# The id that a provider knows a photo by comes before the table's own.
_IDS = ("photoid", "origid", "imageid", "id", "uuid")
_GLOBAL_STREETSCAPES = ("uuid", "origid", "source")
_CAMERAS = {
    "": None,
    "perspective": "perspective",
    "plane": "perspective",
    "fisheye": "fisheye",
    "spherical": "spherical",
    "equirectangular": "spherical",
    "cube": "spherical",
}
# The year 5138 in seconds, 1973 in milliseconds; the year 2286 in milliseconds.
_LEAST_MILLISECONDS, _MOST_MILLISECONDS = 10**11, 10**13
_CITY_CELL_M = 200_000.0


def table_photos(path: Path) -> PhotoList:
    """
    Reads a table of photos. Times without a zone are UTC; whole numbers are seconds, or milliseconds if that large, since 1970.

    Raises:
        ValueError: the table cannot be read, or has no ids, no places, or values that are not understood.
    """
    return photos_of(_released(path) or read_table(path), path)


def photos_of(table: Table, path: Path) -> PhotoList:
    """The photos of a table, as [`table_photos`] lists them; what has no source is named after `path`, and files are relative to its folder."""
    known = {_plain(name): name for name in reversed(table.data.column_names)}
    identifier = next((known[name] for name in _IDS if name in known), None)
    if identifier is None:
        raise ValueError(
            f"{table.name} has no column id (it has {shown(table.data.column_names)}); add one that names each photo."
        )
    lon_lat, remarks = read_lon_lat(table)
    count = table.data.num_rows
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        "photo_id": _text(table, identifier),
        "lon": pa.array(lon_lat[:, 0]),
        "lat": pa.array(lon_lat[:, 1]),
    }
    for column, names in _NAMES.items():
        found = next((known[name] for name in names if name in known and known[name] != identifier), None)
        columns[column] = _values(table, column, found, count)
    released = all(name in known for name in _GLOBAL_STREETSCAPES)
    columns["source"] = _sources(columns["source"], path)
    if released:
        remarks = (*remarks, f"{table.name} is Global Streetscapes: its positions are the cameras' own.")
        columns["licence"] = pc.coalesce(columns["licence"], BY_SA)
    else:
        ours = pc.is_in(columns["source"], value_set=pa.array(BLURRING_SOURCES))
        columns["licence"] = pc.coalesce(columns["licence"], pc.if_else(ours, BY_SA, None))
    columns["position"] = pc.coalesce(columns["position"], "original" if released else "given")
    columns["path"] = _absolute(columns["path"], path)
    if "site" not in known and "city" in known:
        columns["site"] = _cities(columns["site"], lon_lat)
    photos = pa.table({name: columns[name] for name in PHOTO_SCHEMA.names}).cast(PHOTO_SCHEMA)
    return PhotoList(photos, [*table.remarks, *remarks])


def _released(path: Path) -> Table | None:
    """The columns of a parquet of Global Streetscapes that say something here: it has 140 and ten million rows. None for another table."""
    try:
        names = pq.read_schema(path).names if path.suffix.lower() in PARQUET_SUFFIXES else []
        known = {_plain(name): name for name in names}
        if not all(name in known for name in _GLOBAL_STREETSCAPES):
            return None
        wanted = {"lon", "lat", *_IDS, *(name for names in _NAMES.values() for name in names)}
        return Table(repr(path.name), pq.read_table(path, columns=[known[name] for name in known if name in wanted]))
    except (pa.ArrowException, OSError):
        # The reader of other tables says why.
        return None


def _values(table: Table, column: str, name: str | None, count: int) -> pa.Array | pa.ChunkedArray:
    kind = PHOTO_SCHEMA.field(column).type
    if name is None:
        return pa.nulls(count, kind)
    if column == "time":
        return _times(table, name)
    if column == "heading":
        return _headings(table, name)
    text = _text(table, name)
    return _cameras(table, name, text) if column == "camera" else text


def _text(table: Table, name: str) -> pa.Array:
    """A column as text, blank cells as null; whole numbers stay exact."""
    column = table.column(name)
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        if np.any(np.abs(numbers[np.isfinite(numbers)]) > 2**53):
            raise ValueError(
                f"Column {name!r} of {table.name} holds ids as floating-point numbers, which are not exact; write them as text."
            )
        column = column.cast(pa.int64(), safe=False)
    text = pc.utf8_trim_whitespace(column.cast(pa.string())).combine_chunks()
    return pc.if_else(pc.equal(text, ""), None, text)


def _times(table: Table, name: str) -> pa.Array:
    column, kind = table.column(name), PHOTO_SCHEMA.field("time").type
    if pa.types.is_timestamp(column.type):
        utc = column if column.type.tz else column.cast(pa.timestamp(column.type.unit, tz="UTC"))
        return utc.cast(kind, safe=False).combine_chunks()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _epoch(table, name, column.cast(pa.float64(), safe=False).to_numpy())
    import pandas as pd

    text = _text(table, name).to_pandas()
    numbers = pd.to_numeric(text, errors="coerce")
    if text.notna().any() and numbers[text.notna()].notna().all():
        return _epoch(table, name, numbers.to_numpy())
    try:
        times = pd.to_datetime(text, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"Column {name!r} of {table.name} holds times that are not understood ({first_line(error)[:120]}); write them as "
            "2024-06-01T10:20:30Z."
        ) from error
    return pa.Array.from_pandas(times, type=kind, safe=False)


def _epoch(table: Table, name: str, numbers: np.ndarray) -> pa.Array:
    if (large := numbers[np.abs(numbers) > _MOST_MILLISECONDS]).size:
        raise ValueError(
            f"Column {name!r} of {table.name} has {large[0]:g}, expected seconds or milliseconds since 1970; divide it, or write times as "
            "2024-06-01T10:20:30Z."
        )
    factor = np.where(np.abs(numbers) >= _LEAST_MILLISECONDS, 1e3, 1e6)
    missing = ~np.isfinite(numbers)
    micros = np.where(missing, 0, np.round(np.where(missing, 0, numbers) * factor)).astype(np.int64)
    return pa.array(micros, mask=missing).cast(pa.timestamp("us", tz="UTC"))


def _headings(table: Table, name: str) -> pa.Array:
    from training.common.columns import read_numbers

    numbers = read_numbers(table, name)
    known = np.isfinite(numbers)
    return pa.array(np.where(known, numbers, 0) % 360, pa.float32(), mask=~known)


def _cameras(table: Table, name: str, text: pa.Array) -> pa.Array:
    found = []
    for value in text.to_pylist():
        plain = (value or "").lower()
        if plain not in _CAMERAS:
            expected = ", ".join(sorted(filter(None, _CAMERAS)))
            raise ValueError(
                f"Column {name!r} of {table.name} has {value!r}, expected a kind of camera: {expected}; correct it, or leave the cell empty."
            )
        found.append(_CAMERAS[plain])
    return pa.array(found, pa.string())


def _sources(column: pa.Array, path: Path) -> pa.Array:
    lowered = [
        plain if value and (plain := value.lower()) in BLURRING_SOURCES else value or path.stem
        for value in column.to_pylist()
    ]
    return pa.array(lowered, pa.string())


def _absolute(column: pa.Array, path: Path) -> pa.Array:
    """Paths relative to the table's folder as absolute ones."""
    folder = path.resolve().parent
    return pa.array([None if value is None else str(folder / value) for value in column.to_pylist()], pa.string())


def _cities(column: pa.Array, lon_lat: np.ndarray) -> pa.Array:
    """Names of cities with a cell, since there are several of the same name."""
    cells = cells_of(np.nan_to_num(lon_lat[:, 0]), np.nan_to_num(lon_lat[:, 1]), _CITY_CELL_M)
    names = [None if name is None else f"{name} {cell}" for name, cell in zip(column.to_pylist(), cells.tolist())]
    return pa.array(names, pa.string())


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
