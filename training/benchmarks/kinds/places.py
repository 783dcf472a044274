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
"""Tables of places: the rows of a task that have a location, and the embeddings of their locations."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modeling_gair import GairCoordinateProcessor
from training.benchmarks.data import open_table, tile_centres
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.kinds.kind import Bench, Kind
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task
from training.common.columns import holds_numbers, read_cells, read_target, read_values
from training.common.table_places import read_lon_lat
from training.common.tables import Table

# Names of test rows in the `split` column, and of rows to choose settings on.
TEST, VALIDATION = ("test",), ("val", "validation", "valid")
_PLACES_PER_PART = 65_536


@dataclass(frozen=True)
class PlaceTable:
    """
    Places and what is known of them. Columns are kept by their use, so that a table may name them as it likes.

    Args:
        lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees, checked and wrapped, float64.
        targets (`dict[str, np.ndarray]`): the columns to predict, each `(N,)`.
        strata (`dict[str, np.ndarray]`): columns by which the bias table divides the places, each `(N,)`.
        splits (`np.ndarray` of shape `(N,)`, *optional*): the split of each row, in lower case.
        image_features (`np.ndarray` of shape `(N, D)`, *optional*): float32.
        remarks (`tuple[str, ...]`): sentences on how the table was read, and on rows that were left out.
    """

    lon_lat: np.ndarray
    targets: dict[str, np.ndarray]
    strata: dict[str, np.ndarray] = field(default_factory=dict)
    splits: np.ndarray | None = None
    image_features: np.ndarray | None = None
    remarks: tuple[str, ...] = ()

    def split(self, names: Sequence[str]) -> np.ndarray | None:
        """Whether each row `(N,)` has one of these names in its column `split`; None without such a column."""
        return None if self.splits is None else np.isin(self.splits, names)


class PlacesKind(Kind):
    """Base of the kinds that measure location embeddings, with sines and cosines of lon, lat as the rival."""

    def rivals(self, task: Task) -> Sequence[Encoder]:
        return (SinCosEncoder(),)

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        location_features(read_places(task).lon_lat, encoder, bench.store)


def read_places(task: Task) -> PlaceTable:
    """
    The rows of a task's table that have a location.

    Raises:
        ValueError: a column is missing, coordinates are not degrees, or no row has a location.
    """
    split, where = task.columns.get("split", "split"), task.options.get("where", {})
    missing_values = task.options.get("missing_values", ())
    table = open_table(task, _columns_of_tiles(task, split) if task.options.get("tiles") else None)
    names = _targets(task, table)
    table.require([*names, *where])
    kept = _selected(table, where)
    if "pool" in task.options:
        kept &= np.isin(read_values(table, "id").astype(str), _pool_ids(task))
    lon_lat, remarks = _lon_lat(task, table, missing_values)
    placed = np.isfinite(lon_lat).all(axis=1) & kept
    if not placed.any():
        raise ValueError(f"None of the {int(kept.sum())} rows of {task.name} has a location; fill its coordinates in.")
    if lost := int((kept & ~placed).sum()):
        remarks += (f"{lost} of {int(kept.sum())} rows of {task.name} have no location and are left out.",)
    found = [_read_target(task, table, name, missing_values) for name in names]
    has = set(table.data.column_names) - set(names)
    image = task.columns.get("image_features")
    return PlaceTable(
        GairCoordinateProcessor().check(*lon_lat[placed].T),
        {name: values[placed] for name, (values, _) in zip(names, found)},
        # Strata only divide the bias table; a table without them can still be measured on.
        {name: read_values(table, name)[placed] for name in task.strata if name in has},
        _lower_case(read_values(table, split)[placed]) if split in has else None,
        np.stack(table.column(image).to_pylist()).astype(np.float32)[placed] if image else None,
        (*table.remarks, *remarks, *(remark for _, heard in found for remark in heard)),
    )


def location_features(lon_lat: np.ndarray, encoder: Encoder, store: FeatureStore) -> np.ndarray:
    """
    Embeddings `(N, D)` of locations `(N, 2)`, stored or computed. A process among several computes its share only and
    returns `(0, 0)`.
    """
    places = hashlib.blake2b(lon_lat.tobytes(), digest_size=8).hexdigest()
    key = {"model": encoder.fingerprint, "kind": "location", "places": places}

    def embed(part: list[np.ndarray]) -> dict[str, np.ndarray]:
        return {"features": encoder.embed_locations(np.stack(part)).astype(np.float32)}

    columns = store.collect(key, lambda: iter(lon_lat), embed, _PLACES_PER_PART)
    if not columns:
        return np.zeros((0, 0), np.float32)
    if not np.isfinite(columns["features"]).all():
        raise ValueError(f"{encoder.name} returned embeddings that are not finite; check its weights.")
    return columns["features"]


def _columns_of_tiles(task: Task, split: str) -> list[str]:
    """What to read of rows that hold tiles: anything but their pixels."""
    return [*_targets(task, None), *task.options.get("where", {}), *task.strata, "bounds", "crs", split]


def _lon_lat(task: Task, table: Table, missing_values: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    if not task.options.get("tiles"):
        return read_lon_lat(table, task.columns, missing_values)
    table.require(["bounds", "crs"])
    return tile_centres(table.column("bounds").to_pylist(), table.column("crs").to_pylist()), ()


def _targets(task: Task, table: Table | None) -> list[str]:
    if "targets" in task.options:
        return list(task.options["targets"])
    if "targets_except" in task.options and table is not None:
        left_out = {"lon", "lat", *task.columns.values(), *task.options["targets_except"]}
        return [name for name in table.data.column_names if name not in left_out and holds_numbers(table, name)]
    return [task.columns.get("target", "target")]


def _read_target(
    task: Task, table: Table, name: str, missing_values: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A column to predict, and sentences on how its cells were understood."""
    if task.label_rule:
        # The rule makes labels of the cells.
        cells = read_cells(table, name, missing_values)
        return read_values(table, name, missing_values), cells.remarks
    values, _, remarks = read_target(table, name, task.target_type, missing_values)
    return values, remarks


def _pool_ids(task: Task) -> np.ndarray:
    """The ids, as text, of the rows of another table of the same source that the option `pool` selects."""
    pool = task.options["pool"]
    table = open_table(replace(task, data_files=pool["data_files"]))
    table.require(["id", *pool["where"]])
    return read_values(table, "id").astype(str)[_selected(table, pool["where"])]


def _selected(table: Table, where: dict[str, Any]) -> np.ndarray:
    """Whether each row `(N,)` has these values."""
    kept = np.ones(table.data.num_rows, bool)
    for column, value in where.items():
        kept &= read_values(table, column) == value
    return kept


def _lower_case(values: np.ndarray) -> np.ndarray:
    return np.char.lower(values.astype(str))
