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
"""Which rows are trained on and which are tested on: CoordBench's folds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FOLDS = 5
RANDOM, OFFICIAL = "random", "official"
_SPATIAL = re.compile(r"spatial([1-9][0-9]*)")
# The row of a cell is spread by more than there are columns, as CoordBench numbers its cells.
_CELL_ROW = 100_003


@dataclass(frozen=True)
class Holdout:
    """
    Pairs of training and test rows.

    Args:
        name (`str`): `random`, `spatial10`, `official` …
        folds (`tuple`): of each fold the rows to train on and the rows to test on, as indices.
        cell_deg (`int`, *optional*): side of the cells that a spatial holdout keeps together, in degrees.
    """

    name: str
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    cell_deg: int | None = None

    @property
    def official(self) -> bool:
        """Whether the split is the data's own, on which nothing may be chosen."""
        return self.name == OFFICIAL


def cell_size(name: str) -> int | None:
    """
    The degrees in the name of a spatial holdout; None for `random` and `official`.

    Raises:
        ValueError: no such holdout.
    """
    match = _SPATIAL.fullmatch(name)
    if match is None and name not in (RANDOM, OFFICIAL):
        raise ValueError(f"holdout is {name!r}; expected random, official, or spatial with degrees, e.g. spatial10.")
    return int(match[1]) if match else None


def make_holdout(name: str, lon: np.ndarray, lat: np.ndarray, seed: int, is_test: np.ndarray | None = None) -> Holdout:
    """
    Divides rows as CoordBench (torchgeo-bench) does.

    Args:
        name (`str`): `random`: five folds of permuted rows; `spatialN`: whole cells of N degrees are permuted and dealt to
            five folds, of which few cells may leave some empty; `official`: the data's own test rows.
        lon, lat (`np.ndarray` of shape `(N,)`): degrees.
        seed (`int`): of the permutation.
        is_test (`np.ndarray` of shape `(N,)`, *optional*): the data's own test rows.

    Raises:
        ValueError: fewer than two folds hold rows, or there are no official test or training rows.
    """
    size = cell_size(name)
    rows = np.arange(len(lon))
    if name == OFFICIAL:
        if is_test is None or is_test.all() or not is_test.any():
            raise ValueError("The official split holds no test rows, or nothing else; choose another holdout.")
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
            f"Holdout {name} fills {len(filled)} of {FOLDS} folds with {len(rows)} rows, and the others are empty; take "
            "smaller cells, or random."
        )
    return Holdout(name, _with_training_rows(filled), size)


def inner_folds(train: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Every fifth of the training rows in turn, to choose settings without the test rows."""
    return _with_training_rows([train[fold::FOLDS] for fold in range(FOLDS)])


def _with_training_rows(tests: Sequence[np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Each part as the test rows of a fold, all others as its training rows."""
    return tuple((np.concatenate([other for other in tests if other is not test]), test) for test in tests if len(test))


def _spatial_folds(lon: np.ndarray, lat: np.ndarray, degrees: int, seed: int) -> np.ndarray:
    cells = np.floor(lat / degrees).astype(np.int64) * _CELL_ROW + np.floor(lon / degrees).astype(np.int64)
    distinct, cell_of_row = np.unique(cells, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(distinct))[cell_of_row] % FOLDS
