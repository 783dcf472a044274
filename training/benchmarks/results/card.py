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
"""Results in a model card: `model-index` in its metadata, and tables between two marks in its text."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard

from training.benchmarks.results.audit import audit_table
from training.benchmarks.results.table import ResultsTable, Row
from training.benchmarks.results.tables import class_table, task_table
from training.benchmarks.tasks.task import Task
from training.common.files import write_atomically
from training.world.settings import SAMPLE_WORLD_REMARK

_START, _END = "<!-- evaluation: start -->", "<!-- evaluation: end -->"
_SECTION = re.compile(f"{_START}.*{_END}", re.DOTALL)


def write_model_card(
    model_name: str, tasks: Sequence[Task], table: ResultsTable, runs: Sequence[str], output_dir: Path
) -> Path:
    """
    Writes the scores of one model into its card.

    Args:
        model_name (`str`): a model directory, whose README.md is the card, or a Hub repository, whose card is written to
            `output_dir`, to be uploaded.
        tasks (`Sequence[Task]`): the measured tasks.
        table ([`ResultsTable`]): their scores.
        runs (`Sequence[str]`): the runs to report.
        output_dir (`Path`): of the evaluation.

    Returns:
        `Path`: the card.
    """
    folder = Path(model_name)
    path = folder / "README.md" if folder.is_dir() else output_dir / f"{model_name.replace('/', '--')}.README.md"
    rows = table.of([task.name for task in tasks], runs)
    own = [row for row in rows if row["model_name"] == model_name]
    section = "## Evaluation\n\nScores on frozen embeddings, measured by `training/evaluate.py`; none is copied from a publication.\n\n"
    section += "\n\n".join(
        part
        for task in tasks
        for found in [table.of([task.name], runs)]
        for part in (task_table(task, found), class_table(found))
        if part
    )
    section += f"\n\n{audit_table(tasks, rows)}"
    if any(task.on_sample_world for task in tasks):
        section += f"\n\n{SAMPLE_WORLD_REMARK}"
    update_card(path, folder.name, tasks, own, section)
    return path


def update_card(path: Path, model_name: str, tasks: Sequence[Task], rows: Sequence[Row], section: str) -> None:
    """
    Writes results into a model card: `model-index` into its metadata, and the tables between two marks, replacing those of
    an earlier evaluation. Entries of other tasks are kept.

    Args:
        path (`Path`): the card; created if it does not exist.
        model_name (`str`): the model's name in `model-index`.
        tasks (`Sequence[Task]`): the measured tasks.
        rows (`Sequence[Row]`): the model's own scores.
        section (`str`): the tables.
    """
    card = ModelCard.load(path) if path.is_file() else ModelCard("---\nlibrary_name: transformers\n---\n# Model\n")
    data: Any = card.data
    data.model_name = model_name
    fresh = [
        _eval_result(task, row)
        for task in tasks
        for row in rows
        if row["dataset"] == task.name and _headline(task, row)
    ]
    merged = {_identity(result): result for result in [*(data.eval_results or []), *fresh]}
    data.eval_results = list(merged.values())
    block = f"{_START}\n{section}\n{_END}"
    text = card.text
    card.text = _SECTION.sub(lambda _: block, text) if _SECTION.search(text) else f"{text.rstrip()}\n\n{block}\n"
    write_atomically(path, str(card).encode())


def _headline(task: Task, row: Row) -> bool:
    return not task.metrics or row["metric_name"] == task.metrics[0]


def _eval_result(task: Task, row: Row) -> EvalResult:
    # The holdout is part of the configuration because the library merges entries by it and ignores dataset_args.
    parts = [task.name, row["task"] if row["task"] != task.columns.get("target") else "", row["split"], row["method"]]
    return EvalResult(
        task_type="feature-extraction",
        task_name=task.title,
        dataset_type=row["source"],
        dataset_name=f"{task.name}{' (tiles and photos made up)' if task.on_sample_world else ''}",
        dataset_config="-".join(part for part in parts if part and part != task.title),
        dataset_split=row["split"],
        dataset_revision=row["dataset_revision"],
        metric_type=row["metric_name"],
        metric_name=f"{row['metric_name']} ({row['method']}, {row['split']})",
        metric_value=round(float(row["metric_value"]), 5),
    )


def _identity(result: EvalResult) -> tuple[str | None, ...]:
    return (result.dataset_type, result.dataset_config, result.metric_type, result.metric_name)
