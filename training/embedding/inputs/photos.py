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
"""Photos: a folder, placed by their EXIF metadata, or a table with paths."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modeling_gair import GairProcessor
from training.common.exif import Taken, read_exif
from training.common.inputs import digest_of_file
from training.common.table_places import place_columns, read_lon_lat
from training.common.tables import Table, shown
from training.embedding.encoding import Encoder
from training.embedding.inputs.kind import Part, read_each
from training.embedding.inputs.listed import FolderInput, ListedInput, error_of, error_of_row, own_columns, slices
from training.embedding.inputs.places import carried_columns, checked_degrees, keyed, place_values, used_columns
from training.embedding.inputs.tables import table_batches
from training.embedding.job import Job
from training.embedding.ordering import PROBLEM
from training.embedding.outputs.rows import STREET_VIEW

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".mpo")
PATH_COLUMNS = ("sv", "photo", "file", "path", "image", "filename", "street_view")


class PhotoFolder(FolderInput):
    """The photos in a folder and below, placed by their EXIF metadata."""

    what, unit = "photos", "photo"
    suffixes, batch_files = SUFFIXES, 4096

    def headers(self, files: list[Path]) -> dict[str, Any]:
        return _placed(read_each(read_exif, files))


class PhotoTable(ListedInput):
    """
    A table of photos.

    Args:
        path (`Path`): CSV or parquet; its paths are absolute or relative to it. Without lon and lat, EXIF metadata place the photos.
        column (`str`, *optional*): the column of paths; by default one with a usual name.
    """

    what, unit = "photos", "photo"

    def __init__(self, path: Path, column: str | None):
        self.table, self.column, self.name = path, column, path.name
        # What the photos' paths are relative to.
        self.path = str(path.parent)

    def fingerprint(self) -> str:
        return digest_of_file(self.table)

    def listed(self) -> tuple[pa.Schema, Iterator[pa.Table], list[str]]:
        batches = table_batches(self.table)
        first = next(batches)
        column = self.column or path_column(first)
        first.require([column])
        places = place_columns(first)
        used = (*used_columns(first, places), column)
        remarks = [*first.remarks, f"The photos of {first.name} are the files of its column {column!r}."]
        if places:
            remarks += read_lon_lat(first)[1]
        else:
            remarks.append(f"{first.name} has no lon and lat: its photos are placed by their EXIF metadata.")
        carried = carried_columns(first, used).schema.remove_metadata()
        items = (self._items(table, column, bool(places), used) for table in chain([first], batches))
        return carried, items, remarks

    def _items(self, table: Table, column: str, placed: bool, used: tuple[str, ...]) -> pa.Table:
        names = [(name or "").strip() for name in table.column(column).cast(pa.string()).to_pylist()]
        keys: dict[str, Any] = {
            "source": names,
            PROBLEM: [None if name else f"its {column} is empty; expected a path." for name in names],
        }
        if placed:
            lon_lat, _ = read_lon_lat(table)
            keys |= {"lon": lon_lat[:, 0], "lat": lon_lat[:, 1]}
        else:
            keys |= _placed(read_each(read_exif, [Path(self.path) / name for name in names]))
        return keyed(table, keys, used)


class PhotoKind:
    """Embeds photos."""

    geometry_types = ("Point",)

    def parts(self, output: Path, job: Job, rank: int, processor: GairProcessor) -> Iterator[Callable[[], Part]]:
        return slices(output, job, rank, read_photos, processor)

    def encode(self, encoder: Encoder, part: Part) -> np.ndarray:
        return encoder.photos(part.pixels)


def read_photos(folder: Path, items: pa.Table, processor: GairProcessor) -> Part:
    """Photos with checked places."""
    problems = items[PROBLEM].to_pylist()
    reasons = {row: text for row, text in enumerate(problems) if text}
    degrees = np.stack([items[axis].to_numpy() for axis in ("lon", "lat")], axis=1)
    checked, bad = checked_degrees(processor, degrees)
    reasons = bad | reasons
    sources = items["source"].to_pylist()
    wanted = [row for row in range(len(items)) if row not in reasons]
    found = read_each(processor.sv_image_processor.read, [folder / sources[row] for row in wanted])
    reasons |= {row: one for row, one in zip(wanted, found) if isinstance(one, str)}
    good = np.array([row for row in wanted if row not in reasons], np.int64)
    columns = own_columns(items, good, STREET_VIEW) | place_values(checked[good])
    pixels = [one for one in found if not isinstance(one, str)]
    # A row without a path has only its number.
    entries = [(error_of if sources[row] else error_of_row)(items, row, reasons[row]) for row in sorted(reasons)]
    return Part(len(items), columns, pixels, entries)


def path_column(table: Table) -> str:
    """
    The column with the photos' paths.

    Raises:
        ValueError: no column, or more than one, has a usual name.
    """
    names = table.data.column_names
    found = [name for name in names if is_path_column(name)]
    if len(found) != 1:
        raise ValueError(
            f"{table.name} has {'several columns' if found else 'no column'} with the paths of photos by its name (it has {shown(names)}); "
            "name it by --column."
        )
    return found[0]


def is_path_column(name: str) -> bool:
    plain = name.lower().replace(" ", "_").replace("-", "_")
    return plain in PATH_COLUMNS or plain.removesuffix("_path").removesuffix("_file") in PATH_COLUMNS


def _placed(found: list[Taken | str]) -> dict[str, list[Any]]:
    """The columns of photos' headers, or of why they cannot be read."""
    placed = [(None, None, None, one) if isinstance(one, str) else (one.lon, one.lat, one.time, None) for one in found]
    return dict(zip(("lon", "lat", "datetime", PROBLEM), ([row[column] for row in placed] for column in range(4))))
