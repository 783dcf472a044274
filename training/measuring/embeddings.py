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
"""Embeds pairs with one or several models, and draws where tiles resemble their photos."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from modeling_gair import GairModel, GairProcessor
from training.common.figures import true_colour
from training.measuring.embedding_cache import EmbeddingCache
from training.measuring.retrieval import WITHOUT_PIXELS
from training.measuring.similarity_figure import Example, Map, readings_figure, similarity_figure
from training.pairs.decoding import PairBatch
from training.pairs.loading import EvaluationPairs, prepare_pairs
from training.pairs.sources import Source

POINT_MODES = ("nili", "bilinear", "bicubic")
# Points of a similarity map along each side.
_MAP_SIDE = 128
# Tiles of the figure of one reading, and of one that compares readings.
_TILES, _TILES_COMPARED = 4, 3

Features = dict[str, torch.Tensor]
# How a tile is read: the query mode (None for the model's own), and whether its pixels are read as well.
Reading = tuple[str | None, bool]


@dataclass(frozen=True)
class EmbeddedPairs:
    """
    Embeddings of N photos, their tiles and their locations.

    Attributes:
        embeddings (`dict[str, torch.Tensor]`): `sv`; `nili`, `bilinear`, `bicubic` and the model's own mode (the tile at the
            photo's point, with its pixels if the model reads them); `without_pixels` (the own mode without them), if it
            does; `tile_mean`; and `location`. Each is `(N, D)`, L2-normalised, on the CPU.
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
        labels (`dict[str, np.ndarray]`): the label columns that all data sets have, one value (or row of values) per photo.
        mode (`str`): the model's own query mode, which names its own reading in `embeddings`.
    """

    embeddings: dict[str, torch.Tensor]
    tile_index: torch.Tensor
    labels: dict[str, np.ndarray]
    mode: str

    @property
    def tile_count(self) -> int:
        return int(self.tile_index.max()) + 1


def evaluation_pairs(
    sources: Sequence[Source],
    processor: GairProcessor,
    batch_size: int,
    max_tiles: int,
    labels: Sequence[str] = (),
) -> tuple[str, EvaluationPairs]:
    """
    The held-out pairs of some data sets, or their training pairs if none of them holds any out.

    Args:
        sources (`Sequence[Source]`), processor ([`GairProcessor`]): the data and the model's processor.
        batch_size (`int`): tiles per batch.
        max_tiles (`int`): use at most this many tiles of each data set.
        labels (`Sequence[str]`): label columns to keep.

    Returns:
        A description of the pairs for readers ("held-out tiles" with the rule by which they were held out), and the pairs.
    """
    held_out = [source for source in sources if source.held_out is not None]
    rules = "; ".join(dict.fromkeys(source.rule for source in held_out or sources))
    rows = [
        (source.train if source.held_out is None else source.held_out, source.folder) for source in held_out or sources
    ]
    description = f"held-out tiles ({rules})" if held_out else f"TRAINING tiles ({rules}: this shows fit, not skill)"
    return description, EvaluationPairs(rows, processor, batch_size, max_tiles, labels)


@torch.no_grad()
def embed(model: GairModel, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """
    Embeds one batch. Each tile is encoded once for all its photos and readings.

    Args:
        model ([`GairModel`]): in evaluation mode.
        inputs (`dict[str, torch.Tensor]`): from [`~training.pairs.loading.prepare_pairs`].

    Returns:
        `dict[str, torch.Tensor]`: as the `embeddings` of [`EmbeddedPairs`].
    """
    features = features_of(model, inputs, model.encode_tiles(inputs["rs_pixel_values"]))
    return {name: torch.nn.functional.normalize(value, dim=-1).cpu() for name, value in features.items()}


def features_of(model: GairModel, inputs: dict[str, torch.Tensor], tiles: Any) -> dict[str, torch.Tensor]:
    """
    The same features by the same names as [`embed`], not normalised and on the model's device.

    Args:
        model ([`GairModel`]), inputs (`dict[str, torch.Tensor]`): as for [`embed`].
        tiles ([`GairEncodedTiles`]): the T tiles.
    """
    index, points = inputs["tile_index"], inputs["query_points"]
    own = model.config.query_mode
    features = {
        mode: model.localize(tiles, points, mode, tile_index=index)[:, 0] for mode in dict.fromkeys((*POINT_MODES, own))
    }
    if model.pixel_query is not None:
        features[WITHOUT_PIXELS] = model.localize(tiles, points, own, tile_index=index, with_pixels=False)[:, 0]
    features["tile_mean"] = tiles.pooler_output[index]
    features["sv"] = model.get_sv_features(inputs["sv_pixel_values"])
    features["location"] = model.get_location_features(inputs["coordinates"])
    return features


def embed_pairs(
    models: Sequence[GairModel],
    processor: GairProcessor,
    batches: Iterable[PairBatch],
    description: str,
    total: int | None = None,
) -> list[EmbeddedPairs]:
    """
    Embeds all pairs with each of several models, decoding them once. Bad tiles and photos are left out, with a message.

    Args:
        models (`Sequence[GairModel]`): all on one device.
        processor ([`GairProcessor`]): shared by the models.
        batches (`Iterable[PairBatch]`): decoded pairs.
        description (`str`): label of the progress bar.
        total (`int`, *optional*): number of batches, for the progress bar.

    Returns:
        `list[EmbeddedPairs]`: one for each model.

    Raises:
        ValueError: there are fewer than two good photos, so there is nothing to retrieve among.
    """

    def compute(batch: PairBatch) -> list[Features]:
        inputs = prepare_pairs(batch, processor, models[0].device)
        return [embed(model, inputs) for model in models]

    return _collected(models, compute, batches, description, total)


def embed_pairs_once(
    model: GairModel, processor: GairProcessor, batches: Iterable[PairBatch], description: str, total: int | None = None
) -> EmbeddedPairs:
    """[`embed_pairs`] for one model, with an [`~training.measuring.embedding_cache.EmbeddingCache`]."""
    cache = EmbeddingCache(model, processor)

    def compute(batch: PairBatch) -> list[Features]:
        return [cache.get(batch, lambda: embed(model, prepare_pairs(batch, processor, model.device)))]

    return _collected([model], compute, batches, description, total)[0]


def _collected(
    models: Sequence[GairModel],
    compute: Callable[[PairBatch], list[Features]],
    batches: Iterable[PairBatch],
    description: str,
    total: int | None,
) -> list[EmbeddedPairs]:
    """The embeddings that `compute` returns for each batch, one dictionary a model, joined by model."""
    parts: list[list[Features]] = []
    indexes, labels, tiles = [], [], 0
    bad: Counter = Counter()
    problems: list[str] = []
    for batch in tqdm(batches, unit="batch", desc=description, total=total):
        bad += batch.bad
        problems += batch.problems
        if not batch.photo_ids:
            continue
        parts.append(compute(batch))
        indexes.append(batch.tile_index + tiles)
        labels.append(_labels_per_photo(batch))
        tiles += len(batch.tile_ids)
    if bad:
        kinds = ", ".join(f"{count} by {kind}" for kind, count in sorted(bad.items()))
        print(f"{description}: left out {bad.total()} bad tiles and photos ({kinds}); the first: {problems[0]}")
    if sum(map(len, indexes)) < 2:
        raise ValueError("Fewer than two good photos are left to evaluate on; add pairs.")
    tile_index = torch.cat(indexes)
    common = _common_labels(labels)
    return [
        EmbeddedPairs(
            {name: torch.cat([part[name] for part in each]) for name in each[0]},
            tile_index,
            common,
            model.config.query_mode,
        )
        for model, each in zip(models, zip(*parts), strict=True)
    ]


def _common_labels(batches: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The labels that all batches have, joined. Those that are not numbers everywhere are left out, with a message."""
    common = {}
    for name in sorted(set.intersection(*map(set, batches))):
        parts = [batch[name] for batch in batches]
        if all(
            part.dtype != object and part.shape[1:] == parts[0].shape[1:] and np.isfinite(part).all() for part in parts
        ):
            common[name] = np.concatenate(parts)
        else:
            print(f"The column {name!r} is not used as a label: it does not hold numbers of one shape in all rows.")
    return common


def _labels_per_photo(batch: PairBatch) -> dict[str, np.ndarray]:
    index = batch.tile_index.numpy()
    return {name: values if name.startswith("photo_") else values[index] for name, values in batch.labels.items()}


def draw_similarity(model: GairModel, processor: GairProcessor, batch: PairBatch, path: Path, title: str) -> None:
    """
    Draws how similar each point of a tile is to the tile's first photo; of a model that reads pixels, without them and with them.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the model, in evaluation mode, and its processor.
        batch (`PairBatch`): its first tiles are drawn, so that none is picked for its looks.
        path (`Path`): the PNG to write.
        title (`str`): of the figure.
    """
    if model.pixel_query is None:
        similarity_figure(path, title, _examples(model, processor, batch, [(None, False)], _TILES))
        return
    patch, pixel = resolution_m(model, processor, batch)
    names = (
        f"Where it resembles the photo,\nseen in patches of {patch:.0f} m",
        f"… and in pixels\nof {pixel:.0f} m as well",
    )
    draw_readings(model, processor, batch, path, title, dict(zip(names, ((None, False), (None, True)))))


def draw_readings(
    model: GairModel,
    processor: GairProcessor,
    batch: PairBatch,
    path: Path,
    title: str,
    readings: Mapping[str, Reading],
) -> None:
    """
    Draws what [`draw_similarity`] does by several readings of the same tiles, side by side.

    Args:
        model, processor, batch, path, title: as for [`draw_similarity`].
        readings (`Mapping[str, Reading]`): by what to write above their maps.
    """
    examples = _examples(model, processor, batch, list(readings.values()), _TILES_COMPARED)
    readings_figure(path, title, list(readings), examples)


@torch.no_grad()
def resolution_m(model: GairModel, processor: GairProcessor, batch: PairBatch) -> tuple[float, float]:
    """The side of a patch and of a pixel, as the model reads the first tile of a batch, in metres from west to east."""
    pixels = prepare_pairs(batch, processor, model.device)["rs_pixel_values"][:1]
    patches = model.encode_tiles(pixels)[0].shape[1] ** 0.5
    width = batch.tile_sizes_m[0][0]
    return width / patches, width / pixels.shape[-1]


@torch.no_grad()
def _examples(
    model: GairModel, processor: GairProcessor, batch: PairBatch, readings: Sequence[Reading], most: int
) -> list[Example]:
    """The first tiles of a batch with the first photo of each."""
    examples = []
    inputs = prepare_pairs(batch, processor, model.device)
    for tile in range(min(most, len(batch.tile_ids))):
        photo = int(torch.nonzero(batch.tile_index == tile)[0, 0])
        encoded = model.encode_tiles(inputs["rs_pixel_values"][tile : tile + 1])
        sv = model.get_sv_features(inputs["sv_pixel_values"][photo : photo + 1])
        point = inputs["query_points"][photo : photo + 1]
        maps = [_map(model, encoded, sv, point, reading) for reading in readings]
        x, y = batch.query_points[photo, 0].tolist()
        examples.append(
            Example(
                tile=true_colour(np.asarray(batch.tiles[tile]), processor.image_processor.bands),
                tile_size_m=batch.tile_sizes_m[tile],
                photo=np.asarray(batch.photos[photo]),
                maps=maps,
                point=(x, y),
            )
        )
    return examples


def _map(model: GairModel, encoded: Any, sv: torch.Tensor, point: torch.Tensor, reading: Reading) -> Map:
    mode, with_pixels = reading
    feature_map = model.feature_map(encoded, (_MAP_SIDE, _MAP_SIDE), mode, with_pixels)
    own = model.localize(encoded, point, mode, with_pixels=with_pixels)[:, 0]
    cosines = torch.cosine_similarity(feature_map, sv[:, :, None, None], dim=1)[0]
    return Map(cosines.float().cpu().numpy(), torch.cosine_similarity(own, sv, dim=1).item())
