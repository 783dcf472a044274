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
"""Comparison of two sets of embeddings as distributions."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DistributionComparison:
    """
    The difference between two sets of embeddings as distributions.

    Attributes:
        difference (`float`): energy coefficient of inhomogeneity, 0 (same distribution) to 1.
        p_value (`float`): fraction of random splits of all embeddings that differ at least as much.
        cosine_within_first, cosine_within_second, cosine_between (`float`): mean cosines of two distinct embeddings.
    """

    difference: float
    p_value: float
    cosine_within_first: float
    cosine_within_second: float
    cosine_between: float


def compare_distributions(
    first: np.ndarray, second: np.ndarray, shuffles: int = 199, seed: int = 0
) -> DistributionComparison:
    """
    Compares distributions, not only their means, by the energy distance (Székely & Rizzo 2013, Energy statistics):

    H = (2 E|X − Y| − E|X − X'| − E|Y − Y'|) / (2 E|X − Y|), with a permutation test of its numerator.

    Args:
        first (`np.ndarray` of shape `(N, D)`), second (`np.ndarray` of shape `(M, D)`): embeddings of length 1.
        shuffles (`int`): number of random splits of the permutation test.
        seed (`int`): seed of the splits.

    Returns:
        [`DistributionComparison`]

    Raises:
        ValueError: if a set has fewer than two embeddings.
    """
    counts = len(first), len(second)
    if min(counts) < 2:
        raise ValueError(
            f"The boxes have {counts[0]} and {counts[1]} places, expected two or more in each; enlarge them."
        )
    cosines = np.concatenate([first, second]).astype(np.float64)
    cosines = np.clip(cosines @ cosines.T, -1, 1)
    distances = np.sqrt(2 - 2 * cosines)
    np.fill_diagonal(distances, 0)
    # One column a split: 1 / N for the first set, −1 / M for the second. Its quadratic form in the distances is −E.
    weights = np.concatenate([np.full(counts[0], 1 / counts[0]), np.full(counts[1], -1 / counts[1])])
    generator = np.random.default_rng(seed)
    splits = np.stack([weights, *(generator.permutation(weights) for _ in range(shuffles))], axis=1)
    energies = -np.einsum("ik,ik->k", splits, distances @ splits)
    between = float(distances[: counts[0], counts[0] :].mean())
    return DistributionComparison(
        difference=float(np.clip(energies[0] / max(2 * between, 1e-12), 0, 1)),
        p_value=float((energies >= energies[0] - 1e-12).mean()),
        cosine_within_first=_mean_of_others(cosines[: counts[0], : counts[0]]),
        cosine_within_second=_mean_of_others(cosines[counts[0] :, counts[0] :]),
        cosine_between=float(cosines[: counts[0], counts[0] :].mean()),
    )


def _mean_of_others(square: np.ndarray) -> float:
    """The mean of the entries off the diagonal."""
    return float((square.sum() - np.trace(square)) / (square.size - len(square)))
