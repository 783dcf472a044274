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
"""Results to read: tables in Markdown, what goes into a model's card, and the table of bias."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard

from training.benchmarks.results.bias import CHANCE_BITS, Bias
from training.benchmarks.results.table import Row
from training.benchmarks.tasks.task import Task
from training.common.files import write_atomically

SAMPLE_REMARK = (
    "The sample world is procedural: its figures prove that the method, the data path and the training work, and say "
    "nothing about the Earth."
)
_START, _END = "<!-- evaluation: start -->", "<!-- evaluation: end -->"
_SECTION = re.compile(f"{_START}.*{_END}", re.DOTALL)
_SHARES = re.compile(r"(R@\d+|accuracy|top1|miou|macro_f1|within_\d+_km|micro_map|overall_accuracy)", re.IGNORECASE)
_PLAIN = re.compile(r"(median_rank|mean_rank|median_km)")


def task_table(task: Task, rows: Sequence[Row]) -> str:
    """
    One task's figures as a Markdown table: a single metric by split, several by metric; a figure with ± has the half
    width of its interval of 95 %.
    """
    metrics = _ordered(row["metric_name"] for row in rows)
    shown = [name for name in task.metrics if name in metrics] or metrics
    rows = [row for row in rows if row["metric_name"] in shown]
    several = len(_ordered(row["task"] for row in rows)) > 1
    heads: dict[str, Callable[[Row], str]] = {"predicted": lambda row: row["task"]} if several else {}
    if len(shown) > 1:
        heads["split"] = lambda row: row["split"]
    heads |= {"model": lambda row: row["model_name"], "probe": lambda row: row["method"]}
    column: Callable[[Row], str] = (lambda row: row["split"]) if len(shown) == 1 else (lambda row: row["metric_name"])
    columns = _ordered(column(row) for row in rows) if len(shown) == 1 else shown
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        cells.setdefault(tuple(head(row) for head in heads.values()), {})[column(row)] = _figure(row)
    body = [[*key, *(found.get(name, "") for name in columns)] for key, found in cells.items()]
    title = f"**{task.name}**: {task.title}" + (f" ({shown[0]})" if len(shown) == 1 else "")
    return f"{title}\n\n{markdown_table([*heads, *columns], body)}"


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Rows of equal length as a Markdown table whose columns line up."""
    lines = [list(head), *map(list, body)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])


def bias_text(name: str, bias: Bias) -> str:
    """The bias of one task as text: errors by part, and the self-information."""
    body = [
        [
            row.stratum,
            row.part,
            str(row.places),
            f"{row.error:.3g}",
            f"{row.ratio:.2f}",
            "" if row.skill is None else f"{row.skill:.2f}",
        ]
        for row in bias.parts
    ]
    head = ["by", "part", "places", "mean error", "to the overall", "skill over the mean"]
    text = f"**{name}**\n\n{markdown_table(head, body)}"
    if bias.centres:
        text += (
            f"\n\nSpatial self-information around {bias.centres} places of low performance: marked {bias.marked:.2f} bits, "
            f"unmarked {bias.unmarked:.2f} bits ({CHANCE_BITS:.2f} where nothing clusters)."
        )
    return text


def bias_csv(biases: Mapping[str, Bias]) -> bytes:
    """All bias tables as one CSV; the self-information stands as parts of the stratum `self-information`, in bits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", "by", "part", "places", "mean_error", "to_the_overall", "skill_over_the_mean"])
    for name, bias in biases.items():
        writer.writerows([name, *asdict(row).values()] for row in bias.parts)
        for part, bits in (("marked", bias.marked), ("unmarked", bias.unmarked)) if bias.centres else ():
            writer.writerow([name, "self-information", part, bias.centres, bits, bits / CHANCE_BITS, None])
    return text.getvalue().encode()


def write_card(path: Path, model_name: str, tasks: Sequence[Task], rows: Sequence[Row], section: str) -> None:
    """
    Puts results into a model card: `model-index` into its metadata, and the tables between two marks, in place of those of
    an earlier evaluation. Entries of other tasks stay.

    Args:
        path (`Path`): the card; made if there is none.
        model_name (`str`): as `model-index` calls it.
        tasks (`Sequence[Task]`): what was measured.
        rows (`Sequence[Row]`): the model's own figures.
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
    # The holdout stands in the configuration, as the library merges entries by it and ignores dataset_args.
    parts = [task.name, row["task"] if row["task"] != task.columns.get("target") else "", row["split"], row["method"]]
    return EvalResult(
        task_type="feature-extraction",
        task_name=task.title,
        dataset_type=row["source"],
        dataset_name=f"{task.name}{' (procedural, not the Earth)' if task.on_sample_world else ''}",
        dataset_config="-".join(part for part in parts if part and part != task.title),
        dataset_split=row["split"],
        dataset_revision=row["dataset_revision"],
        metric_type=row["metric_name"],
        metric_name=f"{row['metric_name']} ({row['method']}, {row['split']})",
        metric_value=round(float(row["metric_value"]), 5),
    )


def _identity(result: EvalResult) -> tuple[str | None, ...]:
    return (result.dataset_type, result.dataset_config, result.metric_type, result.metric_name)


def _figure(row: Row) -> str:
    value, name = float(row["metric_value"]), row["metric_name"]
    if _PLAIN.fullmatch(name):
        return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
    share = _SHARES.fullmatch(name) is not None
    figure = f"{value:.1%}" if share else f"{value:.3f}"
    if row["ci_lower"]:
        half = (float(row["ci_upper"]) - float(row["ci_lower"])) / 2
        figure += f" ± {half * 100:.1f}" if share else f" ± {half:.3f}"
    return figure


def _ordered(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
