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
"""Searches for the scenes around tiles. A unit is a number of queries."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from training.common.jobs import TaskProgress
from training.street_pairs.errors import Unusable
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.scenes.catalogue import local_items
from training.street_pairs.scenes.items import SCENE_SCHEMA, latest_baselines, scene_row
from training.street_pairs.scenes.providers import provider_of
from training.street_pairs.scenes.queries import Query, queries_of
from training.street_pairs.scenes.search import check_answers, stac_items
from training.street_pairs.units import Failure, earlier_rows, read_failures, unit_file, write_unit

QUERIES_FILE = Path("search", "queries.parquet")
_CATALOGUE_FILE = Path("search", "catalogue.parquet")
_QUERIES_PER_UNIT, _TILES_PER_UNIT = 32, 256
_TILE_COLUMNS = ["tile_id", "site", "lon", "lat", "time_start", "time_end"]
_TIME = pa.timestamp("us", "UTC")
_QUERY_SCHEMA = pa.schema(
    [
        ("unit", pa.int32()),
        ("query", pa.int32()),
        ("site", pa.string()),
        ("bbox", pa.list_(pa.float64())),
        ("start", _TIME),
        ("end", _TIME),
        ("tile_ids", pa.list_(pa.string())),
    ]
)
_ROW_SCHEMA = pa.schema([("query", pa.int32()), ("site", pa.string()), *SCENE_SCHEMA])


def plan(options: StreetPairsOptions, output: Path) -> list[int]:
    """
    Writes down the queries, and the scenes of a local folder.

    Raises:
        ValueError: there is no such provider, it does not answer, or there are no scenes in the folder.
    """
    provider = provider_of(options.provider, options.stac_url)
    if provider.local:
        rows, failures = _rows(local_items(Path(provider.place)))
        write_unit(output / _CATALOGUE_FILE, pa.Table.from_pylist(rows, SCENE_SCHEMA), failures)
    else:
        check_answers(provider, options.requests_per_second)
    tiles = pq.read_table(output / "select" / "tiles.parquet", columns=_TILE_COLUMNS)
    queries = queries_of(tiles.to_pylist())
    units = _units([len(query.tile_ids) for query in queries])
    listed = [
        {"unit": unit, "query": number, **vars(query)} for number, (unit, query) in enumerate(zip(units, queries))
    ]
    write_unit(output / QUERIES_FILE, pa.Table.from_pylist(listed, _QUERY_SCHEMA))
    return np.bincount(units).tolist()


def _units(tiles: Sequence[int]) -> list[int]:
    """The unit of each query, by their numbers of tiles: the scenes of a unit's tiles are chosen by one worker."""
    units: list[int] = []
    queries = together = 0
    for count in tiles:
        full = queries == _QUERIES_PER_UNIT or (queries > 0 and together + count > _TILES_PER_UNIT)
        unit = units[-1] + full if units else 0
        queries, together = (1, count) if full else (queries + 1, together + count)
        units.append(unit)
    return units


def run(options: StreetPairsOptions, output: Path, rank: int) -> None:
    """Does the queries of a unit; of a unit that failed in part, those that failed."""
    earlier = earlier_rows(output, "search", rank)
    failed_before = [] if earlier is None else read_failures(unit_file(output, "search", rank))
    again = {failure.id for failure in failed_before if not failure.permanent}
    provider = provider_of(options.provider, options.stac_url)
    catalogue = pq.read_table(output / _CATALOGUE_FILE) if provider.local else None
    failures = {failure.id: failure for failure in failed_before if failure.permanent}
    if catalogue is not None and rank == 0:
        failures |= {failure.id: failure for failure in read_failures(output / _CATALOGUE_FILE)}
    rows: list[dict[str, Any]] = [] if earlier is None else earlier.to_pylist()
    progress = TaskProgress(output / "search" / "logs", rank)
    for number, query in queries_of_unit(output, rank):
        if earlier is None or str(number) in again:
            try:
                if catalogue is not None:
                    found = _in_catalogue(catalogue, query)
                else:
                    found, left_out = _rows(stac_items(provider, query, options.requests_per_second))
                    failures |= {failure.id: failure for failure in left_out}
                scenes = latest_baselines(found)
                rows += [{"query": number, "site": query.site, **scene} for scene in scenes]
            except Unusable as error:
                failures[str(number)] = error.failure(str(number))
        progress.add(1)
    rows.sort(key=lambda row: (row["query"], row["datetime"], row["item_id"]))
    listed = [failures[name] for name in sorted(failures)]
    write_unit(unit_file(output, "search", rank), pa.Table.from_pylist(rows, _ROW_SCHEMA), listed)


def queries_of_unit(output: Path, rank: int) -> Iterator[tuple[int, Query]]:
    """The queries of a unit with their numbers."""
    for row in pq.read_table(output / QUERIES_FILE, filters=[("unit", "=", rank)]).to_pylist():
        del row["unit"]
        number = row.pop("query")
        yield number, Query(**row | {"bbox": tuple(row["bbox"])})


def _rows(items: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Failure]]:
    """Items as rows, and those that are not complete."""
    rows, failures = [], []
    for item in items:
        try:
            rows.append(scene_row(item))
        except Unusable as refusal:
            failures.append(Failure(str(item.get("id")), f"scene_{refusal.kind}", True, str(refusal)))
    return rows, failures


def _in_catalogue(catalogue: pa.Table, query: Query) -> list[dict[str, Any]]:
    """The scenes of a local folder that a query asks for."""
    if query.start is not None:
        taken = catalogue["datetime"]
        catalogue = catalogue.filter(
            pc.and_(
                pc.greater_equal(taken, pa.scalar(query.start, _TIME)),
                pc.less_equal(taken, pa.scalar(query.end, _TIME)),
            )
        )
    footprints = shapely.from_wkb(catalogue["footprint"].to_numpy(zero_copy_only=False))
    touched = shapely.intersects(footprints[:, None], [shapely.box(*box) for box in query.boxes]).any(axis=1)
    return catalogue.filter(pa.array(touched)).to_pylist()
