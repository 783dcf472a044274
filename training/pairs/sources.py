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
"""Data sources: a pairs CSV, a folder of parquet files or a data set on the Hub, each as a stream of rows of one schema."""

import csv
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, IterableDataset, load_dataset
from datasets.exceptions import DatasetNotFoundError

from modeling_gair import GairCoordinateProcessor
from training.common.schema import CSV_COLUMNS, FEATURES
from training.world.settings import SAMPLE_WORLD, WorldSettings
from training.world.writer import ensure_sample_dataset

# Names that data sets on the Hub give to their split for evaluation.
HELD_OUT_SPLITS = ("test", "validation")
# Share of the tiles to hold out if a data set has no such split.
HOLDOUT_FRACTION = 0.1
# Nothing is held out of data sets with fewer tiles.
MIN_TILES_TO_HOLD_OUT = 20
_CSV_ROWS_PER_SHARD = 256
_ROWS_AT_A_TIME, _IDS_AT_A_TIME = 8, 256

Row = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """
    Undecoded rows in shards, read one row at a time.

    Attributes:
        stream (`IterableDataset`): all rows, in order.
        ids (`IterableDataset`): the same rows, with only the column `id` if files can be read by columns.
        holdout_fraction (`float`): share of the tiles that is held out, by a hash of their id.
        held_out (`bool`): whether these are the held-out rows or the others.
    """

    stream: IterableDataset
    ids: IterableDataset
    holdout_fraction: float = 0.0
    held_out: bool = False

    @property
    def num_shards(self) -> int:
        """Number of parts that can be read independently: the files of the data set."""
        return self.stream.num_shards

    def shard(self, index: int) -> Iterator[Row]:
        """
        The rows of one shard, in order.

        Raises:
            ValueError: a file is truncated or not a parquet file.
        """
        # `iter`, since plain iteration would divide the stream once more among the workers of a loader.
        batches = self.stream.shard(num_shards=self.num_shards, index=index).iter(_ROWS_AT_A_TIME)
        rows = (dict(zip(batch, values)) for batch in batches for values in zip(*batch.values()))
        try:
            yield from (row for row in rows if self._belongs(row["id"]))
        except pa.ArrowException as error:
            raise ValueError(
                f"A file of the data set cannot be read ({error}); download it or push it again."
            ) from error

    def __iter__(self) -> Iterator[Row]:
        for index in range(self.num_shards):
            yield from self.shard(index)

    def count(self, most: int) -> int:
        """Number of rows, counted up to `most`, since a stream from the Hub does not know its length."""
        ids = (name for batch in self.ids.iter(_IDS_AT_A_TIME) for name in batch["id"])
        return sum(1 for _ in islice(filter(self._belongs, ids), most))

    def _belongs(self, name: str) -> bool:
        if self.holdout_fraction == 0.0:
            return True
        return is_held_out(name, self.holdout_fraction) == self.held_out


@dataclass(frozen=True)
class Source:
    """
    A data set to train on.

    Attributes:
        name (`str`): the name that the user gave.
        folder (`Path`): the folder that file names in its rows are relative to.
        train (`Rows`): rows to train on.
        held_out (`Rows` or `None`): rows for evaluation only; None if there are too few to hold out two tiles.
        weight (`float`): how often its tiles are drawn, relative to the other sources.
    """

    name: str
    folder: Path
    train: Rows
    held_out: Rows | None
    weight: float = 1.0


def is_held_out(tile_id: str, fraction: float) -> bool:
    """Whether a tile is for evaluation only; this depends only on its id, so no tile is in both splits."""
    return zlib.crc32(tile_id.encode()) / 2**32 < fraction


def open_sources(
    weights: Mapping[str, float], holdout_fraction: float, world: WorldSettings, num_workers: int = 2
) -> list[Source]:
    """
    Open data sets, making the sample world on its first use.

    Args:
        weights (`Mapping[str, float]`): names as for [`open_source`], or `sample_world`, with the weight of each.
        holdout_fraction (`float`): share of the tiles to hold out of a data set without a split for evaluation.
        world (`WorldSettings`): which sample world `sample_world` means.
        num_workers (`int`): processes that make the sample world.

    Raises:
        ValueError: as in [`open_source`].
    """
    sources = []
    for name, weight in weights.items():
        if name == SAMPLE_WORLD:
            name = str(ensure_sample_dataset(world, max(num_workers, 1)))
        sources.append(open_source(name, holdout_fraction, weight))
    return sources


def open_source(name: str, holdout_fraction: float, weight: float = 1.0) -> Source:
    """
    Opens a data set without reading its pixels.

    Args:
        name (`str`): a pairs CSV, a folder that `datasets.load_dataset` reads, or the id of a data set on the Hub.
        holdout_fraction (`float`): share of the tiles to hold out where the data set has no split for it.
        weight (`float`): how often its tiles are drawn, relative to the other sources.

    Raises:
        ValueError: the data set is not found, columns are missing, or rows of a CSV have errors.
    """
    path = Path(name)
    if path.suffix.lower() == ".csv":
        stream = _stream_of_csv(path)
        splits = {"train": (stream, stream)}
        folder = path.parent
    else:
        splits = _load_splits(name)
        folder = path
    for stream, _ in splits.values():
        _check_columns(name, stream)
    if "train" not in splits:
        raise ValueError(f"{name!r} has no split train (it has {', '.join(splits)}); name its training split train.")
    train = Rows(*splits["train"])
    given = next((Rows(*splits[key]) for key in HELD_OUT_SPLITS if key in splits), None)
    if given is not None:
        return Source(name, folder, train, given, weight)
    enough = train.count(MIN_TILES_TO_HOLD_OUT) == MIN_TILES_TO_HOLD_OUT
    if not enough or holdout_fraction == 0.0:
        return Source(name, folder, train, None, weight)
    held_out = replace(train, holdout_fraction=holdout_fraction, held_out=True)
    if held_out.count(2) < 2:
        return Source(name, folder, train, None, weight)
    return Source(name, folder, replace(train, holdout_fraction=holdout_fraction), held_out, weight)


def _load_splits(name: str) -> dict[str, tuple[IterableDataset, IterableDataset]]:
    """The rows of each split, and their ids."""
    try:
        streams = dict(load_dataset(name, streaming=True))
    except (DatasetNotFoundError, FileNotFoundError, ConnectionError) as error:
        raise ValueError(
            f"Data set not found: {name!r} is neither a pairs CSV, nor a folder with parquet files, nor a data set on the "
            "Hub that can be reached; check the spelling of --data."
        ) from error
    try:
        ids = dict(load_dataset(name, streaming=True, columns=["id"]))
    except ValueError:
        # Files other than parquet cannot be read by columns.
        ids = streams
    return {split: (stream, ids[split]) for split, stream in streams.items()}


def _check_columns(name: str, split: IterableDataset) -> None:
    columns = split.column_names or list(next(iter(split), {}))
    # A row may name the file of its tile instead of holding the pixels.
    needed = ("id", "photos") if "tile_file" in columns else ("id", "tile", "photos")
    missing = [column for column in needed if column not in columns]
    if missing:
        raise ValueError(
            f"{name!r} has no column {', '.join(missing)}; expected rows of a tile with its photos: {', '.join(FEATURES)}."
        )


# A pairs CSV ---------------------------------------------------------------------------------------------------------


def _stream_of_csv(path: Path) -> IterableDataset:
    """The pairs of a CSV, grouped by tile, as rows that name files instead of holding bytes."""
    tiles: dict[str, Row] = {}
    for pair in _checked_pairs(path):
        # Different spellings of a path mean the same tile.
        tile = os.path.normpath(pair["rs"])
        row = tiles.setdefault(tile, {"id": tile, "tile_file": pair["rs"], "photos": []})
        place = {"lon": float(pair["lon"]), "lat": float(pair["lat"])}
        row["photos"].append({"id": pair["id"], "file": pair["sv"], **place})
    shards = -(-len(tiles) // _CSV_ROWS_PER_SHARD)
    return Dataset.from_list(list(tiles.values())).to_iterable_dataset(num_shards=shards)


def _checked_pairs(path: Path) -> Iterator[dict[str, str]]:
    """The rows of the CSV. Values, files, coordinates and ids of all rows are checked before training starts."""
    if not path.is_file():
        raise ValueError(f"File not found: {str(path)!r}; pass a pairs CSV as --data.")
    ids: set[str] = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_header(path, reader.fieldnames or ())
            for number, pair in enumerate(reader, start=1):
                try:
                    _check_pair(path.parent, pair)
                except ValueError as error:
                    raise ValueError(f"{str(path)!r}, row {number}: {error}") from error
                if pair["id"] in ids:
                    raise ValueError(
                        f"{str(path)!r}, row {number}: the id {pair['id']!r} occurs twice; make ids unique."
                    )
                ids.add(pair["id"])
                yield pair
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 text; pass a pairs CSV as --data.") from error
    if len(ids) < 2:
        raise ValueError(
            f"{str(path)!r} holds {len(ids)} pairs, but contrastive training needs two or more; add pairs."
        )


def _check_header(path: Path, header: Iterable[str]) -> None:
    missing = [column for column in CSV_COLUMNS if column not in header]
    if missing:
        raise ValueError(
            f"{str(path)!r} has no column {', '.join(missing)}; name the columns {', '.join(CSV_COLUMNS)} in its first "
            "line."
        )


def _check_pair(folder: Path, pair: dict[str, str]) -> None:
    empty = [column for column in CSV_COLUMNS if not pair[column]]
    if empty:
        raise ValueError(f"{', '.join(empty)} is empty; expected a value in each of {', '.join(CSV_COLUMNS)}.")
    for column in ("rs", "sv"):
        if not (folder / pair[column]).is_file():
            raise ValueError(f"file not found: {pair[column]!r}; write {column} relative to the CSV.")
    GairCoordinateProcessor().check(pair["lon"], pair["lat"])
