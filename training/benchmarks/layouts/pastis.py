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
"""PASTIS and PASTIS-HD, the Sentinel-2 part."""

import json
from functools import partial
from pathlib import Path

import numpy as np

from training.benchmarks.layouts.files import class_map, class_names, existing_path, local_folder, time_series
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage
from training.benchmarks.tasks.task import Task

_FOLDS = {"train": (1, 2, 3), "validation": (4,), "test": (5,)}


def open_pastis(task: Task) -> ImageSet:
    """
    `metadata.geojson` (`ID_PATCH`, `Fold`), `DATA_S2/S2_ID.npy` `(T, 10, 128, 128)` and `ANNOTATIONS/TARGET_ID.npy`, whose
    first layer holds the classes. Folds 1 to 3 are for training, 4 for validation, 5 for testing.
    """
    folder = local_folder(task)
    with existing_path(folder / "metadata.geojson", "the patches' metadata").open(encoding="utf-8") as file:
        patches = [feature["properties"] for feature in json.load(file)["features"]]
    splits = {}
    for name, folds in _FOLDS.items():
        ids = [str(patch["ID_PATCH"]) for patch in patches if int(patch["Fold"]) in folds]
        splits[name] = Images.from_entries(partial(_read_tile, task, folder), ids, ids)
    return ImageSet(splits, class_names(task))


def _read_tile(task: Task, folder: Path, name: str) -> LabelledImage:
    dates = np.load(
        existing_path(folder / "DATA_S2" / f"S2_{name}.npy", "a time series"), mmap_mode="r", allow_pickle=False
    )
    target = np.load(existing_path(folder / "ANNOTATIONS" / f"TARGET_{name}.npy", "its labels"), allow_pickle=False)[0]
    return time_series(task, name, dates, class_map(task, target))
