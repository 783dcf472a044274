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
"""Data sets in the schema of training: tiles, every photo's point in its tile, and photos."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi

from modeling_gair import GairProcessor
from training.common.inputs import digest_of_file, digest_of_names
from training.common.iterables import chunked
from training.common.schema import FEATURES
from training.common.tables import local_path
from training.embedding.encoding import Encoder
from training.embedding.inputs.kind import Part, Plan, read_each, reason_of_bad
from training.embedding.inputs.places import place_values
from training.embedding.inputs.tables import typed
from training.embedding.inputs.tiles import tile_values
from training.embedding.job import PLAN, Job, path_of
from training.embedding.outputs.rows import STREET_VIEW, TILE, TILE_POINT, carried_names
from training.pairs.decoding import read_tile
from training.pairs.pairs_csv import PairsCSV, further_columns
from training.pairs.shards import UNREADABLE, Files, Row
from training.pairs.sources import Rows, Source, open_source

POINTS, PHOTOS, TILES = "points", "photos", "tiles"
BOTH = f"{TILES}+{POINTS}"
_PER_PHOTO = "photo_"
_CARRIED = "carried.parquet"
_Labels = Mapping[str, Mapping[str, Any]]


class PairRows:
    """
    A data set; all its splits are embedded, in their own order.

    Args:
        name (`str`): a pairs CSV, a parquet file, a folder of parquet files, or a data set on the Hub.
        what (`str`): `"tiles"`, `"points"`, `"photos"`, or `"tiles+points"`.
    """

    unit = "tile"

    def __init__(self, name: str, what: str):
        self.what = what
        self.source = open_source(name, holdout_fraction=0.0, checked=False)
        local = Path(name).expanduser()
        self.path = str(local.resolve()) if local.exists() else name
        self.name = local.name if local.exists() else name

    def fingerprint(self) -> str:
        path = Path(self.path)
        if path.is_file():
            return digest_of_file(path)
        if path.is_dir():
            return digest_of_names(path, sorted(file for file in path.rglob("*") if file.is_file()))
        return HfApi().dataset_info(self.path).sha or self.path

    def plan(self, folder: Path, items_per_task: int, encoder: Encoder) -> Plan:
        pq.write_metadata(_carried(self.source), folder / _CARRIED)
        tasks = _packed(self.source, items_per_task)
        if not tasks:
            raise ValueError(f"{self.name!r} holds no tiles; pass another --input.")
        return Plan([sum(count for *_, count in task) for task in tasks], {"ranges": tasks}, [])


class PairKind:
    """Embeds what a data set holds."""

    geometry_types = ("Point", "Polygon", "MultiPolygon")

    def parts(self, output: Path, job: Job, rank: int, processor: GairProcessor) -> Iterator[Callable[[], Part]]:
        source = open_source(path_of(output, "input"), holdout_fraction=0.0, checked=False)
        splits, carried, labels = dict(_splits(source)), carried_of_pairs(output), _labels_of_csv(source)
        for split, shard, start, count in job.details["ranges"][rank]:
            rows = islice(splits[split].shard(shard), start, start + count)
            for chunk in chunked(rows, job.batch_size):
                yield partial(_read, chunk, source.folder, processor, job, split, carried, labels)

    def encode(self, encoder: Encoder, part: Part) -> np.ndarray:
        collected: _Collected = part.pixels
        tiles, points = np.empty((0, encoder.dimension), np.float32), np.empty((0, encoder.dimension), np.float32)
        if collected.tiles:
            tiles, points = encoder.tiles(collected.tiles, collected.tile_index, collected.points)
        photos = encoder.photos(collected.photos) if collected.photos else np.empty((0, encoder.dimension), np.float32)
        vectors = {TILE: iter(tiles), TILE_POINT: iter(points), STREET_VIEW: iter(photos)}
        made = [next(vectors[modality]) for modality in part.columns["modality"]]
        return np.stack(made) if made else tiles


def carried_of_pairs(output: Path) -> pa.Schema:
    """The labels that the rows of a job carry, by the names that they get in the output."""
    return pq.read_schema(output / PLAN / _CARRIED).remove_metadata()


class _Collected:
    """The rows of a part while they are read: columns in order, and the pixels of each modality."""

    def __init__(self, carried: pa.Schema):
        names = ("id", "geometry", "lon", "lat", "datetime", "modality", "source", "valid_fraction", *carried.names)
        self.columns: dict[str, list[Any]] = {name: [] for name in names}
        self.tiles: list[np.ndarray] = []
        self.tile_index: list[int] = []
        self.points: list[np.ndarray] = []
        self.photos: list[np.ndarray] = []
        self.errors: list[dict[str, Any]] = []

    def add(self, **values: Any) -> None:
        for name, column in self.columns.items():
            column.append(values.get(name))

    def refuse(self, source: str, name: str, reason: str) -> None:
        self.errors.append({"source": source, "id": name, "reason": reason})


def _read(
    rows: Sequence[Row],
    folder: Path,
    processor: GairProcessor,
    job: Job,
    split: str,
    carried: pa.Schema,
    labels: _Labels,
) -> Part:
    collected = _Collected(carried)
    for row in rows:
        _Tile(row, split, job, carried, labels).read_into(collected, folder, processor)
    part = Part(len(rows), dict(collected.columns), collected, collected.errors)
    return part


class _Tile:
    """A row: a tile with its photos."""

    def __init__(self, row: Row, split: str, job: Job, carried: pa.Schema, labels: _Labels):
        self.row, self.source, self.what = row, f"{job.input}/{split}/{row['id']}", job.what.split("+")
        # Ids are unique within a data set's split.
        self.id = f"{split}/{row['id']}"
        self.carried, self.labels = carried, labels

    def read_into(self, collected: _Collected, folder: Path, processor: GairProcessor) -> None:
        photos = [photo if isinstance(photo, dict) else {} for photo in self.row.get("photos") or ()]
        names = [str(photo.get("id") or number) for number, photo in enumerate(photos)]
        if UNREADABLE in self.row:
            collected.refuse(self.source, self.id, self.row[UNREADABLE])
            return
        tile = None
        if {TILES, POINTS} & set(self.what):
            (tile,) = read_each(lambda row: read_tile(processor, row, folder), [self.row])
        if TILES in self.what:
            self._add_tile(collected, tile, processor)
        places = [_place(processor, photo) for photo in photos]
        if POINTS in self.what:
            self._add_points(collected, tile, names, photos, places, processor)
        if PHOTOS in self.what:
            self._add_photos(collected, names, photos, places, folder, processor)

    def _add_tile(self, collected: _Collected, tile: Any, processor: GairProcessor) -> None:
        if isinstance(tile, str):
            collected.refuse(self.source, self.id, tile)
            return
        values = {name: column[0] for name, column in tile_values([tile], processor).items()}
        labels = {name: value for name, value in self._labels() if not name.startswith(_PER_PHOTO)}
        when = _time(self.row.get("tile_time"))
        collected.tiles.append(tile.pixels)
        collected.add(id=self.id, datetime=when, modality=TILE, source=self.source, **values, **labels)

    def _add_points(
        self,
        collected: _Collected,
        tile: Any,
        names: list[str],
        photos: list[Row],
        places: list[Any],
        processor: GairProcessor,
    ) -> None:
        if POINTS in self.what and TILES not in self.what and not isinstance(tile, str):
            collected.tiles.append(tile.pixels)
        for number, (name, degrees) in enumerate(zip(names, places)):
            own = f"{self.id}/{name}/point"
            if isinstance(tile, str):
                degrees = f"its tile is bad: {tile}"
            if not isinstance(degrees, str):
                (point,) = read_each(partial(_point_in, processor, tile), [degrees])
                if not isinstance(point, str):
                    collected.points.append(point)
                    collected.tile_index.append(len(collected.tiles) - 1)
                    values = {key: value[0] for key, value in place_values(degrees[None]).items()}
                    collected.add(id=own, datetime=_time(self.row.get("tile_time")), modality=TILE_POINT, source=self.source,
                                  valid_fraction=tile.valid_fraction, **values, **self._labels_of(number))  # fmt: skip
                    continue
                degrees = point
            collected.refuse(self.source, own, degrees)

    def _add_photos(
        self,
        collected: _Collected,
        names: list[str],
        photos: list[Row],
        places: list[Any],
        folder: Path,
        processor: GairProcessor,
    ) -> None:
        read = processor.sv_image_processor.read
        sources = [
            folder / photo["file"] if photo.get("jpeg") is None and "file" in photo else photo.get("jpeg")
            for photo in photos
        ]
        for number, (name, degrees, pixels) in enumerate(zip(names, places, read_each(read, sources))):
            own = f"{self.id}/{name}"
            if isinstance(degrees, str) or isinstance(pixels, str):
                collected.refuse(self.source, own, degrees if isinstance(degrees, str) else str(pixels))
                continue
            collected.photos.append(pixels)
            values = {key: value[0] for key, value in place_values(degrees[None]).items()}
            collected.add(id=own, datetime=_time(photos[number].get("time")), modality=STREET_VIEW, source=self.source, **values,
                          **self._labels_of(number))  # fmt: skip

    def _labels(self) -> Iterator[tuple[str, Any]]:
        renamed = carried_names([name for name in self.row if name not in FEATURES])
        for name, new in renamed.items():
            if new in self.carried.names:
                yield new, self.row[name]

    def _labels_of(self, number: int) -> dict[str, Any]:
        """The labels of a photo: its tile's, its own of those with one for each photo, and those of its row in a CSV."""
        labels = dict(self.labels.get(self.row["photos"][number].get("id"), {}))
        for name, value in self._labels():
            own = name.startswith(_PER_PHOTO)
            labels[name] = (value[number] if value is not None and number < len(value) else None) if own else value
        return labels


def _place(processor: GairProcessor, photo: Row) -> np.ndarray | str:
    try:
        return processor.feature_extractor.check(photo.get("lon"), photo.get("lat"))
    except ValueError as error:
        return reason_of_bad(error)


def _point_in(processor: GairProcessor, tile: Any, degrees: np.ndarray) -> np.ndarray:
    return processor.feature_extractor.points_at(degrees, tile.bounds, tile.crs)


def _time(text: str | None) -> datetime | None:
    """A time of the schema, ISO 8601; without a zone it is UTC, as the schema says. None if it is not one."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _splits(source: Source) -> list[tuple[str, Rows]]:
    held_out = [] if source.held_out is None else [(source.rule.removeprefix("split "), source.held_out)]
    return [("train", source.train), *held_out]


def _packed(source: Source, most: int) -> list[list[tuple[str, int, int, int]]]:
    """Tasks of at most `most` rows: of each the ranges of rows, as split, shard, first row and number of rows."""
    tasks: list[list[tuple[str, int, int, int]]] = []
    room = 0
    for split, rows in _splits(source):
        for shard, count in enumerate(_counts(rows)):
            start = 0
            while start < count:
                if not room:
                    tasks.append([])
                    room = most
                taken = min(room, count - start)
                tasks[-1].append((split, shard, start, taken))
                start, room = start + taken, room - taken
    return tasks


def _counts(rows: Rows) -> list[int]:
    """The number of rows of each shard; of parquet files by their footers."""
    if isinstance(rows.shards, Files) and all(path.suffix == ".parquet" for path in rows.shards.paths):
        counted = read_each(lambda path: pq.read_metadata(path).num_rows, rows.shards.paths)
        # A file that cannot be read is one bad row.
        return [1 if isinstance(count, str) else count for count in counted]
    return [sum(1 for _ in rows.shard(index)) for index in range(rows.num_shards)]


def _carried(source: Source) -> pa.Schema:
    """The labels of a data set: further columns, of whose lists with one value for each photo a row has its own."""
    shards = source.train.shards
    schema = pa.schema([])
    if isinstance(shards, PairsCSV):
        schema = _further(source)[1].schema
    if isinstance(shards, Files):
        for path in shards.paths:
            (found,) = read_each(pq.read_schema, [path])
            if not isinstance(found, str):
                schema = found.remove_metadata()
                break
    elif getattr(getattr(shards, "stream", None), "features", None) is not None:
        schema = shards.stream.features.arrow_schema.remove_metadata()  # type: ignore[attr-defined]
    labels = [field for field in schema if field.name not in (*FEATURES, "tile_file")]
    names = carried_names([field.name for field in labels])
    return pa.schema([pa.field(names[field.name], _own_type(field)) for field in labels])


def _labels_of_csv(source: Source) -> _Labels:
    """Of a pairs CSV, the further columns of each photo by its id, by the names that they get in the output; else nothing."""
    if not isinstance(source.train.shards, PairsCSV):
        return {}
    ids, table = _further(source)
    new = carried_names(table.column_names)
    return dict(zip(ids, table.rename_columns([new[name] for name in table.column_names]).to_pylist()))


def _further(source: Source) -> tuple[list[str], pa.Table]:
    """The ids of a pairs CSV and its further columns, of the types that their cells have."""
    ids, table = further_columns(local_path(source.name))
    return ids, pa.table({name: typed(table[name]) for name in table.column_names})


def _own_type(field: pa.Field) -> pa.DataType:
    is_list = pa.types.is_list(field.type) or pa.types.is_large_list(field.type)
    return field.type.value_type if field.name.startswith(_PER_PHOTO) and is_list else field.type
