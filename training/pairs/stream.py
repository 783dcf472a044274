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
"""Pairs of a tile and its photos: rows streamed, shuffled and decoded in workers → batches as the model takes them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from modeling_gair import GairProcessor
from modeling_gair.raster_gair import ground_size_m
from training.common.workers import worker_init
from training.pairs.rows import unpack_tile
from training.pairs.sources import Row, Rows, Source

# Rows held undecoded and permuted at a time; the files themselves are taken in a new order each epoch.
SHUFFLE_WINDOW = 256
# A batch is given up half full where so many rows of it were bad, so that the caller hears of them.
_MAX_BAD_PER_TILE = 4

_Item = TypeVar("_Item")


@dataclass
class PairBatch:
    """
    Tiles and photos as the workers decode them.

    Args:
        tile_ids (`list[str]`): T of them.
        tiles (`torch.Tensor` of shape `(T, C, H, W)`, or `list[np.ndarray]` where sizes differ): as read.
        tile_sizes_m (`list[tuple[float, float]]`): width and height of the tiles on the ground, in metres.
        photo_ids (`list[str]`): N of them.
        photos (`torch.Tensor` of shape `(N, H, W, 3)`, or `list[np.ndarray]` where sizes differ): uint8.
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
        coordinates (`torch.Tensor` of shape `(N, 2)`): lon, lat in degrees.
        query_points (`torch.Tensor` of shape `(N, 1, 2)`): x east, y south in the tile, in [0, 1].
        labels (`dict[str, np.ndarray]`): those asked for, one a tile; those whose name begins with photo_, one a photo.
        bad (`Counter`): photos and tiles left out, by kind: tile, photo, place.
        problems (`list[str]`): what was wrong with the first of them.
        state (`dict`): where the stream stands behind this batch; see [`PairStream`].
    """

    tile_ids: list[str]
    tiles: Any
    tile_sizes_m: list[tuple[float, float]]
    photo_ids: list[str]
    photos: Any
    tile_index: torch.Tensor
    coordinates: torch.Tensor
    query_points: torch.Tensor
    labels: dict[str, np.ndarray]
    bad: Counter
    problems: list[str]
    state: dict[str, Any] = field(default_factory=dict)

    def pin_memory(self) -> "PairBatch":
        """The same in pinned memory, where it is tensors: what a `DataLoader` calls."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        pinned: dict[str, Any] = {
            name: value.pin_memory() for name, value in values.items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **pinned)


@dataclass
class _DecodedTile:
    """One row's tile with the photos drawn from it."""

    id: str
    pixels: np.ndarray
    size_m: tuple[float, float]
    photo_ids: list[str]
    photos: list[np.ndarray]
    coordinates: list[np.ndarray]
    query_points: list[np.ndarray]
    labels: dict[str, Any]


class PairDecoder:
    """
    Decodes rows by the processors' `read`, strictly: what is bad is left out, counted by kind, and told of.

    Args:
        processor ([`GairProcessor`]): the model's.
        labels (`Sequence[str]`): columns to keep where a row has them.
    """

    def __init__(self, processor: GairProcessor, labels: Sequence[str] = ()):
        self.processor, self.labels = processor, labels
        self.bad: Counter = Counter()
        self.problems: list[str] = []

    def __call__(self, row: Row, folder: Path, chosen: Sequence[int]) -> _DecodedTile | None:
        """
        Args:
            row (`dict`): in the schema of `training/pairs/rows.py`, with `tile_file` and the photos' `file` where pixels lie
                beside it.
            folder (`Path`): what those are relative to.
            chosen (`Sequence[int]`): the photos to decode, by position.

        Returns:
            The decoded tile; None if it is bad or none of its photos is good.
        """
        try:
            tile = self._tile(row, folder)
        except (ValueError, TypeError, KeyError) as error:
            self._left_out("tile", f"Tile {row.get('id')!r}: {error}")
            return None
        decoded = _DecodedTile(row["id"], tile.pixels, ground_size_m(tile.bounds, tile.crs), [], [], [], [], {})
        photos = [row["photos"][index] for index in chosen]
        good = [
            index
            for index, photo, place in zip(chosen, photos, self._places(photos, tile))
            if place is not None and self._add_photo(decoded, photo, place, folder)
        ]
        for name in self.labels:
            if name in row:
                values = row[name]
                decoded.labels[name] = [values[index] for index in good] if name.startswith("photo_") else values
        return decoded if good else None

    def take_problems(self) -> tuple[Counter, list[str]]:
        """What was left out since the last call."""
        taken = self.bad, self.problems
        self.bad, self.problems = Counter(), []
        return taken

    def _tile(self, row: Row, folder: Path) -> Any:
        if row.get("tile") is not None:
            pixels = unpack_tile(row)
            place = {"bounds": row["bounds"], "crs": row["crs"]}
            tile = self.processor.image_processor.read(pixels, bands=row["bands"], **place)
        else:
            tile = self.processor.image_processor.read(folder / row["tile_file"])
        if tile.bounds is None or tile.crs is None:
            raise ValueError("it has no georeferencing to locate photos by; write its CRS and bounds.")
        return tile

    def _places(self, photos: Sequence[dict[str, Any]], tile: Any) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """Degrees of each photo and its point in the tile, None where these are bad: at once, as calls cost most here."""
        places = self.processor.feature_extractor
        try:
            degrees = places.check(*([photo[axis] for photo in photos] for axis in ("lon", "lat")))
            return list(zip(degrees, places.locate(degrees[:, 0], degrees[:, 1], tile.bounds, tile.crs)))
        except (ValueError, TypeError) as error:
            if len(photos) != 1:
                return [self._places([photo], tile)[0] for photo in photos]
            self._left_out("place", f"Pair {photos[0]['id']!r}: {error}")
            return [None]

    def _add_photo(
        self, decoded: _DecodedTile, photo: dict[str, Any], place: tuple[np.ndarray, np.ndarray], folder: Path
    ) -> bool:
        try:
            jpeg = photo.get("jpeg")
            pixels = self.processor.sv_image_processor.read(folder / photo["file"] if jpeg is None else jpeg)
        except (ValueError, TypeError, KeyError) as error:
            self._left_out("photo", f"Pair {photo['id']!r}: {error}")
            return False
        decoded.photo_ids.append(photo["id"])
        decoded.photos.append(pixels)
        decoded.coordinates.append(place[0])
        decoded.query_points.append(place[1])
        return True

    def _left_out(self, kind: str, problem: str) -> None:
        self.bad[kind] += 1
        self.problems.append(problem)


class ShuffledRows:
    """
    Rows without end, epoch after epoch, in an order that can be resumed exactly.

    In each epoch the shards are permuted by seed and epoch and dealt to the readers (rank × worker); rows then pass a
    window of undecoded rows that is permuted as a whole. So the state is small: where the window began, and how much of
    it is used. Where there are fewer shards than readers, each reads all and keeps every n-th row.

    Args:
        rows ([`Rows`]): of a source.
        seed (`int`): of all orders.
        reader, readers (`int`): which part of the rows this one reads.
        window (`int`): rows to permute at a time.
    """

    def __init__(self, rows: Rows, seed: int, reader: int, readers: int, window: int = SHUFFLE_WINDOW):
        self.rows, self.seed, self.reader, self.readers, self.window = rows, seed, reader, readers, window
        self.state = _start_of(0)

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Epoch and row; `state` stands behind the row given last."""
        while True:
            yield from self._epoch()
            if self.state == _start_of(self.state["epoch"]):
                raise ValueError(
                    f"Reader {self.reader} of {self.readers} finds no rows; use fewer processes or workers, or more data."
                )
            self.state = _start_of(self.state["epoch"] + 1)

    def _epoch(self) -> Iterator[tuple[int, Row]]:
        epoch, rows = self.state["epoch"], self._own_rows()
        for filled in chunked(rows, self.window):
            generator = np.random.default_rng([self.seed, epoch, self.reader, self.state["window"]])
            for index in generator.permutation(len(filled))[self.state["offset"] :]:
                self.state = {**self.state, "offset": self.state["offset"] + 1}
                yield epoch, filled[index][1]
            self.state = {"epoch": epoch, "window": self.state["window"] + 1, **filled[-1][0], "offset": 0}

    def _own_rows(self) -> Iterator[tuple[dict[str, int], Row]]:
        """From the state's window on: where the stream stands behind a row, and the row."""
        order = np.random.default_rng([self.seed, self.state["epoch"]]).permutation(self.rows.num_shards)
        shared = len(order) < self.readers
        own = order if shared else order[self.reader :: self.readers]
        first, skipped, seen = (self.state[name] for name in ("shard", "row", "seen"))
        for shard in range(first, len(own)):
            start = skipped if shard == first else 0
            for position, row in enumerate(islice(self.rows.shard(int(own[shard])), start, None), start):
                seen += 1
                if not shared or seen % self.readers == self.reader:
                    yield {"shard": shard, "row": position + 1, "seen": seen}, row


def _start_of(epoch: int) -> dict[str, int]:
    """
    Where a window begins: shard in the reader's order, row in the shard, rows seen in the epoch; and how many rows of the
    window are used.
    """
    return {"epoch": epoch, "window": 0, "shard": 0, "row": 0, "seen": 0, "offset": 0}


class PairStream(IterableDataset):
    """
    Batches of tiles with their photos, without end, for training. What a batch needs to be followed by the next one
    travels in it: a run resumes from the states of the last batch of each reader.

    Args:
        sources (`Sequence[Source]`): data sets, mixed tile by tile in proportion to their weights.
        processor ([`GairProcessor`]): the model's.
        batch_size (`int`): tiles a batch.
        photos_per_tile (`int`): at most so many photos are drawn from each tile, by seed, epoch and id.
        seed (`int`): of the order and of the draws.
        rank, world_size (`int`): this process among those that train.
        states (`Sequence[dict]`, *optional*): the state of each worker's last batch, to go on from; the worker that gave
            the oldest of them comes first. By default all begin; see [`~PairStream.first_states`].
    """

    def __init__(
        self,
        sources: Sequence[Source],
        processor: GairProcessor,
        batch_size: int,
        photos_per_tile: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        states: Sequence[dict[str, Any]] | None = None,
    ):
        self.sources, self.decoder = sources, PairDecoder(processor)
        self.batch_size, self.photos_per_tile, self.seed = batch_size, photos_per_tile, seed
        self.rank, self.world_size, self.states = rank, world_size, states

    def __iter__(self) -> Iterator[PairBatch]:
        worker = get_worker_info()
        index, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        state = self.states[index] if self.states else None
        # After a resume another process may hold the worker's place: who it is stands in its state.
        index = state["worker"] if state else index
        reader, readers = self.rank * workers + index, self.world_size * workers
        streams = [ShuffledRows(source.train, self.seed, reader, readers) for source in self.sources]
        drawn = [0] * len(streams)
        if state:
            drawn = list(state["drawn"])
            for stream, position in zip(streams, state["streams"]):
                stream.state = position
        rows = [iter(stream) for stream in streams]
        while True:
            tiles: list[_DecodedTile] = []
            while len(tiles) < self.batch_size and self.decoder.bad.total() < _MAX_BAD_PER_TILE * self.batch_size:
                source = self._next_source(drawn)
                drawn[source] += 1
                epoch, row = next(rows[source])
                chosen = self._chosen(row, epoch)
                if (tile := self.decoder(row, self.sources[source].folder, chosen)) is not None:
                    tiles.append(tile)
            batch = collate(tiles, *self.decoder.take_problems())
            positions = [stream.state for stream in streams]
            batch.state = {"worker": index, "drawn": list(drawn), "streams": positions}
            yield batch

    def first_states(self, workers: int) -> list[dict[str, Any]]:
        """The states of `workers` workers before their first batches."""
        streams = [_start_of(0) for _ in self.sources]
        return [{"worker": worker, "drawn": [0] * len(streams), "streams": streams} for worker in range(workers)]

    def _next_source(self, drawn: list[int]) -> int:
        """The source that is furthest behind its share."""
        weights = [source.weight for source in self.sources]
        total = sum(drawn) + 1
        behind = [weight / sum(weights) * total - count for weight, count in zip(weights, drawn)]
        return int(np.argmax(behind))

    def _chosen(self, row: Row, epoch: int) -> Sequence[int]:
        count = len(row["photos"] or ())
        if count <= self.photos_per_tile:
            return range(count)
        generator = np.random.default_rng([self.seed, epoch, *row["id"].encode()])
        return sorted(generator.permutation(count)[: self.photos_per_tile].tolist())


class EvaluationPairs(IterableDataset):
    """
    Tiles with all their photos, once and in order: what is measured on. A batch may be empty where all of it is bad.

    Args:
        rows (`Sequence[tuple[Rows, Path]]`): of each source, and the folder of its files.
        processor ([`GairProcessor`]): the model's.
        batch_size (`int`): tiles a batch.
        most (`int`): tiles of each source at most.
        labels (`Sequence[str]`): columns to keep where the rows have them.
    """

    def __init__(
        self,
        rows: Sequence[tuple[Rows, Path]],
        processor: GairProcessor,
        batch_size: int,
        most: int,
        labels: Sequence[str] = (),
    ):
        self.rows, self.decoder = rows, PairDecoder(processor, labels)
        self.batch_size, self.most = batch_size, most

    def __iter__(self) -> Iterator[PairBatch]:
        worker = get_worker_info()
        index, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for rows, folder in self.rows:
            chunks = chunked(islice(rows, self.most), self.batch_size)
            # Whole batches go to one worker, so that their order does not depend on how many there are.
            for chunk in islice(chunks, index, None, workers):
                decoded = (self.decoder(row, folder, range(len(row["photos"] or ()))) for row in chunk)
                tiles = [tile for tile in decoded if tile is not None]
                yield collate(tiles, *self.decoder.take_problems())


def chunked(rows: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Items in lists of `size`, the last one of what is left."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, size)):
        yield chunk


def collate(tiles: Sequence[_DecodedTile], bad: Counter, problems: list[str]) -> PairBatch:
    """Decoded tiles as one batch."""
    tile_index = np.repeat(np.arange(len(tiles)), [len(tile.photo_ids) for tile in tiles])
    coordinates = [place for tile in tiles for place in tile.coordinates]
    points = [point for tile in tiles for point in tile.query_points]
    labels: dict[str, np.ndarray] = {}
    for name in tiles[0].labels if tiles else ():
        values = [tile.labels[name] for tile in tiles]
        labels[name] = np.concatenate(values) if name.startswith("photo_") else np.asarray(values)
    return PairBatch(
        tile_ids=[tile.id for tile in tiles],
        tiles=_stacked([tile.pixels for tile in tiles]),
        tile_sizes_m=[tile.size_m for tile in tiles],
        photo_ids=[name for tile in tiles for name in tile.photo_ids],
        photos=_stacked([photo for tile in tiles for photo in tile.photos]),
        tile_index=torch.from_numpy(tile_index),
        coordinates=torch.from_numpy(np.asarray(coordinates, np.float32).reshape(-1, 2)),
        query_points=torch.from_numpy(np.asarray(points, np.float32).reshape(-1, 1, 2)),
        labels=labels,
        bad=bad,
        problems=problems[:3],
    )


def load(pairs: IterableDataset, num_workers: int, pin_memory: bool = False) -> Iterator[PairBatch]:
    """
    Batches through `num_workers` processes; 0 decodes in this one, between the steps. With `pin_memory` they lie where a
    GPU can fetch them from while it computes.
    """
    loader = DataLoader(
        pairs,
        batch_size=None,
        num_workers=num_workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        worker_init_fn=worker_init,
        # Its seed would otherwise be drawn from the random numbers of training.
        generator=torch.Generator(),
    )
    return iter(loader)


def prepare_pairs(batch: PairBatch, processor: GairProcessor, device: torch.device) -> dict[str, torch.Tensor]:
    """
    Decoded pairs as the model's inputs, on its device.

    Returns:
        `dict[str, torch.Tensor]`: `rs_pixel_values (T, 10, H, W)`, `sv_pixel_values (N, 3, h, w)`, `coordinates (N, 2)`
        (lon, lat), `query_points (N, 1, 2)` and `tile_index (N,)`.
    """
    return {
        "rs_pixel_values": processor.image_processor.prepare(batch.tiles, device=device),
        "sv_pixel_values": processor.sv_image_processor.prepare(batch.photos, device=device),
        "coordinates": batch.coordinates.to(device, non_blocking=True),
        "query_points": batch.query_points.to(device, non_blocking=True),
        "tile_index": batch.tile_index.to(device, non_blocking=True),
    }


def _stacked(images: list[np.ndarray]) -> Any:
    """Images of one shape as one tensor, which workers hand over without a copy."""
    if len({image.shape for image in images}) == 1:
        return torch.from_numpy(np.stack(images))
    return images


def _as_it_is(batch: Any) -> Any:
    """The default would turn its lists of arrays into tensors."""
    return batch
