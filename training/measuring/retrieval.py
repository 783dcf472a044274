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
"""Retrieval among aligned pairs: how well one modality finds the other, across tiles and inside one tile."""

from collections.abc import Iterator, Mapping, Sequence

import torch

RECALLS = (1, 5, 10)
LABELS = {
    "sv": "SV",
    "nili": "RS at the point (NILI)",
    "bilinear": "RS at the point (bilinear)",
    "bicubic": "RS at the point (bicubic)",
    "tile_mean": "RS, tile mean",
    "location": "location",
}
# query → target, by the names of the embeddings.
ACROSS_TILES = (
    ("sv", "nili"),
    ("sv", "bilinear"),
    ("sv", "bicubic"),
    ("sv", "tile_mean"),
    ("nili", "sv"),
    ("tile_mean", "sv"),
    ("sv", "location"),
    ("location", "sv"),
    ("nili", "location"),
    ("location", "nili"),
)
AMONG_POINTS = (("sv", "nili"), ("sv", "bilinear"), ("sv", "bicubic"), ("sv", "tile_mean"), ("nili", "sv"))
# Cosines nearer than this are equal: the same tile embedded in two batches differs by rounding.
_TIE_TOLERANCE = 1e-6
# Queries compared at a time, which bounds the memory at this many rows of N.
_CHUNK = 1024

Table = dict[str, dict[str, float]]


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


def retrieval(
    embeddings: Mapping[str, torch.Tensor], groups: Sequence[torch.Tensor], directions: Sequence[tuple[str, str]]
) -> Table:
    """
    Recall and ranks within groups of pairs: each photo is searched among those of its group.

    Args:
        embeddings (`Mapping[str, torch.Tensor]`): by name, each `(N, D)` and L2-normalised, row i of each belonging
            together.
        groups (`Sequence[torch.Tensor]`): rows of each group; see [`one_photo_per_tile`] and [`photos_of_each_tile`].
        directions (`Sequence[tuple[str, str]]`): query and target, by their names.

    Returns:
        `dict[str, dict[str, float]]`: chance and each direction → `R@1`, `R@5`, `R@10` (shares from 0 to 1),
        `median_rank` and `mean_rank`, over the queries of all groups.
    """
    table = {"chance": _chance([len(group) for group in groups])}
    for query, target in directions:
        own = torch.cat([ranks(embeddings[query][group], embeddings[target][group]) for group in groups])
        table[f"{LABELS[query]} → {LABELS[target]}"] = _summary(own)
    return table


def one_photo_per_tile(tile_index: torch.Tensor) -> list[torch.Tensor]:
    """
    Groups that hold one photo of every tile: the first of each, the second of each, as far as every tile has one.

    Args:
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
    """
    tiles = photos_of_each_tile(tile_index, least=1)
    return [torch.stack([photos[turn] for photos in tiles]) for turn in range(min(map(len, tiles), default=0))]


def photos_of_each_tile(tile_index: torch.Tensor, least: int = 2) -> list[torch.Tensor]:
    """
    Groups that hold all photos of one tile, of those with `least` photos or more.

    Args:
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
        least (`int`): fewer photos make no group.
    """
    groups = (torch.nonzero(tile_index == tile)[:, 0] for tile in tile_index.unique(sorted=True))
    return [group for group in groups if len(group) >= least]


def format_table(table: Table, title: str) -> str:
    """A table of [`retrieval`] as text."""
    heads = [*(f"R@{k}" for k in RECALLS), "median_rank", "mean_rank"]
    lines = [f"{title:<48}" + "".join(f"{head.replace('_', ' '):>13}" for head in heads)]
    for name, row in table.items():
        lines.append(f"{name:<48}" + "".join(f"{cell:>13}" for cell in _cells(row)))
    return "\n".join(lines)


def _cells(row: Mapping[str, float]) -> Iterator[str]:
    yield from (f"{row[f'R@{k}']:.1%}" for k in RECALLS)
    yield from (f"{row[name]:.1f}" for name in ("median_rank", "mean_rank"))


def _chance(sizes: Sequence[int]) -> dict[str, float]:
    """What guessing scores: every rank of a group is equally likely."""
    return _summary(torch.cat([torch.arange(1, size + 1).double() for size in sizes]))


def _summary(own_ranks: torch.Tensor) -> dict[str, float]:
    middle = own_ranks.sort().values[[(len(own_ranks) - 1) // 2, len(own_ranks) // 2]]
    recalls = {f"R@{k}": (own_ranks <= k).double().mean().item() for k in RECALLS}
    return {**recalls, "median_rank": middle.mean().item(), "mean_rank": own_ranks.mean().item()}
