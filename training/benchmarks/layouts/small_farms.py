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
"""AI4SmallFarms."""

from functools import partial

from training.benchmarks.layouts.files import (
    class_names,
    existing_path,
    image_stems,
    images_with_masks,
    local_folder,
    segmented_tile,
)
from training.benchmarks.layouts.samples import Images, ImageSet
from training.benchmarks.tasks.task import Task


def open_small_farms(task: Task) -> ImageSet:
    """`sentinel-2-asia/{train,validate,test}/{images,masks}/TILE.tif`, four bands; masks are 0 or something else."""
    root = existing_path(local_folder(task) / "sentinel-2-asia", "the folder sentinel-2-asia")
    splits = {}
    for ours, own in task.splits.items():
        pairs = images_with_masks(root / own / "images", root / own / "masks", ".tif", ".tif")
        splits[ours] = Images.from_entries(partial(segmented_tile, task), pairs, image_stems(pairs))
    return ImageSet(splits, class_names(task))
