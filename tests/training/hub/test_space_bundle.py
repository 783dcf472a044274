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
"""The files bundled with the Space: a model that loads from its folder alone, the gallery, and how both are written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Features

import modeling_gair
from modeling_gair import GairProcessor, convert_gair_checkpoint
from training.common.schema import FEATURES, pack_tile, unpack_tile
from training.hub import space_bundle
from training.hub.options import SPACE
from training.world.ground import COVERS
from training.world.rows import SAMPLE_FEATURES

MODEL, GALLERY = SPACE / "model", SPACE / "gallery"
CODE = sorted(set(Path(modeling_gair.__file__).parent.glob("*_gair*.py")) - {Path(convert_gair_checkpoint.__file__)})
# Loads a folder as users do, and prints the width of an embedding.
USER = """
import sys
from transformers import AutoModel, AutoProcessor
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)
processor = AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True)
print(model.get_location_features(processor(lon=13.4, lat=52.5, return_tensors="pt")["coordinates"]).shape[-1])
assert "modeling_gair" not in sys.modules
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data set of four of the bundled tiles, with pixels that are not rounded."""
    rows = pq.read_table(GALLERY / "gallery.parquet").slice(0, 4).to_pylist()
    noise = np.random.default_rng(0).integers(0, space_bundle.PIXEL_STEP, (10, 96, 96), dtype=np.uint16)
    folder = tmp_path_factory.mktemp("world")
    (folder / "data").mkdir()
    schema = Features({**FEATURES, "photo_cover": SAMPLE_FEATURES["photo_cover"]}).arrow_schema
    cover = [[0.1, 0.6, 0.3, 0, 0, 0, 0]] * 4
    table = pa.Table.from_pylist(
        [{**row, **pack_tile(unpack_tile(row) + noise), "photo_cover": cover} for row in rows], schema
    )
    for split in ("train", "test"):
        pq.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture(autouse=True)
def small(world, monkeypatch):
    """Two tiles of that world are bundled, with two photos each."""
    monkeypatch.setattr(space_bundle, "ensure_sample_dataset", lambda settings: world)
    monkeypatch.setattr(space_bundle, "TILES", 2)
    monkeypatch.setattr(space_bundle, "PHOTOS", 2)


@pytest.fixture
def trained(tiny_model, tmp_path):
    folder = tmp_path / "trained"
    tiny_model.save_pretrained(folder)
    GairProcessor.for_config(tiny_model.config).save_pretrained(folder)
    return str(folder)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bundled_code_is_the_package():
    copies = {path.name: path.read_bytes() for path in MODEL.glob("*.py")}
    assert copies == {path.name: path.read_bytes() for path in CODE}, (
        "modeling_gair has changed: run python -m training.hub.space_files --model outputs/pretrain"
    )
    assert {path.name for path in CODE} == set(copies)


def test_the_bundled_files_are_small():
    for folder, limit in ((MODEL, space_bundle.MAX_MODEL_BYTES), (GALLERY, space_bundle.MAX_GALLERY_BYTES)):
        assert 0 < sum(map(len, contents(folder).values())) <= limit


@pytest.mark.ci
def test_the_bundled_model_loads_from_its_folder_alone(tmp_path):
    shutil.copytree(MODEL, tmp_path / "elsewhere")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-P", "-c", USER, str(tmp_path / "elsewhere")]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "96"


def test_the_bundled_gallery_is_in_the_schema_of_pairs_with_labels():
    table = pq.read_table(GALLERY / "gallery.parquet")
    assert table.schema.equals(space_bundle.GALLERY_FEATURES.arrow_schema)
    assert table.select(list(FEATURES)).schema.equals(FEATURES.arrow_schema, check_metadata=False)
    rows = table.to_pylist()
    assert len(rows) == 24
    for row in rows:
        assert row["split"] == "test" and len(row["photos"]) == 4
        assert (unpack_tile(row) % space_bundle.PIXEL_STEP == 0).all()
        assert all("sample world" in photo["attribution"] for photo in row["photos"])
        assert len(row["photo_labels"]) == 4 and set(row["photo_labels"]) <= set(COVERS)


def test_writing_again_gives_the_same_bytes(trained, tmp_path):
    output = tmp_path / "space"
    space_bundle.write_bundle(trained, output)
    first = contents(output)
    (output / "gallery" / "stale").touch()
    space_bundle.write_bundle(trained, output)
    assert contents(output) == first
    assert {"model/config.json", "model/model.safetensors", "model/modeling_gair.py", "gallery/gallery.parquet"} <= set(
        first
    )
    assert b'"similarity_ranges": {' in first["model/config.json"]


def test_pixels_of_the_gallery_are_rounded_by_half_a_step_at_most(world, tmp_path):
    space_bundle.write_gallery(tmp_path / "gallery", world)
    written = pq.read_table(tmp_path / "gallery" / "gallery.parquet").to_pylist()
    made = pq.read_table(world / "data" / "test-00000-of-00001.parquet").to_pylist()[::2]
    assert [row["id"] for row in written] == [row["id"] for row in made]
    for row, original in zip(written, made):
        difference = unpack_tile(row).astype(np.int32) - unpack_tile(original)
        assert np.abs(difference).max() == space_bundle.PIXEL_STEP // 2
        assert row["photos"] == original["photos"][: space_bundle.PHOTOS]
        assert row["photo_labels"] == ["forest"] * space_bundle.PHOTOS


def test_a_model_that_is_too_large_is_an_error_and_nothing_is_written(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(space_bundle, "MAX_MODEL_BYTES", 1000)
    with pytest.raises(ValueError, match="expected at most 1,000"):
        space_bundle.write_bundle(trained, tmp_path / "space")
    assert contents(tmp_path / "space") == {}
