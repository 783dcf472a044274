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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modeling_gair import GairCoordinateProcessor
from training.benchmarks.data import open_split, require_columns, tile_centres
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.kinds.kind import Bench, Kind
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task

# Names of test rows in the `split` column, and of rows to choose settings on.
TEST, VALIDATION = ("test",), ("val", "validation", "valid")
_PLACES_PER_PART = 65_536


@dataclass(frozen=True)
class PlaceTable:
    """
    Places and the columns to predict.

    Args:
        lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees, checked and wrapped, float64.
        columns (`dict[str, np.ndarray]`): targets, strata and `split`, unchanged, each `(N,)`.
        remarks (`tuple[str, ...]`): sentences on rows that were left out.
    """

    lon_lat: np.ndarray
    columns: dict[str, np.ndarray]
    remarks: tuple[str, ...] = ()

    def split(self, names: Sequence[str]) -> np.ndarray | None:
        """Whether each row `(N,)` has one of these names in its column `split`; None without such a column."""
        return np.isin(self.columns["split"].astype(str), names) if "split" in self.columns else None


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
    lon_name, lat_name = (task.columns.get(name, name) for name in ("lon", "lat"))
    split = task.columns.get("split", "split")
    of_tiles = bool(task.options.get("tiles"))
    wanted = [*task.options.get("where", {}), *filter(None, [task.columns.get("image_features")])]
    if of_tiles:
        targets = _targets(task, None)
        data = open_split(task, columns=[*targets, *wanted, *task.strata, "bounds", "crs", split])
    else:
        data = open_split(task)
        targets = _targets(task, data)
        wanted += [lon_name, lat_name]
    # Strata only divide the bias table; a table without them can still be measured on.
    strata = [name for name in task.strata if name in data.column_names]
    require_columns(task, data, [*targets, *wanted])
    kept = [*targets, *wanted, *strata, *(name for name in (split, "id", "bounds", "crs") if name in data.column_names)]
    frame = _selected(data.select_columns(list(dict.fromkeys(kept))).to_pandas(), task.options.get("where", {}))
    if "pool" in task.options:
        frame = frame[frame["id"].isin(_pool_ids(task))]
    if of_tiles:
        lon, lat = tile_centres(frame["bounds"], frame["crs"]).T
    else:
        lon, lat = (_degrees(task, frame[name], name) for name in (lon_name, lat_name))
    placed = np.isfinite(lon) & np.isfinite(lat)
    if not placed.any():
        raise ValueError(
            f"None of the {len(frame)} rows of {task.name} has a {lon_name} and a {lat_name}; fill these columns in."
        )
    lon_lat = GairCoordinateProcessor().check(lon[placed], lat[placed])
    extra = [name for name in (task.columns.get("image_features"), *strata) if name]
    columns = {name: frame[name].to_numpy()[placed] for name in [*targets, *extra]}
    if split in frame:
        columns["split"] = frame[split].to_numpy()[placed]
    missing = int((~placed).sum())
    remarks = (f"{missing} of {len(frame)} rows of {task.name} have no {lon_name} or {lat_name} and are left out.",)
    return PlaceTable(lon_lat, columns, remarks if missing else ())


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


def _targets(task: Task, data: Any) -> list[str]:
    if "targets" in task.options:
        return list(task.options["targets"])
    if "targets_except" in task.options:
        left_out = {"lon", "lat", *task.columns.values(), *task.options["targets_except"]}
        numeric = [name for name, kind in data.features.items() if "int" in str(kind) or "float" in str(kind)]
        return [name for name in numeric if name not in left_out]
    return [task.columns.get("target", "target")]


def _pool_ids(task: Task) -> np.ndarray:
    """The ids of the rows of another table of the same source that the option `pool` selects."""
    pool = task.options["pool"]
    data = open_split(replace(task, data_files=pool["data_files"]))
    require_columns(task, data, ["id", *pool["where"]])
    frame = data.select_columns(["id", *pool["where"]]).to_pandas()
    return _selected(frame, pool["where"])["id"].to_numpy()


def _selected(frame: Any, where: dict[str, Any]) -> Any:
    """The rows of a data frame with these values."""
    for column, value in where.items():
        frame = frame[frame[column] == value]
    return frame


def _degrees(task: Task, values: Any, name: str) -> np.ndarray:
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The column {name!r} of {task.name} does not hold numbers; expected degrees on WGS 84."
        ) from error
