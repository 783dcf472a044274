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
"""Location embeddings in CoordBench's protocol: a table of places and values, a frozen encoder, and folds over space."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, r2_score

from training.benchmarks.data import ruled_labels
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.kinds.kind import Bench, Outcome, Score
from training.benchmarks.kinds.places import TEST, PlacesKind, PlaceTable, location_features, read_places
from training.benchmarks.kinds.scoring import bootstrap, errors_by_place, interval
from training.benchmarks.probes.fitting import Probed, constant, inverse_distance, knn, ridge
from training.benchmarks.probes.folds import FOLDS, OFFICIAL, RANDOM, Holdout, make_holdout
from training.benchmarks.tasks.task import Task

Probe = Callable[[Holdout], Probed]
# Builds the probes, by name, for the rows `(N,)` of a table with their labels `(N,)`, which are classes or not.
ProbesFor = Callable[[np.ndarray, np.ndarray, bool], dict[str, Probe]]


class Location(PlacesKind):
    """
    Ridge and, for classes, KNN on frozen location embeddings.

    Options of a task:
        targets: columns to predict, each separately, in place of the column `target`.
        targets_except: predict all numeric columns except these.
        where: {column: value}: use only rows with these values.
        tiles: true if rows are tiles in the schema of training/common/schema.py; their place is the centre of their `bounds`.
        pool: {data_files, where}: use only rows whose `id` occurs in another table of the source.
        missing_values: text and numbers that stand for a missing value, beside the usual ones.
    """

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        table = read_places(task)
        features = location_features(table.lon_lat, encoder, bench.store)

        def probes(rows: np.ndarray, labels: np.ndarray, classify: bool) -> dict[str, Probe]:
            own = features[rows]
            settings = {"penalize_intercept": bench.penalize_intercept, "nested": not bench.coordbench_alpha}
            found: dict[str, Probe] = {
                "ridge": lambda holdout: ridge(own, labels, holdout, classify=classify, **settings)
            }
            if classify:
                found["knn"] = lambda holdout: knn(own, labels, holdout)
            return {name: probe for name, probe in found.items() if name in task.probes}

        return _measure_table(task, table, probes, bench, features.shape[1])

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        table = read_places(task)

        def probes(rows: np.ndarray, labels: np.ndarray, classify: bool) -> dict[str, Probe]:
            places = table.lon_lat[rows]
            return {
                "majority" if classify else "mean": lambda holdout: constant(labels, holdout, classify=classify),
                "inverse distance": lambda holdout: inverse_distance(places, labels, holdout, classify=classify),
            }

        outcome = _measure_table(task, table, probes, bench, 0)
        # Remarks and problems are about the data; the models' outcomes have them already.
        return Outcome([replace(score, model=score.method, method="none") for score in outcome.scores])


def holdouts_of(task: Task, table: PlaceTable) -> tuple[str, ...]:
    """The task's holdouts; by default the official split if the table has one, else random and 10 degree cells."""
    is_test = table.split(TEST)
    has_official = is_test is not None and bool(is_test.any())
    return task.holdouts or ((OFFICIAL,) if has_official else (RANDOM, "spatial10"))


def _measure_table(task: Task, table: PlaceTable, probes_for: ProbesFor, bench: Bench, width: int) -> Outcome:
    """Scores of all targets, probes and holdouts of a table."""
    scores, remarks, problems = [], list(table.remarks), []
    places = None
    targets = list(table.targets)
    classify = task.target_type == "classification"
    for target in targets:
        labels, kept = ruled_labels(task, table.targets[target])
        rows, dropped = np.flatnonzero(kept), int((~kept).sum())
        labels = labels[rows]
        if dropped:
            remarks.append(dropped_remark(task, target, kept))
        common: dict[str, Any] = {"n_samples": len(rows), "feature_dim": width, "dropped": dropped}
        common |= {"target": target} if len(targets) > 1 else {}
        probes = probes_for(rows, labels, classify)
        for name in holdouts_of(task, table):
            for method, probe in probes.items():
                try:
                    found, holdout = _probe_with_seeds(name, table, rows, probe, bench)
                except ValueError as error:
                    problems.append(f"{target} by {method}: {error}")
                    continue
                scores.append(_score(method, holdout, found, labels, classify, common))
                if holdout.cell_deg and len(found[0].fold_scores) < FOLDS:
                    filled = f"Holdout {name} of {task.name} fills {len(found[0].fold_scores)} of {FOLDS} folds"
                    remarks.append(f"{filled}, since there are few cells.")
                # The map shows the first target under the last holdout; tasks list the strictest last.
                if target == targets[0] and method == "ridge":
                    tested = rows[found[0].rows]
                    strata = {name: values[tested] for name, values in table.strata.items()}
                    truth, guess = labels[found[0].rows], found[0].predictions
                    places = errors_by_place(table.lon_lat[tested], truth, guess, classify, holdout.name, strata)
    return Outcome(scores, places, tuple(dict.fromkeys(remarks)), tuple(dict.fromkeys(problems)))


def dropped_remark(task: Task, target: str, kept: np.ndarray) -> str:
    """A sentence on the rows without a usable target; `kept` `(N,)` says which rows have one."""
    dropped = int((~kept).sum())
    return f"{dropped} of {len(kept)} rows of {task.name} have no usable {target} and are left out."


def _probe_with_seeds(
    name: str, table: PlaceTable, rows: np.ndarray, probe: Probe, bench: Bench
) -> tuple[list[Probed], Holdout]:
    """Results of a probe with the folds of each seed; an official split does not depend on the seed."""
    is_test = table.split(TEST)
    own_test = None if is_test is None else is_test[rows]
    lon, lat = table.lon_lat[rows].T
    seeds = bench.seeds[:1] if name == OFFICIAL else bench.seeds
    holdouts = [make_holdout(name, lon, lat, seed, own_test) for seed in seeds]
    return [probe(holdout) for holdout in holdouts], holdouts[0]


def _score(
    method: str, holdout: Holdout, found: list[Probed], labels: np.ndarray, classify: bool, common: dict[str, Any]
) -> Score:
    scores = [score for probed in found for score in probed.fold_scores]
    tested, predicted = labels[found[0].rows], found[0].predictions
    metric = accuracy_score if classify else r2_score
    spread: tuple[float, float] | None
    if len(scores) == 1:
        spread = bootstrap(len(tested), lambda drawn: float(metric(tested[drawn], predicted[drawn])))
    else:
        spread = interval(scores)
    return Score(
        method=method,
        split=holdout.name,
        metric="accuracy" if classify else "r2",
        value=float(np.mean(scores)),
        n_test=len(tested),
        n_folds=len(scores),
        spread=spread,
        cell_deg=holdout.cell_deg,
        **common,
    )
