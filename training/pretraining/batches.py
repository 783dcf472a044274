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
"""A process's batches while it trains: read from where a run stood, checked, prepared and augmented on the device."""

import time
from collections import Counter, deque
from collections.abc import Iterator

import torch
from accelerate import Accelerator

from modeling_gair import GairProcessor
from training.pairs.augmentation import Augmentation, step_generator
from training.pairs.decoding import PairBatch
from training.pairs.loading import load_batches, prepare_pairs
from training.pairs.sources import Source
from training.pairs.stream import PairStream
from training.pretraining.checkpointing import Progress
from training.pretraining.settings import PretrainSettings


class Batches:
    """
    This process's batches, as the model takes them, from where a run stood.

    Attributes:
        readers (`list[dict]`): the state of each reader behind its last batch, the oldest first: what a checkpoint keeps.
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
        tiles = sum(source.train.count(enough) for source in sources)
        # Each worker makes whole batches of its own share of the tiles; a tile must not stand twice in one.
        self.num_workers = settings.num_workers if tiles >= enough else 0
        self.batch_size = max(min(settings.batch_size, tiles // accelerator.num_processes), 1)
        self.stream = PairStream(
            sources,
            processor,
            self.batch_size,
            settings.photos_per_tile,
            # An order that can't be gone on with is left for another one, so that the same rows do not come again first.
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
        Args:
            step (`int`): decides how these batches are augmented.
            bad (`Counter`): what was bad is added to it.

        Returns:
            The parts of a step's batch, the ids of their photos, and the seconds waited for them.
        """
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


def check_batch(batch: PairBatch, bad: int, seen: int, settings: PretrainSettings) -> Counter:
    """
    What was bad in a batch.

    Raises:
        ValueError: too large a share of all tiles and photos was bad, or fewer than two photos are left.
    """
    total = bad + batch.bad.total()
    if total > settings.max_bad_share * (seen + total):
        kinds = ", ".join(f"{count} by {kind}" for kind, count in sorted(batch.bad.items()))
        raise ValueError(
            f"{total} of {seen + total} tiles and photos are bad ({kinds} in this batch), more than max_bad_share "
            f"{settings.max_bad_share}; the first: {batch.problems[0]}"
        )
    if len(batch.photo_ids) < 2:
        raise ValueError(
            f"A batch holds {len(batch.photo_ids)} photos, but contrastive training needs two or more; add tiles or "
            "raise batch_size."
        )
    return batch.bad
