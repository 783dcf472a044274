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
"""
The endless stream of training batches, which a run can resume exactly.

No library is used because the state of a library's loader (torchdata's StatefulDataLoader, `IterableDataset.state_dict`)
is tied to the number of processes and workers and loses the content of a shuffle buffer; the state here is a few integers
from which the same order follows.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from modeling_gair import GairProcessor
from training.common.iterables import chunked
from training.pairs.decoding import DecodedTile, PairBatch, PairDecoder, collate
from training.pairs.shards import Row
from training.pairs.sources import Rows, Source

# Number of undecoded rows that are permuted at a time; the order of the files also changes each epoch.
SHUFFLE_WINDOW = 256
# A batch is returned incomplete after this many bad rows per tile, so that the caller can report them.
_MAX_BAD_PER_TILE = 4


class ShuffledRows:
    """
    Endless rows, epoch after epoch, in an order that can be resumed exactly.

    In each epoch the shards are permuted by seed and epoch and divided among the readers (rank × worker). Rows are then
    collected into windows of undecoded rows, each permuted as a whole, so the state is small: where the window began, and
    how much of it is used. If there are fewer shards than readers, each reader reads all shards and keeps every n-th row.

    Args:
        rows ([`Rows`]): rows of a source.
        seed (`int`): seed of all permutations.
        reader, readers (`int`): index of this reader and number of readers.
        window (`int`): number of rows to permute at a time.
    """

    def __init__(self, rows: Rows, seed: int, reader: int, readers: int, window: int = SHUFFLE_WINDOW):
        self.rows, self.seed, self.reader, self.readers, self.window = rows, seed, reader, readers, window
        self.state = _start_of(0)

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Yield epoch and row; `state` is the position after the last row."""
        while True:
            yield from self._epoch()
            if self.state == _start_of(self.state["epoch"]):
                raise ValueError(
                    f"Reader {self.reader} of {self.readers} has no rows; use fewer processes or workers, or more data."
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
        """Yield this reader's rows from the current window on, each with the position after it."""
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
    The state at the start of an epoch. A state holds where the window begins (shard in the reader's order, row in the shard,
    rows seen in the epoch) and how many of the window's rows are used.
    """
    return {"epoch": epoch, "window": 0, "shard": 0, "row": 0, "seen": 0, "offset": 0}


def _next_unseen(rows: Iterator[tuple[int, Row]], seen: set[str]) -> tuple[int, Row] | None:
    """The next row whose id is not among the `seen` ones, to which it is added; None if a whole epoch has no such row."""
    first = None
    for epoch, row in rows:
        first = epoch if first is None else first
        if row["id"] not in seen:
            seen.add(row["id"])
            return epoch, row
        if epoch > first + 1:
            break
    return None


class PairStream(IterableDataset):
    """
    Endless batches of tiles with their photos, for training. Each batch carries the state of its reader, and a run resumes
    from the states of each reader's last batch.

    No tile is twice in a batch, where it would be its own negative: at the end of an epoch, tiles of the next one that are in
    the batch already are passed over, until the epoch after that. A batch ends early if the source whose turn it is has no
    other tile left, so that the proportions of the sources are kept.

    Args:
        sources (`Sequence[Source]`): data sets, mixed tile by tile in proportion to their weights.
        processor ([`GairProcessor`]): the model's processor.
        batch_size (`int`): tiles per batch.
        photos_per_tile (`int`): largest number of photos drawn from a tile; the draw depends on seed, epoch and id.
        seed (`int`): seed of the order and of the draws.
        rank, world_size (`int`): index of this process and number of processes.
        states (`Sequence[dict]`, *optional*): the state of each worker's last batch, to resume from, starting with the
            worker of the oldest batch. By default all start from the beginning; see [`~PairStream.first_states`].
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
        # After a resume a worker may continue the stream of another; the state names which.
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
            tiles: list[DecodedTile] = []
            seen: list[set[str]] = [set() for _ in streams]
            while len(tiles) < self.batch_size and self.decoder.bad.total() < _MAX_BAD_PER_TILE * self.batch_size:
                source = self._next_source(drawn)
                fresh = _next_unseen(rows[source], seen[source])
                if fresh is None:
                    break
                drawn[source] += 1
                epoch, row = fresh
                chosen = self._chosen(row, epoch)
                if (tile := self.decoder(row, self.sources[source].folder, chosen)) is not None:
                    tiles.append(tile)
            batch = collate(tiles, *self.decoder.take_problems())
            positions = [stream.state for stream in streams]
            batch.state = {"worker": index, "drawn": list(drawn), "streams": positions}
            yield batch

    def first_states(self, workers: int) -> list[dict[str, Any]]:
        """States of `workers` workers before their first batches."""
        streams = [_start_of(0) for _ in self.sources]
        return [{"worker": worker, "drawn": [0] * len(streams), "streams": streams} for worker in range(workers)]

    def _next_source(self, drawn: list[int]) -> int:
        """Index of the source that is furthest behind its share."""
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
