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
"""BioMassters, the Sentinel-2 part, in PANGAEA's splits."""

import csv
from functools import partial
from pathlib import Path

import numpy as np

from training.benchmarks.encoders.encoder import TileSample
from training.benchmarks.layouts.files import check_same_grid, chosen_dates, existing_path, local_folder, read_raster
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage
from training.benchmarks.tasks.task import Task


def open_biomassters(task: Task) -> ImageSet:
    """
    `{train,val,test}_Data_list.csv` (`chip_id`), `{train,test}_features/ID_S2_MM.tif` (ten bands and a cloud probability;
    months 00 to 11, some of them missing) and `{train,test}_agbm/ID_agbm.tif` (tonnes per hectare). Validation chips are in
    the training folders.
    """
    folder = local_folder(task)
    splits = {}
    for ours, own in task.splits.items():
        path = existing_path(folder / f"{own}_Data_list.csv", "a list of chips")
        with path.open(encoding="utf-8-sig", newline="") as file:
            chips = [row["chip_id"] for row in csv.DictReader(file)]
        part = "test" if ours == "test" else "train"
        read = partial(_read_tile, task, folder / f"{part}_features", folder / f"{part}_agbm")
        splits[ours] = Images.from_entries(read, chips, chips)
    return ImageSet(splits)


def _is_month(name: str, chip: str) -> bool:
    return name.startswith(f"{chip}_S2_") and name.endswith(".tif")


def _read_tile(task: Task, features: Path, targets: Path, chip: str) -> LabelledImage:
    months = sorted(path for path in features.iterdir() if _is_month(path.name, chip))
    if not months:
        raise ValueError(f"{str(features)!r} has no month of chip {chip!r}; complete the download.")
    bands = len(task.options["tiles"]["bands"])
    label = read_raster(targets / f"{chip}_agbm.tif", 1)[0].astype(np.float32)
    sources = []
    for month in chosen_dates(len(months), task.options.get("dates", 1)):
        # The band after the ten of Sentinel-2 is a cloud probability.
        pixels = read_raster(months[month], bands + 1)[:bands]
        check_same_grid(chip, pixels, label)
        sources.append(TileSample(months[month].stem, pixels))
    return LabelledImage(chip, tuple(sources), label)
