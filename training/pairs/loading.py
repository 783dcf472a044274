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
"""Loading batches in worker processes and preparing them as inputs of the model."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from modeling_gair import GairProcessor
from training.common.iterables import chunked
from training.common.workers import worker_init
from training.pairs.decoding import PairBatch, PairDecoder, collate
from training.pairs.shards import Row
from training.pairs.sources import Rows


class EvaluationPairs(IterableDataset):
    """
    Tiles with their photos, once and in order, for evaluation. A batch is empty if all of its rows are bad.

    Args:
        rows (`Sequence[tuple[Rows, Path]]`): the rows of each source and the folder of its files.
        processor ([`GairProcessor`]): the model's processor.
        batch_size (`int`): tiles per batch.
        most (`int`): largest number of tiles of each source.
        labels (`Sequence[str]`): label columns to keep, if the rows have them.
        photos_per_tile (`int`, *optional*): take only this many first photos of each tile; all by default.
    """

    def __init__(
        self,
        rows: Sequence[tuple[Rows, Path]],
        processor: GairProcessor,
        batch_size: int,
        most: int,
        labels: Sequence[str] = (),
        photos_per_tile: int | None = None,
    ):
        self.rows, self.decoder = rows, PairDecoder(processor, labels)
        self.batch_size, self.most, self.photos_per_tile = batch_size, most, photos_per_tile

    def count_batches(self) -> int:
        """Number of batches, from the columns that tell where tiles lie; no pixels are read."""
        return sum(-(-rows.count(self.most) // self.batch_size) for rows, _ in self.rows)

    def __iter__(self) -> Iterator[PairBatch]:
        worker = get_worker_info()
        index, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        for rows, folder in self.rows:
            chunks = chunked(islice(rows, self.most), self.batch_size)
            # A worker takes whole batches, so that their order does not depend on the number of workers.
            for chunk in islice(chunks, index, None, workers):
                decoded = (self.decoder(row, folder, self._chosen(row)) for row in chunk)
                tiles = [tile for tile in decoded if tile is not None]
                yield collate(tiles, *self.decoder.take_problems())

    def _chosen(self, row: Row) -> Sequence[int]:
        return range(len(row["photos"] or ()))[: self.photos_per_tile]


def load_batches(pairs: IterableDataset, num_workers: int, pin_memory: bool = False) -> Iterator[PairBatch]:
    """
    Load batches with `num_workers` processes; 0 decodes in the calling process. With `pin_memory`, tensors are in pinned
    memory, from which a GPU copies while it computes.
    """
    loader = DataLoader(
        pairs,
        batch_size=None,
        num_workers=num_workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        worker_init_fn=worker_init,
        # Otherwise the loader would draw its seed from the random numbers of training.
        generator=torch.Generator(),
    )
    return iter(loader)


def prepare_pairs(batch: PairBatch, processor: GairProcessor, device: torch.device) -> dict[str, torch.Tensor]:
    """
    Prepare decoded pairs as the model's inputs on its device.

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


def _as_it_is(batch: Any) -> Any:
    """Return the batch unchanged: the default would turn its lists of arrays into tensors."""
    return batch
