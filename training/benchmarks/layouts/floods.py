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
"""Sen1Floods11, the hand-labelled part."""

import csv
from functools import partial

from training.benchmarks.layouts.files import class_names, existing_path, image_stems, local_folder, segmented_tile
from training.benchmarks.layouts.samples import Images, ImageSet
from training.benchmarks.tasks.task import Task

_SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def open_floods(task: Task) -> ImageSet:
    """
    `v1.1/splits/flood_handlabeled/flood_{train,valid,test}_data.csv` (no header: the file in S1Hand, the file in LabelHand)
    and `v1.1/data/flood_events/HandLabeled/{S2Hand,LabelHand}`; 13 bands of level 1C.
    """
    root = existing_path(local_folder(task) / "v1.1", "the folder v1.1")
    hand = root / "data/flood_events/HandLabeled"
    splits = {}
    for ours, own in _SPLITS.items():
        path = existing_path(root / f"splits/flood_handlabeled/flood_{own}_data.csv", "a list of files")
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        pairs = [
            (hand / "S2Hand" / radar.replace("S1Hand", "S2Hand"), hand / "LabelHand" / label) for radar, label in rows
        ]
        splits[ours] = Images.from_entries(partial(segmented_tile, task), pairs, image_stems(pairs))
    return ImageSet(splits, class_names(task))
