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
"""Tiles or photos in the schema of the pre-training data, the sample world's among them."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from modeling_gair.crs_gair import unproject, unrolled
from modeling_gair.geo_gair import wrap_longitude
from training.benchmarks.data import open_split, require_columns
from training.benchmarks.encoders.encoder import PhotoSample, TileSample
from training.benchmarks.layouts.files import class_map, class_names
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage, drawn
from training.benchmarks.tasks.task import Task
from training.common.schema import unpack_tile


def open_rows(task: Task) -> ImageSet:
    """
    Tiles or photos in the schema of the pre-training data (training/README.md).

    `columns.label` names the label column; if its name starts with `photo_`, it holds one value per photo. The option
    `label` says how to read it: `argmax` (the class of the largest of several fractions), `at_least` (for each fraction a 1
    if it reaches the option `at_least`, else 0), `map` (uint8 bytes, one per pixel); without it the value is the label.
    """
    most = task.options.get("most", {})
    classes = class_names(task) if "classes" in task.options else ()
    found = {name: _read_images(task, name, most.get(name)) for name in ("train", "test")}
    splits = {name: [image for image in images if not _lacks_label(image)] for name, images in found.items()}
    dropped = sum(map(len, found.values())) - sum(map(len, splits.values()))
    remarks = (f"{dropped} samples have no label and are left out.",) if dropped else ()
    return ImageSet(
        {name: Images.in_memory(images) for name, images in splits.items()}, classes, None, dropped, remarks
    )


def _lacks_label(image: LabelledImage) -> bool:
    return image.label is None or (isinstance(image.label, float) and math.isnan(image.label))


def _read_images(task: Task, split: str, most: int | None) -> list[LabelledImage]:
    """A random `most` of the samples of a split, in memory: a stream has no random access."""
    rows = open_split(task, split, streaming=True)
    require_columns(task, rows, [task.columns["label"]])
    read = _photos_of_row if "photo" in task.needs else _tile_of_row
    return drawn((image for row in rows for image in read(task, row)), most)


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
    """The label by the task's rule; None if there is none."""
    rule = task.options.get("label")
    if rule is None or value is None:
        return value
    if rule in ("argmax", "at_least"):
        fractions = np.asarray(value, np.float64)
        if not np.isfinite(fractions).all():
            return None
        return int(fractions.argmax()) if rule == "argmax" else (fractions >= task.options["at_least"]).astype(np.int64)
    if rule == "map":
        return class_map(task, np.frombuffer(value, np.uint8).reshape(tuple(shape)))
    raise ValueError(f"Task {task.name!r} has the label rule {rule!r}, expected argmax, at_least, map or none.")
