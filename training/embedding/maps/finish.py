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
"""Ends the job of a dense map: checks that nothing is lost, and writes the list of bad windows, the catalogue, the card and a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from training.common.footprints import footprint_of
from training.embedding.finish import Finished, complete
from training.embedding.inputs.raster import time_of
from training.embedding.job import Job, TaskRecord, read_record
from training.embedding.maps.input import plan_of
from training.embedding.maps.picture import draw_map
from training.embedding.maps.plan import MapPlan
from training.embedding.maps.run import COG
from training.embedding.outputs.cog_map import FOLDER, cog_name
from training.embedding.outputs.extent import Extent
from training.embedding.outputs.map_values import bounds_of
from training.embedding.outputs.zarr_map import STORE, stored_shards


def is_part_written(output: Path, job: Job, rank: int) -> bool:
    """Whether the part of a map that a task wrote is still there."""
    try:
        record = read_record(output, rank)
    except (OSError, ValueError):
        return False
    return not record.rows or _written(output, job, plan_of(output, job), rank)


def finish_map(output: Path, job: Job, licence: str | None) -> Finished:
    """
    Ends a map whose tasks are complete.

    Args:
        output (`Path`): its folder.
        job ([`Job`]): the job.
        licence (`str`, *optional*): of the embeddings, for catalogue and card.

    Raises:
        ValueError: a part of the map is missing.
    """
    plan = plan_of(output, job)
    records = [read_record(output, rank) for rank in range(job.tasks)]
    for rank, record in enumerate(records):
        if record.inputs != job.sizes[rank] or (record.rows and not _written(output, job, plan, rank)):
            raise ValueError(
                f"The part of the map that task {rank} wrote is missing or incomplete; delete logs/completions/{rank:05d}, and run the same "
                "command again."
            )
    files, extents = _assets(output, job, plan, records)
    errors = _distinct_errors(records)
    return complete(output, job, files, extents, errors, "id", lambda path: draw_map(path, output, job, plan), licence)


def _written(output: Path, job: Job, plan: MapPlan, rank: int) -> bool:
    if job.options["map_format"] == COG:
        return (output / FOLDER / cog_name(plan, rank)).is_file()
    return stored_shards(output / STORE, plan, rank) > 0


def _distinct_errors(records: list[TaskRecord]) -> list[dict[str, Any]]:
    """Bad windows, once each: those between blocks are read for both."""
    return list({error["id"]: error for record in records for error in record.errors}.values())


def _assets(output: Path, job: Job, plan: MapPlan, records: list[TaskRecord]) -> tuple[list[Path], list[Extent]]:
    """What the catalogue has an item for, and what it covers: the store, or each GeoTIFF."""
    when = time_of(job.options["datetime"])

    def extent(rows: int, bounds: tuple[float, float, float, float]) -> Extent:
        box = np.array(footprint_of(bounds, plan.grid.crs).bounds)
        west, south, east, north = (float(side) for side in box)
        return Extent(rows, (west, south, east, north), when, when)

    if job.options["map_format"] != COG:
        return [output / STORE], [extent(sum(record.rows for record in records), bounds_of(plan))]
    files, extents = [], []
    for rank, record in enumerate(records):
        top, left, height, width = plan.block_at(rank)
        files.append(output / FOLDER / cog_name(plan, rank))
        extents.append(extent(record.rows, plan.cells.bounds(top, left, height, width)))
    return files, extents
