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
"""Places of a table, by longitude and latitude or points."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from modeling_gair import GairProcessor
from training.common.inputs import digest_of_file
from training.common.table_places import place_columns, read_lon_lat
from training.common.tables import Table
from training.embedding.encoding import Encoder
from training.embedding.inputs.kind import Part
from training.embedding.inputs.listed import ListedInput, error_of_row, own_columns, slices
from training.embedding.inputs.tables import table_batches
from training.embedding.job import Job
from training.embedding.ordering import KEYS, renamed
from training.embedding.outputs.rows import LOCATION


class PlaceTable(ListedInput):
    """
    A table of places.

    Args:
        path (`Path`): CSV, parquet or GeoParquet.
    """

    what, unit = "places", "place"

    def __init__(self, path: Path):
        self.path, self.name = str(path), path.name

    def fingerprint(self) -> str:
        return digest_of_file(Path(self.path))

    def listed(self) -> tuple[pa.Schema, Iterator[pa.Table], list[str]]:
        batches = table_batches(Path(self.path))
        first = next(batches)
        used = used_columns(first, place_columns(first))
        _, found = read_lon_lat(first)
        carried = carried_columns(first, used).schema.remove_metadata()
        items = (self._items(table, used) for table in chain([first], batches))
        return carried, items, [*first.remarks, *found]

    def _items(self, table: Table, used: tuple[str, ...]) -> pa.Table:
        lon_lat, _ = read_lon_lat(table)
        keys = {"lon": lon_lat[:, 0], "lat": lon_lat[:, 1], "source": [self.name] * len(lon_lat)}
        return keyed(table, keys, used)


class PlaceKind:
    """Embeds places."""

    geometry_types = ("Point",)

    def parts(self, output: Path, job: Job, rank: int, processor: GairProcessor) -> Iterator[Callable[[], Part]]:
        return slices(output, job, rank, read_places, processor)

    def encode(self, encoder: Encoder, part: Part) -> np.ndarray:
        return encoder.locations(part.pixels)


def read_places(folder: Path, items: pa.Table, processor: GairProcessor) -> Part:
    """Places with checked degrees."""
    degrees = np.stack([items[axis].to_numpy() for axis in ("lon", "lat")], axis=1)
    checked, reasons = checked_degrees(processor, degrees)
    good = np.array([row for row in range(len(items)) if row not in reasons], np.int64)
    columns = own_columns(items, good, LOCATION) | place_values(checked[good])
    return Part(len(items), columns, checked[good], [error_of_row(items, row, text) for row, text in reasons.items()])


def checked_degrees(processor: GairProcessor, degrees: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """
    Checks places by the processor, all at once where all are good.

    Args:
        processor ([`GairProcessor`]): the model's processor.
        degrees (`np.ndarray` of shape `(N, 2)`): lon, lat; NaN where missing.

    Returns:
        lon, lat `(N, 2)` with lon in [-180, 180), and why a row is bad by its position.
    """
    if not len(degrees):
        return degrees, {}
    try:
        return processor.feature_extractor.check(degrees[:, 0], degrees[:, 1]), {}
    except ValueError as error:
        if len(degrees) == 1:
            missing = np.isnan(degrees).any()
            return degrees, {0: "lon or lat is missing; expected degrees." if missing else str(error)}
    half = len(degrees) // 2
    (first, bad), (second, more) = (checked_degrees(processor, part) for part in (degrees[:half], degrees[half:]))
    return np.concatenate([first, second]), bad | {half + row: text for row, text in more.items()}


def place_values(degrees: np.ndarray) -> dict[str, Any]:
    """The columns that say where a point `(N, 2)` (lon, lat) is."""
    return {"geometry": shapely.points(degrees), "lon": degrees[:, 0], "lat": degrees[:, 1]}


def used_columns(table: Table, places: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a table that are not carried, since they become columns of the output: places, id and time."""
    schema = table.data.schema
    names = [*places]
    for name, fits in ((_named(schema, "id"), _names_rows), (_named(schema, "datetime"), pa.types.is_timestamp)):
        if name is not None and fits(schema.field(name).type):
            names.append(name)
    # GeoParquet's boxes of its geometries, which the output has its own of.
    if "bbox" in schema.names and pa.types.is_struct(schema.field("bbox").type):
        names.append("bbox")
    return tuple(names)


def carried_columns(table: Table, used: tuple[str, ...]) -> pa.Table:
    """The columns of a table that are carried along, by the names that they get in the output; categories are text."""
    kept = table.data.drop_columns([name for name in used if name in table.data.column_names])
    return renamed(pa.table({name: table.column(name) for name in kept.column_names}))


def keyed(table: Table, keys: dict[str, Any], used: tuple[str, ...]) -> pa.Table:
    """The items of a table: the columns of `KEYS`, of which `keys` gives some, and the carried ones."""
    rows = table.data.num_rows
    for key in ("id", "datetime"):
        name = _named(table.data.schema, key)
        if name in used:
            keys[key] = table.data.column(name).cast(KEYS.field(key).type)
    if "id" in keys:
        keys["id"] = pc.if_else(pc.equal(pc.utf8_trim_whitespace(keys["id"]), ""), None, keys["id"])
    arrays = [_column(keys.get(field.name), field.type, rows) for field in KEYS]
    items = pa.Table.from_arrays(arrays, schema=KEYS)
    carried = carried_columns(table, used)
    for name in carried.column_names:
        items = items.append_column(name, carried.column(name))
    return items


def _column(values: Any, kind: pa.DataType, rows: int) -> pa.Array | pa.ChunkedArray:
    if values is None:
        return pa.nulls(rows, kind)
    return values if isinstance(values, pa.ChunkedArray) else pa.array(values, kind)


def _named(schema: pa.Schema, name: str) -> str | None:
    """The column of that name in whatever case, of which there is one at most."""
    return next((found for found in schema.names if found.lower() == name), None)


def _names_rows(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
