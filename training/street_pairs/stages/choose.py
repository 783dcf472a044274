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
"""Chooses a scene for each tile. A unit is the tiles of a unit of the search."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.common.jobs import TaskProgress
from training.street_pairs.errors import Unusable
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.scenes.choosing import Choice, Chooser, Limits, Tile
from training.street_pairs.scenes.providers import provider_of
from training.street_pairs.scenes.reader import scene_reader
from training.street_pairs.stages.search import QUERIES_FILE, queries_of_unit
from training.street_pairs.units import Failure, read_failures, unit_file, write_unit

_SCHEMA = pa.schema(
    [
        ("tile_id", pa.string()),
        ("scene", pa.string()),
        ("item_id", pa.string()),
        ("product_id", pa.string()),
        ("datetime", pa.timestamp("us", "UTC")),
        ("crs", pa.string()),
        ("west", pa.float64()),
        ("north", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("column", pa.int32()),
        ("row", pa.int32()),
        ("baseline", pa.string()),
        ("offset_removed", pa.bool_()),
        ("offset_evidence", pa.string()),
        ("clear_fraction", pa.float32()),
        ("valid_fraction", pa.float32()),
        ("cloud_fraction", pa.float32()),
        ("shadow_fraction", pa.float32()),
        ("days_apart", pa.float32()),
        # As in the search.
        ("assets", pa.string()),
        # What is to be taken off each band, in the order of GAIR_BANDS.
        ("subtract", pa.list_(pa.int32())),
    ]
)


def plan(options: StreetPairsOptions, output: Path) -> list[int]:
    """The numbers of tiles of the units."""
    queries = pq.read_table(output / QUERIES_FILE, columns=["unit", "tile_ids"]).to_pylist()
    sizes: dict[int, int] = defaultdict(int)
    for query in queries:
        sizes[query["unit"]] += len(query["tile_ids"])
    return [sizes[rank] for rank in range(len(sizes))]


def run(options: StreetPairsOptions, output: Path, rank: int) -> None:
    """Chooses scenes for the tiles of a unit."""
    provider = provider_of(options.provider, options.stac_url)
    limits = Limits(options.max_cloud, options.max_shadow, options.max_nodata)
    scenes = _scenes_of_queries(output, rank)
    not_searched = {failure.id for failure in read_failures(unit_file(output, "search", rank)) if not failure.permanent}
    queries = list(queries_of_unit(output, rank))
    tiles = _tiles(output, [name for _, query in queries for name in query.tile_ids])
    rows: list[dict[str, Any]] = []
    failures: list[Failure] = []
    progress = TaskProgress(output / "choose" / "logs", rank)
    with scene_reader(provider, options.requests_per_second) as reader:
        chooser = Chooser(provider, reader, limits, options.window_m)
        for number, query in queries:
            for name in query.tile_ids:
                if str(number) in not_searched:
                    failures.append(Failure(name, "search_failed", False, f"Query {number} of the search failed."))
                else:
                    try:
                        rows.append(_row(name, chooser.choose(tiles[name], scenes[number])))
                    except Unusable as refusal:
                        failures.append(refusal.failure(name))
                progress.add(1)
    failures += [
        Failure(name, f"scene_{refusal.kind}", True, str(refusal)) for name, refusal in sorted(chooser.dropped.items())
    ]
    write_unit(unit_file(output, "choose", rank), pa.Table.from_pylist(rows, _SCHEMA), failures)


def _scenes_of_queries(output: Path, rank: int) -> dict[int, list[dict[str, Any]]]:
    scenes: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in pq.read_table(unit_file(output, "search", rank)).to_pylist():
        scenes[row["query"]].append(row)
    return scenes


def _tiles(output: Path, names: Sequence[str]) -> dict[str, Tile]:
    """Tiles by name, with the times of their photos."""
    chosen = [("tile_id", "in", names)]
    photos = pq.read_table(output / "select" / "photos.parquet", columns=["tile_id", "time"], filters=chosen)
    times: dict[str, list[datetime]] = defaultdict(list)
    for photo in photos.to_pylist():
        if photo["time"] is not None:
            times[photo["tile_id"]].append(photo["time"])
    columns = ["tile_id", "lon", "lat", "draw_x", "draw_y", "time_start", "time_end"]
    rows = pq.read_table(output / "select" / "tiles.parquet", columns=columns, filters=chosen).to_pylist()
    return {
        row["tile_id"]: Tile(
            row["tile_id"],
            row["lon"],
            row["lat"],
            row["draw_x"],
            row["draw_y"],
            row["time_start"],
            row["time_end"],
            tuple(times[row["tile_id"]]),
        )
        for row in rows
    }


def _row(tile_id: str, choice: Choice) -> dict[str, Any]:
    scene, grid, classes = choice.scene, choice.grid, choice.classes
    return {
        "tile_id": tile_id,
        "scene": f"{scene['collection']}/{scene['item_id']}",
        **{name: scene[name] for name in ("item_id", "product_id", "datetime", "baseline", "assets")},
        **vars(grid),
        "column": choice.window.column,
        "row": choice.window.row,
        "offset_removed": choice.offset.removed,
        "offset_evidence": choice.offset.evidence,
        "subtract": list(choice.offset.subtract.values()),
        "clear_fraction": classes.clear,
        "valid_fraction": classes.valid,
        "cloud_fraction": classes.cloud,
        "shadow_fraction": classes.shadow,
        "days_apart": choice.days_apart,
    }
