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
"""The sample world's image tasks, read by the layout of the pre-training data."""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.image_layouts import local_task
from training.benchmarks.layouts.registry import open_images


def test_image_tasks_of_the_sample_world_are_read(small_world, encoder):
    tiles = open_images(local_task("world-tiles", small_world))
    image = tiles.splits["test"][0]
    assert tiles.classes[image.label] in ("water", "forest", "crop", "grass", "built", "bare", "snow")
    assert -180 <= image.place[0] < 180 and -90 <= image.place[1] <= 90
    assert encoder.read_tile(image.sources[0], tiles.tile_format).shape == (10, 96, 96)
    assert len(tiles.splits["test"]) == 16 and len(tiles.splits["train"]) + len(tiles.splits["validation"]) == 48

    several = open_images(local_task("world-tiles-multilabel", small_world)).splits["test"][0]
    assert several.name == image.name and several.label[image.label] == 1 and several.label.sum() >= 1

    segmented = open_images(local_task("world-segmentation", small_world)).splits["test"][0]
    assert segmented.label.shape == (96, 96)
    assert np.bincount(segmented.label.ravel()).argmax() == image.label

    photos = open_images(local_task("world-photos", small_world)).splits["test"]
    assert len(photos) == 64 and encoder.read_photo(photos[0].sources[0]).shape == (96, 128, 3)
    greenness = [one.label for one in open_images(local_task("world-photos-greenness", small_world)).splits["test"]]
    assert all(0 <= value <= 1 for value in greenness) and len(set(greenness)) > 6


def test_a_limit_draws_from_all_rows(small_world):
    task = local_task("world-tiles", small_world)
    whole = open_images(replace(task, options=task.options | {"most": {}})).splits["test"].names
    some = open_images(replace(task, options=task.options | {"most": {"test": 5}})).splits["test"].names
    assert len(some) == 5 and some != whole[:5] and some == [name for name in whole if name in some]


def test_a_folder_s_path_is_not_a_pattern_and_its_card_is_not_read(small_world, tmp_path):
    folder = tmp_path / "run [2]*"
    shutil.copytree(small_world / "data", folder / "data")
    (folder / "README.md").write_text("---\nconfigs: [{\n---\n", encoding="utf-8")
    assert len(open_images(local_task("world-tiles", folder)).splits["test"]) == 16
    with pytest.raises(ValueError, match=r"contains '::'.*rename the folder"):
        open_images(local_task("world-tiles", shutil.move(folder, tmp_path / "a::b")))


def test_rows_without_a_label_are_counted(small_world, tmp_path):
    (tmp_path / "data").mkdir()
    for path in (small_world / "data").glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        rows[0]["cover"] = None if path.name.startswith("test-00000") else rows[0]["cover"]
        if path.name.startswith("train-00000"):
            rows[0]["cover"] = [float("nan")] * 7
        pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), tmp_path / "data" / path.name)
    for name in ("world-tiles", "world-tiles-multilabel"):
        data = open_images(local_task(name, tmp_path))
        assert data.dropped == 2 and data.remarks == ("2 samples have no label and are left out.",)
        assert len(data.splits["test"]) == 15


def test_a_missing_column_is_refused_by_name(small_world):
    task = replace(local_task("world-photos", small_world), columns={"label": "photo_cvoer"})
    with pytest.raises(ValueError, match="have no column 'photo_cvoer'"):
        open_images(task)
