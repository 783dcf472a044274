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
"""What every kind of task shares: how it is run, and what it hands back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task


@dataclass(frozen=True)
class Score:
    """
    One figure.

    Args:
        method (`str`): the probe, e.g. `ridge`.
        split (`str`): the holdout, e.g. `spatial10`, or the split that was tested on.
        metric (`str`): what was measured, e.g. `r2`.
        value (`float`): the figure.
        n_samples, n_test (`int`): rows in use, and rows tested on.
        feature_dim (`int`): width of the features; 0 for what uses none.
        n_folds (`int`): folds over all seeds.
        spread (`tuple[float, float]`, *optional*): ends of an interval of 95 % for the figure; see [`interval`].
        cell_deg (`int`, *optional*): side of the cells of a spatial holdout in degrees.
        model (`str`): what was measured, where it is no [`Encoder`], e.g. `majority`.
        target (`str`): the column that was predicted, where a task has several.
        dropped (`int`): rows left out because they have no label.
    """

    method: str
    split: str
    metric: str
    value: float
    n_samples: int
    n_test: int
    feature_dim: int = 0
    n_folds: int = 1
    spread: tuple[float, float] | None = None
    cell_deg: int | None = None
    model: str = ""
    target: str = ""
    dropped: int = 0


@dataclass(frozen=True)
class PlaceErrors:
    """
    How far off each tested place was, for maps and for the bias table.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees.
        error (`np.ndarray` of shape `(N,)`): absolute error in the target's units, or 1 for a wrong class, else 0.
        unit (`str`): what the error counts; `wrong` for classes.
        split (`str`): the holdout or split that was tested on.
        strata (`dict[str, np.ndarray]`): values of shape `(N,)` by which to divide the places.
        reference (`np.ndarray`, *optional*): squared error (N,) of predicting the mean, for R² by part.
    """

    lon: np.ndarray
    lat: np.ndarray
    error: np.ndarray
    unit: str
    split: str
    strata: dict[str, np.ndarray] = field(default_factory=dict)
    reference: np.ndarray | None = None


@dataclass(frozen=True)
class Outcome:
    """
    What one task and one model gave.

    Args:
        scores (`list[Score]`): the figures.
        places ([`PlaceErrors`], *optional*): where they are from, where that is known.
        remarks (`tuple[str, ...]`): sentences to print, e.g. on rows that were dropped.
        problems (`tuple[str, ...]`): sentences on what could not be measured; the run fails by them.
    """

    scores: list[Score]
    places: PlaceErrors | None = None
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """
    What a run gives to all of its tasks.

    Args:
        store ([`FeatureStore`]): where embeddings are kept.
        device (`torch.device`): where to train what is trained.
        seeds (`tuple[int, ...]`): of folds and of probes; figures are means over them.
        nested_alpha (`bool`): whether a ridge's strength is chosen inside the training folds.
        penalize_intercept (`bool`): whether a ridge shrinks its intercept too, as figures published before did.
    """

    store: FeatureStore
    device: torch.device
    seeds: tuple[int, ...] = (0,)
    nested_alpha: bool = False
    penalize_intercept: bool = False


class Kind:
    """
    How one kind of task is run. For each task and model `extract` runs on all processes, then `measure` on one; both see
    the same [`FeatureStore`], so that `measure` finds what `extract` computed.
    """

    def rivals(self, task: Task) -> Sequence[Encoder]:
        """Encoders without training that the models are measured beside."""
        return ()

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        """Embeds the task's data into the store."""
        raise NotImplementedError

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        """
        The figures of one model.

        Raises:
            ValueError: data that cannot be measured on, in one sentence.
        """
        raise NotImplementedError

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """Figures of what needs no embedding: majority or mean, interpolation, chance."""
        raise NotImplementedError


def bootstrap(rows: int, metric: Callable[[np.ndarray], float], draws: int = 200) -> tuple[float, float]:
    """
    The 2.5th and 97.5th percentile of a figure over test rows drawn with replacement, for splits that are tested once.

    Args:
        rows (`int`): how many were tested.
        metric (`Callable`): the figure on rows at given positions `(rows,)`.
        draws (`int`): how often to draw; the same draws for all models.
    """
    generator = np.random.default_rng(0)
    values = [metric(generator.integers(0, rows, rows)) for _ in range(draws)]
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """
    Mean ± 1.96 standard errors over folds × seeds; None for a single value. Folds share their training rows, so this is
    a lower bound of the true uncertainty.
    """
    scores = np.asarray(values, np.float64)
    if len(scores) < 2:
        return None
    half = 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))
    return float(scores.mean() - half), float(scores.mean() + half)
