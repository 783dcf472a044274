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

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from datasets import IterableDataset, load_dataset
from datasets.exceptions import DatasetsError
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id

from training.common.errors import first_line
from training.common.schema import FEATURES
from training.common.tables import TEXT_SUFFIXES, local_path
from training.pairs.holdout import MARGIN_KM, SIDES_KM, TILES_LOOKED_AT, Blocks, choose_blocks, place_of
from training.pairs.pairs_csv import PairsCSV
from training.pairs.shards import Files, Row, Shards, Streamed, files_of, place_columns
from training.world.settings import SAMPLE_WORLD, WorldSettings
from training.world.writer import ensure_sample_dataset

# Names that data sets on the Hub give to their split for evaluation.
HELD_OUT_SPLITS = ("test", "validation")
# Share of the tiles to hold out if a data set has no such split.
HOLDOUT_FRACTION = 0.1
# Nothing is held out of data sets with fewer tiles.
MIN_TILES_TO_HOLD_OUT = 20


@dataclass(frozen=True)
class Rows:
    """
    Undecoded rows in shards, read one row at a time.

    Attributes:
        shards ([`Shards`]): all rows.
        blocks ([`Blocks`], *optional*): where tiles are held out; by default nowhere.
        held_out (`bool`): whether these are the rows held out by `blocks`, or those to train on.
    """

    shards: Shards
    blocks: Blocks | None = None
    held_out: bool = False

    @property
    def num_shards(self) -> int:
        """Number of parts that can be read independently: the files of the data set."""
        return self.shards.count

    def shard(self, index: int) -> Iterator[Row]:
        """
        The rows of one shard, in order. Every row has an `id`, a string: where it is null, it is named by its position. A file
        that cannot be read is a row that cannot be decoded, so that it is counted like other bad rows.
        """
        for number, row in enumerate(self.shards.rows(index)):
            if self._belongs(row):
                yield {**row, "id": _id_of(row, f"row {number} of part {index + 1}")}

    def __iter__(self) -> Iterator[Row]:
        for index in range(self.num_shards):
            yield from self.shard(index)

    def count(self, most: int) -> int:
        """Number of rows, counted up to `most`, since a stream from the Hub does not know its length."""
        return sum(1 for _ in islice(filter(self._belongs, self.shards.places()), most))

    def _belongs(self, row: Row) -> bool:
        if self.blocks is None:
            return True
        place = place_of(row)
        if place is None:
            # A bad row, which is counted where most rows are.
            return not self.held_out
        return self.blocks.holds_out(place) if self.held_out else self.blocks.trains_on(place)


@dataclass(frozen=True)
class Source:
    """
    A data set to train on.

    Attributes:
        name (`str`): the name that the user gave.
        folder (`Path`): the folder that file names in its rows are relative to.
        train (`Rows`): rows to train on.
        held_out (`Rows` or `None`): rows for evaluation only; None if nothing could be held out.
        weight (`float`): how often its tiles are drawn, relative to the other sources.
        rule (`str`): how the held-out rows were chosen, or why there are none, for readers.
    """

    name: str
    folder: Path
    train: Rows
    held_out: Rows | None
    weight: float = 1.0
    rule: str = ""


def is_held_out(name: str, fraction: float) -> bool:
    """Whether something is for evaluation only, by a hash of its name. For tiles, use [`~training.pairs.holdout.Blocks`]."""
    return zlib.crc32(name.encode()) / 2**32 < fraction


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


def public_name(name: str) -> str:
    """The name of a data set for readers, without the folders of this machine."""
    path = local_path(name)
    return path.name if path.exists() else name


def open_source(name: str, holdout_fraction: float, weight: float = 1.0, checked: bool = True) -> Source:
    """
    Opens a data set without reading its pixels.

    Args:
        name (`str`): a pairs CSV, a parquet file, a folder of parquet files, or the id of a data set on the Hub. A path is
            taken as it is, whatever characters it has.
        holdout_fraction (`float`): share of the tiles to hold out where the data set has no split for it.
        weight (`float`): how often its tiles are drawn, relative to the other sources.
        checked (`bool`): whether a CSV whose files are missing or whose coordinates are wrong is refused; else whoever reads a row
            refuses that row, as of other data sets.

    Raises:
        ValueError: the data set is not found, columns are missing, or rows of a CSV have errors.
    """
    path = local_path(name)
    splits: Mapping[str, Shards]
    if path.suffix.lower() in TEXT_SUFFIXES and not path.is_dir():
        splits, folder = {"train": PairsCSV(path, checked)}, path.parent
    elif path.exists():
        splits, folder = _open_files(name, path), path.parent if path.is_file() else path
    else:
        splits, folder = _open_on_hub(name), path
    if "train" not in splits:
        raise ValueError(f"{name!r} has no split train (it has {', '.join(splits)}); name its training split train.")
    train = Rows(splits["train"])
    for split in HELD_OUT_SPLITS:
        if split in splits:
            return Source(name, folder, train, Rows(splits[split]), weight, f"split {split}")
    return _divided(Source(name, folder, train, None, weight), holdout_fraction)


def _divided(source: Source, fraction: float) -> Source:
    """The source with about a fraction of its tiles held out, in blocks."""
    if fraction == 0.0:
        return replace(source, rule="holdout_fraction is 0")
    places = [place_of(row) for row in islice(source.train.shards.places(), TILES_LOOKED_AT)]
    if len(places) < MIN_TILES_TO_HOLD_OUT:
        return replace(source, rule=f"{len(places)} tiles are too few to hold any out")
    blocks = choose_blocks(places, fraction)
    if blocks is None:
        rule = f"the tiles are too few or too close together to hold out blocks of {SIDES_KM[-1]} km"
        return replace(source, rule=rule)
    train, held_out = (replace(source.train, blocks=blocks, held_out=side) for side in (False, True))
    rule = f"in blocks of {blocks.side_km:g} km, more than {MARGIN_KM:g} km from all training tiles"
    return replace(source, train=train, held_out=held_out, rule=rule)


def _open_files(name: str, path: Path) -> dict[str, Shards]:
    splits = {split: Files(paths) for split, paths in files_of(path).items()}
    if not splits:
        raise ValueError(
            f"Data set not found: {name!r} holds no parquet files; pass a pairs CSV, a folder with parquet files, or a data "
            "set on the Hub as --data."
        )
    for split in splits.values():
        _check_columns(name, split.columns())
    return dict(splits)


def _open_on_hub(name: str) -> dict[str, Shards]:
    try:
        validate_repo_id(name)
        streams = dict(load_dataset(name, streaming=True))
    except PermissionError as error:
        raise ValueError(
            f"The cache of data sets cannot be written ({error}); set HF_HOME to a folder that can be written."
        ) from error
    except (OSError, DatasetsError, HfHubHTTPError, HFValidationError) as error:
        raise ValueError(
            f"Data set not found: {name!r} is neither a pairs CSV, nor a folder with parquet files, nor a data set on the "
            "Hub that can be reached; check the spelling of --data."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"The data set {name!r} cannot be opened: {first_line(error)} Pass a data set of one configuration as --data."
        ) from error
    return {split: _streamed(name, split, stream) for split, stream in streams.items()}


def _streamed(name: str, split: str, stream: IterableDataset) -> Streamed:
    columns = stream.column_names or _columns_of_first_row(stream)
    _check_columns(name, columns)
    try:
        places = load_dataset(name, split=split, streaming=True, columns=place_columns(columns))
    except ValueError:
        # Files other than parquet cannot be read by columns.
        places = stream
    return Streamed(stream, places)


def _columns_of_first_row(stream: IterableDataset) -> list[str]:
    """Columns of a stream that does not state them."""
    rows = Rows(Streamed(stream, stream))
    return list(next(iter(rows), {}))


def _check_columns(name: str, columns: Iterable[str]) -> None:
    # A row may name the file of its tile instead of holding the pixels.
    needed = ("id", "photos") if "tile_file" in columns else ("id", "tile", "photos")
    missing = [column for column in needed if column not in columns]
    if missing:
        raise ValueError(
            f"{name!r} has no column {', '.join(missing)}; expected rows of a tile with its photos: {', '.join(FEATURES)}."
        )


def _id_of(row: Row, position: str) -> str:
    """The row's id as text, or its position if the id is null; a table with missing numbers holds NaN instead."""
    name = row.get("id")
    missing = name is None or (isinstance(name, float) and math.isnan(name))
    return position if missing else str(name)
