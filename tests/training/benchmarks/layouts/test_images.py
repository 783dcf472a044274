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
"""Loaders of image benchmarks, on small files made in the published layouts; and classes of tiles from embeddings."""

import csv
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

pytest.importorskip("rasterio", reason="the extra train is not installed")

import rasterio
from datasets import Array3D, ClassLabel, Dataset, Features, Value

from modeling_gair import GairProcessor
from training.benchmarks.data import Unavailable
from training.benchmarks.encoders.encoder import GairEncoder, PhotoSample, TileFormat, TileSample
from training.benchmarks.encoders.simple_features import BandStatistics, ColourStatistics
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.segmentation import Segmentation
from training.benchmarks.kinds.tile_classification import TileClassification, class_scores
from training.benchmarks.layouts.images import IGNORED, Images, chosen_dates, open_images, with_validation
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task, load_tasks
from training.world import writer as sample_dataset
from training.world.ground import COVERS
from training.world.settings import WorldSettings
from training.world.writer import SUMS, write_sample_dataset

TASKS = load_tasks()
SIDE = 12


def at(name: str, folder: Path) -> Task:
    """A task of ours on made files; each call another object, as what was opened last is remembered."""
    return replace(TASKS[name], source=str(folder), revision=None)


def draw(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def write_raster(path: Path, pixels: np.ndarray, nodata: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    bands, height, width = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=bands,
        dtype=pixels.dtype,
        nodata=nodata,
        crs="EPSG:32633",
        transform=rasterio.transform.from_origin(400_000, 5_000_000, 10, 10),
    ) as raster:
        raster.write(pixels)


def marked(bands: int, dtype: type, seed: int, scale: float = 1.0) -> np.ndarray:
    """Band c holds values near (c + 1) hundreds, so that a band taken for another is seen."""
    pixels = 100 * (np.arange(bands)[:, None, None] + 1) + draw(seed).integers(0, 20, (bands, SIDE, SIDE))
    return (pixels * scale).astype(dtype)


def band_of(tile: np.ndarray, bands: list[str], name: str, scale: float = 1.0) -> int:
    """Which channel of the source the model's band `name` was read from."""
    return int(tile[bands.index(name)].astype(np.float64).mean() / scale / 100) - 1


@pytest.fixture(scope="module")
def encoder(tiny_model) -> GairEncoder:
    return GairEncoder(tiny_model, GairProcessor.for_config(tiny_model.config), "tiny")


# One data set a function: writes it in its published layout, and says what must come out ---------------------------


def make_burn_scars(folder: Path) -> None:
    for part, count in (("training", 10), ("validation", 2)):
        for number in range(count):
            stem = folder / part / f"subsetted_512x512_HLS.S30.T10SEH.{part[:1]}182{number:02d}.v1.4"
            pixels = marked(6, np.float32, number, 1e-4)
            # Not declared in the file, as in some of the scenes.
            pixels[:, 0, 0] = 9999
            label = draw(number).integers(-1, 2, (SIDE, SIDE)).astype(np.int16)
            write_raster(Path(f"{stem}_merged.tif"), pixels)
            write_raster(Path(f"{stem}.mask.tif"), label)


def make_small_farms(folder: Path) -> None:
    for part, count in (("train", 3), ("validate", 2), ("test", 2)):
        for number in range(count):
            root = folder / "sentinel-2-asia" / part
            write_raster(root / "images" / f"{part}_{number}.tif", marked(4, np.uint16, number))
            write_raster(
                root / "masks" / f"{part}_{number}.tif",
                255 * draw(number).integers(0, 2, (SIDE, SIDE)).astype(np.uint8),
            )


def make_floods(folder: Path) -> None:
    hand = folder / "v1.1/data/flood_events/HandLabeled"
    splits = folder / "v1.1/splits/flood_handlabeled"
    splits.mkdir(parents=True)
    for part, count in (("train", 3), ("valid", 2), ("test", 2)):
        names = [f"Ghana_{part}{number}" for number in range(count)]
        for number, name in enumerate(names):
            write_raster(hand / "S2Hand" / f"{name}_S2Hand.tif", marked(13, np.uint16, number))
            write_raster(
                hand / "LabelHand" / f"{name}_LabelHand.tif",
                draw(number).integers(-1, 2, (SIDE, SIDE)).astype(np.int16),
            )
        lines = [f"{name}_S1Hand.tif,{name}_LabelHand.tif\n" for name in names]
        (splits / f"flood_{part}_data.csv").write_text("".join(lines))


def make_mados(folder: Path) -> None:
    (folder / "splits").mkdir(parents=True)
    # Sentinel-2A and 2B name some bands by other wavelengths.
    satellites = [
        [443, 492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202],
        [442, 492, 559, 665, 704, 739, 780, 833, 864, 1610, 2186],
    ]
    metres = [60, 10, 10, 10, 20, 20, 20, 10, 20, 20, 20]
    for scene, part in enumerate(("train", "val", "test")):
        crops = [f"Scene_{scene}_{crop}" for crop in range(2)]
        (folder / "splits" / f"{part}_X.txt").write_text("\n".join(crops) + "\n")
        for crop in range(2):
            pixels = marked(11, np.float32, crop, 1e-4)
            for band, (wavelength, size) in enumerate(zip(satellites[scene % 2], metres)):
                step = size // 10
                name = f"Scene_{scene}_L2R_rhorc_{wavelength}_{crop}.tif"
                write_raster(folder / f"Scene_{scene}" / str(size) / name, pixels[band, ::step, ::step])
            label = draw(crop).integers(0, 16, (SIDE, SIDE)).astype(np.uint8)
            write_raster(folder / f"Scene_{scene}" / "10" / f"Scene_{scene}_L2R_cl_{crop}.tif", label)


def make_pastis(folder: Path) -> None:
    patches = [{"ID_PATCH": 10000 + fold, "Fold": fold} for fold in (1, 2, 3, 4, 5)]
    (folder / "DATA_S2").mkdir(parents=True)
    (folder / "ANNOTATIONS").mkdir()
    features = [{"type": "Feature", "properties": patch, "geometry": None} for patch in patches]
    (folder / "metadata.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    for patch in patches:
        number = patch["ID_PATCH"]
        dates = np.stack([marked(10, np.int16, date) + date for date in range(9)])
        np.save(folder / "DATA_S2" / f"S2_{number}.npy", dates)
        np.save(
            folder / "ANNOTATIONS" / f"TARGET_{number}.npy",
            draw(number).integers(0, 20, (3, SIDE, SIDE)).astype(np.uint8),
        )


def make_crop_type(folder: Path) -> None:
    country = folder / "southsudan"
    for name in ("npy", "truth"):
        (country / name).mkdir(parents=True)
    rows = [(number, number % 3) for number in range(9)]
    with (country / "list_eval_partition.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "partition"), *rows])
    for number, _ in rows:
        dates = np.stack([marked(10, np.float64, date) + date for date in range(8)], axis=-1)
        np.savez(country / "npy" / f"southsudan_{number:06d}.npz", s1=np.zeros(1), s2=dates)
        np.savez(country / "truth" / f"southsudan_{number:06d}.npz", truth=draw(number).integers(0, 8, (SIDE, SIDE)))
    # The published archive holds damaged files.
    (country / "npy" / "southsudan_000000.npz").write_bytes(b"PK cut off")


def make_biomassters(folder: Path) -> None:
    for part, features, months in (("train", "train", 5), ("val", "train", 3), ("test", "test", 7)):
        chips = [f"{part}{number}" for number in range(2)]
        folder.mkdir(exist_ok=True)
        (folder / f"{part}_Data_list.csv").write_text("chip_id\n" + "\n".join(chips) + "\n")
        for number, chip in enumerate(chips):
            # Some months are absent in the published data, too.
            for month in range(12 - months, 12):
                write_raster(
                    folder / f"{features}_features" / f"{chip}_S2_{month:02d}.tif", marked(11, np.uint16, month)
                )
            target = draw(number).random((SIDE, SIDE)).astype(np.float32) * 300
            target[0, 0] = np.nan
            write_raster(folder / f"{features}_agbm" / f"{chip}_agbm.tif", target)


def make_geobench(folder: Path, name: str, label: Callable[[int], object], scale: float) -> None:
    task = TASKS[name]
    root = folder / name
    root.mkdir(parents=True)
    ids = {"train": ["a", "b.c"], "valid": ["d"], "test": ["e", "f"]}
    (root / "default_partition.json").write_text(json.dumps(ids))
    with tarfile.open(root / "shard_000000.tar", "w") as archive:
        for number, sample in enumerate(sample for part in ids.values() for sample in part):
            own = dict(zip(task.options["bands"], marked(10, np.float32 if scale < 1 else np.uint16, number, scale)))
            # Other bands, in another order than ours.
            arrays = {"02 - VH.Imaginary": np.zeros((SIDE, SIDE), np.float32), **dict(reversed(own.items()))}
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)
            meta = json.dumps({"label": label(number), "bands_order": list(arrays)}).encode()
            for suffix, content in (("bands.npz", buffer.getvalue()), ("meta.json", meta)):
                member = tarfile.TarInfo(f"{sample}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def make_eurosat(folder: Path) -> None:
    """The parquet files and features of the published data set, with patches of 64 x 64."""
    (folder / "data").mkdir(parents=True)
    classes = ClassLabel(names=["Annual Crop", "Forest", "River"])
    features = Features({"image": Array3D((64, 64, 13), "uint16"), "label": classes, "filename": Value("string")})
    for split, count in (("train", 12), ("validation", 6), ("test", 6)):
        rows = {"image": [], "label": [], "filename": []}
        for number in range(count):
            pixels = np.broadcast_to(100 * (np.arange(13) + 1), (64, 64, 13)).astype(np.uint16)
            rows["image"].append(pixels + np.uint16(20 * (number % 3)))
            rows["label"].append(number % 3)
            rows["filename"].append(f"{number}.tif")
        Dataset.from_dict(rows, features=features).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")


MAKERS: dict[str, Callable[[Path], None]] = {
    "hls-burn-scars": make_burn_scars,
    "ai4smallfarms": make_small_farms,
    "sen1floods11": make_floods,
    "mados": make_mados,
    "pastis": make_pastis,
    "crop-type-south-sudan": make_crop_type,
    "biomassters": make_biomassters,
    "m-bigearthnet": lambda folder: make_geobench(
        folder, "m-bigearthnet", lambda n: [int(n == c) for c in range(43)], 1
    ),
    "m-so2sat": lambda folder: make_geobench(folder, "m-so2sat", lambda n: n % 17, 1e-4),
    "eurosat": make_eurosat,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    made = {}
    for name, make in MAKERS.items():
        made[name] = tmp_path_factory.mktemp("data") / name
        make(made[name])
    return made


@pytest.mark.parametrize("name", MAKERS)
def test_every_data_set_opens_in_its_published_layout(name, folders, encoder):
    data = open_images(at(name, folders[name]))
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
    """Channel c of every made file holds about (c + 1) hundreds: each band must come from its own channel."""
    data = open_images(at(name, folders[name]))
    assert data.tile_format is not None
    reflectance = data.tile_format.units == "reflectance"
    tile = encoder.read_tile(data.splits["test"][0].sources[0], data.tile_format)
    bands, wanted = list(data.tile_format.bands), encoder.processor.image_processor.bands
    present = [band for band in wanted if band in bands]
    assert len(present) == 10 or data.tile_format.missing_bands == "mean"
    for band in present:
        assert band_of(tile[:, 1:, 1:], wanted, band, 1e-4 if reflectance else 1.0) == bands.index(band), band


def test_the_published_orders_of_bands_and_classes():
    """As the data sets' cards and their readers have them: written out here, since no file names its bands."""
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
    worlds = [task for task in TASKS.values() if task.group == "sample" and "classes" in task.options]
    assert worlds and all(list(task.options["classes"].values()) == list(COVERS) for task in worlds)


def test_bands_that_data_lack_hold_the_model_s_means(folders, encoder):
    data = open_images(at("ai4smallfarms", folders["ai4smallfarms"]))
    processor = encoder.processor.image_processor
    tile = encoder.read_tile(data.splits["train"][0].sources[0], data.tile_format)
    lacking = processor.bands.index("B11")
    assert (tile[lacking] == round(processor.band_mean["B11"])).all()


def test_pixels_that_scenes_leave_out_are_filled(folders, encoder):
    data = open_images(at("hls-burn-scars", folders["hls-burn-scars"]))
    image = data.splits["train"][0]
    assert np.isnan(image.sources[0].source[:, 0, 0]).all()
    assert not np.isnan(encoder.read_tile(image.sources[0], data.tile_format)).any()


def test_statistics_of_the_data_set_normalise_it(folders, encoder):
    """PANGAEA's rule: the data set's mean becomes the middle of the model's range."""
    data = open_images(at("pastis", folders["pastis"]))
    mean = {band: value for band, value, _ in data.tile_format.statistics}
    tile = np.stack([np.full((SIDE, SIDE), mean[band]) for band in encoder.processor.image_processor.bands])
    torch.testing.assert_close(encoder._pixels([tile], data.tile_format), torch.full((1, 10, 96, 96), 0.5))


def test_labels_are_those_of_the_files(folders):
    floods = open_images(at("sen1floods11", folders["sen1floods11"])).splits["test"][0]
    raw = rasterio.open(
        folders["sen1floods11"] / "v1.1/data/flood_events/HandLabeled/LabelHand/Ghana_test0_LabelHand.tif"
    )
    np.testing.assert_array_equal(floods.label, raw.read(1))

    pastis = open_images(at("pastis", folders["pastis"])).splits["test"][0]
    target = np.load(folders["pastis"] / "ANNOTATIONS/TARGET_10005.npy")[0].astype(int)
    np.testing.assert_array_equal(pastis.label[target == 7], 6)
    assert (pastis.label[(target == 0) | (target == 19)] == IGNORED).all()

    biomass = open_images(at("biomassters", folders["biomassters"])).splits["test"][0]
    assert np.isnan(biomass.label[0, 0]) and biomass.label[1:].max() > 100

    several = open_images(at("m-bigearthnet", folders["m-bigearthnet"])).splits["test"][0]
    assert several.label.shape == (43,) and several.label.sum() == 1


def test_bands_of_20_and_60_metres_are_repeated(folders):
    tile = open_images(at("mados", folders["mados"])).splits["train"][0].sources[0].source
    coastal = tile[0].reshape(SIDE // 6, 6, SIDE // 6, 6)
    np.testing.assert_array_equal(coastal, np.broadcast_to(coastal[:, :1, :, :1], coastal.shape))
    assert len(np.unique(tile[1])) > 10


def test_dates_are_the_latest_or_evenly_spaced(folders):
    assert chosen_dates(9, 1) == [8]
    assert chosen_dates(9, 3) == [0, 4, 8]
    assert chosen_dates(8, 6, latest=True) == [2, 3, 4, 5, 6, 7]
    assert chosen_dates(2, 3) == [0, 0, 1]
    pastis = open_images(at("pastis", folders["pastis"])).splits["test"][0]
    assert [source.name for source in pastis.sources] == [f"10005, date {date}" for date in (0, 2, 3, 5, 6, 8)]
    crops = open_images(at("crop-type-south-sudan", folders["crop-type-south-sudan"])).splits["test"][0]
    assert [source.name[-1] for source in crops.sources] == list("234567")
    assert crops.sources[0].source.mean() < crops.sources[-1].source.mean()


def test_damaged_tiles_are_left_out_and_said(folders):
    data = open_images(at("crop-type-south-sudan", folders["crop-type-south-sudan"]))
    assert data.dropped == 1 and data.remarks == ("1 of 9 tiles are damaged or absent and left out.",)
    assert "southsudan_000000" not in data.splits["train"].names


def test_the_test_of_burn_scars_is_the_published_validation(folders):
    data = open_images(at("hls-burn-scars", folders["hls-burn-scars"]))
    assert [len(data.splits[split]) for split in ("train", "validation", "test")] == [9, 1, 2]


# What must be refused ------------------------------------------------------------------------------------------------


def test_data_that_are_not_here_are_skipped_with_a_reason():
    with pytest.raises(Unavailable, match=r"'mados' is none; download MADOS.zip .* by --data NAME=FOLDER"):
        open_images(TASKS["mados"])


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected the patches' metadata"):
        open_images(at("pastis", tmp_path))


def test_a_mask_for_each_image_is_asked_for(tmp_path):
    make_small_farms(tmp_path)
    next((tmp_path / "sentinel-2-asia/train/masks").iterdir()).unlink()
    with pytest.raises(ValueError, match=r"holds 3 images and .* 2 masks"):
        open_images(at("ai4smallfarms", tmp_path))


def test_a_label_of_another_size_is_refused(tmp_path):
    make_pastis(tmp_path)
    np.save(tmp_path / "ANNOTATIONS/TARGET_10005.npy", np.zeros((3, 5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"'10005' has \(12, 12\) pixels and its label \(5, 5\)"):
        open_images(at("pastis", tmp_path)).splits["test"][0]


def test_a_raster_with_other_bands_is_refused(tmp_path):
    make_floods(tmp_path)
    path = tmp_path / "v1.1/data/flood_events/HandLabeled/S2Hand/Ghana_test0_S2Hand.tif"
    write_raster(path, marked(12, np.uint16, 0))
    with pytest.raises(ValueError, match="has 12 bands, expected 13"):
        open_images(at("sen1floods11", tmp_path)).splits["test"][0]


def test_wrong_units_name_the_tile(tmp_path, encoder):
    make_pastis(tmp_path)
    np.save(tmp_path / "DATA_S2/S2_10005.npy", np.full((9, 10, SIDE, SIDE), 0.3, np.float32))
    data = open_images(at("pastis", tmp_path))
    with pytest.raises(ValueError, match=r"Tile '10005, date 0'.*looks like reflectance"):
        encoder.read_tile(data.splits["test"][0].sources[0], data.tile_format)


def test_shards_with_pickles_are_refused(tmp_path):
    root = tmp_path / "m-so2sat"
    root.mkdir()
    (root / "default_partition.json").write_text(json.dumps({"train": ["a", "b"], "valid": ["c"], "test": ["d"]}))
    with pytest.raises(ValueError, match="older ones hold pickles"):
        open_images(at("m-so2sat", tmp_path)).splits["test"][0]


def test_an_unknown_option_is_named():
    task = replace(TASKS["pastis"], options={**TASKS["pastis"].options, "date": 3})
    with pytest.raises(ValueError, match="sets 'date', which is no setting; did you mean 'dates'"):
        open_images(task)


def test_a_validation_split_is_held_out_by_name():
    images = Images([f"tile-{number}" for number in range(100)], lambda index: None)  # type: ignore[arg-type, return-value]
    splits = with_validation({"train": images, "test": images})
    assert 3 < len(splits["validation"]) < 25
    assert not set(splits["train"].names) & set(splits["validation"].names)
    assert splits["validation"].names == with_validation({"train": images, "test": images})["validation"].names
    with pytest.raises(ValueError, match="1 training images, expected two or more"):
        with_validation({"train": images[:1], "test": images})


def test_some_are_drawn_by_seed():
    images = Images([str(number) for number in range(50)], lambda index: None)  # type: ignore[arg-type, return-value]
    drawn = images.at_most(7)
    assert len(drawn) == 7 and drawn.names == images.at_most(7).names != images.at_most(7, seed=1).names
    assert images.at_most(None) is images


# The sample world ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[Path]:
    settings = WorldSettings(tiles=8, photos=2, held_out_tiles=4, held_out_photos=3)
    with pytest.MonkeyPatch.context() as patch:
        # Rendered in a thread: starting processes takes seconds.
        patch.setattr(sample_dataset, "_worker_pool", ThreadPoolExecutor)
        yield write_sample_dataset(tmp_path_factory.mktemp("world") / "world", settings, workers=1)


def test_the_sample_world_s_image_tasks(world, encoder):
    assert (world / SUMS).is_file()
    tiles = open_images(at("world-tiles", world))
    image = tiles.splits["test"][0]
    assert tiles.classes[image.label] in ("water", "forest", "crop", "grass", "built", "bare", "snow")
    assert -180 <= image.place[0] < 180 and -90 <= image.place[1] <= 90
    assert encoder.read_tile(image.sources[0], tiles.tile_format).shape == (10, 96, 96)
    assert len(tiles.splits["test"]) == 4 and len(tiles.splits["train"]) + len(tiles.splits["validation"]) == 8

    several = open_images(at("world-tiles-multilabel", world)).splits["test"][0]
    assert several.name == image.name and several.label[image.label] == 1 and several.label.sum() >= 1

    segmented = open_images(at("world-segmentation", world)).splits["test"][0]
    assert segmented.label.shape == (96, 96)
    assert np.bincount(segmented.label.ravel()).argmax() == image.label

    photos = open_images(at("world-photos", world)).splits["test"]
    assert len(photos) == 12 and encoder.read_photo(photos[0].sources[0]).shape == (96, 128, 3)
    greenness = [one.label for one in open_images(at("world-photos-greenness", world)).splits["test"]]
    assert all(0 <= value <= 1 for value in greenness) and len(set(greenness)) > 6


def test_rows_without_a_label_are_counted(world, tmp_path):
    (tmp_path / "data").mkdir()
    for path in (world / "data").glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        rows[0]["cover"] = None if path.name.startswith("test-00000") else rows[0]["cover"]
        if path.name.startswith("train-00000"):
            rows[0]["cover"] = [float("nan")] * 7
        pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), tmp_path / "data" / path.name)
    for name in ("world-tiles", "world-tiles-multilabel"):
        data = open_images(at(name, tmp_path))
        assert data.dropped == 2 and data.remarks == ("2 samples have no label and are left out.",)
        assert len(data.splits["test"]) == 3


def test_a_column_that_is_not_there_is_named(world):
    task = replace(at("world-photos", world), columns={"label": "photo_cvoer"})
    with pytest.raises(ValueError, match="have no column 'photo_cvoer'"):
        open_images(task)


# Classes of tiles ----------------------------------------------------------------------------------------------------


def test_eurosat_by_knn_and_logistic_regression(folders, encoder, tmp_path):
    """The made classes differ in brightness alone, which every tower sees."""
    bench = Bench(FeatureStore(tmp_path), torch.device("cpu"))
    task = at("eurosat", folders["eurosat"])
    found = TileClassification().measure(task, encoder, bench)
    scores = {(score.method, score.metric): score for score in found.scores}
    assert set(scores) == {(m, name) for m in ("knn", "logistic") for name in ("accuracy", "macro_f1")}
    assert scores["logistic", "accuracy"].value == 1.0
    assert scores["logistic", "accuracy"].n_samples == 12 and scores["logistic", "accuracy"].n_test == 6
    baseline = TileClassification().baselines(task, bench)
    assert {score.model for score in baseline.scores} == {"majority"}
    assert next(s for s in baseline.scores if s.metric == "accuracy").value == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", [name for name in MAKERS if TASKS[name].kind == "segmentation"])
def test_every_segmentation_task_runs_in_its_protocol(name, folders, encoder, tmp_path):
    """Windows, missing bands, dates and numbers together, with a decoder that is small and hardly trained."""
    task = at(name, folders[name])
    quick = {"channels": 4, "epochs": 1, "batch_size": 2}
    window = {"window": 8} if "segmentation" in task.options else {}
    task = replace(task, options={**task.options, "segmentation": {**quick, **window}})
    bench = Bench(FeatureStore(tmp_path), torch.device("cpu"))
    scores = Segmentation().measure(task, encoder, bench).scores
    found = {(score.method, score.metric): score.value for score in scores}
    assert {method for method, _ in found} == {"upernet_layers", "upernet_nili"}
    assert {metric for _, metric in found if not metric.startswith("iou ")} == set(task.metrics)
    assert all(np.isfinite(value) for value in found.values())
    baseline = {score.metric: score.value for score in Segmentation().baselines(task, bench).scores}
    assert set(task.metrics) <= set(baseline)


def test_embeddings_are_kept_by_model_and_format(folders, encoder, tmp_path, monkeypatch):
    bench = Bench(FeatureStore(tmp_path), torch.device("cpu"))
    task = at("eurosat", folders["eurosat"])
    TileClassification().extract(task, encoder, bench)
    monkeypatch.setattr(encoder, "embed_tiles", None)
    TileClassification().measure(task, encoder, bench)
    dimmer = replace(task, options={**task.options, "tiles": {**task.options["tiles"], "digital_number_offset": 5.0}})
    with pytest.raises(TypeError):
        TileClassification().measure(dimmer, encoder, bench)


def test_scores_of_classes():
    labels = np.array([0, 0, 1, 2])
    right = np.eye(3)[labels]
    assert class_scores(labels, right) == {"accuracy": 1.0, "macro_f1": 1.0}
    all_zero = np.tile([1.0, 0.0, 0.0], (4, 1))
    assert class_scores(labels, all_zero)["accuracy"] == 0.5
    assert class_scores(labels, all_zero)["macro_f1"] == pytest.approx((2 * 0.5 / 1.5) / 3)
    several = np.array([[1, 0], [0, 1]])
    assert class_scores(several, several.astype(float)) == {"micro_map": 1.0}
    # The two right ones rank second and fourth of four: (1/2 + 2/4) / 2.
    assert class_scores(several, np.array([[0.6, 0.9], [0.5, 0.1]]))["micro_map"] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="No row to test on has any class"):
        class_scores(np.zeros((2, 2)), np.ones((2, 2)))


def test_simple_features(folders):
    data = open_images(at("eurosat", folders["eurosat"]))
    bands = BandStatistics()
    tiles = [bands.read_tile(data.splits["train"][0].sources[0], data.tile_format)]
    assert bands.embed_tiles(tiles, data.tile_format).shape == (1, 70)
    colours = ColourStatistics()
    photos = [colours.read_photo(_photo(value)) for value in (0, 255)]
    dark, bright = colours.embed_photos(photos)
    assert dark.shape == (21,) and (bright[[0, 7, 14]] > dark[[0, 7, 14]]).all()
    assert np.allclose(dark[[1, 8, 15]], 0, atol=1e-5)


def _photo(value: int) -> PhotoSample:
    return PhotoSample(str(value), Image.new("RGB", (32, 24), (value, value, value)))


def test_real_patches_are_read_by_declared_bands(data_dir, encoder):
    """Three real Sentinel-2 patches whose files do not name their bands."""
    tile_format = TileFormat(("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"))
    paths = sorted((data_dir / "sentinel2").glob("patch_*.tif"))
    tiles = [encoder.read_tile(TileSample(path.stem, path), tile_format) for path in paths]
    assert len(tiles) == 3 and all(tile.shape == (10, 256, 256) for tile in tiles)
    features = BandStatistics().embed_tiles(tiles, tile_format)
    assert np.isfinite(features).all() and len(np.unique(features[:, 0])) == 3
