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
Opens the images of a task, as its YAML entry describes them.

A layout only finds files and labels and names the bands: the model's processors decode, check, normalise and resize the
pixels. If a data set has no validation split, a tenth of its training images is held out by a hash of their names.
"""

from collections.abc import Callable
from dataclasses import replace

from training.benchmarks.encoders.encoder import TileFormat
from training.benchmarks.layouts.biomassters import open_biomassters
from training.benchmarks.layouts.burn_scars import open_burn_scars
from training.benchmarks.layouts.crop_type import open_crop_type
from training.benchmarks.layouts.floods import open_floods
from training.benchmarks.layouts.geobench import open_geobench
from training.benchmarks.layouts.mados import open_mados
from training.benchmarks.layouts.pastis import open_pastis
from training.benchmarks.layouts.photos import open_photos
from training.benchmarks.layouts.rows import open_rows
from training.benchmarks.layouts.samples import SPLITS, Images, ImageSet, damage_as_sentence
from training.benchmarks.layouts.small_farms import open_small_farms
from training.benchmarks.layouts.table import open_table
from training.benchmarks.tasks.task import Task
from training.common.checks import check_keys
from training.pairs.sources import is_held_out

LAYOUTS: dict[str, Callable[[Task], ImageSet]] = {
    "rows": open_rows,
    "table": open_table,
    "photos": open_photos,
    "geobench": open_geobench,
    "hls_burn_scars": open_burn_scars,
    "ai4smallfarms": open_small_farms,
    "sen1floods11": open_floods,
    "mados": open_mados,
    "pastis": open_pastis,
    "crop_type": open_crop_type,
    "biomassters": open_biomassters,
}
_VALIDATION_SHARE = 0.1
# What `options` may hold, for the layouts and for the kinds of task.
_OPTIONS = ("layout", "tiles", "classes", "nonzero", "dates", "latest", "most", "label", "at_least", "name", "bands")
_KIND_OPTIONS = ("images", "segmentation", "linear", "head")

# The data of the last task: several models are measured on them in turn.
_last: dict[str, ImageSet] = {}


def open_images(task: Task) -> ImageSet:
    """
    Opens the data of a task without decoding pixels.

    Keys of `task.options`: `layout` (one of [`LAYOUTS`]), `tiles` (fields of [`TileFormat`]), `classes` (raw value →
    name; pixels of other values are not scored), `dates` (number of dates to use), `most` (split → maximum number of
    samples, drawn at random with a fixed seed), and what the layout needs.

    Raises:
        Unavailable: the data are not available here.
        ValueError: files or columns of the layout are missing, or an option is unknown.
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
    with damage_as_sentence(f"The data of {owner.lower()}"):
        found = LAYOUTS[str(layout)](task)
    for name in ("train", "test"):
        if not found.splits.get(name):
            raise ValueError(
                f"{owner} has no images in its split {name}; compare the path given by --data with its layout."
            )
    splits = with_validation(found.splits)
    splits = {name: splits[name].at_most(most.get(name)) for name in SPLITS}
    return replace(found, splits=splits, tile_format=_tile_format(task))


def with_validation(splits: dict[str, Images]) -> dict[str, Images]:
    """
    The splits with a validation split: the data set's own, or a tenth of the training images by a hash of their names.

    Raises:
        ValueError: fewer than two training images.
    """
    if splits.get("validation"):
        return splits
    train = splits["train"]
    held_out = [is_held_out(name, _VALIDATION_SHARE) for name in train.names]
    if all(held_out) or not any(held_out):
        # With few images the hash may select none or all.
        held_out = [position == 0 for position in range(len(train))]
    if len(train) < 2:
        raise ValueError(
            f"There are {len(train)} training images, expected at least two, one of them for validation; add images."
        )
    parts = [[index for index, out in enumerate(held_out) if out == side] for side in (False, True)]
    return {**splits, "train": train.chosen(parts[0]), "validation": train.chosen(parts[1])}


def _tile_format(task: Task) -> TileFormat | None:
    if "tile" not in task.needs:
        return None
    settings = dict(task.options.get("tiles", {}))
    statistics = settings.pop("statistics", {})
    check_keys(settings, TileFormat.__dataclass_fields__, f"Task {task.name!r}, options.tiles")
    settings["bands"] = tuple(settings.get("bands", ()))
    return TileFormat(**settings, statistics=tuple((band, *values) for band, values in statistics.items()))
