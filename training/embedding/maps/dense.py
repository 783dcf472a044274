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
"""A block of a dense map: its windows are read, embedded and blended."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from modeling_gair import GairModel, GairProcessor
from training.common.iterables import chunked
from training.common.workers import in_order
from training.embedding.inputs.raster import ReadWindow, opened
from training.embedding.maps.blending import Blender
from training.embedding.maps.plan import MapPlan

# Windows that are encoded together, and maps that are read together: few on CPUs, for their caches, and by memory on GPUs.
_BATCH_ON_CPU, _BATCH_ON_GPU = 16, 128
_MAPS_ON_CPU, _MAP_BYTES_ON_GPU = 4, 2**28


@dataclass(frozen=True)
class Block:
    """
    A block of a map.

    Attributes:
        values (`np.ndarray` of shape `(height, width, D)`): embeddings, float32, not normalised; NaN without data.
        windows (`int`): number of windows that it was read from.
        empty (`int`): how many of them had no data.
        refused (`list[ReadWindow]`): those that could not be embedded, with the reason.
    """

    values: np.ndarray
    windows: int
    empty: int
    refused: list[ReadWindow]


def embed_block(
    model: GairModel,
    processor: GairProcessor,
    plan: MapPlan,
    rank: int,
    progress: Callable[[int], object] = lambda done: None,
) -> Block:
    """
    Embeds a block of a map. Any block is read from all windows that touch it, in one order, so that neighbouring blocks fit
    together exactly and the map does not depend on their size.

    Args:
        model (`GairModel`), processor (`GairProcessor`): what embeds, on any device.
        plan ([`MapPlan`]): the map.
        rank (`int`): which block.
        progress (`Callable`): is told after each batch how many windows it had.

    Raises:
        ValueError: the raster can no longer be read, or an embedding is not finite.
    """
    starts = plan.windows_of(rank)
    blender = Blender(*plan.block_at(rank), plan.window[::-1], plan.dimension, model.device)
    batches = chunked(starts, _BATCH_ON_CPU if model.device.type == "cpu" else _BATCH_ON_GPU)
    empty, refused = 0, []
    with opened(plan.source, processor) as raster, ThreadPoolExecutor(1) as thread:

        def read(batch: list[tuple[int, int]]) -> list[tuple[tuple[int, int], ReadWindow]]:
            return [(start, raster.read(plan.pixels_of(*start))) for start in batch]

        # In a thread, while the batch before is embedded.
        for group in in_order(thread, read, ((batch,) for batch in batches), ahead=1):
            embeddable = [(start, one) for start, one in group if one.tile is not None]
            refused += [one for _, one in group if one.reason is not None]
            empty += sum(one.tile is None and one.reason is None for _, one in group)
            _blend(model, processor, plan, embeddable, blender)
            progress(len(group))
    return Block(blender.result(), len(starts), empty, refused)


def _blend(
    model: GairModel,
    processor: GairProcessor,
    plan: MapPlan,
    windows: list[tuple[tuple[int, int], ReadWindow]],
    blender: Blender,
) -> None:
    if not windows:
        return
    tiles = [one.tile for _, one in windows if one.tile is not None]
    maps = window_maps(model, processor, [tile.pixels for tile in tiles], plan.window[::-1])
    for ((row, column), _), tile, values in zip(windows, tiles, maps):
        if not torch.isfinite(values).all():
            raise ValueError(
                f"The map of {plan.source.path} is not finite at cell {row}, {column}, expected numbers; check the model's weights."
            )
        blender.add(values, row, column, _share_with_data(tile.missing, plan.cell) if tile.missing.any() else None)


@torch.inference_mode()
def window_maps(
    model: GairModel, processor: GairProcessor, tiles: list[np.ndarray], size: tuple[int, int]
) -> Iterator[torch.Tensor]:
    """
    The maps of windows, each `(h, w, D)`, float32, not normalised. Windows are encoded together; their maps are larger, and read
    a few at a time.

    Args:
        model (`GairModel`), processor (`GairProcessor`): what embeds.
        tiles (`list[np.ndarray]`): windows `(C, H, W)` as read by the processor.
        size (`tuple[int, int]`): h, w.
    """
    encoded = model.encode_tiles(processor.image_processor.prepare(tiles, model.device).to(model.dtype))
    of_one = 4 * size[0] * size[1] * model.rs_model.hidden_size
    at_once = _MAPS_ON_CPU if model.device.type == "cpu" else max(1, _MAP_BYTES_ON_GPU // of_one)
    for first in range(0, len(tiles), at_once):
        some = type(encoded)(**{name: value[first : first + at_once] for name, value in encoded.items()})
        yield from model.feature_map(some, size).permute(0, 2, 3, 1).float()


def _share_with_data(missing: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """The share of each cell's pixels that contain data, from a mask `(H, W)` of those without."""
    rows, columns = missing.shape[0] // cell[1], missing.shape[1] // cell[0]
    return 1 - missing.reshape(rows, cell[1], columns, cell[0]).mean(axis=(1, 3))
