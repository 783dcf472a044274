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
"""What the layouts of published data sets share: folders, rasters, class maps, masks and time series."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modeling_gair.raster_gair import open_geotiff
from training.benchmarks.data import Unavailable
from training.benchmarks.encoders.encoder import TileSample
from training.benchmarks.layouts.samples import IGNORED, LabelledImage
from training.benchmarks.tasks.task import Task


def local_folder(task: Task) -> Path:
    """
    The local folder of a data set that is published as an archive or a set of files.

    Raises:
        Unavailable: the task's source is not a local folder.
    """
    folder = Path(task.source)
    if not folder.is_dir():
        raise Unavailable(
            f"The data of task {task.name!r} must be a local folder, and {task.source!r} is not one; "
            f"{task.access or f'pass it by --data {task.name}=FOLDER'}."
        )
    return folder


def existing_path(path: Path, what: str) -> Path:
    """
    The path itself.

    Raises:
        ValueError: nothing exists at `path`; `what` says what the layout has there.
    """
    if not path.exists():
        raise ValueError(f"{str(path)!r} not found, expected {what}; compare the folder with the published layout.")
    return path


def read_raster(path: Path, bands: int | None = None) -> np.ndarray:
    """
    All bands of a GeoTIFF, `(C, H, W)`, row 0 in the north: in the file's dtype, or float32 with NaN where data are missing.

    Raises:
        ValueError: the file does not exist, or does not have `bands` bands.
    """
    with open_geotiff(existing_path(path, "a GeoTIFF")) as raster:
        if bands is not None and len(raster.names) != bands:
            raise ValueError(
                f"{str(path)!r} has {len(raster.names)} bands, expected {bands}; check that it is the right file."
            )
        pixels, missing, _, _ = raster.read(range(len(raster.names)))
    if not missing.any():
        return pixels
    pixels = pixels.astype(np.float32)
    pixels[:, missing] = np.nan
    return pixels


def class_names(task: Task) -> tuple[str, ...]:
    """Names of the task's classes in label order."""
    return tuple(str(name) for name in task.options["classes"].values())


def class_map(task: Task, raw: np.ndarray) -> np.ndarray:
    """Raw map values as class labels, int64, with -1 where the task does not score a value; `nonzero` maps all but 0 to 1."""
    if task.options.get("nonzero"):
        return (raw != 0).astype(np.int64)
    mapped = np.full(raw.shape, IGNORED, np.int64)
    for position, value in enumerate(task.options["classes"]):
        mapped[raw == value] = position
    return mapped


def check_same_grid(name: str, pixels: np.ndarray, label: np.ndarray) -> None:
    """
    Raises:
        ValueError: pixels `(…, H, W)` and label `(H, W)` differ in size.
    """
    if pixels.shape[-2:] != label.shape:
        raise ValueError(
            f"Tile {name!r} has {pixels.shape[-2:]} pixels but its label has {label.shape}; both must be on one grid: "
            "check that the two files belong together."
        )


def images_with_masks(images: Path, masks: Path, image_end: str, mask_end: str) -> list[tuple[Path, Path]]:
    """
    Images with their masks, matched by what is left of a file's name without its end, and in the order of the names.

    Args:
        images, masks (`Path`): folders.
        image_end, mask_end (`str`): ends of the files' names, such as `_merged.tif` and `.mask.tif`.

    Raises:
        ValueError: a folder is missing, or an image has no mask or the reverse.
    """
    found = _by_stem(existing_path(images, "a folder of images"), image_end)
    targets = _by_stem(existing_path(masks, "a folder of masks"), mask_end)
    if alone := sorted(found.keys() ^ targets.keys()):
        raise ValueError(
            f"{str(images)!r} holds {len(found)} images and {str(masks)!r} holds {len(targets)} masks, but {len(alone)} have no "
            f"partner of the same name, such as {alone[0]!r}; complete the download."
        )
    return [(found[stem], targets[stem]) for stem in sorted(found)]


def _by_stem(folder: Path, end: str) -> dict[str, Path]:
    return {path.name.removesuffix(end): path for path in folder.iterdir() if path.name.endswith(end)}


def image_stems(pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    """File names, without suffix, of the images in pairs of image and mask."""
    return [image.stem for image, _ in pairs]


def segmented_tile(task: Task, files: tuple[Path, Path], missing_value: float | None = None) -> LabelledImage:
    """
    A tile and its class map, read from two GeoTIFFs.

    Args:
        files (`tuple[Path, Path]`): image and mask.
        missing_value (`float`, *optional*): pixels with this value or its negative in any band become NaN.
    """
    pixels = read_raster(files[0], len(task.options["tiles"]["bands"]))
    if missing_value is not None:
        pixels = pixels.astype(np.float32)
        pixels[:, (np.abs(pixels) == missing_value).any(axis=0)] = np.nan
    label = class_map(task, read_raster(files[1], 1)[0])
    name = files[0].stem
    check_same_grid(name, pixels, label)
    return LabelledImage(name, (TileSample(name, pixels),), label)


def time_series(task: Task, name: str, dates: np.ndarray, label: np.ndarray) -> LabelledImage:
    """
    A sample with several dates, of which the task's options `dates` and `latest` select some.

    Args:
        dates (`np.ndarray` of shape `(T, C, H, W)`): oldest first.
        label (`np.ndarray` of shape `(H, W)`)
    """
    kept = chosen_dates(len(dates), task.options.get("dates", 1), task.options.get("latest", False))
    sources = tuple(TileSample(f"{name}, date {date}", np.array(dates[date])) for date in kept)
    check_same_grid(name, dates, label)
    return LabelledImage(name, sources, label)


def chosen_dates(count: int, wanted: int, latest: bool = False) -> list[int]:
    """
    Positions of the dates to use.

    Args:
        count (`int`): available dates, oldest first.
        wanted (`int`): dates to select. If fewer are available, some are used twice. A single date is the last one.
        latest (`bool`): whether to take the last `wanted` dates, not evenly spaced ones from first to last (PANGAEA's rule).

    Returns:
        `list[int]`: `wanted` positions, ascending.
    """
    if wanted == 1:
        return [count - 1]
    first = max(0, count - wanted) if latest else 0
    return np.linspace(first, count - 1, wanted).round().astype(int).tolist()
