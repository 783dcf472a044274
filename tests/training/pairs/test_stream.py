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
"""The stream of pairs: order, exact resume, decoding in workers, and skipped rows."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from modeling_gair import GairConfig, GairModel

pytest.importorskip("datasets", reason="the extra train is not installed")
pytest.importorskip("rasterio", reason="the extra train is not installed")
from datasets import Dataset

from tests.helpers.pairs import PROCESSOR, evaluation, read_rows, write_csv
from training.common.schema import FEATURES
from training.pairs.decoding import DecodedTile, PairBatch, PairDecoder
from training.pairs.loading import load_batches, prepare_pairs
from training.pairs.shards import Streamed
from training.pairs.sources import Rows, Source, open_source
from training.pairs.stream import PairStream, ShuffledRows


def stream(path: Path, batch_size: int = 32, photos_per_tile: int = 4, holdout_fraction: float = 0.0, **more):
    return PairStream([open_source(str(path), holdout_fraction)], PROCESSOR, batch_size, photos_per_tile, **more)


def batches(pairs, count: int, num_workers: int = 0) -> list[PairBatch]:
    return list(islice(load_batches(pairs, num_workers), count))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_fit_the_model(sixty, num_workers):
    found = batches(stream(sixty, batch_size=3, photos_per_tile=2), 3, num_workers)
    assert len(found) == 3
    for batch in found:
        assert len(set(batch.tile_ids)) == 3 and len(set(batch.photo_ids)) == 6
        assert batch.tile_index.tolist() == [0, 0, 1, 1, 2, 2]
        inputs = prepare_pairs(batch, PROCESSOR, torch.device("cpu"))
        shapes = {name: tuple(value.shape) for name, value in inputs.items()}
        assert shapes["rs_pixel_values"] == (3, 10, 96, 96) and shapes["sv_pixel_values"] == (6, 3, 64, 64)
        assert shapes["coordinates"] == (6, 2) and shapes["query_points"] == (6, 1, 2)
        torch.testing.assert_close(inputs["query_points"], torch.tensor([[[0.25, 0.5]]]).expand(6, 1, 2))
        assert all(1000 < side < 1200 for size in batch.tile_sizes_m for side in size)
        for photo, tile in zip(batch.photo_ids, batch.tile_index):
            assert batch.tile_ids[tile] == f"tile_{int(photo) % 20}.tif"
    outputs = GairModel(GairConfig.tiny())(**inputs, return_loss=True)
    assert torch.isfinite(outputs.loss)


def test_training_and_the_processor_prepare_the_same_inputs(eight):
    (batch,) = batches(evaluation(eight), 1)
    ours = prepare_pairs(batch, PROCESSOR, torch.device("cpu"))
    rows = read_rows(eight)
    lon, lat = ([float(row[column]) for row in rows] for column in (3, 4))
    rs, sv = ([str(eight.parent / row[column]) for row in rows] for column in (1, 2))
    theirs = PROCESSOR(rs=rs, sv=sv, lon=lon, lat=lat, return_tensors="pt")
    assert set(ours) == {*theirs, "tile_index"}
    for name, value in theirs.items():
        torch.testing.assert_close(value, ours[name], rtol=1e-5, atol=1e-6)


def test_a_parquet_folder_gives_the_same_as_a_csv(sixty, parquet):
    files, rows = (batches(evaluation(path), 1)[0] for path in (sixty, parquet))
    assert files.photo_ids == rows.photo_ids and torch.equal(files.tiles, rows.tiles)
    assert torch.equal(files.query_points, rows.query_points) and files.tile_sizes_m == rows.tile_sizes_m
    assert all(np.array_equal(one, other) for one, other in zip(files.photos, rows.photos))


class DecodesNothing(PairDecoder):
    """Takes rows with only an id as they are."""

    def __init__(self):
        super().__init__(PROCESSOR)

    def __call__(self, row, folder, chosen):
        size = PROCESSOR.image_processor.size
        return DecodedTile(
            row["id"], np.zeros((10, size["height"], size["width"]), np.uint16), (1.0, 1.0), [], [], [], [], {}
        )


def named_rows() -> Rows:
    """20 rows with only an id, in 5 shards."""
    names = Dataset.from_dict({"id": [f"tile_{tile}.tif" for tile in range(20)]}).to_iterable_dataset(num_shards=5)
    return Rows(Streamed(names, names))


@pytest.mark.parametrize("readers", [1, 2, 5, 7])
def test_each_epoch_gives_every_row_once_in_a_new_order(readers):
    rows = named_rows()
    assert rows.num_shards == 5
    epochs: dict[int, list[str]] = {0: [], 1: []}
    for reader in range(readers):
        for epoch, row in ShuffledRows(rows, 0, reader, readers, window=3):
            if epoch > 1:
                break
            epochs[epoch].append(row["id"])
    every = sorted(f"tile_{tile}.tif" for tile in range(20))
    assert sorted(epochs[0]) == sorted(epochs[1]) == every
    assert epochs[0] != epochs[1] and epochs[0] != every


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 7, 10, 19, 20, 21, 33])
@pytest.mark.parametrize("readers", [1, 2, 7])
def test_rows_resume_exactly_where_they_stopped(stop, readers):
    rows = named_rows()
    whole = [(epoch, row["id"]) for epoch, row in islice(ShuffledRows(rows, 3, 0, readers, window=3), 45)]
    first = ShuffledRows(rows, 3, 0, readers, window=3)
    begun = [(epoch, row["id"]) for epoch, row in islice(first, stop)]
    second = ShuffledRows(rows, 3, 0, readers, window=3)
    second.state = json.loads(json.dumps(first.state))
    assert begun + [(epoch, row["id"]) for epoch, row in islice(second, 45 - stop)] == whole


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_resume_from_their_states(parquet, num_workers):
    def ids(found):
        return [batch.photo_ids for batch in found]

    whole = batches(stream(parquet, batch_size=3, photos_per_tile=2), 12, num_workers)
    for stop in (2, 5):
        states = [batch.state for batch in whole[:stop]][-max(num_workers, 1) :]
        resumed = batches(stream(parquet, batch_size=3, photos_per_tile=2, states=states), 12 - stop, num_workers)
        assert ids(resumed) == ids(whole)[stop:]


def test_drawn_photos_depend_on_seed_and_epoch(sixty):
    def drawn(seed, epochs):
        pairs = stream(sixty, batch_size=20, photos_per_tile=1, seed=seed)
        return [dict(zip(batch.tile_ids, batch.photo_ids)) for batch in batches(pairs, epochs)]

    first = drawn(1, 6)
    assert drawn(1, 1) == first[:1] != drawn(2, 1)
    seen = {photo for epoch in first for photo in epoch.values()}
    assert first[0] != first[1] and len(seen) > 45


def test_sources_are_mixed_by_their_weights(eight, parquet):
    sources = [open_source(str(eight), 0.0, weight=1), open_source(str(parquet), 0.0, weight=3)]
    found = batches(PairStream(sources, PROCESSOR, 4, 1), 10)
    own = [sum("tile" in name and int(name[5:-4]) < 8 for name in batch.tile_ids) for batch in found]
    photos = [len(batch.photos) for batch in found]
    assert photos == [4] * 10 and sum(own) >= 10
    stream_of_eight = [batch.state["drawn"] for batch in found][-1]
    assert stream_of_eight == [10, 30]


def test_bad_rows_are_skipped_counted_and_reported(eight):
    rows = read_rows(eight)[:6]
    rows[1][3] = "50"
    whole = eight.with_name("photo_0.jpg").read_bytes()
    eight.with_name("truncated.jpg").write_bytes(whole[: len(whole) // 2])
    rows[2][2] = "truncated.jpg"
    eight.with_name("broken.tif").write_bytes(b"II*\0 no raster")
    rows[3][1] = "broken.tif"
    path = write_csv(eight.with_name("bad.csv"), rows)
    (batch,) = batches(evaluation(path), 1)
    assert batch.photo_ids == ["000", "004", "005"] and batch.tile_index.tolist() == [0, 1, 2]
    assert batch.bad == {"place": 1, "photo": 1, "tile": 1}
    sentences = " ".join(batch.problems)
    for part in ("Pair '001': lon 50.0", "Pair '002':", "truncated.jpg", "Tile 'broken.tif'"):
        assert part in sentences
    assert not any("\n" in problem for problem in batch.problems)


def test_a_stream_of_bad_rows_gives_an_empty_batch(eight):
    rows = [[*row[:3], "50", row[4]] for row in read_rows(eight)]
    (batch,) = batches(stream(write_csv(eight.with_name("bad.csv"), rows), batch_size=4), 1)
    assert batch.photo_ids == [] and batch.bad["place"] == 8


@pytest.mark.parametrize("batch_size", [13, 20, 25])
def test_no_tile_is_twice_in_a_batch_even_across_epochs(sixty, batch_size):
    """20 tiles; batches of 13 span epochs, and batches of 25 cannot be filled."""
    whole = [batch.tile_ids for batch in batches(stream(sixty, batch_size, photos_per_tile=1), 8)]
    for ids in whole:
        assert len(ids) == len(set(ids)) == min(batch_size, 20)
    assert len({tuple(ids) for ids in whole}) == 8
    counts = [sum(ids.count(name) for ids in whole) for name in {name for ids in whole for name in ids}]
    assert len(counts) == 20 and max(counts) - min(counts) <= 3


def test_batches_that_span_epochs_resume_exactly(sixty):
    whole = batches(stream(sixty, 13, photos_per_tile=1), 8)
    rest = stream(sixty, 13, photos_per_tile=1, states=[json.loads(json.dumps(whole[2].state))])
    assert [batch.tile_ids for batch in batches(rest, 5)] == [batch.tile_ids for batch in whole[3:]]


def test_a_small_source_ends_a_batch_rather_than_repeat_a_tile():
    """Three quarters of the rows from 5 tiles, and one from 20: a batch holds the 5, and a third as many others."""
    names = Dataset.from_dict({"id": [f"small {tile}" for tile in range(5)]}).to_iterable_dataset()
    small, large = Rows(Streamed(names, names)), named_rows()
    sources = [Source("small", Path(), small, None, 3.0), Source("large", Path(), large, None, 1.0)]
    mixed = PairStream(sources, PROCESSOR, 24, 1)
    mixed.decoder, mixed._chosen = DecodesNothing(), lambda row, epoch: ()
    for batch in batches(mixed, 6):
        own = [name.startswith("small") for name in batch.tile_ids]
        assert len(batch.tile_ids) == len(set(batch.tile_ids))
        assert sum(own) == 5 and 1 <= len(own) - sum(own) <= 2


def test_a_row_with_the_wrong_number_of_bytes_is_bad(parquet, tmp_path):
    row = next(iter(open_source(str(parquet), 0.0).train))
    good = {**row, "id": "good"}
    Dataset.from_list([{**row, "tile": row["tile"][:-2]}, good], features=FEATURES).to_parquet(
        str(tmp_path / "train.parquet")
    )
    (batch,) = batches(evaluation(tmp_path), 1)
    assert batch.tile_ids == ["good"] and batch.bad == {"tile": 1} and "little-endian uint16" in batch.problems[0]


def test_workers_do_not_change_the_evaluated_pairs(sixty):
    alone, shared = (batches(evaluation(sixty, batch_size=3), 100, workers) for workers in (0, 2))
    assert [batch.photo_ids for batch in alone] == [batch.photo_ids for batch in shared]
    assert sum(len(batch.photo_ids) for batch in alone) == 60
    assert len(batches(evaluation(sixty, batch_size=3, most=4), 100)) == 2
