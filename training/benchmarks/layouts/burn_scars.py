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
"""HLS Burn Scars."""

from functools import partial

import numpy as np
from sklearn.model_selection import train_test_split

from training.benchmarks.layouts.files import class_names, image_stems, images_with_masks, local_folder, segmented_tile
from training.benchmarks.layouts.samples import Images, ImageSet
from training.benchmarks.tasks.task import Task

# The seed with which PANGAEA divides the training images into training and validation.
_SEED = 23
# Pixels without data in HLS scenes; the files do not always declare it.
_MISSING = 9999


def open_burn_scars(task: Task) -> ImageSet:
    """
    Folders `training` and `validation`, each with `*_merged.tif` (six bands, reflectance) and `*.mask.tif`. As in PANGAEA
    the folder `validation` is the test split, and a tenth of `training` is the validation split.
    """
    folder = local_folder(task)
    train, test = (
        images_with_masks(folder / part, folder / part, "_merged.tif", ".mask.tif")
        for part in ("training", "validation")
    )
    kept, validation = train_test_split(np.arange(len(train)), test_size=0.1, random_state=_SEED)
    files = {"train": [train[i] for i in kept], "validation": [train[i] for i in validation], "test": test}
    read = partial(segmented_tile, task, missing_value=_MISSING)
    splits = {name: Images.from_entries(read, pairs, image_stems(pairs)) for name, pairs in files.items()}
    return ImageSet(splits, class_names(task))
