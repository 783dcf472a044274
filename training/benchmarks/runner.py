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
"""Runs benchmark tasks: every model, its random-weights counterpart and the baselines, on each task in turn."""

import math
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
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
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.gair import GairEncoder, open_gair, untrained
from training.benchmarks.encoders.peers import open_peer
from training.benchmarks.kinds.kind import Bench, Kind, Outcome
from training.benchmarks.kinds.registry import KINDS
from training.benchmarks.results.audit import HARNESS, licence_of_model
from training.benchmarks.results.card import write_model_card
from training.benchmarks.results.report import Findings, report_text, write_report
from training.benchmarks.results.table import Circumstances, ResultsTable
from training.benchmarks.settings import EvaluationSettings
from training.benchmarks.store import FeatureStore, digest_of
from training.benchmarks.tasks.task import Task
from training.common.errors import first_line
from training.common.files import check_writable
from training.common.precision import Precision
from training.common.tables import local_path
from training.world.settings import SAMPLE_WORLD, WorldSettings
from training.world.writer import ensure_sample_dataset

# While one process probes, the others wait for it.
_LONGEST_WAIT = timedelta(days=7)
_UNMEASURED = (ValueError, OSError)


@dataclass
class Evaluation:
    """
    The state of a run, on one of its processes.

    Attributes:
        models (`list[Encoder]`): the models under test.
        bench ([`Bench`]): settings of all tasks.
        table ([`ResultsTable`]): grows by each finished task and model.
        findings ([`Findings`]): for the report.
        accelerator (`Accelerator`): of the process.
        output_dir (`Path`): folder for results.
    """

    models: list[Encoder]
    bench: Bench
    table: ResultsTable
    findings: Findings
    accelerator: Accelerator
    output_dir: Path


def evaluate(settings: EvaluationSettings, tasks: Sequence[Task]) -> int:
    """
    Runs tasks with all models and reports the results.

    Returns:
        `int`: the exit status: 1 if a task was skipped or failed, or nothing was measured, else 0.
    """
    disable_progress_bars()
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=_LONGEST_WAIT)])
    models = [open_model(name, accelerator.device, settings.precision) for name in settings.model]
    output_dir = local_path(settings.output_dir)
    check_writable(output_dir, "pass another --output_dir")
    table = ResultsTable(output_dir / "results.csv")
    # Every process must have read the table before the main process writes to it.
    accelerator.wait_for_everyone()
    bench = Bench(
        FeatureStore(Path(constants.HF_HOME) / "gair" / "features"),
        accelerator.device,
        tuple(settings.seeds),
        settings.coordbench_alpha,
        settings.penalize_intercept,
    )
    evaluation = Evaluation(models, bench, table, Findings(), accelerator, output_dir)
    for task in tasks:
        run_task(task, evaluation)
    if not accelerator.is_main_process:
        return 0
    return _report(settings, tasks, evaluation)


def _report(settings: EvaluationSettings, tasks: Sequence[Task], evaluation: Evaluation) -> int:
    table, findings, output_dir = evaluation.table, evaluation.findings, evaluation.output_dir
    measured = [task for task in tasks if table.of([task.name], findings.runs)]
    text = report_text(measured, table, findings)
    print(text)
    if measured:
        write_report(text, measured, [model.name for model in evaluation.models], table, findings, output_dir)
        print(f"Wrote {output_dir}: results.csv, report.md and figures")
    if settings.card and measured:
        # Cards belong to GAIR models; peers have their own.
        for model in evaluation.models:
            if isinstance(model, GairEncoder):
                print(f"Wrote {write_model_card(model.name, measured, table, findings.runs, output_dir)}")
    print(
        f"{len(measured)} of {len(tasks)} tasks measured, {len(findings.skipped)} skipped, {len(findings.failed)} failures."
    )
    return 1 if findings.skipped or findings.failed or not measured else 0


def open_model(name: str, device: torch.device, precision: Precision = "float32") -> Encoder:
    """
    A model to measure: a GAIR model if its config says so, else a peer.

    Raises:
        ValueError: no model has that name, or it is a peer and the precision is not float32.
    """
    try:
        is_gair = PreTrainedConfig.get_config_dict(name)[0].get("model_type") == "gair"
    except (OSError, ValueError):
        # Neither a directory nor a repository with a config, as timm's models and functions are.
        is_gair = not (":" in name or name.startswith("timm/"))
    if is_gair:
        return open_gair(name, device, precision)
    if precision != "float32":
        raise ValueError(
            f"--precision is {precision!r}, which only GAIR models are measured in, and {name!r} is another; measure it in a run of its own."
        )
    return open_peer(name, device)


def run_task(task: Task, evaluation: Evaluation) -> None:
    """Measures one task with all models and baselines; problems are recorded and end this task only."""
    kind, findings = KINDS[task.kind], evaluation.findings
    try:
        task = _with_sample_world(task, evaluation.accelerator)
        data_revision = revision_of(task) if task.source else ""
    except Unavailable as error:
        findings.skipped.append(f"{task.name}: {error}")
        return
    unavailable = False
    for encoder in contestants(task, kind, evaluation.models, findings):
        run = run_of(task, data_revision, encoder, evaluation.bench)
        if evaluation.table.has(run):
            _recall(task, run, encoder, evaluation)
            continue
        start = time.perf_counter()
        _share_extraction(task, kind, encoder, evaluation)
        # If data are unavailable, the main process still meets the others at each barrier.
        if unavailable or not evaluation.accelerator.is_main_process:
            continue
        try:
            outcome = (
                kind.measure(task, encoder, evaluation.bench) if encoder else kind.baselines(task, evaluation.bench)
            )
        except Unavailable as error:
            findings.skipped.append(f"{task.name}: {error}")
            unavailable = True
        except _UNMEASURED as error:
            findings.failed.append(f"{task.name} by {_name_of(encoder)}: {first_line(error)}")
        else:
            _record(task, run, data_revision, encoder, outcome, time.perf_counter() - start, evaluation)


def contestants(task: Task, kind: Kind, models: Sequence[Encoder], findings: Findings) -> Iterator[Encoder | None]:
    """
    The models that have the modalities of a task, then the same models with random weights, encoders without training,
    and None for baselines without embeddings.
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


def run_of(task: Task, data_revision: str, encoder: Encoder | None, bench: Bench) -> str:
    """Digest of everything the scores of one task and model depend on; the path of the data is not part of it."""
    return digest_of({
        "task": asdict(replace(task, source=task.published_source)),
        "data": data_revision,
        "model": encoder.fingerprint if encoder else "baselines",
        "seeds": bench.seeds,
        "coordbench_alpha": bench.coordbench_alpha,
        "penalized": bench.penalize_intercept,
        "version": modeling_gair.__version__,
    })  # fmt: skip


def _recall(task: Task, run: str, encoder: Encoder | None, evaluation: Evaluation) -> None:
    """Takes the results of a finished run from the table."""
    evaluation.accelerator.print(f"{task.name} by {_name_of(encoder)} is already in {evaluation.table.path}.")
    evaluation.findings.add(run, evaluation.table.notes(run))
    if encoder in evaluation.models[:1]:
        evaluation.findings.recall_bias(task, run, evaluation.output_dir)


def _record(
    task: Task,
    run: str,
    data_revision: str,
    encoder: Encoder | None,
    outcome: Outcome,
    seconds: float,
    evaluation: Evaluation,
) -> None:
    """Adds the outcome of one model to the results and to the findings."""
    name, findings = _name_of(encoder), evaluation.findings
    problems = [f"{task.name} by {name}: {problem}" for problem in outcome.problems]
    scores = [score for score in outcome.scores if math.isfinite(score.value)]
    problems += [
        f"{task.name} by {name}: {score.metric} by {score.method} on {score.split} is {score.value}; check the range of the targets."
        for score in outcome.scores
        if not math.isfinite(score.value)
    ]
    remarks = [*outcome.remarks, *_precision_of(encoder)]
    findings.add_notes({"remarks": remarks, "problems": problems})
    if not scores:
        # What the baselines cannot be measured on is said of the models.
        if encoder and not problems:
            findings.failed.append(
                f"{task.name} by {name}: nothing was measured; check the task's targets, probes and holdouts."
            )
        return
    circumstances = Circumstances(
        model_name=name,
        model_revision=encoder.revision if encoder else "",
        model_fingerprint=encoder.fingerprint if encoder else "",
        model_licence=licence_of_model(encoder),
        harness=HARNESS,
        source=task.published_source,
        dataset_revision=data_revision,
        seeds=evaluation.bench.seeds,
        protocol=_protocol_of(task, evaluation.bench),
        seconds=seconds,
        peak_memory_mb=_peak_memory_mb(evaluation.accelerator.device),
        run=run,
    )
    evaluation.table.append(task, scores, circumstances, remarks, problems)
    findings.runs.append(run)
    findings.add_examples(task, run, outcome, evaluation.output_dir)
    if encoder in evaluation.models[:1]:
        findings.add_bias(task, name, run, outcome, evaluation.output_dir)


def _name_of(encoder: Encoder | None) -> str:
    return encoder.name if encoder else "baselines"


def _precision_of(encoder: Encoder | None) -> list[str]:
    """A remark if a model did not compute in float32 alone."""
    precision = encoder.precision if isinstance(encoder, GairEncoder) else "float32"
    return [] if precision == "float32" else [f"GAIR models multiplied matrices in {precision}."]


def _protocol_of(task: Task, bench: Bench) -> str:
    """A description of the ridge settings; empty if the task does not use ridge."""
    if "ridge" not in task.probes:
        return ""
    inside, outside = (
        "inside the training rows of each fold",
        "by the reported folds, as in CoordBench's published figures",
    )
    strength = f"strength chosen {outside if bench.coordbench_alpha else inside}"
    return strength + (", penalised intercept" if bench.penalize_intercept else "")


def _share_extraction(task: Task, kind: Kind, encoder: Encoder | None, evaluation: Evaluation) -> None:
    """Lets every process embed its share. An error here occurs again, and is reported, in the main process."""
    accelerator = evaluation.accelerator
    if accelerator.num_processes == 1:
        return
    bench = evaluation.bench
    store = replace(bench.store, rank=accelerator.process_index, processes=accelerator.num_processes)
    try:
        if encoder:
            kind.extract(task, encoder, replace(bench, store=store))
    except _UNMEASURED:
        pass
    finally:
        accelerator.wait_for_everyone()


def _with_sample_world(task: Task, accelerator: Accelerator) -> Task:
    """The task; if it is on the sample world, with the world's folder as its source, which one process writes."""
    if task.source != SAMPLE_WORLD:
        return task
    with accelerator.main_process_first():
        return replace(task, source=str(ensure_sample_dataset(WorldSettings())))


def _peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MiB so far: of the GPU if one is used, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**10 if sys.platform != "darwin" else 2**20)
