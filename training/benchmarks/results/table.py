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
"""The table of results: it only grows, and is rewritten as a whole for each task and model, so interruptions lose nothing."""

import csv
import io
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from training.benchmarks.kinds.kind import Score
from training.benchmarks.tasks.task import Task
from training.common.files import write_atomically

# CoordBench's columns, then those needed to reproduce a score.
COLUMNS = (
    "dataset",
    "task",
    "task_type",
    "method",
    "split",
    "metric_name",
    "metric_value",
    "ci_lower",
    "ci_upper",
    "n_folds",
    "cell_deg",
    "feature_dim",
    "n_samples",
    "n_test",
    "seed",
    "model_name",
    "n_dropped",
    "protocol",
    "source",
    "dataset_revision",
    "model_revision",
    "model_fingerprint",
    "model_licence",
    "data_licence",
    "benchmark",
    "figure",
    "harness",
    "versions",
    "seconds",
    "peak_memory_mb",
    "run",
)
# Where a figure comes from: measured here. None is copied from a publication.
RERUN = "rerun"
_PACKAGES = ("torch", "transformers", "datasets", "scikit-learn", "numpy")

Row = dict[str, str]
Notes = dict[str, list[str]]


@dataclass(frozen=True)
class Circumstances:
    """
    The circumstances of a run: one model on one task.

    Args:
        model_name, model_revision, model_fingerprint (`str`): the model; the last two are empty if it has no weights.
        model_licence (`str`): of its weights.
        harness (`str`): the program that measures, with its version.
        source, dataset_revision (`str`): origin of the data, and their commit or digest.
        seeds (`tuple[int, ...]`): of folds and probes.
        protocol (`str`): a description of the settings that affect scores.
        seconds (`float`): for embedding and probing together.
        peak_memory_mb (`float`): peak memory in MiB of this process so far; on a GPU, of the device.
        run (`str`): digest of everything the scores depend on; finished runs are skipped.
    """

    model_name: str
    model_revision: str
    model_fingerprint: str
    model_licence: str
    harness: str
    source: str
    dataset_revision: str
    seeds: tuple[int, ...]
    protocol: str
    seconds: float
    peak_memory_mb: float
    run: str


class ResultsTable:
    """
    A CSV file of scores, and beside it `notes.json` with each run's remarks on rows left out and on what could not be
    measured, which are repeated when a finished run is skipped.

    Args:
        path (`Path`): the CSV file; created with the first scores.

    Raises:
        ValueError: the file has other columns.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[Row] = []
        self._notes_path = path.with_name("notes.json")
        self._notes: dict[str, Notes] = {}
        if self._notes_path.is_file():
            self._notes = json.loads(self._notes_path.read_text(encoding="utf-8"))
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) != COLUMNS:
                    raise ValueError(f"{str(path)!r} has other columns than these results; pass a new --output_dir.")
                self.rows = list(reader)

    def has(self, run: str) -> bool:
        """Whether the table has the scores of a run."""
        return any(row["run"] == run for row in self.rows)

    def notes(self, run: str) -> Notes:
        """The remarks and problems of a run."""
        return self._notes.get(run, {"remarks": [], "problems": []})

    def append(
        self,
        task: Task,
        scores: Sequence[Score],
        circumstances: Circumstances,
        remarks: Sequence[str] = (),
        problems: Sequence[str] = (),
    ) -> None:
        """Adds scores and sentences about them; the file gets all of the scores or none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if remarks or problems:
            self._notes[circumstances.run] = {"remarks": list(remarks), "problems": list(problems)}
            write_atomically(self._notes_path, json.dumps(self._notes, indent=1, ensure_ascii=False).encode())
        self.rows += [_row(task, score, circumstances) for score in scores]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self.path, text.getvalue().encode())

    def of(self, tasks: Iterable[str], runs: Iterable[str]) -> list[Row]:
        """The rows of these tasks from these runs."""
        names, wanted = set(tasks), set(runs)
        return [row for row in self.rows if row["dataset"] in names and row["run"] in wanted]


def versions() -> str:
    """Versions of Python and of the packages that scores depend on."""
    return "; ".join([f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in _PACKAGES)])


def _row(task: Task, score: Score, circumstances: Circumstances) -> Row:
    low, high = score.spread or ("", "")
    values = {
        "dataset": task.name,
        "task": score.target or task.columns.get("target", task.title),
        "task_type": task.target_type,
        "method": score.method,
        "split": score.split,
        "metric_name": score.metric,
        "metric_value": repr(float(score.value)),
        "ci_lower": low,
        "ci_upper": high,
        "n_folds": score.n_folds,
        "cell_deg": "" if score.cell_deg is None else score.cell_deg,
        "feature_dim": score.feature_dim,
        "n_samples": score.n_samples,
        "n_test": score.n_test,
        "seed": " ".join(map(str, circumstances.seeds)),
        "model_name": score.model or circumstances.model_name,
        "n_dropped": score.dropped,
        "protocol": circumstances.protocol,
        "source": circumstances.source,
        "dataset_revision": circumstances.dataset_revision,
        "model_revision": circumstances.model_revision,
        "model_fingerprint": circumstances.model_fingerprint,
        "model_licence": circumstances.model_licence,
        "data_licence": task.licence,
        "benchmark": task.benchmark,
        "figure": RERUN,
        "harness": circumstances.harness,
        "versions": versions(),
        "seconds": f"{circumstances.seconds:.1f}",
        "peak_memory_mb": f"{circumstances.peak_memory_mb:.0f}",
        "run": circumstances.run,
    }
    return {name: str(value) for name, value in values.items()}
