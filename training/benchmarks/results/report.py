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
"""The report of a run: what was measured, what was left out, skipped or failed, and where the first model errs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from training.benchmarks.kinds.kind import Outcome
from training.benchmarks.results.audit import audit_table
from training.benchmarks.results.bias import Bias, bias_table, self_information, summary
from training.benchmarks.results.map_figure import load_examples, map_figure, save_examples
from training.benchmarks.results.plots import bias_figure, scores_figure
from training.benchmarks.results.table import Notes, ResultsTable, Row
from training.benchmarks.results.tables import bias_csv, bias_text, class_table, task_table
from training.benchmarks.tasks.task import Task
from training.common.files import write_atomically
from training.world.settings import SAMPLE_WORLD_REMARK

_MEASURED = (
    "All scores were measured by this run or an earlier one with the same settings; none is copied from a publication."
)


_MAPS = "Of all test tiles, those whose true classes are the most evenly mixed."


@dataclass
class Findings:
    """
    Everything a run has to report beside the results table.

    Attributes:
        runs (`list[str]`): runs whose rows belong to the report.
        bias (`dict[str, Bias]`): bias of the first model by task.
        remarks, skipped, failed, inapplicable (`list[str]`): sentences on how data were read and on rows left out, on tasks
            that were skipped or failed, and on models that lack a task's modality.
    """

    runs: list[str] = field(default_factory=list)
    bias: dict[str, Bias] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    inapplicable: list[str] = field(default_factory=list)

    def add(self, run: str, notes: Notes) -> None:
        """Adds a run and its notes; remarks on the data are the same for every model and kept once."""
        self.runs.append(run)
        self.add_notes(notes)

    def add_notes(self, notes: Notes) -> None:
        """Adds a run's notes only."""
        self.failed += notes["problems"]
        self.remarks += [remark for remark in notes["remarks"] if remark not in self.remarks]

    def add_bias(self, task: Task, model: str, run: str, outcome: Outcome, output_dir: Path) -> None:
        """Draws a model's geographic bias on a task, and keeps it for the report."""
        if outcome.places is None:
            return
        earth = not task.on_sample_world
        parts, surprise = bias_table(outcome.places, earth), self_information(outcome.places)
        title = f"{task.name}, {model}, {outcome.places.split}" + ("" if earth else " (the sample world)")
        bias_figure(output_dir / f"errors-{task.name}.png", title, outcome.places, parts, surprise, earth)
        self.bias[task.name] = summary(run, parts, surprise)
        write_atomically(output_dir / f"errors-{task.name}.json", self.bias[task.name].to_json().encode())

    def add_examples(self, task: Task, run: str, outcome: Outcome, output_dir: Path) -> None:
        """Keeps a run's predicted maps for the figure of all runs."""
        if outcome.examples:
            save_examples(_examples_file(task, run, output_dir), outcome.examples)

    def recall_bias(self, task: Task, run: str, output_dir: Path) -> None:
        """Reads the bias that the same run found earlier."""
        path = output_dir / f"errors-{task.name}.json"
        if path.is_file() and (bias := Bias.from_json(path.read_text(encoding="utf-8"))).run == run:
            self.bias[task.name] = bias


def _examples_file(task: Task, run: str, output_dir: Path) -> Path:
    return output_dir / "maps" / f"{task.name}-{run}.npz"


def report_text(tasks: Sequence[Task], table: ResultsTable, findings: Findings) -> str:
    """The tables of the measured tasks and all sentences of a run, in Markdown."""
    parts = [_task_text(task, table.of([task.name], findings.runs)) for task in tasks]
    if tasks:
        parts.append(audit_table(tasks, table.of([task.name for task in tasks], findings.runs)))
    if any(task.on_sample_world for task in tasks):
        parts.append(SAMPLE_WORLD_REMARK)
    for title, sentences in (
        ("Data", findings.remarks),
        ("Not applicable", findings.inapplicable),
        ("Skipped", findings.skipped),
        ("Failed", findings.failed),
    ):
        if sentences:
            parts.append(f"**{title}**\n\n" + "\n".join(f"- {sentence}" for sentence in sentences))
    return "\n\n".join(parts) + "\n"


def _task_text(task: Task, rows: Sequence[Row]) -> str:
    """The scores of a task, those of each class, and the settings of its ridge regression, which published figures may not share."""
    protocols = list(dict.fromkeys(row["protocol"] for row in rows if row["protocol"]))
    ridge = [f"Ridge regression: {protocol}." for protocol in protocols]
    return "\n\n".join(part for part in [task_table(task, rows), *ridge, class_table(rows)] if part)


def write_report(
    text: str,
    tasks: Sequence[Task],
    models: Sequence[str],
    table: ResultsTable,
    findings: Findings,
    output_dir: Path,
) -> None:
    """
    Writes report.md with the bias of the first model, bias.csv, and the figures.

    Args:
        text (`str`): of [`report_text`].
        tasks (`Sequence[Task]`): the measured tasks.
        models (`Sequence[str]`): names of the models under test.
        table, findings, output_dir: of the run.
    """
    figures = "\n\n".join(f"![Errors of {name}]({quote(f'errors-{name}.png')})" for name in findings.bias)
    bias = "\n\n".join(bias_text(name, found) for name, found in findings.bias.items())
    whole = f"# Evaluation\n\n{_MEASURED}\n\n{text}\n![Scores](scores.png)\n"
    if bias:
        whole += f"\n# Geographic bias of {models[0]}\n\n{bias}\n\n{figures}\n"
        write_atomically(output_dir / "bias.csv", bias_csv(findings.bias))
    rows = [(task, table.of([task.name], findings.runs)) for task in tasks]
    if maps := [task.name for task, found in rows if _draw_maps(task, found, output_dir)]:
        pictures = "\n\n".join(f"![Maps of {name}]({quote(f'maps-{name}.png')})" for name in maps)
        whole += f"\n# Predicted maps\n\n{_MAPS}\n\n{pictures}\n"
    write_atomically(output_dir / "report.md", whole.encode())
    scores_figure(output_dir / "scores.png", rows, models)


def _draw_maps(task: Task, rows: Sequence[Row], output_dir: Path) -> bool:
    """Draws the predicted maps of all runs that kept some; says whether there are any."""
    models = {row["run"]: row["model_name"] for row in rows}
    files = [(name, _examples_file(task, run, output_dir)) for run, name in models.items()]
    kept = [(name, load_examples(file)) for name, file in files if file.is_file()]
    if not kept:
        return False
    map_figure(output_dir / f"maps-{task.name}.png", f"{task.name}: {task.title}", kept)
    return True
