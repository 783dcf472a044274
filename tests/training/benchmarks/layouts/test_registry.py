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
"""Every image data set, on small files in its published layout."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from tests.helpers.image_layouts import MAKERS, band_of, local_task
from training.benchmarks.data import Unavailable
from training.benchmarks.layouts.registry import open_images, with_validation
from training.benchmarks.layouts.samples import Images
from training.benchmarks.tasks.task import load_tasks
from training.world.ground import COVERS

TASKS = load_tasks()


@pytest.mark.parametrize("name", MAKERS)
def test_every_data_set_opens_in_its_published_layout(name, folders, encoder):
    data = open_images(local_task(name, folders[name]))
    assert data.tile_format is not None
    assert all(len(data.splits[split]) for split in ("train", "validation", "test"))
    names = [image for split in data.splits.values() for image in split.names]
    assert len(set(names)) == len(names)
    for split in data.splits.values():
        image = split[len(split) - 1]
        tiles = [encoder.read_tile(source, data.tile_format) for source in image.sources]
        assert len(tiles) == TASKS[name].options.get("dates", 1)
        assert all(tile.shape[0] == 10 and np.isfinite(tile.astype(float)).all() for tile in tiles)
        assert np.isfinite(encoder.embed_tiles(tiles, data.tile_format)).all()
        if TASKS[name].kind == "segmentation":
            assert image.label.shape == tiles[0].shape[1:]


@pytest.mark.parametrize("name", MAKERS)
def test_bands_are_found_by_name(name, folders, encoder):
    """Channel c of every generated file has values of about 100 (c + 1), so each band must come from its own channel."""
    data = open_images(local_task(name, folders[name]))
    assert data.tile_format is not None
    reflectance = data.tile_format.units == "reflectance"
    tile = encoder.read_tile(data.splits["test"][0].sources[0], data.tile_format)
    bands, wanted = list(data.tile_format.bands), encoder.processor.image_processor.bands
    present = [band for band in wanted if band in bands]
    assert len(present) == 10 or data.tile_format.missing_bands == "mean"
    for band in present:
        assert band_of(tile[:, 1:, 1:], wanted, band, 1e-4 if reflectance else 1.0) == bands.index(band), band


def test_the_published_orders_of_bands_and_classes():
    """The orders in the data sets' cards and readers, written out here because the files do not name their bands."""
    ten = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
    orders = {name: TASKS[name].options["tiles"]["bands"] for name in MAKERS}
    assert orders["eurosat"] == ["B01", *ten[:7], "B09", "B10", "B11", "B12", "B8A"]
    assert orders["sen1floods11"] == ["B01", *ten[:8], "B09", "B10", "B11", "B12"]
    assert orders["mados"] == ["B01", *ten]
    assert orders["hls-burn-scars"] == ["B02", "B03", "B04", "B8A", "B11", "B12"]
    assert orders["ai4smallfarms"] == ["B02", "B03", "B04", "B08"]
    for name in ("pastis", "crop-type-south-sudan", "biomassters", "m-bigearthnet", "m-so2sat"):
        assert orders[name] == ten, name
    assert [len(TASKS[name].options["classes"]) for name in ("pastis", "mados", "m-bigearthnet", "m-so2sat")] == [
        18,
        15,
        43,
        17,
    ]
    worlds = [
        task for task in TASKS.values() if task.group == "sample" and task.columns.get("label", "").startswith("cover")
    ]
    assert len(worlds) == 4 and all(list(task.options["classes"].values()) == list(COVERS) for task in worlds)


def test_missing_data_are_skipped_with_a_reason():
    with pytest.raises(Unavailable, match=r"'mados' is not one; download MADOS.zip .* by --data NAME=FOLDER"):
        open_images(TASKS["mados"])


def test_an_unknown_option_is_refused_by_name():
    task = replace(TASKS["pastis"], options={**TASKS["pastis"].options, "date": 3})
    with pytest.raises(ValueError, match="unknown setting 'date'; did you mean 'dates'"):
        open_images(task)


def test_a_validation_split_is_held_out_by_name():
    images = Images([f"tile-{number}" for number in range(100)], lambda index: None)  # type: ignore[arg-type, return-value]
    splits = with_validation({"train": images, "test": images})
    assert 3 < len(splits["validation"]) < 25
    assert not set(splits["train"].names) & set(splits["validation"].names)
    assert splits["validation"].names == with_validation({"train": images, "test": images})["validation"].names
    with pytest.raises(ValueError, match="1 training images, expected at least two"):
        with_validation({"train": images[:1], "test": images})
