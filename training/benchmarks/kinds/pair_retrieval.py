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
Retrieval among aligned pairs: in all directions, by query mode, within a tile, against the spatial offset, and geolocation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from modeling_gair.geo_gair import great_circle_distance_m
from training.benchmarks.data import Unavailable, open_split, revision_of, tile_centres
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.gair import GairEncoder
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, PlaceErrors, Score
from training.benchmarks.layouts.samples import drawn
from training.benchmarks.store import Columns
from training.benchmarks.tasks.task import Task
from training.measuring.embeddings import features_of
from training.measuring.retrieval import headline, one_photo_per_tile, photos_of_each_tile, readings, retrieval
from training.pairs.decoding import PairBatch, PairDecoder, collate
from training.pairs.loading import prepare_pairs
from training.pairs.sources import open_source

ACROSS, WITHIN, GEOLOCATION = "across tiles", "within a tile", "gallery"
# Distances in metres between a photo and the point at which its tile is read.
OFFSETS_M = (50, 100, 200, 400, 800)
# Kilometres for a city, a region, a country, a continent (Hays and Efros, 2008).
RADII_KM = (25, 200, 750, 2500)
_TILES_PER_PART = 32
_DIRECTIONS_TRIED = 16
_GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
# Raise it when the stored columns change.
_COLUMNS_VERSION = 2
_PHOTOS_PER_CHUNK = 512


class PairRetrieval(Kind):
    """
    Ranks by cosine among held-out pairs, and the distance from a photo to the best match in a gallery of places.

    Options of a task:
        tiles: maximum number of tiles, drawn at random with a fixed seed.
        gallery: the places among which a photo is located: `train` for the centres of the training tiles, or a number of
            points of a regular lattice on the sphere.
    """

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        pair_features(task, encoder, bench)

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        columns = pair_features(task, encoder, bench)
        tile_index = torch.from_numpy(columns["tile"])
        own = _mode_of(encoder)
        read = readings(columns, own)
        embeddings = {name: torch.from_numpy(columns[name]) for name in (*read, "sv", "location")}
        groups = _groups(tile_index)
        scores = []
        for split, rows in groups.items():
            table = retrieval(embeddings, rows, _directions(split, read))
            table.pop("chance")
            scores += _rank_scores(split, table, columns, rows)
        scores += _offset_scores(columns, own, groups.get(ACROSS, []))
        located, places = _geolocation(task, encoder, columns)
        return Outcome(scores + located, places)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        pairs = _coordinates(task)
        groups = _groups(torch.from_numpy(pairs["tile"]))
        scores = []
        for split, rows in groups.items():
            chance = retrieval({}, rows, ())
            scores += _rank_scores(split, chance, pairs, rows, model="chance")
        gallery = gallery_of(task)
        distances = _distances_km(pairs["lon_lat"], gallery)
        scores += _distance_scores(np.median(distances, axis=1), distances, model="chance")
        # The best result that the gallery allows.
        scores += _distance_scores(distances.min(axis=1), None, model="nearest place of the gallery")
        return Outcome(scores)


def gallery_of(task: Task) -> np.ndarray:
    """The places `(G, 2)`, lon, lat in degrees, of a task's option `gallery`."""
    wanted = task.options["gallery"]
    if wanted != "train":
        return lattice(wanted)
    data = open_split(task, "train", columns=["bounds", "crs"])
    return tile_centres(data["bounds"], data["crs"])


def lattice(count: int) -> np.ndarray:
    """
    Places spread evenly over the sphere: a Fibonacci lattice, which turns by the golden angle.

    Returns:
        `np.ndarray` of shape `(count, 2)`: lon, lat in degrees.
    """
    number = np.arange(count)
    lat = np.degrees(np.arcsin((2 * number + 1) / count - 1))
    lon = np.degrees(number * _GOLDEN_ANGLE) % 360 - 180
    return np.stack([lon, lat], axis=1)


def offset_points(points: np.ndarray, size_m: np.ndarray, offset_m: float, seed: int) -> np.ndarray:
    """
    Points moved by a distance inside their tiles. The direction is the first of sixteen, starting from a random one, that
    stays inside the tile.

    Args:
        points (`np.ndarray` of shape `(N, 2)`): x east, y south, in [0, 1].
        size_m (`np.ndarray` of shape `(N, 2)`): width and height of each point's tile in metres.
        offset_m (`float`): distance in metres.
        seed (`int`): of the directions.

    Returns:
        `np.ndarray` of shape `(N, 2)`: NaN where the tile is too small.
    """
    start = np.random.default_rng([seed, round(offset_m)]).random(len(points))
    moved = np.full_like(points, np.nan)
    for turn in range(_DIRECTIONS_TRIED):
        angle = 2 * np.pi * (start + turn / _DIRECTIONS_TRIED)
        candidate = points + offset_m * np.stack([np.cos(angle), np.sin(angle)], axis=1) / size_m
        fits = np.isnan(moved[:, 0]) & ((candidate >= 0) & (candidate <= 1)).all(axis=1)
        moved[fits] = candidate[fits]
    return moved


# Embedding -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _NumberedRow:
    """An undecoded tile with its photos, its number, and the folder of its files."""

    number: int
    row: dict[str, Any]
    folder: Path


def pair_features(task: Task, encoder: Encoder, bench: Bench) -> Columns:
    """
    Normalised embeddings of all photos, stored or computed: one column `(N, D)` for each of `sv`, `location` and the readings
    of the tile at the photo, and for each offset, read as the model was trained; and the columns `tile (N,)` and
    `lon_lat (N, 2)`.
    """
    if not isinstance(encoder, GairEncoder):
        raise ValueError(
            f"{encoder.name} has no common space of photos, tiles and places; retrieval needs a GAIR model."
        )
    key = {
        "model": encoder.fingerprint,
        "kind": "retrieval",
        "data": _pairs_revision(task),
        "tiles": task.options.get("tiles"),
        "offsets": OFFSETS_M,
        "columns": _COLUMNS_VERSION,
    }
    return bench.store.collect(key, lambda: _rows(task), lambda part: _embed_pairs(part, encoder), _TILES_PER_PART)


def _mode_of(encoder: Encoder) -> str:
    """The model's own query mode; [`pair_features`] has refused other encoders."""
    assert isinstance(encoder, GairEncoder)
    return encoder.model.config.query_mode


def _rows(task: Task) -> Iterator[_NumberedRow]:
    source = open_source(_path(task), holdout_fraction=0.0)
    rows = source.train if source.held_out is None else source.held_out
    for number, row in enumerate(drawn(rows, task.options.get("tiles"))):
        yield _NumberedRow(number, row, source.folder)


def _path(task: Task) -> str:
    """The source to open: a CSV of pairs, a folder, or a data set on the Hub."""
    if not task.source:
        raise Unavailable(f"{task.name} is for your own pairs; {task.access}")
    return str(Path(task.source) / task.data_files) if isinstance(task.data_files, str) else task.source


def _pairs_revision(task: Task) -> str:
    _path(task)
    return revision_of(task)


@torch.no_grad()
def _embed_pairs(part: list[_NumberedRow], encoder: GairEncoder) -> Columns:
    batch = _decode(part, encoder)
    model = encoder.model
    inputs = prepare_pairs(batch, encoder.processor, model.device)
    tiles = model.encode_tiles(inputs["rs_pixel_values"])
    features = features_of(model, inputs, tiles)
    sizes = np.asarray(batch.tile_sizes_m)[batch.tile_index.numpy()]
    for offset in OFFSETS_M:
        moved = offset_points(batch.query_points[:, 0].numpy().astype(np.float64), sizes, offset, part[0].number)
        asked = torch.from_numpy(np.nan_to_num(moved).astype(np.float32))[:, None].to(model.device)
        read = model.localize(tiles, asked, tile_index=inputs["tile_index"])[:, 0].cpu()
        features[_offset_name(offset)] = read.masked_fill(torch.from_numpy(np.isnan(moved[:, :1])), float("nan"))
    columns = {name: normalize(value.float(), dim=-1).cpu().numpy() for name, value in features.items()}
    numbers = np.array([row.number for row in part])
    return {**columns, "tile": numbers[batch.tile_index.numpy()], "lon_lat": batch.coordinates.numpy()}


def _decode(part: list[_NumberedRow], encoder: GairEncoder) -> PairBatch:
    """
    Raises:
        ValueError: a tile or photo cannot be read, or a photo lies outside its tile. Leaving it out would change the
            benchmark.
    """
    decoder = PairDecoder(encoder.processor)
    tiles = [decoder(item.row, item.folder, range(len(item.row["photos"] or ()))) for item in part]
    bad, problems = decoder.take_problems()
    if bad or None in tiles:
        raise ValueError(problems[0] if problems else f"Tile {part[0].row['id']!r} has no photos; remove it.")
    return collate([tile for tile in tiles if tile is not None], bad, problems)


def _offset_name(offset: int) -> str:
    return f"offset_{offset}"


def _coordinates(task: Task) -> Columns:
    """Tile numbers and lon, lat of all photos, without decoding them."""
    _pairs_revision(task)
    rows = [(item.number, photo["lon"], photo["lat"]) for item in _rows(task) for photo in item.row["photos"]]
    if len(rows) < 2:
        raise ValueError(f"{task.name} holds {len(rows)} photos, but retrieval needs at least two; add pairs.")
    found = np.array(rows, np.float64)
    return {"tile": found[:, 0].astype(np.int64), "lon_lat": found[:, 1:]}


# Scores --------------------------------------------------------------------------------------------------------------


def _groups(tile_index: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    groups = {ACROSS: one_photo_per_tile(tile_index), WITHIN: photos_of_each_tile(tile_index)}
    if len(tile_index.unique()) < 2:
        groups.pop(ACROSS)
    return {split: rows for split, rows in groups.items() if rows}


def _directions(split: str, read: Sequence[str]) -> list[tuple[str, str]]:
    """Both directions between photo, place, and tile in each reading."""
    there = [("sv", name) for name in read]
    # A location encoder is not trained to resolve a few hundred metres.
    if split != WITHIN:
        there += [(name, "location") for name in read] + [("sv", "location")]
    return [direction for pair in there for direction in (pair, pair[::-1])]


def _rank_scores(
    split: str,
    table: Mapping[str, Mapping[str, float]],
    columns: Columns,
    groups: Sequence[torch.Tensor],
    model: str = "",
) -> list[Score]:
    asked = sum(len(group) for group in groups)
    width = columns["sv"].shape[1] if "sv" in columns else 0
    return [
        Score("cosine", split, metric, value, len(columns["tile"]), asked, width, len(groups), model=model, target=name)
        for name, row in table.items()
        for metric, value in row.items()
    ]


def _offset_scores(columns: Columns, mode: str, groups: Sequence[torch.Tensor]) -> list[Score]:
    """Ranks across tiles and the mean cosine, with the tile read at a distance from the photo in the model's own mode."""
    scores = []
    sv, name = torch.from_numpy(columns["sv"]), headline(mode)
    for offset, column in ((0, mode), *((offset, _offset_name(offset)) for offset in OFFSETS_M)):
        moved = torch.from_numpy(columns[column])
        valid = torch.isfinite(moved[:, 0])
        kept = [group[valid[group]] for group in groups]
        kept = [group for group in kept if len(group) > 1]
        if not kept:
            continue
        table = retrieval({"sv": sv, mode: moved}, kept, [("sv", mode)])
        rows = torch.cat(kept)
        cosine = float((sv[rows] * moved[rows]).sum(dim=1).mean())
        found = {name: {**table[name], "mean_cosine": cosine}}
        scores += _rank_scores(f"offset {offset} m", found, columns, kept)
    return scores


def _geolocation(task: Task, encoder: Encoder, columns: Columns) -> tuple[list[Score], PlaceErrors]:
    gallery = gallery_of(task)
    places = normalize(torch.from_numpy(encoder.embed_locations(gallery)).float(), dim=-1)
    photos = torch.from_numpy(columns["sv"])
    best = torch.cat([(part @ places.T).argmax(dim=1) for part in photos.split(_PHOTOS_PER_CHUNK)]).numpy()
    lon, lat = columns["lon_lat"].astype(np.float64).T
    error = great_circle_distance_m(lon, lat, *gallery[best].T) / 1000
    scores = _distance_scores(error, None, width=photos.shape[1])
    return scores, PlaceErrors(lon, lat, error, "km from the photo's place", GEOLOCATION)


def _distances_km(lon_lat: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    lon, lat = lon_lat[:, :1], lon_lat[:, 1:]
    return great_circle_distance_m(lon, lat, gallery[:, 0], gallery[:, 1]) / 1000


def _distance_scores(error_km: np.ndarray, all_km: np.ndarray | None, width: int = 0, model: str = "") -> list[Score]:
    """
    The median error, and the share of errors within each radius.

    Args:
        error_km (`np.ndarray` of shape `(N,)`)
        all_km (`np.ndarray` of shape `(N, G)`, *optional*): distances to all places; the shares are then those of a random
            place.
    """
    figures = {"median_km": float(np.median(error_km))}
    for radius in RADII_KM:
        within = (error_km if all_km is None else all_km) <= radius
        figures[f"within_{radius}_km"] = float(within.mean())
    return [
        Score(
            "cosine",
            GEOLOCATION,
            metric,
            value,
            len(error_km),
            len(error_km),
            width,
            model=model,
            target="SV → location, gallery",
        )
        for metric, value in figures.items()
    ]
