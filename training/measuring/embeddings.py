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
"""What a trained model knows of pairs: embeddings, retrieval, probes and a picture."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from modeling_gair import GairModel, GairProcessor
from training.common.figures import Example, similarity_figure, true_colour
from training.measuring.probes import format_probes, probe_table
from training.measuring.retrieval import (
    ACROSS_TILES,
    AMONG_POINTS,
    format_table,
    one_photo_per_tile,
    photos_of_each_tile,
    retrieval,
)
from training.pairs.stream import PairBatch, prepare_pairs

POINT_MODES = ("nili", "bilinear", "bicubic")
# Points of the picture's similarity maps along each side.
_MAP_SIDE = 128


@dataclass(frozen=True)
class EmbeddedPairs:
    """
    Embeddings of N photos and of what belongs to each.

    Attributes:
        embeddings (`dict[str, torch.Tensor]`): `sv`, `nili`, `bilinear`, `bicubic` (the tile at the photo's point, read in
            three ways), `tile_mean` and `location`: `(N, D)` each, L2-normalised, on the CPU.
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
        labels (`dict[str, np.ndarray]`): label columns that all of the data have, one value (or a row of values) for each
            photo.
    """

    embeddings: dict[str, torch.Tensor]
    tile_index: torch.Tensor
    labels: dict[str, np.ndarray]

    @property
    def tile_count(self) -> int:
        return int(self.tile_index.max()) + 1


@torch.no_grad()
def embed(model: GairModel, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """
    The `embeddings` of [`EmbeddedPairs`] for what [`prepare_pairs`] makes of one batch. Each tile is encoded once for all
    its photos and modes.
    """
    tokens = model.rs_model(inputs["rs_pixel_values"]).last_hidden_state
    features = features_of(model, inputs, tokens)
    return {name: torch.nn.functional.normalize(value, dim=-1).cpu() for name, value in features.items()}


def features_of(model: GairModel, inputs: dict[str, torch.Tensor], tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """
    The same under the same names, not normalised and on the model's device, from tokens `(T, N, D)` of the tiles.
    """
    index, points = inputs["tile_index"], inputs["query_points"]
    features = {mode: model.localize(tokens, points, mode, tile_index=index)[:, 0] for mode in POINT_MODES}
    features["tile_mean"] = tokens.mean(dim=1)[index]
    features["sv"] = model.get_sv_features(inputs["sv_pixel_values"])
    features["location"] = model.get_location_features(inputs["coordinates"])
    return features


def embed_pairs(
    models: Sequence[GairModel], processor: GairProcessor, batches: Iterable[PairBatch], description: str
) -> list[EmbeddedPairs]:
    """
    Embeds all pairs by each of several models of one device and one processor, decoding them once. What is bad is left
    out, and said.

    Raises:
        ValueError: fewer than two photos, among which nothing can be found.
    """
    parts: list[list[dict[str, torch.Tensor]]] = [[] for _ in models]
    indexes, labels, tiles = [], [], 0
    bad: Counter = Counter()
    problems: list[str] = []
    for batch in tqdm(batches, unit="batch", desc=description):
        bad += batch.bad
        problems += batch.problems
        if not batch.photo_ids:
            continue
        inputs = prepare_pairs(batch, processor, models[0].device)
        for model, own in zip(models, parts):
            own.append(embed(model, inputs))
        indexes.append(batch.tile_index + tiles)
        labels.append(_per_photo(batch))
        tiles += len(batch.tile_ids)
    if bad:
        kinds = ", ".join(f"{count} by {kind}" for kind, count in sorted(bad.items()))
        print(f"{description}: {bad.total()} bad tiles and photos are left out ({kinds}); the first: {problems[0]}")
    if sum(map(len, indexes)) < 2:
        raise ValueError("There are fewer than two good photos to evaluate on; add pairs.")
    tile_index = torch.cat(indexes)
    common = {name: np.concatenate([part[name] for part in labels]) for name in set.intersection(*map(set, labels))}
    return [
        EmbeddedPairs({name: torch.cat([part[name] for part in own]) for name in own[0]}, tile_index, common)
        for own in parts
    ]


@torch.no_grad()
def retrieval_of(
    module: torch.nn.Module, processor: GairProcessor, batches: Iterable[PairBatch], device: torch.device
) -> dict[str, float]:
    """
    Median ranks while training, a few figures of what [`measure`] tells in full.

    Args:
        module (`torch.nn.Module`): what is trained, as `training.objectives.PretrainingModule` wraps the model.
        processor, batches, device: of the pairs.

    Returns:
        `dict[str, float]`: `retrieval_across_tiles` (of a photo's place, read by NILI, among one photo of each tile),
        `retrieval_location` (of its coordinates, likewise) and `retrieval_among_points` (among the photos of its tile);
        without those for which there are too few tiles or photos.
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
    found = {}
    for name, (groups, target) in searches.items():
        if groups and len(groups[0]) > 1:
            table = retrieval(embeddings, groups, [("sv", target)])
            found[f"retrieval_{name}"] = list(table.values())[-1]["median_rank"]
    return found


def _per_photo(batch: PairBatch) -> dict[str, np.ndarray]:
    index = batch.tile_index.numpy()
    return {name: values if name.startswith("photo_") else values[index] for name, values in batch.labels.items()}


def measure(
    trained: tuple[EmbeddedPairs, EmbeddedPairs], untrained: tuple[EmbeddedPairs, EmbeddedPairs]
) -> dict[str, Any]:
    """
    Retrieval among the pairs to evaluate on, and probes from training pairs to them.

    Args:
        trained, untrained: training pairs and pairs to evaluate on, embedded by the model, and by one with its initial
            weights.

    Returns:
        `dict`: `tiles`, `photos`, `across_tiles` and `among_points` (tables of `training.measuring.retrieval`, where there are two
        tiles, or two photos of a tile) and `probes` (a table of `training.measuring.probes`, where there are labels).
    """
    pairs = trained[1]
    across, among = one_photo_per_tile(pairs.tile_index), photos_of_each_tile(pairs.tile_index)
    found = {
        "tiles": pairs.tile_count,
        "photos": len(pairs.tile_index),
        "across_tiles": retrieval(pairs.embeddings, across, ACROSS_TILES) if pairs.tile_count > 1 else {},
        "among_points": retrieval(pairs.embeddings, among, AMONG_POINTS) if among else {},
    }
    probes = probe_table(
        (trained[0].embeddings, pairs.embeddings),
        (untrained[0].embeddings, untrained[1].embeddings),
        (trained[0].labels, pairs.labels),
    )
    return {**found, "probes": probes}


def format_measures(found: dict[str, Any]) -> str:
    """The tables of [`measure`] as text."""
    parts = []
    if found["across_tiles"]:
        parts.append(format_table(found["across_tiles"], f"Among one photo of each of {found['tiles']} tiles"))
    if found["among_points"]:
        parts.append(format_table(found["among_points"], "Among the photos of one tile"))
    if found["probes"]:
        parts.append(format_probes(found["probes"]))
    return "\n\n".join(parts)


@torch.no_grad()
def draw_similarity(
    model: GairModel, processor: GairProcessor, batch: PairBatch, path: Path, title: str, most: int = 4
) -> None:
    """Draws the similarity of the first photo of each of the batch's first tiles over its tile: not chosen by their looks."""
    examples = []
    inputs = prepare_pairs(batch, processor, model.device)
    for tile in range(min(most, len(batch.tile_ids))):
        photo = int(torch.nonzero(batch.tile_index == tile)[0, 0])
        feature_map = model.get_rs_feature_map(inputs["rs_pixel_values"][tile : tile + 1], (_MAP_SIDE, _MAP_SIDE))
        sv = model.get_sv_features(inputs["sv_pixel_values"][photo : photo + 1])
        similarity = torch.cosine_similarity(feature_map, sv[:, :, None, None], dim=1)[0]
        x, y = batch.query_points[photo, 0].tolist()
        examples.append(
            Example(
                tile=true_colour(np.asarray(batch.tiles[tile]), processor.image_processor.bands),
                tile_size_m=batch.tile_sizes_m[tile],
                photo=np.asarray(batch.photos[photo]),
                similarity=similarity.float().cpu().numpy(),
                point=(x, y),
            )
        )
    similarity_figure(path, title, examples)


def write_metrics(found: dict[str, Any], output_dir: Path) -> None:
    """Writes what [`measure`] found as metrics.json."""
    (output_dir / "metrics.json").write_text(json.dumps(found, indent=2, ensure_ascii=False), encoding="utf-8")
