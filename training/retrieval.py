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
"""Retrieval among aligned pairs: how well one modality finds the other."""

from collections.abc import Mapping

import torch

RECALLS = (1, 5, 10)
# query → target, by the names of the embeddings.
DIRECTIONS = (
    ("sv", "localized_rs"),
    ("sv", "tile_mean"),
    ("localized_rs", "sv"),
    ("tile_mean", "sv"),
    ("sv", "location"),
    ("location", "sv"),
    ("localized_rs", "location"),
    ("location", "localized_rs"),
)
LABELS = {"sv": "SV", "localized_rs": "localized RS (NILI)", "tile_mean": "tile mean", "location": "location"}
# Cosines nearer than this are equal: the same tile embedded in two batches differs by rounding.
_TIE_TOLERANCE = 1e-6
# Queries compared at a time, which bounds the memory at this many rows of N.
_CHUNK = 1024


def ranks(queries: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """
    The position of each query's own target when all targets are sorted by cosine; ties share their mean position.

    Args:
        queries, targets (`torch.Tensor` of shape `(N, D)`): L2-normalised, row i of each belonging together.

    Returns:
        `torch.Tensor` of shape `(N,)`, float64: from 1 (best) to N; chance is (N + 1) / 2.

    Raises:
        ValueError: embeddings that are not finite, which would otherwise compare as the best.
    """
    if not (torch.isfinite(queries).all() and torch.isfinite(targets).all()):
        raise ValueError("Some embeddings are not finite numbers; lower learning_rate and train again.")
    parts = []
    for start in range(0, len(queries), _CHUNK):
        chunk = queries[start : start + _CHUNK]
        similarity = chunk @ targets.T
        lead = similarity - similarity.diagonal(offset=start)[:, None]
        better, equal = (lead > _TIE_TOLERANCE).sum(dim=1), (lead.abs() <= _TIE_TOLERANCE).sum(dim=1)
        parts.append(better.double() + (equal.double() + 1) / 2)
    return torch.cat(parts)


def retrieval(embeddings: Mapping[str, torch.Tensor]) -> dict[str, dict[str, float]]:
    """
    Recall and median rank in every direction.

    Args:
        embeddings (`Mapping[str, torch.Tensor]`): `sv`, `localized_rs`, `tile_mean`, `location`, each `(N, D)` and
            L2-normalised, row i of each belonging together.

    Returns:
        `dict[str, dict[str, float]]`: direction → `R@1`, `R@5`, `R@10` (shares from 0 to 1) and `median_rank`.
    """
    table = {}
    for query, target in DIRECTIONS:
        own_ranks = ranks(embeddings[query], embeddings[target])
        row = {f"R@{k}": (own_ranks <= k).double().mean().item() for k in RECALLS}
        middle = own_ranks.sort().values[[(len(own_ranks) - 1) // 2, len(own_ranks) // 2]]
        table[f"{LABELS[query]} → {LABELS[target]}"] = {**row, "median_rank": middle.mean().item()}
    return table


def chance(pair_count: int) -> dict[str, float]:
    """What guessing among `pair_count` targets scores, in the form of a row of [`retrieval`]."""
    return {**{f"R@{k}": min(k / pair_count, 1.0) for k in RECALLS}, "median_rank": (pair_count + 1) / 2}


def format_table(table: Mapping[str, Mapping[str, float]], pair_count: int) -> str:
    """The table as text, chance for `pair_count` pairs in brackets beside each figure."""
    guessing = chance(pair_count)
    heads = [*(f"R@{k}" for k in RECALLS), "median_rank"]
    lines = [f"{'query → target (chance)':<34}" + "".join(f"{head.replace('_', ' '):>18}" for head in heads)]
    for name, row in table.items():
        cells = [f"{row[head]:.1%} ({guessing[head]:.1%})" for head in heads[:-1]]
        cells.append(f"{row['median_rank']:.1f} ({guessing['median_rank']:.1f})")
        lines.append(f"{name:<34}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)
