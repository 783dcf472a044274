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
"""
How scores were obtained, by the six points that an audit of 152 papers found missing in most (arXiv 2605.12678): named licences, shared
core evaluations, figures marked as copied or rerun, variance, one harness, and controls of data, architecture and algorithm.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from huggingface_hub import ModelCard

import modeling_gair
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.results.table import RERUN, Row
from training.benchmarks.results.tables import markdown_table
from training.benchmarks.tasks.task import Task
from training.common.tables import local_path

HARNESS = f"training/evaluate.py of GAIR for Hugging Face {modeling_gair.__version__}"
NO_WEIGHTS, NOT_STATED = "no trained weights", "not stated"
_OWN = "of this project or of your own"


def licence_of_model(encoder: Encoder | None) -> str:
    """The licence of a model's weights; baselines have none."""
    return NO_WEIGHTS if encoder is None or encoder.baseline else _licence_in_card(encoder.name)


@lru_cache
def _licence_in_card(name: str) -> str:
    """The licence that the card of a directory or of a Hub repository names."""
    folder = local_path(name)
    try:
        data = ModelCard.load(folder / "README.md" if folder.is_dir() else name, ignore_metadata_errors=True).data
    except (OSError, ValueError):
        return NOT_STATED
    named = data.get("license_name") or data.get("license") or NOT_STATED
    return named if isinstance(named, str) else ", ".join(map(str, named))


def audit_table(tasks: Sequence[Task], rows: Sequence[Row]) -> str:
    """The six points for the scores of some tasks, as a Markdown table."""
    trained = [row for row in rows if row["model_licence"] != NO_WEIGHTS]
    untrained = _distinct(row["model_name"] for row in rows if row["model_licence"] == NO_WEIGHTS)
    same = [name for name in untrained if name.startswith("random weights of ")]
    rerun = _distinct(row["model_name"] for row in rows if row["figure"] == RERUN)
    spread = sum(bool(row["ci_lower"]) for row in rows)
    seeds = ", ".join(_distinct(row["seed"] for row in rows))
    points = {
        "named licences": f"weights: {_listed(_licences(trained))}; data: {_listed(f'{task.name}: {task.licence}' for task in tasks)}",
        "shared core evaluations": _listed(_evaluations(tasks)),
        "copied or rerun": f"rerun, baselines included: {_listed(rerun)}; copied: none",
        "variance": f"{spread:,} of {len(rows):,} scores have a 95 % interval, over folds and seeds ({seeds}) or by a bootstrap over what was "
        "tested; how scores vary between trainings of a model is not measured",
        "one harness": _listed(_distinct(f"{row['harness']} ({row['versions']})" for row in rows)),
        "controls": "data: the rows, splits and probes of a task are the same for all; architecture: "
        f"{_listed(same)}; algorithm: {_listed(name for name in untrained if name not in same)}",
    }
    return f"**How these scores were obtained**\n\n{markdown_table(['point', 'here'], [list(point) for point in points.items()])}"


def _licences(rows: Iterable[Row]) -> list[str]:
    return _distinct(f"{row['model_name']}: {row['model_licence']}" for row in rows)


def _evaluations(tasks: Iterable[Task]) -> list[str]:
    names: dict[str, list[str]] = {}
    for task in tasks:
        names.setdefault(task.benchmark or _OWN, []).append(task.name)
    return [f"{benchmark}: {', '.join(found)}" for benchmark, found in names.items()]


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(parts) or "none"


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
