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
import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra train is not installed")

import rasterio
from datasets import load_dataset

from modeling_gair import GairProcessor
from tests.helpers.sample_world import SETTINGS, SMALLEST, contents
from training.common.schema import unpack_tile
from training.world import writer
from training.world.rows import SAMPLE_FEATURES
from training.world.tiles import BANDS
from training.world.writer import SUMS, ensure_sample_dataset, write_sample_dataset


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_number_of_workers(folder, tmp_path):
    shared = contents(write_sample_dataset(tmp_path / "world", SETTINGS, workers=2, files=True))
    assert shared == contents(folder)
    assert list(tmp_path.iterdir()) == [tmp_path / "world"]


def test_checksums_cover_all_files(folder):
    lines = (folder / SUMS).read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = contents(folder)
    files.pop(SUMS)
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_existing_files_are_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists and is not an empty directory"):
        write_sample_dataset(tmp_path, SMALLEST)
    assert contents(tmp_path) == {"mine.txt": b"mine"}


def test_zero_workers_are_rejected(tmp_path):
    with pytest.raises(ValueError, match="workers is 0; expected a whole number of at least 1"):
        write_sample_dataset(tmp_path / "world", SMALLEST, workers=0)
    assert not any(tmp_path.iterdir())


def test_a_failure_leaves_no_files(tmp_path, monkeypatch, no_processes):
    def no_space(folder: Path) -> None:
        assert (folder / "data").is_dir()
        raise OSError("No space left on device")

    monkeypatch.setattr(writer, "_write_sums", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_sample_dataset(tmp_path / "world", SMALLEST, workers=1)
    assert not any(tmp_path.iterdir())


def test_the_cache_is_written_once(tmp_path, monkeypatch, no_processes):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    folder = ensure_sample_dataset(SMALLEST, workers=1)
    assert folder == tmp_path / "gair" / SMALLEST.name
    monkeypatch.setattr(writer, "write_sample_dataset", None)
    assert ensure_sample_dataset(SMALLEST, workers=1) == folder
    assert load_dataset(str(folder), split="test", streaming=True).features == SAMPLE_FEATURES


def test_another_process_may_fill_the_cache_in_the_meantime(tmp_path, monkeypatch):
    def write_late(folder: Path, *others) -> None:
        folder.mkdir(parents=True)
        (folder / SUMS).touch()
        raise ValueError("exists")

    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    monkeypatch.setattr(writer, "write_sample_dataset", write_late)
    assert ensure_sample_dataset(SMALLEST).is_dir()


def test_the_processor_reads_the_written_files(folder, rows):
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


def test_files_name_their_bands(folder):
    for path in (folder / "files" / "tiles").iterdir():
        with rasterio.open(path) as raster:
            assert raster.descriptions == BANDS
