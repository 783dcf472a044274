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
"""
Labelled tiles and photos of the benchmark data sets, each read as it is published, and named by a task's YAML.

A loader only finds files and labels and names bands: pixels are decoded, checked, normalised and resized by the model's
processors. Where a data set has no validation split, a tenth of its training images is held out by a hash of their names.
"""

import csv
import io
import json
import math
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
from datasets import ClassLabel, Dataset
from sklearn.model_selection import train_test_split

from modeling_gair.geo_gair import wrap_longitude
from modeling_gair.raster_gair import open_geotiff, unproject, unrolled
from training.benchmarks.data import Unavailable, open_split, require_columns
from training.benchmarks.encoders.encoder import PhotoSample, TileFormat, TileSample
from training.benchmarks.tasks.task import Task
from training.common.checks import check_keys
from training.common.schema import unpack_tile
from training.pairs.sources import is_held_out

# Pixels that have no class, or one that is not scored.
IGNORED = -1
SPLITS = ("train", "validation", "test")
_VALIDATION_SHARE = 0.1
# Of a table that has no split for it.
_TEST_SHARE = 0.2
# The seed of PANGAEA's division of HLS Burn Scars into training and validation.
_BURN_SCARS_SEED = 23
# Pixels without data in HLS scenes; their files do not always declare it.
_HLS_MISSING = 9999
_PASTIS_FOLDS = {"train": (1, 2, 3), "validation": (4,), "test": (5,)}
_CROP_TYPE_PARTITIONS = {"train": 0, "validation": 1, "test": 2}
_FLOOD_SPLITS = {"train": "train", "validation": "valid", "test": "test"}
_GEOBENCH_SPLITS = {"train": "train", "validation": "valid", "test": "test"}
# Wavelengths in nanometres of Sentinel-2A and 2B, by which MADOS names its files.
_MADOS_BANDS = {
    "B01": (443, 442),
    "B02": (492,),
    "B03": (560, 559),
    "B04": (665,),
    "B05": (704,),
    "B06": (740, 739),
    "B07": (783, 780),
    "B08": (833,),
    "B8A": (865, 864),
    "B11": (1614, 1610),
    "B12": (2202, 2186),
}
_MADOS_RESOLUTIONS = (10, 20, 60)
# What `options` may hold, for the loaders and for the kinds of task.
_OPTIONS = ("layout", "tiles", "classes", "nonzero", "dates", "latest", "most", "label", "at_least", "name", "bands")
_KIND_OPTIONS = ("images", "segmentation", "head")


@dataclass(frozen=True)
class LabelledImage:
    """
    One sample of a data set, undecoded.

    Attributes:
        name (`str`): its id.
        sources (`tuple`): one [`TileSample`] for each date, the oldest first, or one [`PhotoSample`].
        label: a class (`int`), a number (`float`), zeros and ones for each class (`np.ndarray` of shape `(K,)`), or a map
            in the grid of the tile: classes, int64 `(H, W)` where -1 is not scored, or numbers, float32 `(H, W)` where
            NaN is not scored.
        place (`tuple[float, float]`, *optional*): lon, lat of its centre in degrees.
    """

    name: str
    sources: tuple[Any, ...]
    label: Any
    place: tuple[float, float] | None = None


class Images(Sequence[LabelledImage]):
    """
    The samples of a split, read when they are asked for.

    Args:
        names (`Sequence[str]`): their ids.
        read (`Callable[[int], LabelledImage]`): reads one by its position.
    """

    def __init__(self, names: Sequence[str], read: Callable[[int], LabelledImage]):
        self.names, self._read = list(names), read

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> LabelledImage: ...

    @overload
    def __getitem__(self, index: slice) -> "Images": ...

    def __getitem__(self, index: int | slice) -> "LabelledImage | Images":
        if isinstance(index, slice):
            return self.chosen(range(len(self))[index])
        if not 0 <= index < len(self):
            raise IndexError(f"There is no image {index} among {len(self)}.")
        return self._read(index)

    def chosen(self, indexes: Sequence[int]) -> "Images":
        """The samples at these positions, in this order."""
        kept = list(indexes)
        return Images([self.names[index] for index in kept], lambda position: self._read(kept[position]))

    def at_most(self, count: int | None, seed: int = 0) -> "Images":
        """`count` samples drawn by the seed, in their own order; all of them where there are no more."""
        if count is None or len(self) <= count:
            return self
        drawn = np.random.default_rng(seed).permutation(len(self))[:count]
        return self.chosen(sorted(drawn.tolist()))


@dataclass(frozen=True)
class ImageSet:
    """
    A data set of labelled images.

    Attributes:
        splits (`dict[str, Images]`): `train`, `validation` and `test`.
        classes (`tuple[str, ...]`): names of the classes in their order; empty where labels are numbers.
        tile_format ([`TileFormat`], *optional*): how its tiles are stored; None for photos.
        dropped (`int`): samples left out because they have no label, or no readable file.
        remarks (`tuple[str, ...]`): sentences on what was left out.
    """

    splits: dict[str, Images]
    classes: tuple[str, ...] = ()
    tile_format: TileFormat | None = None
    dropped: int = 0
    remarks: tuple[str, ...] = ()


# The data of the last task, which several models are measured on one after the other.
_last: dict[str, ImageSet] = {}


def open_images(task: Task) -> ImageSet:
    """
    Opens the data of a task without decoding pixels.

    `task.options` says how: `layout` (one of [`LAYOUTS`]), `tiles` (fields of [`TileFormat`]), `classes` (raw value →
    name; pixels of other values are not scored), `dates` (how many of several dates to take), `most` (split → at most so
    many samples), and what the layout's loader asks for.

    Raises:
        Unavailable: the data are not at hand.
        ValueError: files or columns that the layout does not have, or an unknown option.
    """
    if repr(task) not in _last:
        _last.clear()
        _last[repr(task)] = _open(task)
    return _last[repr(task)]


def _open(task: Task) -> ImageSet:
    owner = f"Task {task.name!r}"
    check_keys(task.options, _OPTIONS + _KIND_OPTIONS, owner)
    layout = task.options.get("layout")
    check_keys([layout], LAYOUTS, f"{owner}, options.layout")
    most = task.options.get("most", {})
    check_keys(most, SPLITS, f"{owner}, options.most")
    found = LAYOUTS[str(layout)](task)
    for name in ("train", "test"):
        if not found.splits.get(name):
            raise ValueError(
                f"{owner} finds no images in its split {name}; check what --data names against its layout."
            )
    splits = with_validation(found.splits)
    splits = {name: splits[name].at_most(most.get(name)) for name in SPLITS}
    return replace(found, splits=splits, tile_format=_tile_format(task))


def with_validation(splits: dict[str, Images]) -> dict[str, Images]:
    """
    The splits with one for validation: their own, or a tenth of the training images by a hash of their names.

    Raises:
        ValueError: too few training images for that.
    """
    if splits.get("validation"):
        return splits
    train = splits["train"]
    held_out = [is_held_out(name, _VALIDATION_SHARE) for name in train.names]
    if all(held_out) or not any(held_out):
        # So few images that the hash takes none of them, or all.
        held_out = [position == 0 for position in range(len(train))]
    if len(train) < 2:
        raise ValueError(
            f"There are {len(train)} training images, expected two or more, one of them to validate on; add some."
        )
    parts = [[index for index, out in enumerate(held_out) if out == side] for side in (False, True)]
    return {**splits, "train": train.chosen(parts[0]), "validation": train.chosen(parts[1])}


def chosen_dates(count: int, wanted: int, latest: bool = False) -> list[int]:
    """
    Which of `count` dates, the oldest first, are taken where a decoder wants `wanted` of them: evenly spaced ones from
    first to last (PANGAEA's rule), or the `latest`. One is the last. Where there are fewer, some are taken twice.

    Returns:
        `list[int]`: `wanted` positions, ascending.
    """
    if wanted == 1:
        return [count - 1]
    first = max(0, count - wanted) if latest else 0
    return np.linspace(first, count - 1, wanted).round().astype(int).tolist()


# What several layouts share ------------------------------------------------------------------------------------------


def _tile_format(task: Task) -> TileFormat | None:
    if "tile" not in task.needs:
        return None
    settings = dict(task.options.get("tiles", {}))
    statistics = settings.pop("statistics", {})
    check_keys(settings, TileFormat.__dataclass_fields__, f"Task {task.name!r}, options.tiles")
    settings["bands"] = tuple(settings.get("bands", ()))
    return TileFormat(**settings, statistics=tuple((band, *values) for band, values in statistics.items()))


def _folder(task: Task) -> Path:
    """The local folder of data that are published as files."""
    folder = Path(task.source)
    if not folder.is_dir():
        raise Unavailable(
            f"The data of task {task.name!r} are read from a local folder and {task.source!r} is none; "
            f"{task.access or f'pass it by --data {task.name}=FOLDER'}."
        )
    return folder


def _existing(path: Path, what: str) -> Path:
    if not path.exists():
        raise ValueError(f"There is no {str(path)!r}, expected {what}; check the folder against the published layout.")
    return path


def _read_raster(path: Path, bands: int | None = None) -> np.ndarray:
    """
    All bands of a GeoTIFF, `(C, H, W)` with row 0 in the north; float32 with NaN where data are missing, otherwise in its
    own dtype.
    """
    with open_geotiff(_existing(path, "a GeoTIFF")) as raster:
        if bands is not None and len(raster.names) != bands:
            raise ValueError(f"{str(path)!r} has {len(raster.names)} bands, expected {bands}; check which file it is.")
        pixels, missing, _, _ = raster.read(range(len(raster.names)))
    if not missing.any():
        return pixels
    pixels = pixels.astype(np.float32)
    pixels[:, missing] = np.nan
    return pixels


def _classes(task: Task) -> tuple[str, ...]:
    return tuple(str(name) for name in task.options["classes"].values())


def _class_map(task: Task, raw: np.ndarray) -> np.ndarray:
    """Raw values of a map as classes, int64; with `nonzero`, all but 0 are class 1."""
    if task.options.get("nonzero"):
        return (raw != 0).astype(np.int64)
    mapped = np.full(raw.shape, IGNORED, np.int64)
    for position, value in enumerate(task.options["classes"]):
        mapped[raw == value] = position
    return mapped


def _check_same_grid(name: str, pixels: np.ndarray, label: np.ndarray) -> None:
    if pixels.shape[-2:] != label.shape:
        raise ValueError(
            f"Tile {name!r} has {pixels.shape[-2:]} pixels and its label {label.shape}, expected one grid; check that the "
            "two files belong together."
        )


def _of_files(read: Callable[[Any], LabelledImage], files: Sequence[Any], names: Sequence[str]) -> Images:
    """Samples of which each is read from an entry of `files`."""
    return Images(names, lambda index: read(files[index]))


# Layouts -------------------------------------------------------------------------------------------------------------


def _open_rows(task: Task) -> ImageSet:
    """
    Tiles or photos in the schema of the pre-training data (training/README.md), the sample world's among them.
    `columns.label` names a label column; one that begins with `photo_` holds a value for each photo. `label`: `argmax`
    (the class of the greatest of several fractions), `at_least` (one 0 or 1 for each fraction that reaches the option
    `at_least`), `map` (uint8 bytes, one for each pixel), or nothing to take the value as it is.
    """
    most = task.options.get("most", {})
    classes = _classes(task) if "classes" in task.options else ()
    found = {name: _images_of_rows(task, name, most.get(name)) for name in ("train", "test")}
    splits = {name: [image for image in images if not _lacks_label(image)] for name, images in found.items()}
    dropped = sum(map(len, found.values())) - sum(map(len, splits.values()))
    remarks = (f"{dropped} samples have no label and are left out.",) if dropped else ()
    return ImageSet({name: _of_memory(images) for name, images in splits.items()}, classes, None, dropped, remarks)


def _of_memory(images: list[LabelledImage]) -> Images:
    return Images([image.name for image in images], images.__getitem__)


def _lacks_label(image: LabelledImage) -> bool:
    return image.label is None or (isinstance(image.label, float) and math.isnan(image.label))


def _images_of_rows(task: Task, split: str, most: int | None) -> list[LabelledImage]:
    """Held in memory: a stream has no order to return to. Only as many rows are read as are needed."""
    rows = open_split(task, split, streaming=True)
    require_columns(task, rows, [task.columns["label"]])
    read = _photos_of_row if "photo" in task.needs else _tile_of_row
    return list(islice((image for row in rows for image in read(task, row)), most))


def _tile_of_row(task: Task, row: dict[str, Any]) -> Iterator[LabelledImage]:
    bounds, crs = tuple(row["bounds"]), row["crs"]
    west, south, east, north = unrolled(bounds)
    lon, lat = unproject((west + east) / 2, (south + north) / 2, crs)
    tile = TileSample(row["id"], unpack_tile(row), bounds, crs)
    label = _label_of_row(task, row[task.columns["label"]], row["tile_shape"][1:])
    yield LabelledImage(row["id"], (tile,), label, (float(wrap_longitude(lon)), float(lat)))


def _photos_of_row(task: Task, row: dict[str, Any]) -> Iterator[LabelledImage]:
    values = row[task.columns["label"]]
    for position, photo in enumerate(row["photos"]):
        value = values[position] if task.columns["label"].startswith("photo_") else values
        sample = PhotoSample(photo["id"], photo["jpeg"])
        yield LabelledImage(photo["id"], (sample,), _label_of_row(task, value, ()), (photo["lon"], photo["lat"]))


def _label_of_row(task: Task, value: Any, shape: Sequence[int]) -> Any:
    """The label by the task's rule; None where there is none."""
    rule = task.options.get("label")
    if rule is None or value is None:
        return value
    if rule in ("argmax", "at_least"):
        fractions = np.asarray(value, np.float64)
        if not np.isfinite(fractions).all():
            return None
        return int(fractions.argmax()) if rule == "argmax" else (fractions >= task.options["at_least"]).astype(np.int64)
    if rule == "map":
        return _class_map(task, np.frombuffer(value, np.uint8).reshape(tuple(shape)))
    raise ValueError(f"Task {task.name!r} has the label rule {rule!r}, expected argmax, at_least, map or none.")


def _open_table(task: Task) -> ImageSet:
    """
    A data set of `datasets` with an image and a class in each row, such as EuroSAT: `columns.image` an array
    `(H, W, C)` or `(C, H, W)` by `columns.axes` (`HWC` by default), `columns.label` a class.
    """
    splits: dict[str, Images] = {}
    classes: tuple[str, ...] = ()
    for split in task.splits or SPLITS:
        table = open_split(task, split)
        require_columns(task, table, [task.columns["image"], task.columns["label"]])
        label = table.features[task.columns["label"]]
        classes = tuple(label.names) if isinstance(label, ClassLabel) else _classes(task)
        names = [f"{split}-{row}" for row in range(len(table))]
        splits[split] = Images(names, partial(_tile_of_table, task, table.with_format("numpy"), split))
    return ImageSet(splits, classes)


def _tile_of_table(task: Task, table: Dataset, split: str, index: int) -> LabelledImage:
    row = table[index]
    pixels = np.asarray(row[task.columns["image"]])
    if task.columns.get("axes", "HWC") == "HWC":
        pixels = pixels.transpose(2, 0, 1)
    name = f"{split}-{index}"
    return LabelledImage(name, (TileSample(name, pixels),), int(row[task.columns["label"]]))


def _open_geobench(task: Task) -> ImageSet:
    """
    GEO-Bench v1 in its pickle-free form: `NAME/default_partition.json` (split → ids) and `NAME/shard_*.tar` with
    `ID.bands.npz` (band name → pixels) and `ID.meta.json` (`label`: a class, or zeros and ones). The option `name` is
    NAME, `bands` maps the file's band names to ours, so that no band is taken by its position.
    """
    folder = _existing(_folder(task) / task.options["name"], "the data set's folder")
    with _existing(folder / "default_partition.json", "the split file").open(encoding="utf-8") as file:
        partition = json.load(file)
    members = {name: place for shard in sorted(folder.glob("shard_*.tar")) for name, place in _members(shard)}
    read = partial(_geobench_tile, task, members)
    splits = {ours: _of_files(read, partition[own], partition[own]) for ours, own in _GEOBENCH_SPLITS.items()}
    return ImageSet(splits, _classes(task))


def _members(shard: Path) -> Iterator[tuple[str, tuple[Path, int, int]]]:
    with tarfile.open(shard) as archive:
        for member in archive:
            yield member.name, (shard, member.offset_data, member.size)


def _geobench_tile(task: Task, members: dict[str, tuple[Path, int, int]], name: str) -> LabelledImage:
    label = json.loads(_member(members, f"{name}.meta.json"))["label"]
    with np.load(io.BytesIO(_member(members, f"{name}.bands.npz")), allow_pickle=False) as arrays:
        lacking = [band for band in task.options["bands"] if band not in arrays]
        if lacking:
            raise ValueError(f"{name!r} lacks the bands {lacking} (it has {list(arrays)}); check which data set it is.")
        pixels = np.stack([arrays[band] for band in task.options["bands"]])
    if isinstance(label, list):
        label = np.asarray(label, np.int64)
    return LabelledImage(name, (TileSample(name, pixels),), label)


def _member(members: dict[str, tuple[Path, int, int]], name: str) -> bytes:
    if name not in members:
        raise ValueError(
            f"No shard holds {name!r}; download all shards of the pickle-free mirror (older ones hold pickles, which are "
            "not read)."
        )
    shard, offset, size = members[name]
    with shard.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _open_burn_scars(task: Task) -> ImageSet:
    """
    HLS Burn Scars: `training` and `validation`, each with `*_merged.tif` (six bands, reflectance) and `*.mask.tif`. As in
    PANGAEA the folder `validation` is the test, and a tenth of `training` validates.
    """
    folder = _folder(task)
    train, test = (
        _pairs(folder / part, folder / part, "*_merged.tif", "*mask.tif") for part in ("training", "validation")
    )
    kept, validating = train_test_split(np.arange(len(train)), test_size=0.1, random_state=_BURN_SCARS_SEED)
    files = {"train": [train[i] for i in kept], "validation": [train[i] for i in validating], "test": test}
    read = partial(_segmented_tile, task, missing_value=_HLS_MISSING)
    splits = {name: _of_files(read, pairs, _stems(pairs)) for name, pairs in files.items()}
    return ImageSet(splits, _classes(task))


def _open_small_farms(task: Task) -> ImageSet:
    """
    AI4SmallFarms: `sentinel-2-asia/{train,validate,test}/{images,masks}/TILE.tif`, four bands; a mask is 0 or not.
    """
    root = _existing(_folder(task) / "sentinel-2-asia", "the folder sentinel-2-asia")
    splits = {}
    for ours, own in task.splits.items():
        pairs = _pairs(root / own / "images", root / own / "masks", "*.tif", "*.tif")
        splits[ours] = _of_files(partial(_segmented_tile, task), pairs, _stems(pairs))
    return ImageSet(splits, _classes(task))


def _pairs(images: Path, masks: Path, image_pattern: str, mask_pattern: str) -> list[tuple[Path, Path]]:
    """Images with their masks, which belong together in the order of their names."""
    found = sorted(_existing(images, "a folder of images").glob(image_pattern))
    targets = sorted(_existing(masks, "a folder of masks").glob(mask_pattern))
    if len(found) != len(targets):
        raise ValueError(
            f"{str(images)!r} holds {len(found)} images and {str(masks)!r} {len(targets)} masks, expected one for each; "
            "complete the download."
        )
    return list(zip(found, targets))


def _stems(pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    return [image.stem for image, _ in pairs]


def _segmented_tile(task: Task, files: tuple[Path, Path], missing_value: float | None = None) -> LabelledImage:
    pixels = _read_raster(files[0], len(task.options["tiles"]["bands"]))
    if missing_value is not None:
        pixels = pixels.astype(np.float32)
        pixels[:, (np.abs(pixels) == missing_value).any(axis=0)] = np.nan
    label = _class_map(task, _read_raster(files[1], 1)[0])
    name = files[0].stem
    _check_same_grid(name, pixels, label)
    return LabelledImage(name, (TileSample(name, pixels),), label)


def _open_floods(task: Task) -> ImageSet:
    """
    Sen1Floods11, hand-labelled: `v1.1/splits/flood_handlabeled/flood_{train,valid,test}_data.csv` (no header: the file in
    S1Hand, the file in LabelHand) and `v1.1/data/flood_events/HandLabeled/{S2Hand,LabelHand}`; 13 bands of L1C.
    """
    root = _existing(_folder(task) / "v1.1", "the folder v1.1")
    hand = root / "data/flood_events/HandLabeled"
    splits = {}
    for ours, own in _FLOOD_SPLITS.items():
        path = _existing(root / f"splits/flood_handlabeled/flood_{own}_data.csv", "a list of files")
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        pairs = [
            (hand / "S2Hand" / radar.replace("S1Hand", "S2Hand"), hand / "LabelHand" / label) for radar, label in rows
        ]
        splits[ours] = _of_files(partial(_segmented_tile, task), pairs, _stems(pairs))
    return ImageSet(splits, _classes(task))


def _open_mados(task: Task) -> ImageSet:
    """
    MADOS: `splits/{train,val,test}_X.txt` (lines `Scene_7_3`: scene and crop), `SCENE/{10,20,60}/SCENE_L2R_rhorc_{nm}_CROP.tif`
    (one band a file, named by its wavelength, reflectance) and `SCENE/10/SCENE_L2R_cl_CROP.tif` (0 where unlabelled).
    Bands of 20 and 60 m are repeated to the grid of 10 m, as in PANGAEA.
    """
    folder = _folder(task)
    splits = {}
    for ours, own in task.splits.items():
        lines = _existing(folder / "splits" / f"{own}_X.txt", "a list of crops").read_text(encoding="utf-8").split()
        splits[ours] = _of_files(partial(_mados_tile, task, folder), lines, lines)
    return ImageSet(splits, _classes(task))


def _mados_tile(task: Task, folder: Path, name: str) -> LabelledImage:
    scene, _, crop = name.rpartition("_")
    label = _class_map(task, _read_raster(folder / scene / "10" / f"{scene}_L2R_cl_{crop}.tif", 1)[0])
    pixels = np.stack([_mados_band(folder / scene, crop, band) for band in task.options["tiles"]["bands"]])
    _check_same_grid(name, pixels, label)
    return LabelledImage(name, (TileSample(name, pixels),), label)


def _mados_band(scene: Path, crop: str, band: str) -> np.ndarray:
    for resolution in _MADOS_RESOLUTIONS:
        for wavelength in _MADOS_BANDS[band]:
            path = scene / str(resolution) / f"{scene.name}_L2R_rhorc_{wavelength}_{crop}.tif"
            if path.exists():
                times = resolution // _MADOS_RESOLUTIONS[0]
                return _read_raster(path, 1)[0].repeat(times, axis=0).repeat(times, axis=1)
    raise ValueError(
        f"{str(scene)!r} has no file of {band} (a wavelength of {_MADOS_BANDS[band]} nm) for crop {crop}; complete the "
        "download."
    )


def _open_pastis(task: Task) -> ImageSet:
    """
    PASTIS and PASTIS-HD: `metadata.geojson` (`ID_PATCH`, `Fold`), `DATA_S2/S2_ID.npy` `(T, 10, 128, 128)` and
    `ANNOTATIONS/TARGET_ID.npy`, whose first layer holds the classes. Folds 1 to 3 train, 4 validates, 5 tests.
    """
    folder = _folder(task)
    with _existing(folder / "metadata.geojson", "the patches' metadata").open(encoding="utf-8") as file:
        patches = [feature["properties"] for feature in json.load(file)["features"]]
    splits = {}
    for name, folds in _PASTIS_FOLDS.items():
        ids = [str(patch["ID_PATCH"]) for patch in patches if int(patch["Fold"]) in folds]
        splits[name] = _of_files(partial(_pastis_tile, task, folder), ids, ids)
    return ImageSet(splits, _classes(task))


def _pastis_tile(task: Task, folder: Path, name: str) -> LabelledImage:
    dates = np.load(
        _existing(folder / "DATA_S2" / f"S2_{name}.npy", "a time series"), mmap_mode="r", allow_pickle=False
    )
    target = np.load(_existing(folder / "ANNOTATIONS" / f"TARGET_{name}.npy", "its labels"), allow_pickle=False)[0]
    return _time_series(task, name, dates, _class_map(task, target))


def _open_crop_type(task: Task) -> ImageSet:
    """
    Crop Type Mapping, South Sudan (SustainBench): `southsudan/list_eval_partition.csv` (`id`, `partition` 0, 1, 2),
    `southsudan/npy/southsudan_ID.npz` (`s2`, `(10, H, W, T)`) and `southsudan/truth/southsudan_ID.npz` (`truth`), ID with
    six digits. Archives that are damaged as published are left out, and said.
    """
    country = _existing(_folder(task) / "southsudan", "the folder southsudan")
    path = _existing(country / "list_eval_partition.csv", "the list of tiles")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [(f"southsudan_{int(row['id']):06d}", int(row["partition"])) for row in csv.DictReader(file)]
    damaged = [name for name, _ in rows if not zipfile.is_zipfile(country / "npy" / f"{name}.npz")]
    splits = {}
    for ours, partition in _CROP_TYPE_PARTITIONS.items():
        names = [name for name, part in rows if part == partition and name not in damaged]
        splits[ours] = _of_files(partial(_crop_type_tile, task, country), names, names)
    remarks = (f"{len(damaged)} of {len(rows)} tiles are damaged or absent and left out.",) if damaged else ()
    return ImageSet(splits, _classes(task), None, len(damaged), remarks)


def _crop_type_tile(task: Task, country: Path, name: str) -> LabelledImage:
    with np.load(country / "npy" / f"{name}.npz", allow_pickle=False) as arrays:
        dates = arrays["s2"].transpose(3, 0, 1, 2)
    with np.load(_existing(country / "truth" / f"{name}.npz", "its labels"), allow_pickle=False) as arrays:
        target = arrays["truth"]
    return _time_series(task, name, dates, _class_map(task, target))


def _time_series(task: Task, name: str, dates: np.ndarray, label: np.ndarray) -> LabelledImage:
    """A sample of several dates `(T, C, H, W)`, the oldest first; as many of them as the task wants."""
    kept = chosen_dates(len(dates), task.options.get("dates", 1), task.options.get("latest", False))
    sources = tuple(TileSample(f"{name}, date {date}", np.array(dates[date])) for date in kept)
    _check_same_grid(name, dates, label)
    return LabelledImage(name, sources, label)


def _open_biomassters(task: Task) -> ImageSet:
    """
    BioMassters in PANGAEA's division: `{train,val,test}_Data_list.csv` (`chip_id`), `{train,test}_features/ID_S2_MM.tif`
    (ten bands and a cloud probability; months 00 to 11, of which some are absent) and `{train,test}_agbm/ID_agbm.tif`
    (tonnes per hectare). The validation chips lie in the folders of training.
    """
    folder = _folder(task)
    splits = {}
    for ours, own in task.splits.items():
        path = _existing(folder / f"{own}_Data_list.csv", "a list of chips")
        with path.open(encoding="utf-8-sig", newline="") as file:
            chips = [row["chip_id"] for row in csv.DictReader(file)]
        part = "test" if ours == "test" else "train"
        read = partial(_biomass_tile, task, folder / f"{part}_features", folder / f"{part}_agbm")
        splits[ours] = _of_files(read, chips, chips)
    return ImageSet(splits)


def _biomass_tile(task: Task, features: Path, targets: Path, chip: str) -> LabelledImage:
    months = sorted(features.glob(f"{chip}_S2_*.tif"))
    if not months:
        raise ValueError(f"{str(features)!r} has no month of chip {chip!r}; complete the download.")
    bands = len(task.options["tiles"]["bands"])
    label = _read_raster(targets / f"{chip}_agbm.tif", 1)[0].astype(np.float32)
    sources = []
    for month in chosen_dates(len(months), task.options.get("dates", 1)):
        # The band behind the ten of Sentinel-2 is a probability of cloud.
        pixels = _read_raster(months[month], bands + 1)[:bands]
        _check_same_grid(chip, pixels, label)
        sources.append(TileSample(months[month].stem, pixels))
    return LabelledImage(chip, tuple(sources), label)


def _open_photos(task: Task) -> ImageSet:
    """
    Tables of photos, one for each split in `data_files`, or a single one, a fifth of which is held out to test on by a
    hash of the names. `columns.image` names a column of file names or ids, `columns.label` one of classes or numbers; the
    option `images` says where the files lie in the source (`img/{}.jpeg` puts an id in place of the braces). Rows without
    a label or without a file are left out, and said.
    """
    splits = list(task.data_files) if isinstance(task.data_files, dict) else [None]
    tables = {split or "train": _photo_rows(task, split) for split in splits}
    rows = {split: [row for row in table if row[1] and row[0].is_file()] for split, table in tables.items()}
    _check_any_photo(task, tables, rows)
    if "test" not in rows:
        whole = rows["train"]
        rows["test"] = [row for row in whole if is_held_out(row[0].stem, _TEST_SHARE)]
        rows["train"] = [row for row in whole if not is_held_out(row[0].stem, _TEST_SHARE)]
    dropped = sum(map(len, tables.values())) - sum(map(len, rows.values()))
    remarks = (f"{dropped} rows have no label or no photo and are left out.",) if dropped else ()
    if task.target_type == "regression":
        numbers = {name: _photos(part, [_number(task, label) for _, label in part]) for name, part in rows.items()}
        return ImageSet(numbers, (), None, dropped, remarks)
    # In the order of the alphabet: a table's own order says nothing.
    classes = sorted({label for part in rows.values() for _, label in part})
    found = {name: _photos(part, [classes.index(label) for _, label in part]) for name, part in rows.items()}
    return ImageSet(found, tuple(classes), None, dropped, remarks)


def _number(task: Task, label: str) -> float:
    try:
        return float(label)
    except ValueError as error:
        raise ValueError(
            f"The label {label!r} of task {task.name!r} is no number; name a numeric column, or make it a classification."
        ) from error


def _check_any_photo(task: Task, tables: dict[str, list[tuple[Path, str]]], rows: dict[str, list[Any]]) -> None:
    for split, table in tables.items():
        if not rows[split]:
            raise Unavailable(
                f"None of the {len(table)} photos of task {task.name!r} in its split {split} is there"
                f"{f', the first of them {str(table[0][0])!r}' if table else ''}; "
                f"{task.access or 'check where the photos lie'}."
            )


def _photo_rows(task: Task, split: str | None) -> list[tuple[Path, str]]:
    """The files and labels of a table, as text, empty where there is none."""
    folder = _folder(task)
    table = open_split(task, split)
    require_columns(task, table, [task.columns["image"], task.columns["label"]])
    pattern = task.options.get("images", "{}")
    files = [folder / pattern.format(image) for image in table[task.columns["image"]]]
    labels = ["" if label is None or label != label else str(label) for label in table[task.columns["label"]]]
    return list(zip(files, labels))


def _photos(rows: list[tuple[Path, str]], labels: list[Any]) -> Images:
    def read(index: int) -> LabelledImage:
        file = rows[index][0]
        return LabelledImage(file.stem, (PhotoSample(file.stem, file),), labels[index])

    return Images([file.stem for file, _ in rows], read)


LAYOUTS: dict[str, Callable[[Task], ImageSet]] = {
    "rows": _open_rows,
    "table": _open_table,
    "photos": _open_photos,
    "geobench": _open_geobench,
    "hls_burn_scars": _open_burn_scars,
    "ai4smallfarms": _open_small_farms,
    "sen1floods11": _open_floods,
    "mados": _open_mados,
    "pastis": _open_pastis,
    "crop_type": _open_crop_type,
    "biomassters": _open_biomassters,
}
