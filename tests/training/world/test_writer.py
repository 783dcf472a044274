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
"""The sample world as a data set: what the files hold, where its places lie, and that it is all or nothing."""

import csv
import hashlib
import io
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rasterio", reason="the extra train is not installed")

import rasterio
from datasets import ClassLabel, load_dataset

from modeling_gair import GairCoordinateProcessor, GairProcessor
from modeling_gair.geo_gair import great_circle_distance_m
from modeling_gair.raster_gair import ground_size_m
from training.common.schema import FEATURES, unpack_tile
from training.world import writer as sample_dataset
from training.world.fields import CLIMATE_ZONES
from training.world.ground import COVERS
from training.world.sample_world import SampleWorld
from training.world.settings import MIN_PHOTO_DISTANCE_M, WorldSettings
from training.world.tiles import BANDS, TILE_PIXELS, TILE_SIDE_M
from training.world.writer import (
    MIN_SPLIT_DISTANCE_M,
    PHOTO_MARGIN_M,
    SAMPLE_FEATURES,
    SUMS,
    Place,
    _place_splits,
    block_of,
    ensure_sample_dataset,
    main,
    split_of,
    write_sample_dataset,
)

SETTINGS = WorldSettings(tiles=6, photos=2, held_out_tiles=3, held_out_photos=4)
SMALLEST = WorldSettings(tiles=1, photos=1, held_out_tiles=1, held_out_photos=1)
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The data set that most tests read, written by two workers, with its files."""
    return write_sample_dataset(tmp_path_factory.mktemp("two") / "world", SETTINGS, workers=2, files=True)


@pytest.fixture(scope="module")
def splits(folder) -> dict[str, list[dict]]:
    return {name: list(rows) for name, rows in load_dataset(str(folder), streaming=True).items()}


@pytest.fixture(scope="module")
def rows(splits) -> list[dict]:
    return [*splits["train"], *splits["test"]]


@pytest.fixture(scope="module")
def world() -> SampleWorld:
    return SampleWorld(SETTINGS.seed, SETTINGS.version)


@pytest.fixture(scope="module")
def places() -> list[Place]:
    """Those of `rows`, found anew."""
    with ThreadPoolExecutor(1) as pool:
        found = _place_splits(pool, SETTINGS, ahead=0)
    return [*found["train"], *found["test"]]


@pytest.fixture
def no_processes(monkeypatch):
    """Renders in a thread: starting processes takes seconds."""
    monkeypatch.setattr(sample_dataset, "_worker_pool", ThreadPoolExecutor)


def crs_name(place: Place) -> str:
    return "EPSG:4326" if place.crs == "EPSG:4326" else "utm"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def points(row: dict) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.array([photo[axis] for photo in row["photos"]]) for axis in ("lon", "lat"))


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tiles": 0}, "tiles is 0, expected a whole number of at least 1."),
        ({"photos": 2.0}, "photos is 2.0, expected a whole number of at least 1."),
        ({"seed": -1}, "seed is -1, expected a whole number of at least 0."),
        ({"held_out_tiles": True}, "held_out_tiles is True, expected a whole number"),
        ({"control": 1}, "control is 1, expected True or False."),
        ({"held_out_photos": 33}, "held_out_photos is 33, expected at most 32"),
    ],
)
def test_wrong_settings_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        WorldSettings(**change)


def test_every_setting_is_in_the_name():
    names = {WorldSettings().name}
    for change in ("seed", "version", "tiles", "photos", "held_out_tiles", "held_out_photos"):
        names.add(replace(WorldSettings(), **{change: 7}).name)
    names.add(WorldSettings(control=True).name)
    assert len(names) == 8


# What the files hold -------------------------------------------------------------------------------------------------


def test_the_file_names_say_the_splits_and_no_shard_is_empty(folder, splits):
    names = sorted(path.name for path in (folder / "data").iterdir())
    assert names == [f"test-{n:05d}-of-00003.parquet" for n in range(3)] + [
        f"train-{n:05d}-of-00006.parquet" for n in range(6)
    ]
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 6, "test": 3}


def test_it_loads_plainly_as_it_streams(folder, splits, tmp_path):
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {split: list(data) for split, data in loaded.items()} == splits
    assert loaded["train"].features == SAMPLE_FEATURES
    assert loaded["train"].features["climate_zone"] == ClassLabel(names=list(CLIMATE_ZONES))
    assert set(FEATURES) < set(loaded["train"].features)


def test_rows_are_named_and_dated(splits):
    assert [row["id"] for row in splits["train"]] == [f"world-v1-s0-train-{number:06d}" for number in range(6)]
    for split, rows in splits.items():
        for row in rows:
            assert row["split"] == split
            assert row["product_id"] == "sample-world-v1-seed0"
            assert [photo["id"] for photo in row["photos"]] == [
                f"{row['id']}-{number:02d}" for number in range(SETTINGS.photos_of(split))
            ]
            for moment in (row["tile_time"], *(photo["time"] for photo in row["photos"])):
                assert time.strptime(moment, "%Y-%m-%d").tm_year == 2024


def test_tiles_and_photos_are_the_worlds_own(rows, places, world):
    for row, place in zip(rows, places):
        tile = world.tile(place.lon, place.lat, crs=crs_name(place))
        np.testing.assert_array_equal(unpack_tile(row), tile.pixels)
        assert row["bands"] == list(BANDS)
        assert (tuple(row["bounds"]), row["crs"]) == (tuple(tile.bounds), tile.crs)
        assert ground_size_m(tuple(row["bounds"]), row["crs"]) == pytest.approx((TILE_SIDE_M, TILE_SIDE_M), rel=0.01)
        headings = np.array([photo["heading"] for photo in row["photos"]])
        views = world.street_views(*points(row), headings, tile=tile)
        for photo, view in zip(row["photos"], views):
            decoded = np.asarray(Image.open(io.BytesIO(photo["jpeg"])), np.float64)
            assert decoded.shape == view.shape == (96, 128, 3)
            assert np.abs(decoded - view).mean() < 12
            assert 0 <= photo["heading"] < 360


def test_labels_agree_with_the_world(rows, places, world):
    for row, place in zip(rows, places):
        cover_map = np.frombuffer(row["cover_map"], np.uint8).reshape(TILE_PIXELS, TILE_PIXELS)
        cover = world.tile(place.lon, place.lat, crs=crs_name(place)).cover
        np.testing.assert_array_equal(cover_map, cover.argmax(axis=0))
        np.testing.assert_allclose(row["cover"], cover.mean(axis=(1, 2)), atol=1e-5)
        assert len(row["cover"]) == len(COVERS) and sum(row["cover"]) == pytest.approx(1, abs=1e-4)
        for name, value in world.labels(place.lon, place.lat).items():
            assert row[name] == pytest.approx(float(value), rel=1e-6)
        photo_cover = world.point_cover(*points(row))
        np.testing.assert_allclose(row["photo_cover"], photo_cover, atol=1e-6)
        np.testing.assert_allclose(row["photo_greenness"], world.greenness(photo_cover), atol=1e-6)


def test_the_control_shows_something_else(places):
    place = places[0]
    row, control = (
        sample_dataset._row(settings, "train", "id", place)[0]
        for settings in (SMALLEST, replace(SMALLEST, control=True))
    )
    assert row["tile"] == control["tile"] and row["photo_cover"] == control["photo_cover"]
    assert row["photos"][0]["jpeg"] != control["photos"][0]["jpeg"]


# Where places lie ----------------------------------------------------------------------------------------------------


def test_blocks_are_about_as_wide_as_high():
    lon, lat = np.meshgrid(np.arange(-180, 180, 1.0), np.arange(-89.5, 90, 1.0))
    numbers = np.array([block_of(x, y) for x, y in zip(lon.ravel(), lat.ravel())])
    areas = np.bincount(numbers, np.cos(np.radians(lat.ravel())))
    areas = areas[areas > 0]
    assert 150 < len(areas) < 220
    assert areas.max() < 2 * areas.min()
    assert block_of(-180.0, 0.0) == block_of(180.0, 0.0)


def test_a_hash_holds_out_one_block_in_eight():
    lon, lat = np.random.default_rng(0).uniform((-180, -80), (180, 80), (3000, 2)).T
    shares = [
        np.mean([split_of(replace(SETTINGS, seed=seed), x, y) == "test" for x, y in zip(lon, lat)])
        for seed in (0, 1, 2)
    ]
    assert 0.06 < np.mean(shares) < 0.2
    assert len(set(shares)) == 3


def test_splits_lie_apart(splits, rows, places):
    for row, place in zip(rows, places):
        assert split_of(SETTINGS, place.lon, place.lat) == row["split"]
    for row in splits["train"]:
        for other in splits["test"]:
            distances = great_circle_distance_m(*(axis[:, None] for axis in points(row)), *points(other))
            assert distances.min() >= MIN_SPLIT_DISTANCE_M


def test_photos_stand_apart_and_inside_their_tile(rows):
    for row in rows:
        places = list(zip(*points(row)))
        assert all(
            great_circle_distance_m(*one, *other) >= MIN_PHOTO_DISTANCE_M for one, other in combinations(places, 2)
        )
        inside = GairCoordinateProcessor().locate(*points(row), row["bounds"], row["crs"])
        # A metre for the pixel grid's rounding.
        assert np.minimum(inside, 1 - inside).min() * TILE_SIDE_M > PHOTO_MARGIN_M - 1


def test_photos_stand_on_land(rows):
    assert all(cover[COVERS.index("water")] < 0.5 for row in rows for cover in row["photo_cover"])


def test_both_kinds_of_crs_are_in_use(rows):
    assert {row["crs"] == "EPSG:4326" for row in rows} == {True, False}


def test_great_circles():
    assert great_circle_distance_m(179.5, 0.0, -179.5, 0.0) == pytest.approx(np.pi * 6371008.8 / 180)
    assert great_circle_distance_m(0.0, 0.0, 180.0, 0.0) == pytest.approx(np.pi * 6371008.8)


# All or nothing ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_number_of_workers_changes_no_byte(folder, tmp_path):
    alone = contents(write_sample_dataset(tmp_path / "world", SETTINGS, workers=1, files=True))
    assert alone == contents(folder)
    assert list(tmp_path.iterdir()) == [tmp_path / "world"]


def test_the_sums_are_of_all_files(folder):
    lines = (folder / SUMS).read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = contents(folder)
    files.pop(SUMS)
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists and is no empty directory"):
        write_sample_dataset(tmp_path, SMALLEST)
    assert contents(tmp_path) == {"mine.txt": b"mine"}


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="workers is 0, expected a whole number of at least 1"):
        write_sample_dataset(tmp_path / "world", SMALLEST, workers=0)
    assert not any(tmp_path.iterdir())


def test_a_failure_leaves_nothing(tmp_path, monkeypatch, no_processes):
    def no_space(folder: Path) -> None:
        assert (folder / "data").is_dir()
        raise OSError("No space left on device")

    monkeypatch.setattr(sample_dataset, "_write_sums", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_sample_dataset(tmp_path / "world", SMALLEST, workers=1)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_interrupted_runs_end_promptly_and_complete_nothing(tmp_path):
    # Side by side, since most of their time goes to starting.
    interrupted, killed = (start(tmp_path / name) for name in ("interrupted", "killed"))
    for name in ("interrupted", "killed"):
        wait_until(lambda name=name: "place train" in (tmp_path / f"{name}.log").read_text(), seconds=90)
    # Ctrl-C goes to all processes of a terminal.
    os.killpg(interrupted.pid, signal.SIGINT)
    killed.kill()
    for process in (interrupted, killed):
        assert process.wait(timeout=20) != 0
        wait_until(lambda process=process: not group_lives(process.pid), seconds=20)
    assert (tmp_path / "interrupted.log").read_text().endswith("interrupted was not written.\n")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [f"killed.incomplete-{killed.pid}"]


def start(output: Path) -> subprocess.Popen:
    """A run that takes long, in a process group of its own; its messages go beside the output."""
    flags = "--workers 1 --tiles 1000000 --held_out_tiles 1 --held_out_photos 1"
    program = "import sys; from training.world.writer import main; main(sys.argv[1:])"
    command = (sys.executable, "-c", program, "--output", str(output), *flags.split())
    with output.with_suffix(".log").open("w") as log:
        # A shell that runs the tests in the background has them, and what they start, ignore Ctrl-C.
        return subprocess.Popen(command, stderr=log, cwd=REPOSITORY, start_new_session=True, preexec_fn=_heed_ctrl_c)


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def test_the_cache_is_written_once(tmp_path, monkeypatch, no_processes):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    folder = ensure_sample_dataset(SMALLEST, workers=1)
    assert folder == tmp_path / "gair" / SMALLEST.name
    monkeypatch.setattr(sample_dataset, "write_sample_dataset", None)
    assert ensure_sample_dataset(SMALLEST, workers=1) == folder
    assert load_dataset(str(folder), split="test", streaming=True).features == SAMPLE_FEATURES


def test_another_process_may_fill_the_cache_meanwhile(tmp_path, monkeypatch):
    def write_late(folder: Path, *others) -> None:
        folder.mkdir(parents=True)
        (folder / SUMS).touch()
        raise ValueError("exists")

    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    monkeypatch.setattr(sample_dataset, "write_sample_dataset", write_late)
    assert ensure_sample_dataset(SMALLEST).is_dir()


# Files and the command -----------------------------------------------------------------------------------------------


def test_the_processor_reads_the_files(folder, rows):
    processor = GairProcessor()
    expected = {photo["id"]: (row, photo) for row in rows for photo in row["photos"]}
    for split in ("train", "test"):
        with (folder / "files" / f"pairs-{split}.csv").open(encoding="utf-8", newline="") as file:
            pairs = list(csv.DictReader(file))
        assert len(pairs) == SETTINGS.tiles_of(split) * SETTINGS.photos_of(split)
        for pair in pairs:
            row, photo = expected.pop(pair["id"])
            rs, sv = folder / "files" / pair["rs"], folder / "files" / pair["sv"]
            assert (float(pair["lon"]), float(pair["lat"])) == (photo["lon"], photo["lat"])
            assert sv.read_bytes() == photo["jpeg"]
            np.testing.assert_array_equal(processor.image_processor.read(rs).pixels, unpack_tile(row))
            inputs = processor(rs=rs, sv=sv, lon=photo["lon"], lat=photo["lat"], return_tensors="np")
            located = processor.feature_extractor.locate(photo["lon"], photo["lat"], row["bounds"], row["crs"])
            np.testing.assert_allclose(inputs["query_points"][0, 0], located, atol=1e-6)
    assert not expected


def test_the_bands_are_named_in_the_files(folder):
    for path in (folder / "files" / "tiles").iterdir():
        with rasterio.open(path) as raster:
            assert raster.descriptions == BANDS


def test_the_card_repeats_itself(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "Scores on it are about mechanics, never about the" in " ".join(card.split())
    assert (
        "--output DIR --seed 0 --version 1 --tiles 6 --photos 2 --held_out_tiles 3 --held_out_photos 4 --files\n"
        in card
    )
    assert all(f"`{column}`" in card for column in SAMPLE_FEATURES)


def test_the_command_writes_what_its_flags_say(tmp_path, capsys, no_processes):
    output = tmp_path / "world"
    flags = "--tiles 1 --photos 1 --held_out_tiles 1 --held_out_photos 1 --control --workers 1"
    main(["--output", str(output), *flags.split()])
    assert "2 pairs in 1 + 1 tiles" in capsys.readouterr().out
    assert "(control)" in (output / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="exists and is no empty directory"):
        main(["--output", str(output), *flags.split()])


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_the_command_is_the_worlds_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["world", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("training.world", run_name="__main__")
    assert "--held_out_photos" in capsys.readouterr().out
