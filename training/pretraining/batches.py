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
"""Training batches of one process: read from a checkpointed position, checked, prepared and augmented on the device."""

import math
import time
from collections import Counter, deque
from collections.abc import Iterator

import torch
from accelerate import Accelerator

from modeling_gair import GairProcessor
from training.common.distributed import together
from training.pairs.augmentation import Augmentation, step_generator
from training.pairs.decoding import PairBatch
from training.pairs.loading import load_batches, prepare_pairs
from training.pairs.sources import Source
from training.pairs.stream import PairStream
from training.pretraining.checkpointing import Progress
from training.pretraining.settings import PretrainSettings


class Batches:
    """
    Batches of model inputs for this process, starting at the position stored in `progress`.

    Args:
        processor ([`GairProcessor`]): prepares tiles, photos and coordinates.
        sources (`list[Source]`): data sets to draw pairs from.
        settings ([`PretrainSettings`]): settings of the run.
        accelerator (`Accelerator`): gives the rank of this process, the number of processes and the device.
        progress (`Progress`): step and reader states of the checkpoint to resume from.

    Raises:
        ValueError: a source has fewer tiles than its weight gives it of each batch.

    Attributes:
        readers (`list[dict]`): the state of each reader after its last batch, oldest first. Checkpoints store it.
    """

    def __init__(
        self,
        processor: GairProcessor,
        sources: list[Source],
        settings: PretrainSettings,
        accelerator: Accelerator,
        progress: Progress,
    ):
        self.processor, self.settings, self.accelerator = processor, settings, accelerator
        self._augment = Augmentation(settings.augmentation, processor)
        enough = settings.batch_size * max(settings.num_workers, 1) * accelerator.num_processes
        tiles = [source.train.count(enough) for source in sources]
        self.batch_size = max(min(settings.batch_size, sum(tiles) // accelerator.num_processes), 1)
        needed = _tiles_per_batch(sources, self.batch_size)
        _check_sizes(sources, tiles, needed, accelerator.num_processes)
        # Each worker fills batches from its own share of the tiles, and a tile must not occur twice in a batch.
        readers = settings.num_workers * accelerator.num_processes
        plenty = all(count >= most * readers for count, most in zip(tiles, needed))
        self.num_workers = settings.num_workers if plenty else 0
        self.stream = PairStream(
            sources,
            processor,
            self.batch_size,
            settings.photos_per_tile,
            # Without reader states, a resumed run changes the seed, so that it does not start with the rows it has already seen.
            settings.seed if progress.readers or not progress.step else settings.seed + progress.step,
            accelerator.process_index,
            accelerator.num_processes,
        )
        first = progress.readers or self.stream.first_states(max(self.num_workers, 1))
        self._readers = deque(first, maxlen=len(first))
        self.stream.states = list(first)
        self._loaded: Iterator[PairBatch] = load_batches(
            self.stream, self.num_workers, accelerator.device.type == "cuda"
        )
        self._bad, self._seen = 0, 0

    @property
    def readers(self) -> list[dict]:
        return list(self._readers)

    def take(self, step: int, bad: Counter) -> tuple[list[dict[str, torch.Tensor]], list[str], float]:
        """
        Returns the inputs of one optimizer step.

        Args:
            step (`int`): number of the step, which seeds its augmentation.
            bad (`Counter`): numbers of unusable items by kind (`tile`, `photo`, `place`); those of this step are added.

        Returns:
            `tuple`: the parts of the step's batch (`batches_per_step` dictionaries of model inputs), the ids of their photos,
            and the seconds spent waiting for data.

        Raises:
            ValueError: see [`check_batch`]; raised on all processes, whichever of them met the problem.
        """
        return together(lambda: self._take(step, bad))

    def _take(self, step: int, bad: Counter) -> tuple[list[dict[str, torch.Tensor]], list[str], float]:
        parts, photo_ids, waited = [], [], 0.0
        generator = step_generator(self.settings.seed, step, self.accelerator.process_index)
        for _ in range(self.settings.batches_per_step):
            start = time.perf_counter()
            batch = next(self._loaded)
            waited += time.perf_counter() - start
            self._readers.append(batch.state)
            self._seen += len(batch.photo_ids)
            self._bad += check_batch(batch, self._bad, self._seen, self.settings).total()
            bad.update(batch.bad)
            inputs = prepare_pairs(batch, self.processor, self.accelerator.device)
            parts.append(self._augment(inputs, generator))
            photo_ids += batch.photo_ids
        return parts, photo_ids, waited


def _tiles_per_batch(sources: list[Source], batch_size: int) -> list[int]:
    """How many tiles each source gives to a batch, at most."""
    total = sum(source.weight for source in sources)
    return [math.ceil(batch_size * source.weight / total) for source in sources]


def _check_sizes(sources: list[Source], tiles: list[int], needed: list[int], processes: int) -> None:
    """Refuses a source whose share of a batch exceeds the tiles that a process reads of it; alone, it makes batches smaller."""
    for source, count, most in zip(sources, tiles, needed):
        if len(sources) > 1 and count // processes < most:
            shared = f", {count // processes} for each of {processes} processes" if processes > 1 else ""
            raise ValueError(
                f"data gives {source.name!r} the weight {source.weight:g}, which is {most} tiles of each batch, but it has "
                f"{count} tiles{shared}, and no tile may be twice in a batch; lower its weight or batch_size, or add tiles."
            )


def check_batch(batch: PairBatch, bad: int, seen: int, settings: PretrainSettings) -> Counter:
    """
    Counts the unusable tiles and photos of a batch, and refuses too many of them.

    Args:
        batch (`PairBatch`): the batch.
        bad (`int`): unusable tiles and photos in earlier batches.
        seen (`int`): usable photos so far, with those of this batch.
        settings ([`PretrainSettings`]): sets `max_bad_share`.

    Returns:
        `Counter`: unusable tiles and photos of this batch by kind.

    Raises:
        ValueError: the share of unusable tiles and photos so far exceeds `max_bad_share`, or the batch has fewer than two
            photos.
    """
    total = bad + batch.bad.total()
    if total > settings.max_bad_share * (seen + total):
        kinds = ", ".join(f"{count} by {kind}" for kind, count in sorted(batch.bad.items()))
        raise ValueError(
            f"{total} of {seen + total} tiles and photos are bad ({kinds} in this batch), which exceeds max_bad_share "
            f"{settings.max_bad_share}: repair the data or raise it; the first problem: {batch.problems[0]}"
        )
    if len(batch.photo_ids) < 2:
        raise ValueError(
            f"A batch has {len(batch.photo_ids)} photo(s), but contrastive training needs at least two; add tiles or "
            "raise batch_size."
        )
    return batch.bad
