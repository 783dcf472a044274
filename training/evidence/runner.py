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
"""Trains and measures all runs of a comparison, several at the same time, and writes the report."""

from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from training.common.files import check_writable
from training.evidence.arms import COMPARISONS, TEACHERS, arms_in_order
from training.evidence.measure_run import open_world, place_targets, second_world, selection_world
from training.evidence.measured import TRAINED, MeasuredRun
from training.evidence.options import EvidenceOptions
from training.evidence.place_measures import place_baselines
from training.evidence.processes import ChildProcesses, run_all
from training.evidence.query_costs import map_milliseconds
from training.evidence.report import write_report
from training.evidence.runs import TrainingRun, read_json, write_json
from training.pretraining.initial_weights import random_model

ROOT = Path(__file__).parents[2]
_LOCK = ".lock"


def compare(options: EvidenceOptions) -> None:
    """
    Trains, measures and reports what the options name.

    Raises:
        ValueError: a run failed or has other settings, or another comparison writes to the same directory.
    """
    arms = arms_in_order(options.compare)
    runs = {(arm, seed): TrainingRun(arm, seed, options) for seed in dict.fromkeys(options.seeds) for arm in arms}
    teachers = {(arm, seed): (TEACHERS[arm], seed) for arm, seed in runs if arm in TEACHERS}
    check_writable(options.output_dir, "choose another --output_dir")
    try:
        with FileLock(options.output_dir / _LOCK, timeout=0):
            for run in runs.values():
                run.check_settings()
            baselines = prepare(options)
            run_all(list(runs), teachers, lambda key, children: complete(runs[key], children), options.jobs)
            measured = with_map_times(list(runs.values()))
            write_report(options.output_dir, options.compare, measured + baselines)
    except Timeout as error:
        raise ValueError(
            f"Another comparison is writing to {str(options.output_dir)!r}; wait until it ends, or choose another "
            "--output_dir."
        ) from error


def with_map_times(runs: Sequence[TrainingRun]) -> list[MeasuredRun]:
    """The measures of the runs with the time of a map, for which no other work must be under way."""
    times = map_milliseconds({run.arm: random_model(run.settings()).eval() for run in runs})
    measured = []
    for run in runs:
        figures = read_json(run.measures)
        figures[TRAINED]["ms a map"] = times[run.arm]
        measured.append(MeasuredRun(run.arm, run.seed, figures))
    return measured


def prepare(options: EvidenceOptions) -> list[MeasuredRun]:
    """Creates the worlds before several runs need them at the same time, and measures the baselines without training."""
    for arm in arms_in_order(options.compare):
        world = TrainingRun(arm, 0, options).settings().sample_world
        open_world(world, options.jobs)
        open_world(second_world(world), options.jobs)
        if any(COMPARISONS[name].selects and arm in COMPARISONS[name].arms for name in options.compare):
            open_world(selection_world(world), options.jobs)
    if not any(COMPARISONS[name].places for name in options.compare):
        return []
    targets = place_targets(TrainingRun("nili", 0, options).settings().sample_world, options.tables)
    return [
        MeasuredRun(name, seed, {"": figures})
        for seed in dict.fromkeys(options.seeds)
        for name, figures in place_baselines(targets, seed).items()
    ]


def complete(run: TrainingRun, children: ChildProcesses) -> None:
    """
    Trains and measures one run, each in its own process; finished steps are skipped.

    Args:
        run ([`TrainingRun`]): the run.
        children ([`ChildProcesses`]): starts the processes.

    Raises:
        ValueError: training or measuring failed or was stopped; the log lies beside the run's folder.
    """
    log, environment = run.folder.with_suffix(".log"), {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    note = {"settings": run.deciding_settings(), "tables": read_json(run.note).get("tables", {})}
    if not run.trained:
        write_json(run.note, note)
        children.run([str(ROOT / "training" / "pretrain.py"), *run.command()], log, environment)
        if not run.trained:
            raise ValueError(f"Training in {str(run.folder)!r} was stopped; the same command resumes.")
    tables = run.tables()
    if not run.measures.is_file() or not tables.items() <= note["tables"].items():
        options = run.options
        flags = [
            "--output_dir",
            str(options.output_dir),
            *(["--tables", str(options.tables)] if options.tables else []),
        ]
        flags += ["--set", *options.set] if options.set else []
        children.run(["-m", "training.evidence", *flags, "--measure", run.arm, str(run.seed)], log, environment)
        write_json(run.note, note | {"tables": tables})
