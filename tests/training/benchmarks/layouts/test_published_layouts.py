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
"""What is particular to single layouts, on small files made as they are published."""

import json
import shutil

import numpy as np
import pytest
import torch

pytest.importorskip("rasterio", reason="the extra eval is not installed")

import rasterio

from tests.helpers.image_layouts import (
    SIDE,
    generated_bands,
    local_task,
    write_floods,
    write_pastis,
    write_raster,
    write_small_farms,
)
from training.benchmarks.layouts.files import chosen_dates, images_with_masks
from training.benchmarks.layouts.registry import open_images
from training.benchmarks.layouts.samples import IGNORED


def test_missing_bands_are_filled_with_the_model_s_means(folders, encoder):
    data = open_images(local_task("ai4smallfarms", folders["ai4smallfarms"]))
    processor = encoder.processor.image_processor
    tile = encoder.read_tile(data.splits["train"][0].sources[0], data.tile_format)
    lacking = processor.bands.index("B11")
    assert (tile[lacking] == round(processor.band_mean["B11"])).all()


def test_missing_pixels_are_filled(folders, encoder):
    data = open_images(local_task("hls-burn-scars", folders["hls-burn-scars"]))
    image = data.splits["train"][0]
    assert np.isnan(image.sources[0].source[:, 0, 0]).all()
    assert not np.isnan(encoder.read_tile(image.sources[0], data.tile_format)).any()


def test_statistics_of_the_data_set_normalise_it(folders, encoder):
    """PANGAEA's rule: the data set's mean becomes the middle of the model's range."""
    data = open_images(local_task("pastis", folders["pastis"]))
    mean = {band: value for band, value, _ in data.tile_format.statistics}
    tile = np.stack([np.full((SIDE, SIDE), mean[band]) for band in encoder.processor.image_processor.bands])
    torch.testing.assert_close(encoder.tile_pixels([tile], data.tile_format), torch.full((1, 10, 96, 96), 0.5))


def test_labels_match_the_files(folders):
    floods = open_images(local_task("sen1floods11", folders["sen1floods11"])).splits["test"][0]
    raw = rasterio.open(
        folders["sen1floods11"] / "v1.1/data/flood_events/HandLabeled/LabelHand/Ghana_test0_LabelHand.tif"
    )
    np.testing.assert_array_equal(floods.label, raw.read(1))

    pastis = open_images(local_task("pastis", folders["pastis"])).splits["test"][0]
    target = np.load(folders["pastis"] / "ANNOTATIONS/TARGET_10005.npy")[0].astype(int)
    np.testing.assert_array_equal(pastis.label[target == 7], 6)
    assert (pastis.label[(target == 0) | (target == 19)] == IGNORED).all()

    biomass = open_images(local_task("biomassters", folders["biomassters"])).splits["test"][0]
    assert np.isnan(biomass.label[0, 0]) and biomass.label[1:].max() > 100

    several = open_images(local_task("m-bigearthnet", folders["m-bigearthnet"])).splits["test"][0]
    assert several.label.shape == (43,) and several.label.sum() == 1


def test_bands_of_20_and_60_metres_are_repeated(folders):
    tile = open_images(local_task("mados", folders["mados"])).splits["train"][0].sources[0].source
    coastal = tile[0].reshape(SIDE // 6, 6, SIDE // 6, 6)
    np.testing.assert_array_equal(coastal, np.broadcast_to(coastal[:, :1, :, :1], coastal.shape))
    assert len(np.unique(tile[1])) > 10


def test_dates_are_the_latest_or_evenly_spaced(folders):
    assert chosen_dates(9, 1) == [8]
    assert chosen_dates(9, 3) == [0, 4, 8]
    assert chosen_dates(8, 6, latest=True) == [2, 3, 4, 5, 6, 7]
    assert chosen_dates(2, 3) == [0, 0, 1]
    pastis = open_images(local_task("pastis", folders["pastis"])).splits["test"][0]
    assert [source.name for source in pastis.sources] == [f"10005, date {date}" for date in (0, 2, 3, 5, 6, 8)]
    crops = open_images(local_task("crop-type-south-sudan", folders["crop-type-south-sudan"])).splits["test"][0]
    assert [source.name[-1] for source in crops.sources] == list("234567")
    assert crops.sources[0].source.mean() < crops.sources[-1].source.mean()


def test_damaged_tiles_are_left_out_and_reported(folders):
    data = open_images(local_task("crop-type-south-sudan", folders["crop-type-south-sudan"]))
    assert data.dropped == 1 and data.remarks == ("1 of 9 tiles are damaged or missing and are left out.",)
    assert "southsudan_000000" not in data.splits["train"].names


def test_the_test_of_burn_scars_is_the_published_validation(folders):
    data = open_images(local_task("hls-burn-scars", folders["hls-burn-scars"]))
    assert [len(data.splits[split]) for split in ("train", "validation", "test")] == [9, 1, 2]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected the patches' metadata"):
        open_images(local_task("pastis", tmp_path))


def test_an_image_without_a_mask_is_refused(tmp_path):
    write_small_farms(tmp_path)
    next((tmp_path / "sentinel-2-asia/train/masks").iterdir()).unlink()
    with pytest.raises(ValueError, match=r"holds 3 images and .* 2 masks, but 1 have no partner of the same name"):
        open_images(local_task("ai4smallfarms", tmp_path))


def test_images_and_masks_are_matched_by_name(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}_merged.tif").touch()
    for name in ("a", "b"):
        (tmp_path / f"{name}.mask.tif").touch()
    # A file that is neither does not shift the others.
    (tmp_path / "a0.tif").touch()
    pairs = images_with_masks(tmp_path, tmp_path, "_merged.tif", ".mask.tif")
    assert [(image.name, mask.name) for image, mask in pairs] == [
        ("a_merged.tif", "a.mask.tif"),
        ("b_merged.tif", "b.mask.tif"),
    ]
    (tmp_path / "b.mask.tif").rename(tmp_path / "c.mask.tif")
    with pytest.raises(ValueError, match="2 have no partner of the same name, such as 'b'"):
        images_with_masks(tmp_path, tmp_path, "_merged.tif", ".mask.tif")


def test_a_label_of_another_size_is_refused(tmp_path):
    write_pastis(tmp_path)
    np.save(tmp_path / "ANNOTATIONS/TARGET_10005.npy", np.zeros((3, 5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"'10005' has \(12, 12\) pixels but its label has \(5, 5\)"):
        open_images(local_task("pastis", tmp_path)).splits["test"][0]


def test_a_raster_with_other_bands_is_refused(tmp_path):
    write_floods(tmp_path)
    path = tmp_path / "v1.1/data/flood_events/HandLabeled/S2Hand/Ghana_test0_S2Hand.tif"
    write_raster(path, generated_bands(12, np.uint16, 0))
    with pytest.raises(ValueError, match="has 12 bands, expected 13"):
        open_images(local_task("sen1floods11", tmp_path)).splits["test"][0]


def test_wrong_units_name_the_tile(tmp_path, encoder):
    write_pastis(tmp_path)
    np.save(tmp_path / "DATA_S2/S2_10005.npy", np.full((9, 10, SIDE, SIDE), 0.3, np.float32))
    data = open_images(local_task("pastis", tmp_path))
    with pytest.raises(ValueError, match=r"Tile '10005, date 0'.*looks like reflectance"):
        encoder.read_tile(data.splits["test"][0].sources[0], data.tile_format)


def test_shards_with_pickles_are_refused(tmp_path):
    root = tmp_path / "m-so2sat"
    root.mkdir()
    (root / "default_partition.json").write_text(json.dumps({"train": ["a", "b"], "valid": ["c"], "test": ["d"]}))
    with pytest.raises(ValueError, match="older ones hold pickles"):
        open_images(local_task("m-so2sat", tmp_path)).splits["test"][0]


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("biomassters", "train_Data_list.csv", "KeyError: 'chip_id'"),
        ("crop-type-south-sudan", "southsudan/list_eval_partition.csv", "KeyError: 'id'"),
        ("pastis", "metadata.geojson", "JSONDecodeError"),
        ("m-so2sat", "m-so2sat/shard_0.tar", "ReadError"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(folders, tmp_path, name, file, message):
    shutil.copytree(folders[name], tmp_path / "copy")
    path = tmp_path / "copy" / file
    path = path if path.exists() else next(path.parent.glob("*.tar"))
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(ValueError, match=f"The data of task .* cannot be read .*{message}") as refused:
        open_images(local_task(name, tmp_path / "copy"))
    assert type(refused.value) is ValueError


def test_a_damaged_image_is_refused_by_name(folders, tmp_path):
    shutil.copytree(folders["crop-type-south-sudan"], tmp_path / "copy")
    data = open_images(local_task("crop-type-south-sudan", tmp_path / "copy"))
    name = data.splits["test"].names[0]
    path = tmp_path / "copy" / "southsudan" / "truth" / f"{name}.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"'{name}' cannot be read"):
        data.splits["test"][0]
