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
"""CoordBench's folds: which rows are trained on, and which are tested on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FOLDS = 5
RANDOM, OFFICIAL = "random", "official"
_SPATIAL = re.compile(r"spatial([1-9][0-9]*)")
# Cells are numbered as in CoordBench: row × this + column.
_CELL_ROW = 100_003


@dataclass(frozen=True)
class Holdout:
    """
    Pairs of training and test rows.

    Args:
        name (`str`): `random`, `spatial10`, `official` …
        folds (`tuple`): for each fold, the indices of the rows to train on and of those to test on.
        cell_deg (`int`, *optional*): side in degrees of the cells that a spatial holdout keeps whole.
    """

    name: str
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    cell_deg: int | None = None

    @property
    def official(self) -> bool:
        """Whether the split is the data set's own, on which no setting may be chosen."""
        return self.name == OFFICIAL


def cell_size(name: str) -> int | None:
    """
    The cell size in degrees in the name of a spatial holdout; None for `random` and `official`.

    Raises:
        ValueError: the holdout is unknown.
    """
    match = _SPATIAL.fullmatch(name)
    if match is None and name not in (RANDOM, OFFICIAL):
        raise ValueError(f"holdout is {name!r}; expected random, official, or spatial with degrees, e.g. spatial10.")
    return int(match[1]) if match else None


def make_holdout(name: str, lon: np.ndarray, lat: np.ndarray, seed: int, is_test: np.ndarray | None = None) -> Holdout:
    """
    Divides rows into folds as CoordBench (torchgeo-bench) does.

    Args:
        name (`str`): `random`: five folds of permuted rows; `spatialN`: whole cells of N degrees, permuted and dealt to five
            folds, some of which stay empty if there are few cells; `official`: the data set's own test rows.
        lon, lat (`np.ndarray` of shape `(N,)`): degrees.
        seed (`int`): of the permutation.
        is_test (`np.ndarray` of shape `(N,)`, *optional*): whether a row is one of the data set's own test rows.

    Raises:
        ValueError: fewer than two folds have rows, or there are no official test or training rows.
    """
    size = cell_size(name)
    rows = np.arange(len(lon))
    if name == OFFICIAL:
        if is_test is None or is_test.all() or not is_test.any():
            raise ValueError("The official split has no test rows, or no training rows; choose another holdout.")
        return Holdout(name, ((rows[~is_test], rows[is_test]),))
    if size is None:
        order = np.random.default_rng(seed).permutation(len(rows))
        tests = [order[fold::FOLDS] for fold in range(FOLDS)]
    else:
        fold_of_row = _spatial_folds(lon, lat, size, seed)
        tests = [rows[fold_of_row == fold] for fold in range(FOLDS)]
    filled = [test for test in tests if len(test)]
    if len(filled) < 2:
        raise ValueError(
            f"Holdout {name} fills {len(filled)} of {FOLDS} folds with {len(rows)} rows and leaves the others empty; choose "
            "smaller cells, or random."
        )
    return Holdout(name, _with_training_rows(filled), size)


def inner_folds(holdout: Holdout, number: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """
    Folds inside the training rows of the fold with this number, to choose settings without its test rows: the other folds of the
    holdout, so that cells stay whole, or five parts of the training rows if there are fewer than two others.
    """
    others = [test for other, (_, test) in enumerate(holdout.folds) if other != number]
    if len(others) < 2:
        train = holdout.folds[number][0]
        others = [train[fold::FOLDS] for fold in range(FOLDS)]
    return _with_training_rows(others)


def _with_training_rows(tests: Sequence[np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """One fold per part: the part is tested on, all others are trained on."""
    return tuple((np.concatenate([other for other in tests if other is not test]), test) for test in tests if len(test))


def _spatial_folds(lon: np.ndarray, lat: np.ndarray, degrees: int, seed: int) -> np.ndarray:
    cells = np.floor(lat / degrees).astype(np.int64) * _CELL_ROW + np.floor(lon / degrees).astype(np.int64)
    distinct, cell_of_row = np.unique(cells, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(distinct))[cell_of_row] % FOLDS
