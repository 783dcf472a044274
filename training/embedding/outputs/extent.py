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
"""What a file of embeddings covers, by the statistics in its footer, so that no row is read."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


@dataclass(frozen=True)
class Extent:
    """
    Attributes:
        rows (`int`): number of rows.
        bbox (`tuple[float, float, float, float]`): west, south, east, north in degrees.
        start, end (`datetime`, *optional*): the earliest and the latest time of a row.
    """

    rows: int
    bbox: tuple[float, float, float, float]
    start: datetime | None
    end: datetime | None


def extent_of(path: Path) -> Extent:
    """The extent of a file written by [`~training.embedding.outputs.rows.embedding_writer`]."""
    metadata = pq.read_metadata(path)
    lows: dict[str, list[Any]] = {}
    highs: dict[str, list[Any]] = {}
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for number in range(columns.num_columns):
            column = columns.column(number)
            if column.is_stats_set and column.statistics.has_min_max:
                lows.setdefault(column.path_in_schema, []).append(column.statistics.min)
                highs.setdefault(column.path_in_schema, []).append(column.statistics.max)
    if not metadata.num_rows:
        return Extent(0, (0.0, 0.0, 0.0, 0.0), None, None)
    box = (min(lows["bbox.xmin"]), min(lows["bbox.ymin"]), max(highs["bbox.xmax"]), max(highs["bbox.ymax"]))
    west, south, east, north = (float(side) for side in box)
    # The boxes are rounded outward, and no place lies beyond the Earth's edges.
    bounds = (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))
    return Extent(metadata.num_rows, bounds, min(lows.get("datetime", [None])), max(highs.get("datetime", [None])))
