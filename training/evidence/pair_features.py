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
"""Features of pairs for the evidence: of photos, tiles and locations, also with disturbed points, locations and tiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pyproj import Geod

from modeling_gair import GairEncodedTiles, GairModel, GairProcessor
from training.benchmarks.kinds.pair_retrieval import offset_points
from training.measuring.retrieval import photos_of_each_tile
from training.pairs.augmentation import crop
from training.pairs.decoding import PairBatch
from training.pairs.loading import EvaluationPairs, load_batches, prepare_pairs
from training.pairs.sources import Rows, Source

# Distances from a photo to the point where its tile is read, in metres.
OFFSETS_M = (0, 50, 100, 200, 400, 700, 1000)
# Standard deviations of noise on query points, and on the coordinates given to the location encoder, in metres.
POINT_NOISES_M = (0, 30, 100, 300)
PLACE_NOISES_M = (0, 1_000, 10_000, 100_000, 300_000, 1_000_000)
# Sides of crops, as fractions of the tile's side.
SCALES = (1.0, 0.75, 0.5, 0.25)
_LABELS = ("photo_cover", "moisture")
_BATCH_TILES = 32
# Training tiles to fit probes on, and photos of each tile to view through crops.
_PROBE_TILES, _CROPPED_PHOTOS = 512, 4
_EARTH = Geod(ellps="WGS84")

Features = dict[str, torch.Tensor]


@dataclass(frozen=True)
class PairFeatures:
    """
    Features of N pairs, each `(N, D)` on the CPU and not normalised, with `tile` `(N,)`, the index of each photo's tile.

    Attributes:
        pairs (`dict[str, torch.Tensor]`): `sv`; `localized`, in the model's own query mode; `tile_mean`; `location`;
            `sv_tokens`, the mean of the SV tower's tokens, before any projection; the labels `cover` `(N, classes)` and
            `moisture` `(N,)`; and disturbed features by `KIND/LEVEL`, see [`robustness_measures`].
        cropped (`dict[str, torch.Tensor]`): `sv`, `scale/S` and `scale mean/S` of some photos of each tile; may be empty.
    """

    pairs: Features
    cropped: Features


def embed_held_out(
    model: GairModel, processor: GairProcessor, source: Source, tiles: int, disturbed_by: int | None = None
) -> PairFeatures:
    """
    Embeds held-out pairs, once for all measures.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the model; tiles are read in its own query mode.
        source (`Source`): a data set with held-out rows, or one that no arm is trained on.
        tiles (`int`): largest number of tiles.
        disturbed_by (`int`, *optional*): seed of directions and noise; adds features of disturbed points, locations and tiles.
    """
    rows = source.train if source.held_out is None else source.held_out
    return _embedded(model, processor, rows, source.folder, tiles, disturbed_by)


def embed_for_probes(model: GairModel, processor: GairProcessor, source: Source) -> PairFeatures:
    """Embeds the training pairs that probes are fitted on."""
    return _embedded(model, processor, source.train, source.folder, _PROBE_TILES)


@torch.no_grad()
def _embedded(
    model: GairModel, processor: GairProcessor, rows: Rows, folder: Path, tiles: int, disturbed_by: int | None = None
) -> PairFeatures:
    random = None if disturbed_by is None else np.random.default_rng(disturbed_by)
    pairs: list[Features] = []
    cropped: list[Features] = []
    seen = 0
    for batch in load_batches(EvaluationPairs([(rows, folder)], processor, _BATCH_TILES, tiles, _LABELS), 0):
        inputs = prepare_pairs(batch, processor, model.device)
        encoded = model.encode_tiles(inputs["rs_pixel_values"])
        own = _features(model, batch, inputs, encoded)
        if random is not None:
            own |= _disturbed_features(model, processor, batch, inputs, encoded, random)
            cropped.append(_on_cpu(_cropped_features(model, inputs, own["sv"]), seen))
        pairs.append(_on_cpu(own, seen))
        seen += len(batch.tile_ids)
    return PairFeatures(_joined(pairs), _joined(cropped))


def _features(model: GairModel, batch: PairBatch, inputs: Features, encoded: Any) -> Features:
    index = inputs["tile_index"]
    photos = model.sv_model(pixel_values=inputs["sv_pixel_values"])
    return {
        "tile": index,
        "sv": model.sv_projection(photos.pooler_output),
        "sv_tokens": photos.last_hidden_state.mean(dim=1),
        "localized": model.localize(encoded, inputs["query_points"], tile_index=index)[:, 0],
        "tile_mean": encoded.pooler_output[index],
        "location": model.get_location_features(inputs["coordinates"]),
        "cover": torch.from_numpy(np.asarray(batch.labels["photo_cover"])),
        "moisture": torch.from_numpy(np.asarray(batch.labels["moisture"]))[batch.tile_index],
    }


def _disturbed_features(
    model: GairModel,
    processor: GairProcessor,
    batch: PairBatch,
    inputs: Features,
    encoded: GairEncodedTiles,
    random: np.random.Generator,
) -> Features:
    """Tiles read at disturbed points, and locations with noise; NaN for points outside the tile."""
    found = {}
    for name, points in moved_points(batch, random).items():
        asked = torch.from_numpy(points.astype(np.float32)).to(model.device)[:, None]
        read = model.localize(encoded, asked.nan_to_num(), tile_index=inputs["tile_index"])[:, 0]
        found[name] = read.masked_fill(asked[:, 0].isnan().any(dim=1, keepdim=True), float("nan"))
    for name, (lon, lat) in moved_places(batch, random).items():
        places = processor.feature_extractor(lon, lat, return_tensors="pt")["coordinates"]
        found[name] = model.get_location_features(places.to(model.device))
    return found


def _cropped_features(model: GairModel, inputs: Features, photos: torch.Tensor) -> Features:
    """Some photos of each tile, and the features of their points in crops around them."""
    index = inputs["tile_index"]
    few = torch.cat([rows[:_CROPPED_PHOTOS] for rows in photos_of_each_tile(index, least=1)])
    tiles, points, own = inputs["rs_pixel_values"][index[few]], inputs["query_points"][few], torch.arange(len(few))
    found = {"sv": photos[few], "tile": index[few]}
    for scale in SCALES:
        side = torch.full((len(few), 1), scale)
        # Centred on the photo as far as the tile allows.
        corner = (points[:, 0] - scale / 2).clamp(torch.zeros(()), torch.tensor(1 - scale))
        smaller, moved = crop(tiles, points, own, corner, side)
        crops: Any = model.encode_tiles(smaller)
        found[f"scale/{scale}"] = model.localize(crops, moved)[:, 0]
        found[f"scale mean/{scale}"] = crops.pooler_output
    return found


def _on_cpu(features: Features, tiles_before: int) -> Features:
    """Features of a batch on the CPU, with tile indices that continue those of earlier batches."""
    return {name: values.cpu() for name, values in features.items()} | {"tile": features["tile"].cpu() + tiles_before}


def _joined(parts: Sequence[Features]) -> Features:
    return {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}


def moved_points(batch: PairBatch, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Query points `(N, 2)`, shifted by each offset and by noise of each strength; NaN if the shift leaves the tile."""
    points = batch.query_points[:, 0].numpy().astype(np.float64)
    sizes = np.asarray(batch.tile_sizes_m)[batch.tile_index.numpy()]
    directions = int(random.integers(2**31))
    moved = {f"offset/{offset} m": offset_points(points, sizes, offset, directions) for offset in OFFSETS_M}
    for noise in POINT_NOISES_M:
        noisy = np.full_like(points, np.nan)
        while (missing := np.isnan(noisy[:, 0])).any():
            drawn = points + noise * random.standard_normal(points.shape) / sizes
            fits = missing & ((drawn >= 0) & (drawn <= 1)).all(axis=1)
            noisy[fits] = drawn[fits]
        moved[f"noise/{noise} m"] = noisy
    return moved


def moved_places(batch: PairBatch, random: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The photos' lon, lat in degrees, with noise of each strength."""
    lon, lat = batch.coordinates.numpy().astype(np.float64).T
    moved = {}
    for noise in PLACE_NOISES_M:
        east, north = noise * random.standard_normal((2, len(lon)))
        new_lon, new_lat, _ = _EARTH.fwd(lon, lat, np.degrees(np.arctan2(east, north)), np.hypot(east, north))
        moved[f"noise location/{noise} m"] = (new_lon, new_lat)
    return moved
