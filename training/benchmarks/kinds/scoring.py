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
"""How kinds of tasks turn predictions into scores with intervals, and into errors by place."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from training.benchmarks.kinds.kind import PlaceErrors, Score
from training.benchmarks.tasks.task import Task

BOOTSTRAP_DRAWS = 200

# Metrics of test rows at given positions `(rows,)`.
RowMetrics = Callable[[np.ndarray], dict[str, float]]


def single_split_scores(
    task: Task,
    runs: Sequence[RowMetrics],
    *,
    method: str,
    n_samples: int,
    n_test: int,
    also: Sequence[str] = (),
    split: str = "test",
    **details: Any,
) -> list[Score]:
    """
    Scores of a split that is tested once per seed: the mean over the seeds, with a bootstrap interval of the first.

    Args:
        task ([`Task`]): its `metrics` are reported.
        runs (`Sequence[Callable]`): for each seed, the metrics of its predictions on test rows at given positions.
        method (`str`): the probe.
        n_samples, n_test (`int`): rows in use, and rows tested on.
        also (`Sequence[str]`): metrics to report beside the task's.
        split (`str`): name of the split.
        details: further fields of [`Score`].

    Raises:
        ValueError: the test rows cannot be scored.
    """
    rows = np.arange(n_test)
    found = [metrics(rows) for metrics in runs]
    spreads = bootstrap_intervals(n_test, runs[0])
    return [
        Score(
            method=method,
            split=split,
            metric=name,
            value=float(np.mean([run[name] for run in found if name in run])),
            n_samples=n_samples,
            n_test=n_test,
            n_folds=len(runs),
            spread=spreads[name],
            **details,
        )
        for name in found[0]
        if name in task.metrics or name in also
    ]


def errors_by_place(
    lon_lat: np.ndarray,
    truth: np.ndarray,
    found: np.ndarray,
    classify: bool,
    split: str = "test",
    strata: dict[str, np.ndarray] | None = None,
) -> PlaceErrors | None:
    """
    The error of each tested row whose place is known; None if there is none.

    Args:
        lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees, NaN if unknown.
        truth, found (`np.ndarray` of shape `(N,)`): true and predicted classes, or values.
        classify (`bool`): whether they are classes.
        split (`str`): the holdout or split that was tested on.
        strata (`dict[str, np.ndarray]`, *optional*): values `(N,)` by which to divide the places.
    """
    known = np.isfinite(lon_lat).all(axis=1)
    if not known.any():
        return None
    lon, lat = lon_lat[known].T
    truth, found = truth[known], found[known]
    parts = {name: values[known] for name, values in (strata or {}).items()}
    if classify:
        return PlaceErrors(lon, lat, (truth != found).astype(np.float64), "wrong", split, parts)
    reference = (truth - truth.mean()) ** 2
    return PlaceErrors(lon, lat, np.abs(truth - found), "absolute error", split, parts, reference)


def bootstrap(rows: int, metric: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """
    The 2.5th and 97.5th percentile of a metric over test rows drawn with replacement, for splits that are tested once. All
    models get the same draws.

    Args:
        rows (`int`): number of test rows.
        metric (`Callable`): the metric of rows at given positions `(rows,)`.
    """
    generator = np.random.default_rng(0)
    values = [metric(generator.integers(0, rows, rows)) for _ in range(BOOTSTRAP_DRAWS)]
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def bootstrap_intervals(rows: int, metrics: RowMetrics) -> dict[str, tuple[float, float]]:
    """
    The [`bootstrap`] interval of each metric. Draws on which a metric is not defined are left out.

    Args:
        rows (`int`): number of test rows.
        metrics (`Callable`): the metrics of rows at given positions.
    """
    # The same rows are drawn for each metric.
    known: dict[bytes, dict[str, float]] = {}

    def metric(name: str, drawn: np.ndarray) -> float:
        key = drawn.tobytes()
        if key not in known:
            try:
                known[key] = metrics(drawn)
            except ValueError:
                # E.g. all drawn rows have one label.
                known[key] = {}
        return known[key].get(name, float("nan"))

    return {name: bootstrap(rows, partial(metric, name)) for name in metrics(np.arange(rows))}


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """
    Mean ± 1.96 standard errors over folds × seeds; None for a single value. Folds share training rows, so the true
    uncertainty is larger.
    """
    scores = np.asarray(values, np.float64)
    if len(scores) < 2:
        return None
    half = 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))
    return float(scores.mean() - half), float(scores.mean() + half)
