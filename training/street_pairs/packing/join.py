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
"""Joins photos with their tiles: which rows the data set has, in which file, and what is left out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modeling_gair.crs_gair import project
from training.street_pairs.packing.shards import SPLITS, shard_names
from training.street_pairs.selection.order import drawn_order
from training.street_pairs.units import Failure, unit_files

PLAN = pa.schema(
    {
        "shard": pa.int32(),
        "tile_id": pa.string(),
        "tile_unit": pa.int32(),
        "photo_ids": pa.list_(pa.string()),
        "photo_units": pa.list_(pa.int32()),
    }
)


@dataclass(frozen=True)
class Joined:
    """
    The rows of a data set.

    Attributes:
        rows (`pa.Table`): in the schema [`PLAN`], in the order of the files.
        names (`list[str]`): of the files.
        left_out (`list[Failure]`): photos outside their tile, and tiles without photos.
    """

    rows: pa.Table
    names: list[str]
    left_out: list[Failure]

    @property
    def sizes(self) -> list[int]:
        """Number of rows of each file."""
        counts = Counter(self.rows["shard"].to_pylist())
        return [counts[rank] for rank in range(len(self.names))]


def join(output: Path, rows_per_shard: int, seed: int) -> Joined:
    """
    Joins the units of photos and tiles.

    Args:
        output (`Path`): the folder of the job.
        rows_per_shard (`int`): the most rows of a file.
        seed (`int`): of the order.
    """
    tiles = _all_of(output, "tiles", ["tile_id", "bounds", "crs"])
    photos = _all_of(output, "photos", ["photo_id", "tile_id", "lon", "lat"])
    tile_of = pc.index_in(photos["tile_id"], value_set=tiles["tile_id"].combine_chunks())
    photos, tile_of = photos.filter(tile_of.is_valid()), _numbers(tile_of.drop_null())
    inside = _inside(photos, tiles, tile_of)
    left_out = [_outside(name) for name in photos["photo_id"].filter(pa.array(~inside)).to_pylist()]
    photos, tile_of = photos.filter(pa.array(inside)), tile_of[inside]
    counts = np.bincount(tile_of, minlength=len(tiles))
    left_out += [_empty(name) for name in tiles["tile_id"].filter(pa.array(counts == 0)).to_pylist()]
    return _in_files(tiles, photos, tile_of, counts, _splits(output, tiles), rows_per_shard, seed, left_out)


def _in_files(
    tiles: pa.Table,
    photos: pa.Table,
    tile_of: np.ndarray,
    counts: np.ndarray,
    splits: Sequence[str],
    rows_per_shard: int,
    seed: int,
    left_out: list[Failure],
) -> Joined:
    names = tiles["tile_id"].to_pylist()
    # Photos by tile and id, and where those of each tile begin.
    photos = photos.append_column("tile", pa.array(tile_of)).sort_by([("tile", "ascending"), ("photo_id", "ascending")])
    photo_ids, photo_units = photos["photo_id"].to_pylist(), photos["unit"].to_pylist()
    starts = np.concatenate([[0], np.cumsum(counts)])
    units = tiles["unit"].to_pylist()
    order = drawn_order(names, seed, "row").tolist()
    by_split = {split: [tile for tile in order if counts[tile] and splits[tile] == split] for split in SPLITS}
    files = shard_names({split: len(members) for split, members in by_split.items()}, rows_per_shard)
    rows = []
    for split, members in by_split.items():
        first = next((rank for rank, name in enumerate(files) if name.startswith(split)), 0)
        count = sum(name.startswith(split) for name in files)
        for position, tile in enumerate(members):
            here = slice(starts[tile], starts[tile + 1])
            shard = first + position * count // len(members)
            rows.append((shard, names[tile], units[tile], photo_ids[here], photo_units[here]))
    columns = list(zip(*rows)) or [()] * len(PLAN)
    return Joined(pa.table(dict(zip(PLAN.names, columns)), schema=PLAN), files, left_out)


def _all_of(output: Path, stage: str, columns: list[str]) -> pa.Table:
    """Some columns of all units of a stage, with the number of the unit."""
    parts = []
    for path in unit_files(output, stage):
        table = pq.read_table(path, columns=columns).replace_schema_metadata(None)
        parts.append(table.append_column("unit", pa.array(np.full(len(table), int(path.stem), np.int32))))
    return pa.concat_tables(parts)


def _splits(output: Path, tiles: pa.Table) -> list[str]:
    selected = pq.read_table(output / "select" / "tiles.parquet", columns=["tile_id", "split"])
    rows = pc.index_in(tiles["tile_id"], value_set=selected["tile_id"].combine_chunks())
    return selected["split"].take(rows).to_pylist()


def _inside(photos: pa.Table, tiles: pa.Table, tile_of: np.ndarray) -> np.ndarray:
    """Whether each photo lies in its tile, by its position in float64 in the tile's CRS."""
    bounds = np.array(tiles["bounds"].to_pylist(), np.float64).reshape(-1, 4)[tile_of]
    systems = np.array(tiles["crs"].to_pylist(), object)[tile_of]
    lon, lat = (photos[name].to_numpy() for name in ("lon", "lat"))
    inside = np.zeros(len(photos), bool)
    for crs in dict.fromkeys(systems):
        same = systems == crs
        x, y = project(lon[same], lat[same], crs)
        west, south, east, north = bounds[same].T
        inside[same] = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    return inside


def _numbers(array: pa.ChunkedArray) -> np.ndarray:
    return array.to_numpy().astype(np.int64)


def _outside(photo: str) -> Failure:
    return Failure(photo, "outside", True, "The photo does not lie in the window of its tile.")


def _empty(tile: str) -> Failure:
    return Failure(tile, "no_photos", True, "None of the tile's photos could be had.")
