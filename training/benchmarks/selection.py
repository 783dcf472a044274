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
"""The tasks of a run: selected by name, with their data where the options say, or made for a user's own table."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from training.benchmarks.kinds.places import read_places
from training.benchmarks.probes.folds import cell_size
from training.benchmarks.results.tables import markdown_table
from training.benchmarks.settings import DEFAULT_TASKS, EvaluationSettings
from training.benchmarks.tasks.task import Task, choose, load_tasks, relocated
from training.common.columns import REGRESSION, read_target
from training.common.tables import local_path, read_table
from training.world.settings import SAMPLE_WORLD


def selected_tasks(settings: EvaluationSettings) -> list[Task]:
    """
    The tasks of a run, with their data at the given paths.

    Raises:
        ValueError: a name, a holdout or a path is unknown, or the table cannot be used.
    """
    for name in settings.holdouts or ():
        cell_size(name)
    paths = dict(_split_pair(pair) for pair in settings.data)
    patterns = settings.tasks or (() if settings.table else DEFAULT_TASKS)
    tasks = choose(load_tasks(), patterns)
    world = paths.pop(SAMPLE_WORLD, None)
    if world is not None:
        tasks = [task.at(world) if task.source == SAMPLE_WORLD else task for task in tasks]
    tasks = relocated(tasks, paths)
    if settings.table and settings.target:
        own = table_task(local_path(settings.table), settings.target, settings.target_type, settings.missing_values)
        tasks.append(replace(own, name=_free_name(own.name, [task.name for task in tasks])))
    if settings.holdouts:
        holdouts = tuple(settings.holdouts)
        tasks = [replace(task, holdouts=holdouts) if task.kind == "location" else task for task in tasks]
    return tasks


def table_task(path: Path, target: str, target_type: str | None, missing_values: Sequence[str] = ()) -> Task:
    """
    A task on a user's own table, whose places and targets are checked here, before any model is loaded.

    Args:
        path (`Path`): a CSV or parquet file.
        target (`str`): the column to predict.
        target_type (`str`, *optional*): `regression` or `classification`; by default numbers are values and text is classes.
        missing_values (`Sequence[str]`): what stands for a missing value, beside empty cells and the usual text.

    Raises:
        ValueError: the table cannot be read or has no places, or the target is neither numbers nor classes.
    """
    _, found, _ = read_target(read_table(path), target, target_type, missing_values)
    task = Task(
        name=path.stem,
        title=f"{target} from the place, as {'numbers' if found == REGRESSION else 'classes'}",
        group="location",
        kind="location",
        needs=("location",),
        target_type=found,
        source=str(path.parent.resolve()),
        data_files=path.name,
        columns={"target": target},
        probes=("ridge", "knn"),
        strata=("settlement",),
        options={"missing_values": tuple(missing_values)},
        licence="your own",
        citation="your own",
    )
    read_places(task)
    return task


def _free_name(name: str, taken: Sequence[str]) -> str:
    """The name, with a number if another task of the run has it, so that their results stay apart."""
    numbered = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def task_list(tasks: Sequence[Task]) -> str:
    """The tasks as a Markdown table."""
    head = ["task", "group", "kind", "what", "data", "licence"]
    body = [[task.name, task.group, task.kind, task.title, task.source or "your own", task.licence] for task in tasks]
    return markdown_table(head, body)


def _split_pair(pair: str) -> tuple[str, str]:
    name, equals, path = pair.partition("=")
    if not equals or not name or not path:
        raise ValueError(f"--data is {pair!r}; expected NAME=PATH, e.g. air_temp=tables/air_temp.csv.")
    return name, path
