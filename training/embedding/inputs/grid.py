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
Places on an equal-area grid: the centres of the cells of [`training.common.equal_area`], which are as far apart as a cell is wide, from
east to west and from south to north. A cell's name does not depend on the area of the job.
"""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import shapely

from modeling_gair.geo_gair import wrap_longitude
from training.common.boxes import Box, longitude_spans, parse_box
from training.common.equal_area import RADIUS_M, columns_per_degree, row_latitude
from training.embedding.inputs.listed import ListedInput
from training.embedding.ordering import KEYS

GRID = "gair-sinusoidal-1"
_SPACING = re.compile(r"grid:([0-9.]+)\s*(km|m)")
_BATCH_ROWS = 2**16
_LEAST_M = 10.0
_CARRIED = pa.schema(
    [("grid", pa.string()), ("grid_spacing_m", pa.float64()), ("grid_row", pa.int32()), ("grid_column", pa.int32())]
)


class GridPlaces(ListedInput):
    """
    The centres of a grid's cells, over a box or the land.

    Args:
        spacing_m (`float`): metres between the centres, the side of a cell.
        bbox (`Box`, *optional*): west, south, east, north in degrees; west > east across the
            antimeridian. By default the land, by coarse outlines (Natural Earth 1:110m).
    """

    what, unit, path = "places", "place", ""

    def __init__(self, spacing_m: float, bbox: Box | None):
        self.spacing_m, self.bbox = spacing_m, bbox
        where = "land" if bbox is None else ",".join(f"{side:g}" for side in bbox)
        self.name = f"{GRID}:{spacing_m:g}m:{where}"

    def fingerprint(self) -> str:
        return self.name

    def listed(self) -> tuple[pa.Schema, Iterator[pa.Table], list[str]]:
        remark = f"The grid is {GRID}, {self.spacing_m:g} m, over {'the land' if self.bbox is None else 'the box'}."
        return _CARRIED, self._batches(), [remark]

    def _batches(self) -> Iterator[pa.Table]:
        rows: list[tuple[int, np.ndarray]] = []
        for row, columns in self._rows():
            rows.append((row, columns))
            if sum(len(some) for _, some in rows) >= _BATCH_ROWS:
                yield self._items(rows)
                rows = []
        if rows:
            yield self._items(rows)

    def _rows(self) -> Iterator[tuple[int, np.ndarray]]:
        """The rows of cells, each with its columns in order."""
        south, north = (-90.0, 90.0) if self.bbox is None else (self.bbox[1], self.bbox[3])
        per_degree = np.radians(1) * RADIUS_M / self.spacing_m
        for row in range(int(np.floor(south * per_degree)), int(np.ceil(north * per_degree))):
            lat = row_latitude(row, self.spacing_m)
            if not (south <= lat <= north and abs(lat) < 90):
                continue
            # The centres of a row that lie on the Earth: half of its circle to each side.
            half = int(np.floor(180 * columns_per_degree(lat, self.spacing_m) + 0.5))
            spans = [(-180.0, 180.0)] if self.bbox is None else longitude_spans(self.bbox)
            if self.bbox is None:
                spans = list(_land_at(lat))
            found = [self._between(lat, west, east) for west, east in spans]
            columns = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
            columns = columns[(columns >= -half) & (columns < half)]
            if len(columns):
                yield row, columns

    def _between(self, lat: float, west: float, east: float) -> np.ndarray:
        per_degree = columns_per_degree(lat, self.spacing_m)
        return np.arange(np.ceil(west * per_degree - 0.5), np.floor(east * per_degree - 0.5) + 1).astype(np.int64)

    def _items(self, rows: list[tuple[int, np.ndarray]]) -> pa.Table:
        row = np.repeat([one for one, _ in rows], [len(columns) for _, columns in rows])
        column = np.concatenate([columns for _, columns in rows])
        lat = row_latitude(row, self.spacing_m)
        count = len(row)
        values = {
            "id": [f"{self.spacing_m:g}m:{r}:{c}" for r, c in zip(row.tolist(), column.tolist())],
            "lon": wrap_longitude((column + 0.5) / columns_per_degree(lat, self.spacing_m)),
            "lat": lat,
            "source": [self.name] * count,
            "grid": [GRID] * count,
            "grid_spacing_m": np.full(count, self.spacing_m),
            "grid_row": row,
            "grid_column": column,
        }
        schema = pa.schema([*KEYS, *_CARRIED])
        arrays = [
            pa.array(values[name], kind) if name in values else pa.nulls(count, kind)
            for name, kind in zip(schema.names, schema.types)
        ]
        return pa.Table.from_arrays(arrays, schema=schema)


def open_grid(text: str, bbox: str | None) -> GridPlaces:
    """
    Raises:
        ValueError: the grid is not written as `grid:10km`, or the box not as west,south,east,north on the Earth.
    """
    found = _SPACING.fullmatch(text)
    spacing = float(found[1]) * (1000 if found[2] == "km" else 1) if found and found[1].count(".") < 2 else 0.0
    if not _LEAST_M <= spacing <= 5_000_000:
        raise ValueError(
            f"--input is {text!r}, expected a grid such as grid:10km or grid:500m, of 10 m to 5000 km; write it so."
        )
    return GridPlaces(spacing, None if bbox is None else parse_box(bbox))


def _land_at(lat: float) -> Iterator[tuple[float, float]]:
    """The spans of longitudes at which there is land at a latitude."""
    from training.common.land import land

    parallel = shapely.LineString([(-180, lat), (180, lat)])
    for shape in land().geometry:
        for part in shapely.get_parts(shapely.intersection(shape, parallel)):
            if not part.is_empty:
                west, _, east, _ = part.bounds
                yield west, east
