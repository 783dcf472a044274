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
"""The command `training/embed.py`: plan, run, finish."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from training.common.jobs import Needs, Tasks, completion_marker
from training.common.wording import counted
from training.embedding.finish import Finished, finish, is_written
from training.embedding.job import ERRORS, LOGS, Job, local_files
from training.embedding.maps.finish import finish_map, is_part_written
from training.embedding.maps.input import PIXELS
from training.embedding.maps.run import COG, create_map, run_map_task
from training.embedding.options import RASTERS, EmbedOptions
from training.embedding.outputs.cog_map import FOLDER
from training.embedding.outputs.zarr_map import STORE
from training.embedding.plan import Planned, dry_run, plan
from training.embedding.run import run_task

SOME_BAD = 2


def embed(options: EmbedOptions) -> tuple[int, bool]:
    """
    Embeds an input.

    Returns:
        The exit status (0; 2 if some inputs are bad; 1 if tasks failed), and whether the result is complete.

    Raises:
        ValueError: the options, the model or the input are bad, the input changes meanwhile, or the output cannot be written.
    """
    assert options.output is not None
    if options.dry_run:
        print(dry_run(options))
        return 0, False
    with plan(options) as planned:
        return _embedded(options, planned)


def _embedded(options: EmbedOptions, planned: Planned) -> tuple[int, bool]:
    assert options.output is not None
    job = planned.job
    for remark in planned.remarks:
        print(remark)
    output, is_map = options.output.resolve(), job.what == PIXELS
    if is_map:
        create_map(output, job)
    if options.executor == "jobs":
        _check_files_known(options, job)
    task, needs = partial(run_map_task if is_map else run_task, output), Needs(output, local_files(output))
    tasks = Tasks(task, job.sizes, output / LOGS, "embed", needs)
    _forget_lost(tasks, partial(is_part_written if is_map else is_written, output, job))
    done = len(job.sizes) - len(tasks.incomplete())
    print(f"{counted(sum(job.sizes), job.unit)} in {counted(job.tasks, 'task')}, {done:,} done before.")
    left = tasks.run(options.executor, options.workers, options.cluster, job.unit)
    if left:
        return _unfinished(options, job, left), False
    planned.check_unchanged()
    found = (finish_map if is_map else finish)(options.output, job, options.license)
    _tell(options, job, found)
    return (SOME_BAD if found.errors else 0), True


def _forget_lost(tasks: Tasks, is_there: Callable[[int], bool]) -> None:
    """Unmarks the tasks whose files were lost after they were done, so that they are done again."""
    left = set(tasks.incomplete())
    lost = [rank for rank in range(len(tasks.sizes)) if rank not in left and not is_there(rank)]
    for rank in lost:
        completion_marker(tasks.folder, rank).unlink(missing_ok=True)
    if lost:
        print(f"What {counted(len(lost), 'task')} wrote is missing or cut off, first task {lost[0]}; it is made again.")


def _check_files_known(options: EmbedOptions, job: Job) -> None:
    """
    Raises:
        ValueError: the input is a table of files, of which Jobs would see the table alone, or its whole folder.
    """
    if Path(str(options.input)).is_file() and job.what not in (*RASTERS, "places"):
        raise ValueError(
            f"--executor is 'jobs', for which folders and single files are copied, and --input {options.input!r} names other files; pass a folder "
            "of photos or of parquet files."
        )


def _unfinished(options: EmbedOptions, job: Job, left: list[int]) -> int:
    if options.executor == "slurm":
        print(
            f"Submitted {counted(len(left), 'task')} to Slurm; run the same command again when they have ended, to check and finish."
        )
        return 0
    print(
        f"{len(left):,} of {counted(job.tasks, 'task')} failed, first task {left[0]}; its log is in {options.output}/{LOGS}/logs. Run the same command again."
    )
    return 1


def _tell(options: EmbedOptions, job: Job, found: Finished) -> None:
    where = "embeddings" if job.what != PIXELS else FOLDER if job.options["map_format"] == COG else STORE
    print(
        f"{options.output}/{where} holds {counted(found.rows, 'embedding')}; a catalogue (collection.json) and a data card (README.md) are beside it."
    )
    if found.errors:
        print(f"{found.errors:,} could not be made; {options.output}/{ERRORS} says why. The first:")
        for reason in found.reasons:
            print(f"  {reason}")
