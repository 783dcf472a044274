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
"""Retrieval within groups of pairs: ranks, recall, and the few figures that are followed during training."""

from collections.abc import Iterable, Mapping, Sequence

import torch

from modeling_gair import GairProcessor
from training.pairs.decoding import PairBatch
from training.pairs.loading import prepare_pairs

RECALLS = (1, 5, 10)
# The reading of a model that reads pixels, in its own mode without them.
WITHOUT_PIXELS = "without_pixels"
LABELS = {
    "sv": "SV",
    "nili": "RS at the point (NILI)",
    "bilinear": "RS at the point (bilinear)",
    "bicubic": "RS at the point (bicubic)",
    "mean": "RS at the point (mean)",
    WITHOUT_PIXELS: "RS at the point (without pixels)",
    "tile_mean": "RS, tile mean",
    "location": "location",
}
# Readings of a tile, in the order of the tables.
_READINGS = (WITHOUT_PIXELS, "nili", "bilinear", "bicubic", "tile_mean")
# Cosines closer than this count as equal: the same tile embedded in two batches differs by rounding.
_TIE_TOLERANCE = 1e-6
# Queries compared at a time, which limits the memory to this many rows of N similarities.
_CHUNK = 1024

Table = dict[str, dict[str, float]]
# Query and target, by the names of the embeddings.
Direction = tuple[str, str]


def headline(mode: str) -> str:
    """The row of a table that judges a model first: the tile at the photo's point, read in the model's own mode."""
    return direction_label("sv", mode)


def direction_label(query: str, target: str) -> str:
    """The name of a row."""
    return f"{LABELS[query]} → {LABELS[target]}"


def readings(names: Iterable[str], mode: str) -> list[str]:
    """Those of the named embeddings that read a tile, the model's own mode first."""
    found = set(names)
    return [name for name in dict.fromkeys((mode, *_READINGS)) if name in found]


def across_tiles(names: Iterable[str], mode: str) -> list[Direction]:
    """The rows of the table among one photo of each tile, for embeddings of these names and the model's own mode."""
    there = [("sv", name) for name in readings(names, mode)]
    back = [(mode, "sv"), ("tile_mean", "sv"), ("sv", "location"), ("location", "sv")]
    return [*there, *back, (mode, "location"), ("location", mode)]


def among_points(names: Iterable[str], mode: str) -> list[Direction]:
    """The rows of the table among the photos of one tile; see [`across_tiles`]."""
    return [*(("sv", name) for name in readings(names, mode)), (mode, "sv")]


def ranks(queries: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """
    The rank of each query's matching target when all targets are sorted by cosine; ties share their mean rank.

    Args:
        queries, targets (`torch.Tensor` of shape `(N, D)`): L2-normalised; rows with the same index match.

    Returns:
        `torch.Tensor` of shape `(N,)`, float64: from 1 (best) to N; chance is (N + 1) / 2.

    Raises:
        ValueError: embeddings are not finite; they would otherwise rank first.
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
    embeddings: Mapping[str, torch.Tensor], groups: Sequence[torch.Tensor], directions: Sequence[Direction]
) -> Table:
    """
    Recall and ranks within groups of pairs: each query is compared with the targets of its own group.

    Args:
        embeddings (`Mapping[str, torch.Tensor]`): by name, each `(N, D)` and L2-normalised; rows with the same index match.
        groups (`Sequence[torch.Tensor]`): row indices of each group; see [`one_photo_per_tile`] and
            [`photos_of_each_tile`].
        directions (`Sequence[Direction]`): names of query and target.

    Returns:
        `dict[str, dict[str, float]]`: for `chance` and each direction, `R@1`, `R@5`, `R@10` (fractions from 0 to 1),
        `median_rank` and `mean_rank`, over the queries of all groups.
    """
    table = {"chance": _chance([len(group) for group in groups])}
    for query, target in directions:
        found = torch.cat([ranks(embeddings[query][group], embeddings[target][group]) for group in groups])
        table[direction_label(query, target)] = _summary(found)
    return table


@torch.no_grad()
def training_retrieval(
    module: torch.nn.Module, processor: GairProcessor, batches: Iterable[PairBatch], device: torch.device
) -> dict[str, float]:
    """
    Median ranks to follow during training: three figures of the tables that are measured at the end.

    Args:
        module (`torch.nn.Module`): a `training.objectives.base.PretrainingModule`, possibly wrapped by Accelerate.
        processor ([`GairProcessor`]), batches (`Iterable[PairBatch]`), device (`torch.device`): the pairs to measure on.

    Returns:
        `dict[str, float]`: `retrieval_across_tiles` (the tile at the photo's point, among one photo per tile),
        `retrieval_location` (the photo's coordinates, likewise) and `retrieval_among_points` (the point, among the photos
        of its tile). Figures for which there are too few tiles or photos are missing.
    """
    parts, indexes, tiles = [], [], 0
    for batch in batches:
        if batch.photo_ids:
            rows, _ = module(prepare_pairs(batch, processor, device), with_shared=False)
            parts.append({name: rows[name].float().cpu() for name in ("sv", "localized", "location")})
            indexes.append(batch.tile_index + tiles)
            tiles += len(batch.tile_ids)
    if not parts:
        return {}
    embeddings = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    embeddings["nili"] = embeddings.pop("localized")
    tile_index = torch.cat(indexes)
    across, among = one_photo_per_tile(tile_index), photos_of_each_tile(tile_index)
    searches = {"across_tiles": (across, "nili"), "location": (across, "location"), "among_points": (among, "nili")}
    return {
        f"retrieval_{name}": list(retrieval(embeddings, groups, [("sv", target)]).values())[-1]["median_rank"]
        for name, (groups, target) in searches.items()
        if groups and len(groups[0]) > 1
    }


def one_photo_per_tile(tile_index: torch.Tensor) -> list[torch.Tensor]:
    """
    Groups with one photo of every tile: the first photo of each, the second of each, as long as every tile has one.

    Args:
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
    """
    tiles = photos_of_each_tile(tile_index, least=1)
    return [torch.stack([photos[turn] for photos in tiles]) for turn in range(min(map(len, tiles), default=0))]


def photos_of_each_tile(tile_index: torch.Tensor, least: int = 2) -> list[torch.Tensor]:
    """
    Groups with all photos of one tile, for the tiles that have at least `least` photos.

    Args:
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
        least (`int`): smallest group.
    """
    groups = (torch.nonzero(tile_index == tile)[:, 0] for tile in tile_index.unique(sorted=True))
    return [group for group in groups if len(group) >= least]


def _chance(sizes: Sequence[int]) -> dict[str, float]:
    """The scores of guessing: every rank within a group is equally likely."""
    return _summary(torch.cat([torch.arange(1, size + 1).double() for size in sizes]))


def _summary(found: torch.Tensor) -> dict[str, float]:
    middle = found.sort().values[[(len(found) - 1) // 2, len(found) // 2]]
    recalls = {f"R@{k}": (found <= k).double().mean().item() for k in RECALLS}
    return {**recalls, "median_rank": middle.mean().item(), "mean_rank": found.mean().item()}
