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
"""A small folder of embeddings with its index, and the same with FAISS."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.embeddings import clustered, write_folder
from tests.helpers.shared import made_once
from training.search import main

ROWS, DIMENSION = 3000, 32


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    return clustered(ROWS, DIMENSION)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, vectors) -> Path:
    """3,000 rows in three files with carried columns, indexed exactly; tests must not change it."""

    def make(path: Path) -> None:
        columns = {"population": range(ROWS), "city": [f"city {row % 7}" for row in range(ROWS)]}
        write_folder(path, vectors, files=3, columns=columns)
        main(["index", str(path)])

    return made_once(tmp_path_factory, "search-exact", make)


@pytest.fixture(scope="session")
def large_vectors() -> np.ndarray:
    return clustered(12_000, 48, seed=3)


@pytest.fixture(scope="session")
def ivf_folder(tmp_path_factory, large_vectors) -> Path:
    """12,000 rows, indexed by FAISS as if they were many; tests must not change it."""

    def make(path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("training.searching.build.EXACT_BELOW", 1000)
            write_folder(path, large_vectors, files=2)
            main(["index", str(path)])

    return made_once(tmp_path_factory, "search-ivf", make)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def true_nearest(vectors: np.ndarray, query: np.ndarray, top: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Row numbers by cosine similarity, computed in float64 without the code under test."""
    rows = np.arange(len(vectors)) if rows is None else rows
    cosines = unit(vectors[rows].astype(np.float64)) @ unit(query.astype(np.float64))
    return rows[np.argsort(-cosines, kind="stable")[:top]]
