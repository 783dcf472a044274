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
"""The rows of the data set, read from the units in the order of the shuffle."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, List, Value

from training.common.schema import FEATURES
from training.street_pairs.packing.attribution import attribution_of
from training.street_pairs.units import read_failures, unit_file

# Kind of the failures that stand for photos whose removal was asked for.
REMOVED = "removed"
TILE_LABELS = ("site", "cell", "settlement")
SCENE_LABELS = ("baseline", "offset_removed", "offset_evidence", "clear_fraction", "valid_fraction")
PHOTO_LABELS = ("sequence", "creator", "url", "camera", "position")
STREET_FEATURES = Features(
    {
        **FEATURES,
        "site": Value("string"),
        "cell": Value("int64"),
        "settlement": Value("string"),
        "baseline": Value("string"),
        "offset_removed": Value("bool"),
        "offset_evidence": Value("string"),
        "clear_fraction": Value("float32"),
        "valid_fraction": Value("float32"),
        **{f"photo_{name}": List(Value("string")) for name in PHOTO_LABELS},
        "photo_days_apart": List(Value("float32")),
    }
)
_TILE_COLUMNS = ("tile", "tile_shape", "bands", "bounds", "crs", "tile_time", "product_id", *SCENE_LABELS)
_OPEN_UNITS = 64


class RowMaker:
    """
    Makes rows from the units of a job.

    Args:
        output (`Path`): the folder of the job.
    """

    def __init__(self, output: Path):
        self._output = output
        self._tiles = _by_id(output / "select" / "tiles.parquet", "tile_id", [*TILE_LABELS, "split"])
        self._photos = _by_id(output / "select" / "photos.parquet", "photo_id", ["source", "licence", "sequence"])

    def rows(self, planned: pa.Table) -> pa.Table:
        """
        Some rows of the data set.

        Args:
            planned (`pa.Table`): rows in the schema [`~training.street_pairs.packing.join.PLAN`]. Photos that were removed since are left
                out, and rows of which none is left.

        Raises:
            ValueError: a unit does not hold what it held when the rows were planned.
        """
        made = [self._row(row) for row in planned.to_pylist()]
        return pa.Table.from_pylist([row for row in made if row["photos"]], schema=STREET_FEATURES.arrow_schema)

    def _row(self, planned: dict[str, Any]) -> dict[str, Any]:
        name = planned["tile_id"]
        tile = _unit(self._output, "tiles", planned["tile_unit"]).row(name)
        assert tile is not None
        labels = self._tiles[name]
        when = _as_time(tile["tile_time"])
        photos = self._photos_of(planned)
        return {
            "id": name,
            **{column: tile[column] for column in _TILE_COLUMNS},
            "tile_time": shown_time(when),
            "photos": [_photo(photo) for photo in photos],
            "split": labels["split"],
            **{column: labels[column] for column in TILE_LABELS},
            **{f"photo_{column}": [photo[column] for photo in photos] for column in PHOTO_LABELS},
            "photo_days_apart": [_days_apart(photo["time"], when) for photo in photos],
        }

    def _photos_of(self, planned: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for name, number in zip(planned["photo_ids"], planned["photo_units"]):
            unit = _unit(self._output, "photos", number)
            photo = unit.row(name)
            if photo is not None:
                found.append({**self._photos[name], **photo})
            elif name not in unit.removed():
                raise ValueError(
                    f"{str(unit.path)!r} holds photo {name!r} no more; delete the folder pack, and run the same command again."
                )
        return found


class _Unit:
    """A unit from which single rows are read."""

    def __init__(self, path: Path, key: str):
        self.path = path
        self._file = pq.ParquetFile(path)
        names = self._file.read(columns=[key])[key].to_pylist()
        self._positions = {name: position for position, name in enumerate(names)}
        groups = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(groups)])

    def row(self, name: str) -> dict[str, Any] | None:
        """The row of that id, if there is one."""
        position = self._positions.get(name)
        if position is None:
            return None
        group = int(np.searchsorted(self._starts, position, side="right")) - 1
        return self._file.read_row_group(group).slice(position - self._starts[group], 1).to_pylist()[0]

    def removed(self) -> set[str]:
        """Ids of photos that were removed."""
        return {failure.id for failure in read_failures(self.path) if failure.kind == REMOVED}


def _unit(output: Path, stage: str, rank: int) -> _Unit:
    path = unit_file(output, stage, rank)
    return _open_unit(path, {"tiles": "tile_id", "photos": "photo_id"}[stage], path.stat().st_mtime_ns)


@lru_cache(maxsize=_OPEN_UNITS)
def _open_unit(path: Path, key: str, modified: int) -> _Unit:
    return _Unit(path, key)


def _by_id(path: Path, key: str, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {row.pop(key): row for row in pq.read_table(path, columns=[key, *columns]).to_pylist()}


def _photo(photo: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": photo["photo_id"],
        **{name: photo[name] for name in ("jpeg", "lon", "lat", "heading", "source", "licence")},
        "time": shown_time(photo["time"]),
        "attribution": attribution_of(photo["source"], photo["licence"], photo["creator"]),
    }


def _as_time(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def shown_time(time: datetime | None) -> str | None:
    """A time in UTC, ISO 8601, to the second."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _days_apart(photo: datetime | None, scene: datetime | None) -> float | None:
    if photo is None or scene is None:
        return None
    return abs(photo - scene) / timedelta(days=1)
