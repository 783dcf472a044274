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
"""Crop Type Mapping, South Sudan (SustainBench)."""

import csv
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from training.benchmarks.layouts.files import class_map, class_names, existing_path, local_folder, time_series
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage
from training.benchmarks.tasks.task import Task

_PARTITIONS = {"train": 0, "validation": 1, "test": 2}


def open_crop_type(task: Task) -> ImageSet:
    """
    `southsudan/list_eval_partition.csv` (`id`, `partition` 0, 1, 2), `southsudan/npy/southsudan_ID.npz` (`s2`,
    `(10, H, W, T)`) and `southsudan/truth/southsudan_ID.npz` (`truth`), with six digits for ID. Some of the published
    archives are damaged; they are left out, and counted.
    """
    country = existing_path(local_folder(task) / "southsudan", "the folder southsudan")
    path = existing_path(country / "list_eval_partition.csv", "the list of tiles")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [(f"southsudan_{int(row['id']):06d}", int(row["partition"])) for row in csv.DictReader(file)]
    damaged = [name for name, _ in rows if not zipfile.is_zipfile(country / "npy" / f"{name}.npz")]
    splits = {}
    for ours, partition in _PARTITIONS.items():
        names = [name for name, part in rows if part == partition and name not in damaged]
        splits[ours] = Images.from_entries(partial(_read_tile, task, country), names, names)
    remarks = (f"{len(damaged)} of {len(rows)} tiles are damaged or missing and are left out.",) if damaged else ()
    return ImageSet(splits, class_names(task), None, len(damaged), remarks)


def _read_tile(task: Task, country: Path, name: str) -> LabelledImage:
    with np.load(country / "npy" / f"{name}.npz", allow_pickle=False) as arrays:
        dates = arrays["s2"].transpose(3, 0, 1, 2)
    with np.load(existing_path(country / "truth" / f"{name}.npz", "its labels"), allow_pickle=False) as arrays:
        target = arrays["truth"]
    return time_series(task, name, dates, class_map(task, target))
