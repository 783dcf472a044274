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
"""Training batches: each row is read once per epoch, for any number of processes, workers and interruptions."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("datasets", reason="the extra train is not installed")
pytest.importorskip("rasterio", reason="the extra train is not installed")
from tests.helpers.pairs import PROCESSOR, read_rows, write_csv
from training.common.distributed import row_counts
from training.pairs.settings import AugmentationSettings
from training.pairs.sources import open_source
from training.pretraining.batches import Batches, check_batch
from training.pretraining.checkpointing import Progress
from training.pretraining.settings import PretrainSettings

TILES, STEPS = 20, 60


def one_of(processes: int, index: int) -> Any:
    """The attributes of an accelerator that `Batches` reads."""
    return SimpleNamespace(num_processes=processes, process_index=index, device=torch.device("cpu"))


def settings_for(path: Path, workers: int = 0, **more: Any) -> PretrainSettings:
    given = {"batch_size": 1, "photos_per_tile": 2, "holdout_fraction": 0.0, **more}
    return PretrainSettings(data=str(path), num_workers=workers, **given)


def batches_of(settings: PretrainSettings, accelerator: Any, progress: Progress) -> Batches:
    sources = [open_source(settings.data, settings.holdout_fraction)]
    return Batches(PROCESSOR, sources, settings, accelerator, progress)


def epochs_read(path: Path, processes: int, workers: int, stops: tuple[int, ...]) -> dict[int, list[tuple[str, ...]]]:
    """The photos of each row read by any process, by epoch; every process stops after the given steps and resumes."""
    read: dict[int, list[tuple[str, ...]]] = {}
    settings = settings_for(path, workers)
    for index in range(processes):
        progress = Progress(0, None)
        for stop in (*stops, STEPS):
            batches = batches_of(settings, one_of(processes, index), progress)
            for step in range(progress.step + 1, stop + 1):
                _, photo_ids, _ = batches.take(step, Counter())
                epoch = batches.readers[-1]["streams"][0]["epoch"]
                read.setdefault(epoch, []).append(tuple(photo_ids))
            # The same round trip through JSON as in a checkpoint.
            progress = Progress(stop, json.loads(json.dumps(batches.readers)))
    return read


@pytest.fixture(scope="module")
def uninterrupted(parquet) -> dict[int, list[tuple[str, ...]]]:
    return epochs_read(parquet, 1, 0, ())


@pytest.mark.parametrize("stops", [(), (7, 23)], ids=["whole", "interrupted"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("processes", [1, 2])
def test_an_epoch_reads_each_row_once_with_the_same_photos(parquet, uninterrupted, processes, workers, stops):
    read = epochs_read(parquet, processes, workers, stops)
    for epoch in (0, 1):
        tiles = sorted(int(photos[0]) % TILES for photos in read[epoch])
        assert tiles == list(range(TILES))
        assert all(len({int(photo) % TILES for photo in photos}) == 1 and len(photos) == 2 for photos in read[epoch])
        # The choice of photos depends on seed, epoch and tile, but not on the process that reads them.
        assert sorted(read[epoch]) == sorted(uninterrupted[epoch])
    assert sorted(read[0]) != sorted(read[1])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_gets_the_same_inputs(parquet, workers):
    """With augmentation, and several parts per batch."""
    augmentation = AugmentationSettings(rs_flip=0.5, rs_crop_scale=0.5, sv_jitter=0.5)
    settings = settings_for(parquet, workers, batch_size=2, batches_per_step=2, augmentation=augmentation)
    whole = batches_of(settings, one_of(1, 0), Progress(0, None))
    taken = [whole.take(step, Counter()) for step in range(1, 4)]
    progress = Progress(3, json.loads(json.dumps(whole.readers)))
    resumed = batches_of(settings, one_of(1, 0), progress)
    for step in (4, 5):
        parts, photo_ids, waited = whole.take(step, Counter())
        again, ids_again, _ = resumed.take(step, Counter())
        assert photo_ids == ids_again and len(parts) == len(again) == 2 and waited > 0
        for one, other in zip(parts, again):
            assert all(torch.equal(one[name], other[name]) for name in one)
    assert len({tuple(ids) for _, ids, _ in taken}) == 3


def test_batches_shrink_to_the_number_of_tiles(sixty):
    def made(batch_size: int, workers: int, processes: int) -> tuple[int, int]:
        settings = settings_for(sixty, workers, batch_size=batch_size)
        batches = batches_of(settings, one_of(processes, 0), Progress(0, None))
        return batches.batch_size, batches.num_workers

    assert made(4, 2, 2) == (4, 2)
    # Too few tiles for a whole batch per worker.
    assert made(15, 2, 1) == (15, 0)
    assert made(50, 2, 1) == (20, 0) and made(50, 0, 2) == (10, 0)


def test_a_source_too_small_for_its_weight_is_refused_at_the_start(eight, sixty):
    small, large = replace(open_source(str(eight), 0.0), weight=3.0), open_source(str(sixty), 0.0)

    def made(batch_size: int, processes: int = 1, workers: int = 0) -> Batches:
        settings = settings_for(eight, workers, batch_size=batch_size)
        return Batches(PROCESSOR, [small, large], settings, one_of(processes, 0), Progress(0, None))

    with pytest.raises(
        ValueError, match=r"weight 3, which is 9 tiles of each batch, but it has 8 tiles, and no tile may"
    ):
        made(12)
    with pytest.raises(
        ValueError, match=r"is 6 tiles .*has 8 tiles, 4 for each of 2 processes.*lower its weight or batch"
    ):
        made(8, processes=2)
    assert made(8).batch_size == 8
    # Each of two workers would read four of the eight tiles.
    assert made(8, workers=2).num_workers == 0 and made(4, workers=2).num_workers == 2


def take_on(rank: int, path: str, bad_rank: int) -> tuple[str, list[int]]:
    """The error when one rank's batch is refused, and what both can still exchange afterwards."""
    sources = [open_source(path, 0.0)]
    share = 0.01 if rank == bad_rank else 0.9
    settings = settings_for(Path(path), batch_size=4, max_bad_share=share)
    batches = Batches(PROCESSOR, sources, settings, one_of(2, rank), Progress(0, None))
    try:
        batches.take(1, Counter())
    except ValueError as error:
        return str(error), row_counts(rank + 1)
    return "", []


@pytest.mark.parametrize("bad_rank", [0, 1])
def test_a_batch_refused_on_one_process_stops_both(two_processes, eight, bad_rank):
    rows = [[*row[:3], "50", row[4]] if row[0] in ("001", "004") else row for row in read_rows(eight)]
    path = write_csv(eight.with_name("some_bad.csv"), rows)
    answers = two_processes.run(take_on, str(path), bad_rank)
    assert "exceeds max_bad_share 0.01" in answers[bad_rank][0]
    assert answers[1 - bad_rank][0] == "Another process failed; its message says why."
    assert all(exchanged == [1, 2] for _, exchanged in answers)


def test_bad_pairs_are_counted_and_too_many_stop_the_run(eight):
    rows = [[*row[:3], "50", row[4]] if row[0] == "001" else row for row in read_rows(eight)]
    path = write_csv(eight.with_name("one_bad.csv"), rows)
    bad: Counter = Counter()
    batches = batches_of(settings_for(path, batch_size=7, max_bad_share=0.5), one_of(1, 0), Progress(0, None))
    for step in range(1, 4):
        batches.take(step, bad)
    assert bad == {"place": bad["place"]} and 2 <= bad["place"] <= 4
    strict = batches_of(settings_for(path, batch_size=7, max_bad_share=0.01), one_of(1, 0), Progress(0, None))
    with pytest.raises(ValueError, match=r"1 of \d+ tiles and photos are bad \(1 by place.*max_bad_share 0.01.*'001'"):
        for step in range(1, 4):
            strict.take(step, bad)


def test_a_batch_of_one_photo_is_refused(eight):
    batches = batches_of(settings_for(eight, batch_size=1, photos_per_tile=1), one_of(1, 0), Progress(0, None))
    with pytest.raises(ValueError, match=r"has 1 photo\(s\), but contrastive training needs at least two"):
        batches.take(1, Counter())


def test_the_share_of_bad_items_counts_everything_seen_so_far():
    settings = PretrainSettings(max_bad_share=0.1)
    batch = SimpleNamespace(bad=Counter(photo=1), problems=["Pair 'a': broken."], photo_ids=["b", "c"])
    assert check_batch(batch, bad=0, seen=9, settings=settings) == {"photo": 1}
    with pytest.raises(ValueError, match="2 of 10 tiles and photos are bad"):
        check_batch(batch, bad=1, seen=8, settings=settings)
