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
Measures frozen embeddings on benchmarks:

    accelerate launch training/evaluate.py --model DIR_OR_REPO --tasks NAMES

Without arguments one task of every kind on the sample world, with the model of `training/pretrain.py`. A table of your own:

    accelerate launch training/evaluate.py --model DIR_OR_REPO --table FILE.csv --target COLUMN

Tasks, data and protocols: training/benchmarks/README.md, or `--list`. Writes results.csv, report.md and pictures; where
something could not be measured it says so, goes on with the others, and ends with status 1.
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from datasets import disable_progress_bars
from huggingface_hub import constants
from transformers import PreTrainedConfig

import modeling_gair
from training.benchmarks.data import Unavailable, revision_of
from training.benchmarks.encoders.encoder import Encoder, GairEncoder, open_gair, untrained
from training.benchmarks.encoders.peers import open_peer
from training.benchmarks.kinds.kind import Bench, Kind, Outcome
from training.benchmarks.kinds.location import Location, LocationPrior, is_numeric
from training.benchmarks.kinds.pair_retrieval import Retrieval
from training.benchmarks.kinds.segmentation import Segmentation
from training.benchmarks.kinds.street_views import StreetViews
from training.benchmarks.kinds.tile_classification import TileClassification
from training.benchmarks.probes.folds import cell_size
from training.benchmarks.results.bias import Bias, bias_table, self_information, summary
from training.benchmarks.results.plots import bias_figure, scores_figure
from training.benchmarks.results.report import (
    SAMPLE_REMARK,
    bias_csv,
    bias_text,
    markdown_table,
    task_table,
    write_card,
)
from training.benchmarks.results.table import Circumstances, Notes, ResultsTable, Row
from training.benchmarks.store import FeatureStore, digest_of
from training.benchmarks.tasks.task import Task, choose, load_tasks, relocated
from training.common.errors import first_line
from training.common.files import write_atomically
from training.pretraining.settings import PretrainSettings
from training.world.settings import SAMPLE_WORLD, WorldSettings
from training.world.writer import ensure_sample_dataset

KINDS: dict[str, Kind] = {
    "location": Location(),
    "location_prior": LocationPrior(),
    "tile_classification": TileClassification(),
    "segmentation": Segmentation(),
    "street_views": StreetViews(),
    "retrieval": Retrieval(),
}
# One of every kind; the group `sample` holds some more.
DEFAULT_TASKS = ("world-location", "world-tiles", "world-segmentation", "world-photos", "world-retrieval")
_TABLE_SUFFIXES = (".csv", ".parquet")
# While one process probes, the others wait for it.
_LONGEST_WAIT = timedelta(days=7)
_UNMEASURED = (ValueError, OSError)


@dataclass
class Findings:
    """What a run has to say: rows of its results, bias by task, and sentences on what was skipped or failed."""

    runs: list[str] = field(default_factory=list)
    bias: dict[str, Bias] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    inapplicable: list[str] = field(default_factory=list)

    def add(self, notes: Notes) -> None:
        """What one run had to say; remarks on the data are the same for every model and kept once."""
        self.failed += notes["problems"]
        self.remarks += [remark for remark in notes["remarks"] if remark not in self.remarks]


def main(arguments: Sequence[str]) -> int:
    """Runs the chosen tasks with all models; returns the exit status."""
    chosen = parse(arguments)
    tasks = chosen_tasks(chosen)
    if chosen.list:
        print(listing(list(load_tasks().values()) if chosen.tasks is None else tasks))
        return 0
    disable_progress_bars()
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=_LONGEST_WAIT)])
    models = [open_model(name, accelerator.device) for name in chosen.model]
    output_dir = Path(chosen.output_dir)
    table = ResultsTable(output_dir / "results.csv")
    # All have read the table before the first of them writes to it.
    accelerator.wait_for_everyone()
    bench = Bench(
        FeatureStore(Path(constants.HF_HOME) / "gair" / "features"),
        accelerator.device,
        tuple(chosen.seeds),
        chosen.nested_alpha,
        chosen.penalize_intercept,
    )
    findings = Findings()
    for task in tasks:
        run_task(task, models, bench, table, findings, accelerator, output_dir)
    if not accelerator.is_main_process:
        return 0
    measured = [task for task in tasks if table.of([task.name], findings.runs)]
    text = report(measured, table, findings)
    print(text)
    if measured:
        write_reports(text, measured, models, table, findings, output_dir)
    if chosen.card and measured:
        # A card belongs to a repository of weights; peers have their own.
        for model in filter(lambda model: isinstance(model, GairEncoder), models):
            print(f"Wrote {card_of(model, measured, table, findings, output_dir)}")
    print(
        f"{len(measured)} of {len(tasks)} tasks measured, {len(findings.skipped)} skipped, {len(findings.failed)} failures."
    )
    return 1 if findings.skipped or findings.failed else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """
    The command line.

    Raises:
        ValueError: flags that do not go together.
    """
    parser = argparse.ArgumentParser(
        prog="training/evaluate.py", description="Measures frozen embeddings on benchmarks."
    )
    add = parser.add_argument
    default_model = PretrainSettings().output_dir
    add("--model", nargs="+", default=[default_model], metavar="NAME", help="directories or Hub repositories of GAIR models;"
        f" peers: timm/NAME, any image model of transformers, MODULE:FUNCTION of a location encoder (default {default_model})")  # fmt: skip
    add("--tasks", nargs="+", metavar="NAME", help="names, globs, or groups: location, rs, sv, retrieval, sample, all (default"
        " one task of every kind on the sample world)")  # fmt: skip
    add("--list", action="store_true", help="show the tasks and stop")
    add("--data", nargs="+", default=[], metavar="NAME=PATH", help="local copies of tasks' data; sample_world=PATH for all of"
        " its tasks")  # fmt: skip
    add("--table", metavar="FILE", help="a CSV or parquet file with the columns lon, lat (degrees) and the target")
    add("--target", metavar="COLUMN", help="what to predict from the table's places")
    add(
        "--target_type",
        choices=("regression", "classification"),
        help="by default numbers are values and text is classes",
    )
    add("--holdouts", nargs="+", metavar="NAME", help="of location tasks: random, spatial10 (degrees), official; by default as"
        " the task says")  # fmt: skip
    add("--seeds", nargs="+", type=int, default=[0], metavar="N", help="of folds and probes (default 0)")
    add("--nested_alpha", action="store_true", help="choose a ridge's strength inside the training folds")
    add("--penalize_intercept", action="store_true", help="shrink a ridge's intercept too, as figures before 2026 did")
    add("--output_dir", default="outputs/evaluation", metavar="DIR", help="default outputs/evaluation")
    add("--card", action="store_true", help="write the results into the model's README.md")
    chosen = parser.parse_args(arguments)
    if (chosen.table is None) != (chosen.target is None):
        raise ValueError("--table and --target go together: the file, and its column to predict; pass both.")
    if chosen.target_type and not chosen.table:
        raise ValueError("--target_type is about a --table; the tasks know their own.")
    for name in chosen.holdouts or ():
        cell_size(name)
    return chosen


def chosen_tasks(chosen: argparse.Namespace) -> list[Task]:
    """
    The tasks that the command line names, with their data where it says.

    Raises:
        ValueError: unknown names, or a table that is none.
    """
    places = dict(_split(pair) for pair in chosen.data)
    patterns = chosen.tasks or (() if chosen.table else DEFAULT_TASKS)
    tasks = choose(load_tasks(), patterns)
    world = places.pop(SAMPLE_WORLD, None)
    if world is not None:
        tasks = [task.at(world) if task.source == SAMPLE_WORLD else task for task in tasks]
    tasks = relocated(tasks, places)
    if chosen.table:
        tasks.append(own_table(Path(chosen.table), chosen.target, chosen.target_type))
    if chosen.holdouts:
        tasks = [replace(task, holdouts=tuple(chosen.holdouts)) if task.kind == "location" else task for task in tasks]
    return tasks


def own_table(path: Path, target: str, target_type: str | None) -> Task:
    """
    A task on a user's own table.

    Raises:
        ValueError: no such file, or of another kind.
    """
    if not path.is_file() or path.suffix.lower() not in _TABLE_SUFFIXES:
        raise ValueError(
            f"--table is {str(path)!r}; expected an existing file ending in {' or '.join(_TABLE_SUFFIXES)}."
        )
    task = Task(
        name=path.stem,
        title=f"{target} from the place",
        group="location",
        kind="location",
        needs=("location",),
        target_type=target_type or "regression",
        source=str(path.parent.resolve()),
        data_files=path.name,
        columns={"target": target},
        probes=("ridge", "knn"),
        strata=("settlement",),
        licence="your own",
        citation="your own",
    )
    if target_type is None:
        task = replace(task, target_type="regression" if is_numeric(task, target) else "classification")
    return task


def open_model(name: str, device: torch.device) -> Encoder:
    """
    A model to measure: GAIR's where its config says so, else a peer.

    Raises:
        ValueError: there is none by that name.
    """
    try:
        is_gair = PreTrainedConfig.get_config_dict(name)[0].get("model_type") == "gair"
    except (OSError, ValueError):
        # Not a directory, nor a repository with a config: timm's names and functions are none either.
        is_gair = not (":" in name or name.startswith("timm/"))
    return open_gair(name, device) if is_gair else open_peer(name, device)


# Running -------------------------------------------------------------------------------------------------------------


def run_task(
    task: Task,
    models: Sequence[Encoder],
    bench: Bench,
    table: ResultsTable,
    findings: Findings,
    accelerator: Accelerator,
    output_dir: Path,
) -> None:
    """Measures one task with all models and baselines; what goes wrong is told and ends this task alone."""
    kind = KINDS[task.kind]
    try:
        task = with_world(task, accelerator)
        data_revision = revision_of(task) if task.source else ""
    except Unavailable as error:
        findings.skipped.append(f"{task.name}: {error}")
        return
    unavailable = False
    for encoder in contestants(task, kind, models, findings):
        run, name = run_of(task, data_revision, encoder, bench), encoder.name if encoder else "baselines"
        if table.has(run):
            accelerator.print(f"{task.name} by {name} is in {table.path} already.")
            findings.runs.append(run)
            findings.add(table.notes(run))
            if encoder in models[:1]:
                recall_bias(task, run, findings, output_dir)
            continue
        start = time.perf_counter()
        share_extraction(task, kind, encoder, bench, accelerator)
        # The main process goes on where there is nothing to measure, to meet the others wherever they wait.
        if unavailable or not accelerator.is_main_process:
            continue
        try:
            outcome = kind.measure(task, encoder, bench) if encoder else kind.baselines(task, bench)
        except Unavailable as error:
            findings.skipped.append(f"{task.name}: {error}")
            unavailable = True
        except _UNMEASURED as error:
            findings.failed.append(f"{task.name} by {name}: {first_line(error)}")
        else:
            circumstances = Circumstances(
                model_name=name,
                model_revision=encoder.revision if encoder else "",
                model_fingerprint=encoder.fingerprint if encoder else "",
                source=task.published_source,
                dataset_revision=data_revision,
                seeds=bench.seeds,
                protocol=protocol_of(task, bench),
                seconds=time.perf_counter() - start,
                peak_memory_mb=peak_memory_mb(accelerator.device),
                run=run,
            )
            record(task, outcome, circumstances, table, findings)
            if outcome.scores and encoder in models[:1]:
                show_bias(task, name, run, outcome, findings, output_dir)


def record(task: Task, outcome: Outcome, circumstances: Circumstances, table: ResultsTable, findings: Findings) -> None:
    """Adds what one model gave to the results, and to what the run has to say."""
    problems = [f"{task.name} by {circumstances.model_name}: {problem}" for problem in outcome.problems]
    findings.add({"remarks": list(outcome.remarks), "problems": problems})
    if outcome.scores:
        table.append(task, outcome.scores, circumstances, outcome.remarks, problems)
        findings.runs.append(circumstances.run)


def run_of(task: Task, data_revision: str, encoder: Encoder | None, bench: Bench) -> str:
    """Digest of all that the figures of one task and model depend on; where the data lie is not part of it."""
    return digest_of({
        "task": asdict(replace(task, source=task.published_source)),
        "data": data_revision,
        "model": encoder.fingerprint if encoder else "baselines",
        "seeds": bench.seeds,
        "nested": bench.nested_alpha,
        "penalized": bench.penalize_intercept,
        "version": modeling_gair.__version__,
    })  # fmt: skip


def protocol_of(task: Task, bench: Bench) -> str:
    """The settings of a ridge in words; empty where there is none."""
    if "ridge" not in task.probes:
        return ""
    strength = "nested alpha" if bench.nested_alpha else "alpha by the reported folds"
    return strength + (", penalised intercept" if bench.penalize_intercept else "")


def contestants(task: Task, kind: Kind, models: Sequence[Encoder], findings: Findings) -> Iterator[Encoder | None]:
    """
    The models that have what a task needs, then the same with random weights, encoders without training, and None for
    what embeds nothing.
    """
    able = [model for model in models if set(task.needs) <= model.modalities]
    for model in models:
        if model not in able:
            lacking = ", ".join(sorted(set(task.needs) - model.modalities))
            findings.inapplicable.append(
                f"{task.name} needs embeddings of {lacking}, which {model.name} does not have."
            )
    if able:
        yield from able
        yield from (untrained(model) for model in able if isinstance(model, GairEncoder))
        yield from kind.rivals(task)
        yield None


def share_extraction(task: Task, kind: Kind, encoder: Encoder | None, bench: Bench, accelerator: Accelerator) -> None:
    """Every process embeds its share. What fails here fails again, and is told, where the main process measures."""
    if accelerator.num_processes == 1:
        return
    store = replace(bench.store, rank=accelerator.process_index, processes=accelerator.num_processes)
    try:
        if encoder:
            kind.extract(task, encoder, replace(bench, store=store))
    except _UNMEASURED:
        pass
    finally:
        accelerator.wait_for_everyone()


def with_world(task: Task, accelerator: Accelerator) -> Task:
    """The task, with the folder of the sample world as its source where it is about it; made by one process."""
    if task.source != SAMPLE_WORLD:
        return task
    with accelerator.main_process_first():
        return replace(task, source=str(ensure_sample_dataset(WorldSettings())))


def show_bias(task: Task, model: str, run: str, outcome: Outcome, findings: Findings, output_dir: Path) -> None:
    """Where the first model errs, as a picture and for the report."""
    if outcome.places is None:
        return
    earth = not task.on_sample_world
    parts, surprise = bias_table(outcome.places, earth), self_information(outcome.places)
    title = f"{task.name}, {model}, {outcome.places.split}" + ("" if earth else " (a procedural planet)")
    bias_figure(output_dir / f"errors-{task.name}.png", title, outcome.places, parts, surprise, earth)
    findings.bias[task.name] = summary(run, parts, surprise)
    write_atomically(output_dir / f"errors-{task.name}.json", findings.bias[task.name].to_json().encode())


def recall_bias(task: Task, run: str, findings: Findings, output_dir: Path) -> None:
    """What an earlier run found of the same model."""
    path = output_dir / f"errors-{task.name}.json"
    if path.is_file() and (bias := Bias.from_json(path.read_text(encoding="utf-8"))).run == run:
        findings.bias[task.name] = bias


def peak_memory_mb(device: torch.device) -> float:
    """The most memory held so far: of the GPU where one is used, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**10 if sys.platform != "darwin" else 2**20)


# Reporting -----------------------------------------------------------------------------------------------------------


def listing(tasks: Sequence[Task]) -> str:
    """The tasks as a table."""
    head = ["task", "group", "kind", "what", "data", "licence"]
    body = [[task.name, task.group, task.kind, task.title, task.source or "your own", task.licence] for task in tasks]
    return markdown_table(head, body)


def report(tasks: Sequence[Task], table: ResultsTable, findings: Findings) -> str:
    """All that a run found, in Markdown."""
    parts = [task_table(task, table.of([task.name], findings.runs)) for task in tasks]
    if any(task.on_sample_world for task in tasks):
        parts.append(SAMPLE_REMARK)
    for title, sentences in (
        ("Left out", findings.remarks),
        ("Does not apply", findings.inapplicable),
        ("Skipped", findings.skipped),
        ("Failed", findings.failed),
    ):
        if sentences:
            parts.append(f"**{title}**\n\n" + "\n".join(f"- {sentence}" for sentence in sentences))
    return "\n\n".join(parts) + "\n"


def write_reports(
    text: str,
    tasks: Sequence[Task],
    models: Sequence[Encoder],
    table: ResultsTable,
    findings: Findings,
    output_dir: Path,
) -> None:
    """report.md with the bias of the first model, bias.csv, and the pictures."""
    pictures = "\n\n".join(f"![Errors of {name}](errors-{name}.png)" for name in findings.bias)
    bias = "\n\n".join(bias_text(name, found) for name, found in findings.bias.items())
    whole = f"# Evaluation\n\n{text}\n![Scores](scores.png)\n"
    if bias:
        whole += f"\n# Where {models[0].name} errs\n\n{bias}\n\n{pictures}\n"
        write_atomically(output_dir / "bias.csv", bias_csv(findings.bias))
    write_atomically(output_dir / "report.md", whole.encode())
    rows = [(task, table.of([task.name], findings.runs)) for task in tasks]
    scores_figure(output_dir / "scores.png", rows, [model.name for model in models])
    print(f"Wrote {output_dir}: results.csv, report.md and pictures")


def card_of(model: Encoder, tasks: Sequence[Task], table: ResultsTable, findings: Findings, output_dir: Path) -> Path:
    """Writes the card of one model: its own README.md where it is a directory, else one to upload."""
    folder = Path(model.name)
    path = folder / "README.md" if folder.is_dir() else output_dir / f"{model.name.replace('/', '--')}.README.md"
    own: list[Row] = [
        row for row in table.of([task.name for task in tasks], findings.runs) if row["model_name"] == model.name
    ]
    section = "## Evaluation\n\nFrozen embeddings, by `training/evaluate.py`.\n\n"
    section += "\n\n".join(task_table(task, table.of([task.name], findings.runs)) for task in tasks)
    if any(task.on_sample_world for task in tasks):
        section += f"\n\n{SAMPLE_REMARK}"
    write_card(path, folder.name, tasks, own, section)
    return path


def _split(pair: str) -> tuple[str, str]:
    name, equals, path = pair.partition("=")
    if not equals or not name or not path:
        raise ValueError(f"--data is {pair!r}; expected NAME=PATH, e.g. air_temp=tables/air_temp.csv.")
    return name, path
