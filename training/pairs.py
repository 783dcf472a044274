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
"""Pairs of a tile and a photo: streamed rows → decoded in workers → batches as the model takes them."""

import csv
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Features, IterableDataset, Value, load_dataset
from torch.utils.data import DataLoader, Dataset

from modeling_gair import GairProcessor
from modeling_gair.raster_gair import ground_size_m
from training.settings import PretrainSettings

COLUMNS = ("id", "rs", "sv", "lon", "lat")
# Fewer pairs are too few to hold any out.
MIN_PAIRS_TO_HOLD_OUT = 20
_SHUFFLE_BUFFER = 10_000

Row = dict[str, str]


@dataclass
class DecodedPairs:
    """
    Pairs as the workers decode them.

    Args:
        ids (`list[str]`): one a pair, as are all that follow.
        tiles (`list[np.ndarray]`): `(10, H, W)` each, as read, of any size.
        photos (`list[np.ndarray]`): `(H, W, 3)` each, uint8, of any size.
        coordinates (`torch.Tensor` of shape `(B, 2)`): lon, lat in degrees.
        query_points (`torch.Tensor` of shape `(B, 1, 2)`): x east, y south in the tile, in [0, 1].
        tile_sizes_m (`list[tuple[float, float]]`): width and height of the tiles on the ground, in metres.
    """

    ids: list[str]
    tiles: list[np.ndarray]
    photos: list[np.ndarray]
    coordinates: torch.Tensor
    query_points: torch.Tensor
    tile_sizes_m: list[tuple[float, float]]


class PairDecoder(Dataset):
    """
    Decodes the rows of a batch by the processors' `read`. The index of a batch is its rows: the main process streams
    text, which is cheap, and any number of workers share the decoding, which is not.

    Args:
        processor ([`GairProcessor`]): the model's.
        folder (`Path`): what the rows' paths are relative to.
    """

    def __init__(self, processor: GairProcessor, folder: Path):
        self.processor, self.folder = processor, folder

    def __getitem__(self, rows: Iterable[Row]) -> DecodedPairs | ValueError:
        """The pairs, or what is wrong with one: raised in a worker, it would arrive as a page of traceback."""
        pairs = DecodedPairs([], [], [], torch.empty(0), torch.empty(0), [])
        places, points = [], []
        for row in rows:
            try:
                place, point = self._decode(row, pairs)
            except ValueError as error:
                return ValueError(f"Pair {row['id']!r}: {error}")
            places.append(place)
            points.append(point)
        pairs.coordinates = torch.from_numpy(np.stack(places)).float()
        pairs.query_points = torch.from_numpy(np.stack(points)).float()[:, None]
        return pairs

    def _decode(self, row: Row, pairs: DecodedPairs) -> tuple[np.ndarray, np.ndarray]:
        """Appends a row's pixels to `pairs`; returns its place (lon, lat) and its point in the tile (x, y)."""
        tile = self.processor.image_processor.read(self.folder / row["rs"])
        if tile.bounds is None or tile.crs is None:
            raise ValueError(f"{row['rs']!r} has no georeferencing to locate the photo by; write its CRS and bounds.")
        places = self.processor.feature_extractor
        place = places.check(row["lon"], row["lat"])
        point = places.locate(place[0], place[1], tile.bounds, tile.crs)
        pairs.photos.append(self.processor.sv_image_processor.read(self.folder / row["sv"]))
        pairs.tiles.append(tile.pixels)
        pairs.tile_sizes_m.append(ground_size_m(tile.bounds, tile.crs))
        pairs.ids.append(row["id"])
        return place, point


def prepare_pairs(pairs: DecodedPairs, processor: GairProcessor, device: torch.device) -> dict[str, torch.Tensor]:
    """
    Decoded pairs as the model's inputs, on its device.

    Returns:
        `dict[str, torch.Tensor]`: `rs_pixel_values (B, 10, H, W)`, `sv_pixel_values (B, 3, h, w)`, `coordinates (B, 2)`
        (lon, lat) and `query_points (B, 1, 2)`.
    """
    return {
        "rs_pixel_values": processor.image_processor.prepare(pairs.tiles, device=device),
        "sv_pixel_values": processor.sv_image_processor.prepare(pairs.photos, device=device),
        "coordinates": pairs.coordinates.to(device),
        "query_points": pairs.query_points.to(device),
    }


def is_held_out(row: dict[str, Any], fraction: float) -> bool:
    """Whether a row is for evaluation only: decided by its tile, however its path is spelled, so that none leaks."""
    return zlib.crc32(os.path.normpath(row["rs"]).encode()) / 2**32 < fraction


class PairStream:
    """
    The pairs of a CSV with the columns id, rs, sv, lon, lat, streamed through `datasets`.

    Args:
        settings ([`PretrainSettings`]): what to stream, and how.
        processor ([`GairProcessor`]): the model's.

    Attributes:
        train_count, held_out_count (`int`): pairs to train on, and pairs held out.
        batch_size (`int`): pairs a step; fewer than the settings ask for where the data are fewer.
        evaluated (`str`): which pairs `evaluation_batches` gives, in words.

    Raises:
        ValueError: no such file, missing columns or values, a repeated id, missing files, or fewer than two pairs.
    """

    def __init__(self, settings: PretrainSettings, processor: GairProcessor):
        self.settings, self._path = settings, Path(settings.data)
        self._decoder = PairDecoder(processor, self._path.parent)
        header = self._header()
        # All columns as text: types guessed from the first rows would not fit an id such as 007, or a later one.
        self._rows: IterableDataset = load_dataset(
            "csv",
            data_files=str(self._path),
            split="train",
            streaming=True,
            features=Features({column: Value("string") for column in header}),
            keep_default_na=False,
        )
        total, held_out = self._check_rows()
        self.holds_out = total >= MIN_PAIRS_TO_HOLD_OUT and held_out > 1
        self.held_out_count = held_out if self.holds_out else 0
        self.train_count = total - self.held_out_count
        self.evaluated = self._evaluated(total, held_out)
        # A small data set makes a small batch: a pair must not stand twice in one.
        self.batch_size = min(settings.batch_size, self.train_count)
        if self.batch_size < 2:
            raise ValueError(
                f"{str(self._path)!r} leaves {self.train_count} of {total} pairs to train on, but contrastive training "
                "needs two or more; add pairs, or lower holdout_fraction."
            )

    def train_batches(self, max_steps: int) -> Iterator[DecodedPairs]:
        """`max_steps` batches of `batch_size` pairs, shuffled anew each epoch by the seed; epochs follow one another."""
        yield from self._load(islice(self._train_rows(), max_steps))

    def evaluation_batches(self) -> Iterator[DecodedPairs]:
        """The held-out pairs once, in their order; the training pairs where none are held out."""
        yield from self._load(_batches(self._split(held_out=self.holds_out), self.settings.batch_size))

    def _train_rows(self) -> Iterator[tuple[Row, ...]]:
        for epoch in count():
            rows = self._split(held_out=False).shuffle(seed=self.settings.seed + epoch, buffer_size=_SHUFFLE_BUFFER)
            # The last rows of an epoch that fill no batch are left out; another epoch's order has them earlier.
            yield from (batch for batch in _batches(rows, self.batch_size) if len(batch) == self.batch_size)

    def _split(self, held_out: bool) -> IterableDataset:
        if not self.holds_out:
            return self._rows
        fraction = self.settings.holdout_fraction
        return self._rows.filter(lambda row: is_held_out(row, fraction) == held_out)

    def _load(self, batches: Iterable[tuple[Row, ...]]) -> Iterator[DecodedPairs]:
        # The batches are the "sampler", so one set of workers serves all epochs.
        loader = DataLoader(
            self._decoder,
            batch_size=None,
            sampler=batches,
            num_workers=self.settings.num_workers,
            collate_fn=_as_decoded,
        )
        for pairs in loader:
            if isinstance(pairs, ValueError):
                raise pairs
            yield pairs

    def _header(self) -> list[str]:
        if not self._path.is_file():
            raise ValueError(f"There is no file {str(self._path)!r}; pass a pairs CSV as --data.")
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                header = next(csv.reader(file), [])
        except UnicodeDecodeError as error:
            raise ValueError(f"{str(self._path)!r} is no text in UTF-8; pass a pairs CSV as --data.") from error
        missing = [column for column in COLUMNS if column not in header]
        if missing:
            raise ValueError(
                f"{str(self._path)!r} has no column {', '.join(missing)}; name the columns {', '.join(COLUMNS)} in its "
                "first line."
            )
        return header

    def _check_rows(self) -> tuple[int, int]:
        """The number of rows, and of those that would be held out; checks each before any is trained on."""
        ids: set[str] = set()
        held_out = 0
        for number, row in enumerate(self._rows, start=1):
            try:
                self._check_row(row)
            except ValueError as error:
                raise ValueError(f"{str(self._path)!r}, row {number}: {error}") from error
            if row["id"] in ids:
                raise ValueError(
                    f"{str(self._path)!r}, row {number}: the id {row['id']!r} came before; make ids unique."
                )
            ids.add(row["id"])
            held_out += is_held_out(row, self.settings.holdout_fraction)
        if len(ids) < 2:
            raise ValueError(
                f"{str(self._path)!r} holds {len(ids)} pairs, but contrastive training needs two or more; add pairs."
            )
        return len(ids), held_out

    def _check_row(self, row: Row) -> None:
        empty = [column for column in COLUMNS if not row[column]]
        if empty:
            raise ValueError(f"{', '.join(empty)} is empty; expected a value in each of {', '.join(COLUMNS)}.")
        for column in ("rs", "sv"):
            if not (self._path.parent / row[column]).is_file():
                raise ValueError(f"there is no file {row[column]!r}; write {column} relative to the CSV.")
        self._decoder.processor.feature_extractor.check(row["lon"], row["lat"])

    def _evaluated(self, total: int, held_out: int) -> str:
        if self.holds_out:
            return f"{held_out} held-out pairs"
        reason = f"fewer than {MIN_PAIRS_TO_HOLD_OUT}"
        if total >= MIN_PAIRS_TO_HOLD_OUT:
            reason = f"a holdout_fraction of {self.settings.holdout_fraction} holds out {held_out}"
        return f"the {total} TRAINING pairs ({reason}: this shows fit, not skill)"


def _as_decoded(pairs: Any) -> Any:
    """Passes a batch on as it is: the default would turn its arrays of several sizes into tensors."""
    return pairs


def _batches(rows: Iterable[Row], size: int) -> Iterator[tuple[Row, ...]]:
    """Rows in tuples of `size`, the last one of what is left."""
    remaining = iter(rows)
    while batch := tuple(islice(remaining, size)):
        yield batch
