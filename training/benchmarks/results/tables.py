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
"""Results as text: Markdown tables of scores, and the bias table as Markdown and CSV."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict

from training.benchmarks.kinds.kind import PIXEL_COUNTS
from training.benchmarks.results.bias import CHANCE_BITS, Bias
from training.benchmarks.results.table import Row
from training.benchmarks.tasks.task import Task

_SHARES = re.compile(
    r"(R@\d+|accuracy|top1|miou|macro_f1|within_\d+_km|micro_map|overall_accuracy|average_precision|iou|iou .+|f1)",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(median_rank|mean_rank|median_km)")


def task_table(task: Task, rows: Sequence[Row]) -> str:
    """
    One task's scores as a Markdown table, with a column per split if there is one metric, else a column per metric; ± is
    half the width of the 95 % interval.
    """
    metrics = _distinct(row["metric_name"] for row in rows)
    shown = [name for name in task.metrics if name in metrics] or metrics
    rows = [row for row in rows if row["metric_name"] in shown]
    several = len(_distinct(row["task"] for row in rows)) > 1
    heads: dict[str, Callable[[Row], str]] = {"predicted": lambda row: row["task"]} if several else {}
    if len(shown) > 1:
        heads["split"] = lambda row: row["split"]
    heads |= {
        "model": lambda row: row["model_name"],
        "figure": lambda row: row["figure"],
        "probe": lambda row: row["method"],
    }
    column: Callable[[Row], str] = (lambda row: row["split"]) if len(shown) == 1 else (lambda row: row["metric_name"])
    columns = _distinct(column(row) for row in rows) if len(shown) == 1 else shown
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        cells.setdefault(tuple(head(row) for head in heads.values()), {})[column(row)] = _formatted(row)
    body = [[*key, *(found.get(name, "") for name in columns)] for key, found in cells.items()]
    title = f"**{task.name}**: {task.title}" + (f" ({shown[0]})" if len(shown) == 1 else "")
    return f"{title}\n\n{markdown_table([*heads, *columns], body)}"


def class_table(rows: Sequence[Row]) -> str:
    """
    The IoU of each class below the number of its pixels in the test tiles, as a Markdown table; empty if the pixels were not
    counted.
    """
    counts = {row["metric_name"].removeprefix("pixels "): row for row in rows if row["model_name"] == PIXEL_COUNTS}
    if not counts:
        return ""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        name = row["metric_name"].removeprefix("iou ")
        if name != row["metric_name"]:
            lines.setdefault((row["model_name"], row["method"]), {})[name] = _formatted(row)
    first = [PIXEL_COUNTS, "", *(f"{float(row['metric_value']):,.0f}" for row in counts.values())]
    body = [[*key, *(found.get(name, "") for name in counts)] for key, found in lines.items()]
    return f"IoU of each class:\n\n{markdown_table(['model', 'probe', *counts], [first, *body])}"


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Rows of equal length as a Markdown table with aligned columns."""
    lines = [[" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in (head, *body)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])


def bias_text(name: str, bias: Bias) -> str:
    """The bias of one task in Markdown: errors by part, and the self-information."""
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
    head = ["by", "part", "places", "mean error", "relative to all", "skill over the mean"]
    text = f"**{name}**\n\n{markdown_table(head, body)}"
    if bias.centres:
        text += (
            f"\n\nSpatial self-information around {bias.centres} places of low performance: marked {bias.marked:.2f} bits, "
            f"unmarked {bias.unmarked:.2f} bits ({CHANCE_BITS:.2f} without clustering)."
        )
    return text


def bias_csv(biases: Mapping[str, Bias]) -> bytes:
    """All bias tables as one CSV, with the self-information, in bits, as parts of the stratum `self-information`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", "by", "part", "places", "mean_error", "relative_to_all", "skill_over_the_mean"])
    for name, bias in biases.items():
        writer.writerows([name, *asdict(row).values()] for row in bias.parts)
        for part, bits in (("marked", bias.marked), ("unmarked", bias.unmarked)) if bias.centres else ():
            writer.writerow([name, "self-information", part, bias.centres, bits, bits / CHANCE_BITS, None])
    return text.getvalue().encode()


def _formatted(row: Row) -> str:
    value, name = float(row["metric_value"]), row["metric_name"]
    if _PLAIN.fullmatch(name):
        return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
    share = _SHARES.fullmatch(name) is not None
    text = f"{value:.1%}" if share else f"{value:.3f}"
    if row["ci_lower"]:
        half = (float(row["ci_upper"]) - float(row["ci_lower"])) / 2
        text += f" ± {half * 100:.1f}" if share else f" ± {half:.3f}"
    return text


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
