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
"""The interface of all kinds of tasks: how one is run, and the scores and errors it returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task

# Stands in the results as a model: the number of test pixels of each class, as the metric `pixels CLASS`.
PIXEL_COUNTS = "pixels tested"


@dataclass(frozen=True)
class Score:
    """
    One measured value.

    Args:
        method (`str`): the probe, e.g. `ridge`.
        split (`str`): the holdout, e.g. `spatial10`, or the split that was tested on.
        metric (`str`): its name, e.g. `r2`.
        value (`float`): the value.
        n_samples, n_test (`int`): rows in use, and rows tested on.
        feature_dim (`int`): width of the features; 0 without features.
        n_folds (`int`): folds over all seeds.
        spread (`tuple[float, float]`, *optional*): ends of the 95 % interval; see [`training.benchmarks.kinds.scoring`].
        cell_deg (`int`, *optional*): side of the cells of a spatial holdout in degrees.
        model (`str`): name of what was measured if it is not an [`Encoder`], e.g. `majority`.
        target (`str`): the predicted column if a task has several.
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
    The error at each tested place, for maps and for the bias table.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees.
        error (`np.ndarray` of shape `(N,)`): absolute error in the target's units; of classes 1 if wrong, else 0.
        unit (`str`): name of the error; `wrong` for classes.
        split (`str`): the holdout or split that was tested on.
        strata (`dict[str, np.ndarray]`): values of shape `(N,)` by which to divide the places.
        reference (`np.ndarray` of shape `(N,)`, *optional*): squared error of predicting the mean, for R² by part.
    """

    lon: np.ndarray
    lat: np.ndarray
    error: np.ndarray
    unit: str
    split: str
    strata: dict[str, np.ndarray] = field(default_factory=dict)
    reference: np.ndarray | None = None


@dataclass(frozen=True)
class MapExample:
    """
    A test tile with its true and its predicted classes, for a picture.

    Args:
        name (`str`): its id.
        classes (`tuple[str, ...]`): names of the classes in label order.
        colour (`np.ndarray` of shape `(h, w, 3)`): true colour, uint8.
        truth (`np.ndarray` of shape `(H, W)`): classes; -1 where none is known.
        found (`dict[str, np.ndarray]`): what each probe found, `(H, W)`.
    """

    name: str
    classes: tuple[str, ...]
    colour: np.ndarray
    truth: np.ndarray
    found: dict[str, np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """
    The results of one model on one task.

    Args:
        scores (`list[Score]`): what was measured.
        places ([`PlaceErrors`], *optional*): errors by place, if places are known.
        remarks (`tuple[str, ...]`): sentences to print, e.g. on rows that were dropped.
        problems (`tuple[str, ...]`): sentences on what could not be measured; they make the run fail.
        examples (`tuple[MapExample, ...]`): tiles to show.
    """

    scores: list[Score]
    places: PlaceErrors | None = None
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    examples: tuple[MapExample, ...] = ()


@dataclass(frozen=True)
class Bench:
    """
    Settings that all tasks of a run share.

    Args:
        store ([`FeatureStore`]): where embeddings are kept.
        device (`torch.device`): where probes are trained.
        seeds (`tuple[int, ...]`): of folds and probes; scores are means over them.
        coordbench_alpha (`bool`): whether the ridge strength is chosen by the reported folds, and not inside the training rows.
        penalize_intercept (`bool`): whether ridge regression also shrinks the intercept, as in earlier published figures.
    """

    store: FeatureStore
    device: torch.device
    seeds: tuple[int, ...] = (0,)
    coordbench_alpha: bool = False
    penalize_intercept: bool = False


class Kind:
    """
    One kind of task. For each task and model, `extract` runs in all processes, then `measure` in one of them. Both use the
    same [`FeatureStore`], so `measure` finds what `extract` computed.
    """

    def rivals(self, task: Task) -> Sequence[Encoder]:
        """Encoders without training to compare the models with."""
        return ()

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        """Embeds the task's data and keeps the embeddings in the store."""
        raise NotImplementedError

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        """
        The scores of one model.

        Raises:
            ValueError: the data cannot be measured on; the message is one sentence.
        """
        raise NotImplementedError

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        """Scores without embeddings: majority or mean, interpolation, chance."""
        raise NotImplementedError
