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
"""Writing the sample world as a data set: tiles with their photos and labels, in two spatially separate splits."""

import csv
import hashlib
import os
import shutil
from concurrent.futures import Executor
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq
from huggingface_hub import constants
from tqdm.auto import tqdm

from training.common.checks import check_empty, check_whole
from training.common.files import check_writable
from training.common.schema import CSV_COLUMNS
from training.common.workers import in_order, worker_pool
from training.world.card import make_card
from training.world.contact_sheet import draw_contact_sheet
from training.world.places import place_splits
from training.world.rows import SAMPLE_FEATURES, RenderTask, csv_lines, render, tasks_of
from training.world.sample_world import SampleWorld
from training.world.settings import SPLITS, WorldSettings

SUMS = "SHA256SUMS"


def ensure_sample_dataset(settings: WorldSettings, workers: int = 2) -> Path:
    """
    Return the data set in the Hugging Face cache (`$HF_HOME/gair`); write it on first use.

    Args:
        settings ([`WorldSettings`]): settings of the data set.
        workers (`int`, defaults to 2): number of processes that write it.

    Returns:
        `Path`: the folder of the data set, for `datasets.load_dataset`.

    Raises:
        ValueError: the cache cannot be written, or as in [`write_sample_dataset`].
    """
    folder = Path(constants.HF_HOME) / "gair" / settings.name
    if not _is_complete(folder):
        check_writable(
            folder.parent, "set HF_HOME to a folder with some hundred megabytes of free space for the sample world"
        )
        try:
            write_sample_dataset(folder, settings, workers)
        except ValueError:
            # Another process may have finished the same data set in the meantime.
            if not _is_complete(folder):
                raise
    return folder


def write_sample_dataset(output: Path, settings: WorldSettings, workers: int = 2, files: bool = False) -> Path:
    """
    Write `data/train-….parquet`, `data/test-….parquet`, a card, a contact sheet and checksums. `output` appears only when
    everything is written: a killed run leaves at most a folder next to it, named `….incomplete-PID`.

    Args:
        output (`Path`): folder to create; it must not exist, or must be empty.
        settings ([`WorldSettings`]): settings of the data set.
        workers (`int`, defaults to 2): number of processes that render; the output does not depend on it.
        files (`bool`, defaults to `False`): whether to also write each tile as a GeoTIFF and each photo as a JPEG,
            with `files/pairs-train.csv` and `files/pairs-test.csv`.

    Returns:
        `Path`: the absolute path of `output`.

    Raises:
        ValueError: `output` is not empty, there is no worker, the version is unknown, or the world has too little land.
    """
    output = Path(output).resolve()
    check_whole("workers", workers, least=1)
    check_empty(output, "name a new one, or delete it")
    # Rejects an unknown version before anything is written.
    SampleWorld(settings.seed, settings.version, settings.shuffled)
    check_writable(output.parent, "choose a folder with some hundred megabytes of free space")
    incomplete = output.with_name(f"{output.name}.incomplete-{os.getpid()}")
    shutil.rmtree(incomplete, ignore_errors=True)
    try:
        _make_folders(incomplete, files)
        with worker_pool(workers) as pool:
            places = place_splits(pool, settings, ahead=2 * workers)
            tasks = [task for split in SPLITS for task in tasks_of(split, places[split], settings)]
            _write_shards(pool, settings, tasks, incomplete, files, ahead=2 * workers)
        if files:
            _write_pairs(settings, tasks, incomplete)
        draw_contact_sheet(incomplete, settings)
        make_card(settings, files).save(incomplete / "README.md")
        _write_sums(incomplete)
        check_empty(output, "name a new one, or delete it")
        incomplete.rename(output)
    except BaseException:
        shutil.rmtree(incomplete, ignore_errors=True)
        raise
    return output


def _is_complete(folder: Path) -> bool:
    # Unlike `Path.is_file`, no error for a folder without permission.
    return os.path.isfile(folder / SUMS)


def _make_folders(folder: Path, files: bool) -> None:
    for name in ("data", "files/tiles", "files/photos") if files else ("data",):
        (folder / name).mkdir(parents=True)


def _write_shards(
    pool: Executor, settings: WorldSettings, tasks: list[RenderTask], folder: Path, files: bool, ahead: int
) -> None:
    calls = ((settings, task, folder / "files" if files else None) for task in tasks)
    rendered = zip(tasks, in_order(pool, render, calls, ahead))
    schema = SAMPLE_FEATURES.arrow_schema
    with tqdm(total=settings.pairs, unit="pair", desc="render") as progress:
        for shard, parts in groupby(rendered, key=lambda part: part[0].shard):
            # Dictionary encoding costs time and saves nothing: the values never repeat.
            with pq.ParquetWriter(folder / shard, schema, compression="zstd", use_dictionary=False) as writer:
                for task, table in parts:
                    # One row group per task, so at most 64 rows: a streaming reader holds one row group at a time.
                    writer.write_table(table)
                    progress.update(sum(len(place.photo_lon) for place in task.places))


def _write_pairs(settings: WorldSettings, tasks: list[RenderTask], folder: Path) -> None:
    """`files/pairs-train.csv` and `files/pairs-test.csv`: one photo per line, paths relative to the CSV."""
    for split in SPLITS:
        with (folder / "files" / f"pairs-{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_COLUMNS)
            for task in tasks:
                if task.split == split:
                    writer.writerows(csv_lines(settings, task))


def _write_sums(folder: Path) -> None:
    """Write `SHA256SUMS` for all files, in the format of `sha256sum --check`."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256((folder / path).read_bytes()).hexdigest()}  {path}\n" for path in paths]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
