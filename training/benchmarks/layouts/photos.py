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
"""Tables of photos, such as those of Global Streetscapes."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.benchmarks.data import Unavailable
from training.benchmarks.encoders.encoder import PhotoSample
from training.benchmarks.layouts.files import local_folder
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage
from training.benchmarks.tasks.task import Task
from training.common.columns import read_cells, read_numbers
from training.common.tables import read_table
from training.pairs.sources import is_held_out

# Held out for testing if a table has no test split.
_TEST_SHARE = 0.2


def open_photos(task: Task) -> ImageSet:
    """
    Tables of photos: one per split in `data_files`, or a single one, of which a fifth is held out for testing by a hash of
    the names.

    `columns.image` names a column of file names or ids, `columns.label` one of classes or numbers. The option `images` is
    the path of a photo inside the source (`img/{}.jpeg` puts the id in place of the braces). Rows without a label or a file
    are left out, and counted.
    """
    splits = list(task.data_files) if isinstance(task.data_files, dict) else [None]
    tables = {split or "train": _read_table(task, split) for split in splits}
    rows = {
        split: [(file, label) for file, label in table if label is not None and file.is_file()]
        for split, table in tables.items()
    }
    _check_any_photo(task, tables, rows)
    if "test" not in rows:
        whole = rows["train"]
        rows["test"] = [row for row in whole if is_held_out(row[0].stem, _TEST_SHARE)]
        rows["train"] = [row for row in whole if not is_held_out(row[0].stem, _TEST_SHARE)]
    dropped = sum(map(len, tables.values())) - sum(map(len, rows.values()))
    remarks = (f"{dropped} rows have no label or no photo and are left out.",) if dropped else ()
    if task.target_type == "regression":
        numbers = {name: _photos(part, [label for _, label in part]) for name, part in rows.items()}
        return ImageSet(numbers, (), None, dropped, remarks)
    # Alphabetical, so that labels do not depend on the order of the rows.
    classes = sorted({label for part in rows.values() for _, label in part})
    found = {name: _photos(part, [classes.index(label) for _, label in part]) for name, part in rows.items()}
    return ImageSet(found, tuple(classes), None, dropped, remarks)


def _check_any_photo(task: Task, tables: dict[str, list[tuple[Path, Any]]], rows: dict[str, list[Any]]) -> None:
    for split, table in tables.items():
        if not rows[split]:
            first = f", e.g. {str(table[0][0])!r}" if table else ""
            raise Unavailable(
                f"None of the {len(table)} photos of task {task.name!r} in its split {split} was found{first}; "
                f"{task.access or 'check where the photos are'}."
            )


def _read_table(task: Task, split: str | None) -> list[tuple[Path, Any]]:
    """Files and labels of a table; a label is a number or the name of a class, None if there is none."""
    folder = local_folder(task)
    path = task.file(split)
    if path is None:
        raise Unavailable(
            f"The table of task {task.name!r} is not in {task.source!r}; {task.access or 'check its data_files'}."
        )
    table = read_table(path)
    image, label = task.columns["image"], task.columns["label"]
    table.require([image, label])
    pattern = task.options.get("images", "{}")
    files = [folder / pattern.format(name) for name in table.column(image).cast(pa.string()).to_pylist()]
    values: list[float | None] | list[str | None]
    if task.target_type == "regression":
        values = [float(value) if np.isfinite(value) else None for value in read_numbers(table, label)]
    else:
        cells = read_cells(table, label)
        values = [None if absent else str(raw) for raw, absent in zip(cells.raw, cells.missing)]
    return list(zip(files, values))


def _photos(rows: list[tuple[Path, Any]], labels: list[Any]) -> Images:
    def read(index: int) -> LabelledImage:
        file = rows[index][0]
        return LabelledImage(file.stem, (PhotoSample(file.stem, file),), labels[index])

    return Images([file.stem for file, _ in rows], read)
