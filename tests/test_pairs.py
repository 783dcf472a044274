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
"""Pairs: streaming, decoding in workers, what is held out, and what is refused."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.pairs import COLUMNS, PairStream, is_held_out, prepare_pairs
from training.settings import PretrainSettings

rasterio = pytest.importorskip("rasterio", reason="the extra train is not installed")

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
SIDE_DEGREES = 0.01


def write_pairs(folder: Path, count: int, tiles: int | None = None) -> Path:
    """
    Writes a pairs CSV with `count` photos over `tiles` GeoTIFFs (one each, if None), each tile bright in a band of its
    own and each photo of a colour of its own. Tile t lies at lon t, lat 10, in EPSG:4326.
    """
    tiles = tiles or count
    rng = np.random.default_rng(0)
    for tile in range(tiles):
        pixels = rng.integers(500, 1500, (len(BANDS), 100, 100), dtype=np.uint16)
        pixels[tile % len(BANDS)] += np.uint16(300 * (1 + tile // len(BANDS)))
        transform = rasterio.transform.from_bounds(tile, 10, tile + SIDE_DEGREES, 10 + SIDE_DEGREES, 100, 100)
        with rasterio.open(
            folder / f"tile_{tile}.tif",
            "w",
            driver="GTiff",
            width=100,
            height=100,
            count=len(BANDS),
            dtype="uint16",
            crs="EPSG:4326",
            transform=transform,
        ) as raster:
            raster.write(pixels)
            raster.descriptions = BANDS
    rows = []
    for index in range(count):
        Image.new("RGB", (80, 60 + index), tuple(rng.integers(0, 256, 3).tolist())).save(folder / f"photo_{index}.jpg")
        lon, lat = index % tiles + SIDE_DEGREES / 4, 10 + SIDE_DEGREES / 2
        rows.append((f"{index:03d}", f"tile_{index % tiles}.tif", f"photo_{index}.jpg", lon, lat))
    return write_csv(folder / "pairs.csv", rows)


def write_csv(path: Path, rows: list[tuple], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def read_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def stream(path: Path, **settings) -> PairStream:
    settings = {"num_workers": 0, **settings}
    return PairStream(PretrainSettings(data=str(path), **settings), GairProcessor.for_config(GairConfig.tiny()))


@pytest.fixture(scope="module")
def eight(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("eight"), 8)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("sixty"), 60, tiles=20)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_what_the_model_takes(eight, num_workers):
    pairs = stream(eight, batch_size=3, num_workers=num_workers)
    batches = list(pairs.train_batches(3))
    assert len(batches) == 3
    for batch in batches:
        assert len(set(batch.ids)) == 3
        inputs = prepare_pairs(batch, pairs._decoder.processor, torch.device("cpu"))
        shapes = {name: tuple(value.shape) for name, value in inputs.items()}
        assert shapes["rs_pixel_values"] == (3, 10, 96, 96) and shapes["sv_pixel_values"] == (3, 3, 64, 64)
        assert shapes["coordinates"] == (3, 2) and shapes["query_points"] == (3, 1, 2)
        torch.testing.assert_close(inputs["query_points"], torch.tensor([[[0.25, 0.5]]]).expand(3, 1, 2))
        assert inputs["coordinates"][:, 0].round().int().tolist() == [int(name) for name in batch.ids]
        assert all(1000 < side < 1200 for size in batch.tile_sizes_m for side in size)
    outputs = GairModel(GairConfig.tiny())(**inputs, return_loss=True)
    assert torch.isfinite(outputs.loss)


def test_training_sees_what_the_processor_gives(eight):
    pairs = stream(eight)
    processor = pairs._decoder.processor
    (batch,) = pairs.evaluation_batches()
    ours = prepare_pairs(batch, processor, torch.device("cpu"))
    rows = read_rows(eight)
    lon, lat = ([float(row[column]) for row in rows] for column in (3, 4))
    rs, sv = ([str(eight.parent / row[column]) for row in rows] for column in (1, 2))
    theirs = processor(rs=rs, sv=sv, lon=lon, lat=lat, return_tensors="pt")
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-5, atol=1e-6)


def test_an_epoch_gives_each_pair_once_and_the_next_another_order(eight):
    batches = [batch.ids for batch in stream(eight, batch_size=4).train_batches(4)]
    first, second = [*batches[0], *batches[1]], [*batches[2], *batches[3]]
    assert sorted(first) == sorted(second) == [f"{index:03d}" for index in range(8)]
    assert first != second


def test_the_order_is_the_seeds_and_no_matter_of_workers(eight):
    def order(**settings):
        return [batch.ids for batch in stream(eight, batch_size=3, **settings).train_batches(5)]

    assert order(seed=1) == order(seed=1) == order(seed=1, num_workers=2)
    assert order(seed=1) != order(seed=2)


def test_few_pairs_make_a_small_batch_and_none_is_held_out(eight):
    pairs = stream(eight, batch_size=32)
    assert (pairs.batch_size, pairs.train_count, pairs.held_out_count) == (8, 8, 0)
    assert not pairs.holds_out and "TRAINING pairs (fewer than 20" in pairs.evaluated
    assert [len(batch.ids) for batch in pairs.train_batches(2)] == [8, 8]
    assert [batch.ids for batch in pairs.evaluation_batches()] == [[f"{index:03d}" for index in range(8)]]


def test_held_out_tiles_are_not_trained_on(sixty):
    pairs = stream(sixty, batch_size=8, holdout_fraction=0.3)
    held_out = [name for batch in pairs.evaluation_batches() for name in batch.ids]
    trained = {name for batch in pairs.train_batches(30) for name in batch.ids}
    assert pairs.holds_out and pairs.evaluated == f"{len(held_out)} held-out pairs"
    assert len(held_out) == pairs.held_out_count and len(trained) == pairs.train_count
    assert len(held_out) + len(trained) == 60
    assert not {int(name) % 20 for name in held_out} & {int(name) % 20 for name in trained}


def test_another_spelling_of_a_path_is_the_same_tile():
    for name in ("a.tif", "tiles/b.tif", "c.tif"):
        verdicts = {is_held_out({"rs": spelling}, 0.5) for spelling in (name, f"./{name}", f"x/../{name}")}
        assert len(verdicts) == 1


def test_the_held_out_share_is_the_fraction():
    share = np.mean([is_held_out({"rs": f"tile_{index}.tif"}, 0.1) for index in range(5000)])
    assert 0.08 < share < 0.12


def test_nothing_is_held_out_if_none_is_asked_for(sixty):
    pairs = stream(sixty, holdout_fraction=0.0)
    assert pairs.train_count == 60 and "a holdout_fraction of 0.0 holds out 0" in pairs.evaluated


def test_holding_out_nearly_all_leaves_nothing_to_train_on(sixty):
    with pytest.raises(ValueError, match="lower holdout_fraction"):
        stream(sixty, holdout_fraction=0.999999)


def test_ids_stay_texts_and_further_columns_are_ignored(eight):
    rows = [("NA", "8", *row[1:]) for row in read_rows(eight)[:1]] + [
        ("007", "", *row[1:]) for row in read_rows(eight)[1:2]
    ]
    path = write_csv(eight.with_name("more.csv"), rows, ("id", "note", *COLUMNS[1:]))
    (batch,) = stream(path).evaluation_batches()
    assert batch.ids == ["NA", "007"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("rs", "nowhere.tif", "row 2: there is no file 'nowhere.tif'"),
        ("sv", "nowhere.jpg", "row 2: there is no file 'nowhere.jpg'"),
        ("sv", "", "row 2: sv is empty"),
        ("lat", "95", "row 2: lat is 95.0"),
        ("lon", "west", "row 2: lon is 'west'"),
        ("id", "000", "row 2: the id '000' came before"),
    ],
)
def test_rows_are_checked_before_training(eight, column, value, message):
    rows = read_rows(eight)[:3]
    rows[1][COLUMNS.index(column)] = value
    with pytest.raises(ValueError, match=message) as raised:
        stream(write_csv(eight.with_name("bad.csv"), rows))
    assert "\n" not in str(raised.value)


def test_a_file_without_the_columns(tmp_path):
    with pytest.raises(ValueError, match="no column sv, lat"):
        stream(write_csv(tmp_path / "pairs.csv", [("a", "a.tif", 1)], ("id", "rs", "lon")))
    with pytest.raises(ValueError, match="no column id, rs, sv, lon, lat"):
        stream(write_csv(tmp_path / "pairs.csv", [], ()))


def test_no_file_or_too_few_pairs(eight):
    with pytest.raises(ValueError, match="There is no file"):
        stream(eight.with_name("nowhere.csv"))
    with pytest.raises(ValueError, match="holds 1 pairs"):
        stream(write_csv(eight.with_name("one.csv"), read_rows(eight)[:1]))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("lon", "50", "Pair '001': lon 50.0.*outside the tile"), ("sv", "truncated.jpg", "Pair '001':.*truncated.jpg")],
)
def test_what_only_decoding_shows_names_the_pair(eight, num_workers, column, value, message):
    rows = read_rows(eight)[:3]
    rows[1][COLUMNS.index(column)] = value
    whole = eight.with_name("photo_0.jpg").read_bytes()
    eight.with_name("truncated.jpg").write_bytes(whole[: len(whole) // 2])
    pairs = stream(write_csv(eight.with_name("bad.csv"), rows), num_workers=num_workers)
    with pytest.raises(ValueError, match=message) as raised:
        list(pairs.train_batches(1))
    assert "\n" not in str(raised.value)
