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
"""GEO-Bench v1 in its pickle-free form."""

import io
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.benchmarks.encoders.encoder import TileSample
from training.benchmarks.layouts.files import class_names, existing_path, local_folder
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage
from training.benchmarks.tasks.task import Task

_SPLITS = {"train": "train", "validation": "valid", "test": "test"}


class _Member(NamedTuple):
    """Where a file lies in a tar archive: its first byte and its length."""

    shard: Path
    offset: int
    size: int


def open_geobench(task: Task) -> ImageSet:
    """
    `NAME/default_partition.json` (split → ids) and `NAME/shard_*.tar` with `ID.bands.npz` (band name → pixels) and
    `ID.meta.json` (`label`: a class, or zeros and ones).

    The option `name` is NAME; `bands` lists the file's band names in the order of ours, so that no band is taken by its
    position.
    """
    folder = existing_path(local_folder(task) / task.options["name"], "the data set's folder")
    with existing_path(folder / "default_partition.json", "the split file").open(encoding="utf-8") as file:
        partition = json.load(file)
    members = {name: member for shard in sorted(folder.glob("shard_*.tar")) for name, member in _members(shard)}
    read = partial(_read_tile, task, members)
    splits = {ours: Images.from_entries(read, partition[own], partition[own]) for ours, own in _SPLITS.items()}
    return ImageSet(splits, class_names(task))


def _members(shard: Path) -> Iterator[tuple[str, _Member]]:
    with tarfile.open(shard) as archive:
        for member in archive:
            yield member.name, _Member(shard, member.offset_data, member.size)


def _read_tile(task: Task, members: dict[str, _Member], name: str) -> LabelledImage:
    label = json.loads(_read_member(members, f"{name}.meta.json"))["label"]
    with np.load(io.BytesIO(_read_member(members, f"{name}.bands.npz")), allow_pickle=False) as arrays:
        lacking = [band for band in task.options["bands"] if band not in arrays]
        if lacking:
            raise ValueError(
                f"{name!r} lacks the bands {lacking} (it has {list(arrays)}); check that it is the right data set."
            )
        pixels = np.stack([arrays[band] for band in task.options["bands"]])
    if isinstance(label, list):
        label = np.asarray(label, np.int64)
    return LabelledImage(name, (TileSample(name, pixels),), label)


def _read_member(members: dict[str, _Member], name: str) -> bytes:
    if name not in members:
        raise ValueError(
            f"No shard holds {name!r}; download all shards of the pickle-free mirror (older ones hold pickles, which are "
            "not read)."
        )
    member = members[name]
    with member.shard.open("rb") as file:
        file.seek(member.offset)
        return file.read(member.size)
