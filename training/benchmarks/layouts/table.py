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
"""A table with an image and a class in each row, such as EuroSAT."""

from functools import partial

import numpy as np
from datasets import ClassLabel, Dataset

from training.benchmarks.data import open_split, require_columns
from training.benchmarks.encoders.encoder import TileSample
from training.benchmarks.layouts.files import class_names
from training.benchmarks.layouts.samples import SPLITS, Images, ImageSet, LabelledImage
from training.benchmarks.tasks.task import Task


def open_table(task: Task) -> ImageSet:
    """
    A data set of `datasets`: `columns.image` names a column of arrays, `(H, W, C)` or, if `columns.axes` is `CHW`,
    `(C, H, W)`; `columns.label` names a column of classes.
    """
    splits: dict[str, Images] = {}
    classes: tuple[str, ...] = ()
    for split in task.splits or SPLITS:
        table = open_split(task, split)
        require_columns(task, table, [task.columns["image"], task.columns["label"]])
        label = table.features[task.columns["label"]]
        classes = tuple(label.names) if isinstance(label, ClassLabel) else class_names(task)
        names = [f"{split}-{row}" for row in range(len(table))]
        splits[split] = Images(names, partial(_read_tile, task, table.with_format("numpy"), split))
    return ImageSet(splits, classes)


def _read_tile(task: Task, table: Dataset, split: str, index: int) -> LabelledImage:
    row = table[index]
    pixels = np.asarray(row[task.columns["image"]])
    if task.columns.get("axes", "HWC") == "HWC":
        pixels = pixels.transpose(2, 0, 1)
    name = f"{split}-{index}"
    return LabelledImage(name, (TileSample(name, pixels),), int(row[task.columns["label"]]))
