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
"""Does a task of a dense map: a block is embedded and written."""

from pathlib import Path

import numpy as np

from training.common.files import written_whole
from training.common.jobs import TaskProgress
from training.embedding.encoding import encoder_of
from training.embedding.inputs.chips import id_of
from training.embedding.job import LOGS, TASKS, Job, TaskRecord, read_job, write_record
from training.embedding.maps.dense import embed_block
from training.embedding.maps.input import plan_of
from training.embedding.maps.plan import MapPlan
from training.embedding.outputs.cog_map import FOLDER, write_cog_block
from training.embedding.outputs.zarr_map import STORE, create_zarr, write_zarr_block

COG = "cog"
# Cells per side of the picture of a whole map, about.
_PICTURE = 600


def create_map(output: Path, job: Job) -> None:
    """Creates what all tasks of a map write to."""
    if job.options["map_format"] != COG:
        model = f"https://huggingface.co/{job.model}" if "/" in job.model else job.model
        create_zarr(output / STORE, plan_of(output, job), job.dtype, model, [job.input])


def run_map_task(output: Path, rank: int) -> None:
    """
    Writes a block of a map, a small picture of it, and the record of what became of its windows. A task that is done again
    overwrites them with the same.

    Args:
        output (`Path`): the folder of the job.
        rank (`int`): the block.

    Raises:
        ValueError: the model or the raster has changed since the job was planned, or the disk is full.
    """
    job, encoder = read_job(output), encoder_of(output)
    plan = plan_of(output, job)
    (output / LOGS / TASKS).mkdir(parents=True, exist_ok=True)
    block = embed_block(encoder.model, encoder.processor, plan, rank, TaskProgress(output / LOGS, rank).add)
    if job.options["map_format"] == COG:
        write_cog_block(output / FOLDER, plan, rank, block.values, job.dtype)
    else:
        write_zarr_block(output / STORE, plan, rank, block.values, job.dtype)
    _write_thumbnail(output, plan, rank, block.values)
    errors = [
        {"source": job.input, "id": id_of(job.input, one.window), "reason": one.reason}
        for one in block.refused
        if one.reason is not None
    ]
    cells = int((~np.isnan(block.values).all(axis=2)).sum())
    write_record(output, rank, TaskRecord(block.windows, cells + len(errors), cells, errors))


def thumbnail_step(shape: tuple[int, int]) -> int:
    """Every how manieth row and column of a map its picture shows."""
    return max(1, -(-max(shape) // _PICTURE))


def thumbnail_file(output: Path, rank: int) -> Path:
    return output / LOGS / TASKS / f"{rank:05d}.npy"


def _write_thumbnail(output: Path, plan: MapPlan, rank: int, values: np.ndarray) -> None:
    step = thumbnail_step(plan.shape)
    top, left, _, _ = plan.block_at(rank)
    with written_whole(thumbnail_file(output, rank)) as temporary:
        np.save(temporary, values[-top % step :: step, -left % step :: step])
