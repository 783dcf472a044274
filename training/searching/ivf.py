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
FAISS's `IVF,SQ8` over unit vectors, with exact reranking: lists of rows around centres found by k-means, each vector in eight bits per
dimension. A query reads the lists of the nearest centres, and its best candidates are compared again with their float16 vectors.
"""

from pathlib import Path
from typing import Any

import numpy as np

from training.common.errors import reason
from training.searching.parts import keep_best, nearest_exactly

try:
    import faiss
except ImportError as error:
    raise ValueError("faiss is not installed, which large indexes need; pip install 'gair[embed]'.") from error

# Centres grow with the root of the rows. FAISS advises four times the root or more; with three, a million rows take minutes of a core.
_LISTS_PER_ROOT = 3
_TRAINED_ON_PER_LIST = 30
_ITERATIONS = 6
_ADDED_AT_ONCE = 16_384
# For ten hits, compared again exactly. More are needed where rows lie so densely that eight bits cannot tell them apart.
_CANDIDATES = (100, 400, 1600)
# What a query reads is chosen by the ten nearest rows of sampled rows.
_SAMPLED, _NEAREST, _LEAST_RECALL = 128, 10, 0.995
_FEWEST_PROBES = 8
_SEED = 0


class InvertedLists:
    """
    A FAISS index, mapped into memory.

    Args:
        path (`Path`): the file of the index.
        vectors (`np.ndarray` of shape `(n, D)`): the unit vectors, for reranking.
        probes (`int`): how many lists a query reads.
        candidates (`int`): how many rows are compared again for ten hits.
    """

    # More rows than this are found exactly: the number of lists was chosen for few.
    MOST_FOUND = 100

    def __init__(self, path: Path, vectors: np.ndarray, probes: int, candidates: int):
        self._vectors, self._candidates = vectors, candidates
        try:
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        except RuntimeError as error:
            raise ValueError(
                f"{str(path)!r} cannot be read ({reason(error)}); delete the folder of the index and run training/search.py index again."
            ) from error
        self._parameters: Any = faiss.SearchParametersIVF()
        self._parameters.nprobe = probes

    def nearest(self, queries: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
        """As [`~training.searching.parts.Part.nearest`] without a filter, for up to `MOST_FOUND` rows."""
        candidates = max(self._candidates, self._candidates * top // _NEAREST)
        _, found = self._index.search(np.ascontiguousarray(queries), candidates, params=self._parameters)
        best, rows = [], []
        for query, numbers in zip(queries, found):
            numbers = numbers[numbers >= 0]
            if len(numbers) < top:
                # The lists held too few rows.
                similarities, numbers = nearest_exactly(self._vectors, query[None], top)
            else:
                exact = query[None] @ self._vectors[numbers].astype(np.float32).T
                similarities, numbers = keep_best(exact, numbers[None], top)
            best.append(similarities)
            rows.append(numbers)
        return np.concatenate(best), np.concatenate(rows)


def build_lists(vectors: np.ndarray, path: Path, progress: Any) -> int:
    """
    Builds an index and writes it.

    Args:
        vectors (`np.ndarray` of shape `(n, D)`): unit vectors, mapped into memory; centres are found on a sample of them.
        path (`Path`): the file to write.
        progress: `update(rows)` is called as rows are added.

    Returns:
        `int`: the number of lists.
    """
    rows, dimension = vectors.shape
    lists = round(_LISTS_PER_ROOT * rows**0.5)
    index: Any = faiss.index_factory(dimension, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.seed, index.cp.spherical = _ITERATIONS, _SEED, True
    # FAISS would warn of fewer than 39.
    index.cp.min_points_per_centroid = _TRAINED_ON_PER_LIST
    sample = np.random.default_rng(_SEED).choice(rows, min(rows, _TRAINED_ON_PER_LIST * lists), replace=False)
    index.train(vectors[np.sort(sample)].astype(np.float32))
    for start in range(0, rows, _ADDED_AT_ONCE):
        part = vectors[start : start + _ADDED_AT_ONCE].astype(np.float32)
        index.add(part)
        progress.update(len(part))
    faiss.write_index(index, str(path))
    return lists


def choose_reading(vectors: np.ndarray, path: Path, lists: int) -> tuple[int, int, float]:
    """
    The number of lists that a query must read, a power of two, and how many of their rows are compared again: the fewest with
    which sampled rows find 99.5 % of their ten nearest rows. The lists are then doubled, because queries by photo or place lie
    less centrally than rows do.

    Returns:
        the number of lists, the number of candidates for ten hits, and the share that is found with them.
    """
    sample = np.sort(np.random.default_rng(_SEED + 1).choice(len(vectors), min(_SAMPLED, len(vectors)), replace=False))
    queries = vectors[sample].astype(np.float32)
    # The row itself is found always, and does not count.
    _, true = nearest_exactly(vectors, queries, _NEAREST + 1)

    def share_found(probes: int, candidates: int) -> float:
        return _recall(InvertedLists(path, vectors, probes, candidates), queries, true, sample)

    probes, recall = _FEWEST_PROBES, 0.0
    for candidates in _CANDIDATES:
        recall = share_found(probes, candidates)
        while recall < _LEAST_RECALL and probes < lists:
            before, recall = recall, share_found(2 * probes, candidates)
            if recall <= before:
                # Candidates are missed, not lists.
                break
            probes *= 2
        if recall >= _LEAST_RECALL:
            break
    probes = min(2 * probes, lists)
    return probes, candidates, share_found(probes, candidates)


def _recall(lists: InvertedLists, queries: np.ndarray, true: np.ndarray, own: np.ndarray) -> float:
    _, found = lists.nearest(queries, _NEAREST + 1)
    shares = [
        len((set(there) & set(here)) - {row}) / max(len(set(there) - {row}), 1)
        for there, here, row in zip(true.tolist(), found.tolist(), own.tolist())
    ]
    return float(np.mean(shares))
