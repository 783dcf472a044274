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
The tables of Global Streetscapes (Hou et al., 2024, ISPRS Journal of Photogrammetry and Remote Sensing 215) as they are published: one
CSV for each subject, whose rows belong together by their `uuid`. Of its dozens, two tell what is needed here.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from training.common.errors import first_line
from training.common.tables import Table

_PHOTOS, _CITIES = "metadata_common_attributes.csv", "simplemaps.csv"
_KEY, _CITY = "uuid", "city"
_COLUMNS = ("uuid", "source", "orig_id", "lat", "lon", "datetime_local", "heading", "projection_type", "sequence_id")


def holds_global_streetscapes(folder: Path) -> bool:
    """Whether a folder holds the table of the photos."""
    return (folder / _PHOTOS).is_file()


def joined_tables(folder: Path) -> Table:
    """
    The photos of the data set, with their cities if that table is there as well.

    Raises:
        ValueError: a table cannot be read, or lacks a column.
    """
    photos = _read(folder / _PHOTOS, _COLUMNS)
    if not (folder / _CITIES).is_file():
        remark = f"There is no {_CITIES} beside {_PHOTOS}, so sites are cells, and not cities."
        return Table(repr(_PHOTOS), photos, remarks=(remark,))
    cities = _read(folder / _CITIES, (_KEY, _CITY))
    row = pc.index_in(photos[_KEY], value_set=cities[_KEY].combine_chunks())
    remark = f"{photos.num_rows - row.null_count:,} of {photos.num_rows:,} photos have a city in {_CITIES}."
    return Table(repr(_PHOTOS), photos.append_column(_CITY, cities[_CITY].take(row)), remarks=(remark,))


def _read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    """Some columns of a CSV as text, of millions of rows."""
    try:
        return csv.read_csv(
            path,
            convert_options=csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, KeyError, OSError) as error:
        raise ValueError(
            f"{path.name!r} cannot be read as a table of Global Streetscapes with the columns {', '.join(columns)} "
            f"({first_line(error)[:200]}); download it again."
        ) from error
