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
"""Benchmark tasks: each is an entry of a YAML file in this folder, selected by its name, its group, or a glob."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from training.common.checks import check_keys
from training.common.tables import local_path, shown

FOLDER = Path(__file__).parent
GROUPS = ("location", "rs", "sv", "retrieval", "sample")
ALL = "all"
MODALITIES = ("location", "tile", "photo")
TARGET_TYPES = ("regression", "classification", "multilabel", "segmentation", "dense_regression", "retrieval")
_LABEL_RULES = ("log1p", "drop_below", "drop", "bins", "top")


@dataclass(frozen=True)
class Task:
    """
    What to measure, on which data, and how.

    Args:
        name (`str`): unique; used by `--tasks` and in the results.
        title (`str`): a description of the prediction target.
        group (`str`): one of `GROUPS`.
        kind (`str`): the kind of task that runs it; a key of `KINDS` in training/benchmarks/kinds/registry.py.
        needs (`tuple[str, ...]`): modalities that a model must embed, from `MODALITIES`.
        target_type (`str`): one of `TARGET_TYPES`.
        source (`str`): `sample_world`, the id of a data set on the Hub, or a local file or folder.
        revision (`str`, *optional*): of the data set on the Hub; the latest by default.
        config (`str`, *optional*): name of the data set's configuration.
        data_files (`str`, `list` or `dict`, *optional*): files inside the source; a dict has them by split.
        splits (`dict[str, str]`): our split names (`train`, `validation`, `test`) → the source's.
        columns (`dict[str, str]`): our column names (`lon`, `lat`, `target`, `image`, …) → the source's.
        label_rule (`dict`): how raw targets become labels: `drop: [values]`, `drop_below: number`, `log1p: true`,
            `bins: [edges]` (a number becomes a class), `top: n` (keep the n most frequent classes).
        probes (`tuple[str, ...]`): some of the kind's probes.
        metrics (`tuple[str, ...]`): metrics to report; the first is the headline.
        holdouts (`tuple[str, ...]`): `random`, `spatial2`, `spatial10` (cell size in degrees), …, `official`.
        strata (`tuple[str, ...]`): further columns by which the bias table divides the places, if the data have them.
        options (`dict`): further settings; the kind's docstring explains them.
        licence, citation (`str`): of the data.
        benchmark (`str`): the shared benchmark whose data and protocol the task follows; empty for a task of this project or of your own.
        access (`str`): how a user gets the data if they cannot be downloaded automatically; shown if the task is skipped.
        origin (`str`): the published source of a local copy; set by [`at`].

    Raises:
        ValueError: the group, a modality, the target type or a label rule is unknown.
    """

    name: str
    title: str
    group: str
    kind: str
    needs: tuple[str, ...]
    target_type: str
    source: str
    licence: str
    citation: str
    revision: str | None = None
    config: str | None = None
    data_files: Any = None
    splits: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    label_rule: dict[str, Any] = field(default_factory=dict)
    probes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    holdouts: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    access: str = ""
    benchmark: str = ""
    origin: str = ""

    def __post_init__(self) -> None:
        check_choice(f"group of task {self.name!r}", self.group, GROUPS)
        check_choice(f"target_type of task {self.name!r}", self.target_type, TARGET_TYPES)
        for need in self.needs:
            check_choice(f"needs of task {self.name!r}", need, MODALITIES)
        for rule in self.label_rule:
            check_choice(f"label_rule of task {self.name!r}", rule, _LABEL_RULES)

    @property
    def on_sample_world(self) -> bool:
        """Whether its tiles, photos and labels are made up."""
        return self.group == "sample"

    def file(self, split: str | None = None) -> Path | None:
        """The local file that holds the data, or those of a split; None if they are elsewhere, or several files."""
        name = self.data_files.get(split) if isinstance(self.data_files, dict) else self.data_files
        path = Path(self.source) / name if self.source and isinstance(name, str) else None
        return path if path is not None and path.is_file() else None

    @property
    def published_source(self) -> str:
        """The origin of the data, without local paths, so that it is the same on every machine."""
        if self.on_sample_world:
            return "sample world"
        local = Path(self.source)
        return self.origin or (local.resolve().name if local.exists() else self.source)

    def at(self, path: str) -> "Task":
        """
        The same task on a local copy of its data: a file, or a folder with the files that the task names.

        Raises:
            ValueError: `path` does not exist.
        """
        local = local_path(path)
        copy = replace(self, revision=None, origin=self.origin or self.source)
        if not local.exists():
            raise ValueError(f"Path not found: {path!r}, given for task {self.name!r}; check the spelling in --data.")
        if local.is_file():
            return replace(copy, source=str(local.parent), data_files=local.name, config=None)
        return replace(copy, source=str(local))


def load_tasks(folder: Path = FOLDER) -> dict[str, Task]:
    """
    All tasks of a folder's YAML files. A file holds `defaults` and a list of `tasks`; the keys of both are the fields of
    [`Task`], and a task overrides the defaults.

    Raises:
        ValueError: a key is unknown or missing, or a name is used twice.
    """
    tasks: dict[str, Task] = {}
    for path in sorted(folder.glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in content["tasks"]:
            task = _task(content.get("defaults", {}) | entry, path)
            if task.name in tasks:
                raise ValueError(f"{path.name!r} repeats the task name {task.name!r}; choose another name.")
            tasks[task.name] = task
    return tasks


def choose(tasks: Mapping[str, Task], patterns: Sequence[str]) -> list[Task]:
    """
    The tasks that names, groups (`location`, `rs`, `sv`, `retrieval`, `sample`), `all`, or globs select, each once, in
    the order of the patterns. `all` selects all groups but `sample`, that is, real data.

    Raises:
        ValueError: a pattern selects nothing.
    """
    chosen: dict[str, Task] = {}
    for pattern in patterns:
        found = [task for task in tasks.values() if _selects(pattern, task)]
        if not found:
            check_choice("--tasks", pattern, [*GROUPS, ALL, *tasks])
        chosen |= {task.name: task for task in found}
    return list(chosen.values())


def relocated(tasks: Iterable[Task], paths: Mapping[str, str]) -> list[Task]:
    """
    The tasks, reading their data from `paths` (task name → local path) where it names them.

    Raises:
        ValueError: `paths` names another task, or a path does not exist.
    """
    tasks = list(tasks)
    for name in paths:
        check_choice("--data", name, [task.name for task in tasks])
    return [task.at(paths[task.name]) if task.name in paths else task for task in tasks]


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """
    Raises:
        ValueError: `value` is not one of the choices. The message calls it `name`, and names the nearest choice.
    """
    choices = list(choices)
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {shown(choices)}."
        raise ValueError(f"{name} is {value!r}; {hint}")


def _selects(pattern: str, task: Task) -> bool:
    if pattern in GROUPS:
        return task.group == pattern
    if pattern == ALL:
        return task.group != "sample"
    return fnmatchcase(task.name, pattern)


def _task(entry: dict[str, Any], path: Path) -> Task:
    owner = f"{path.name!r}, task {entry.get('name')!r}"
    known = {setting.name: setting for setting in fields(Task)}
    check_keys(entry, known, owner)
    try:
        lists = {name: tuple(value) for name, value in entry.items() if known[name].type == tuple[str, ...]}
        return Task(**(entry | lists))
    except TypeError as error:
        raise ValueError(f"{owner} is incomplete: {error}") from error
