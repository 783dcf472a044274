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
"""What is measured of an arm of the evidence: retrieval, probes, robustness, and what its location encoder knows of places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pyproj import Geod
from torch.nn.functional import normalize

from modeling_gair import GairModel, GairProcessor
from training.benchmarks.data import tile_centres
from training.benchmarks.encoders.encoder import Encoder, SinCosEncoder
from training.benchmarks.kinds.pair_retrieval import offset_points
from training.benchmarks.probes.fitting import inverse_distance, ridge
from training.benchmarks.probes.folds import Holdout, make_holdout
from training.measuring.probes import ridge_r2
from training.measuring.retrieval import one_photo_per_tile, photos_of_each_tile, retrieval
from training.pairs.augmentation import crop
from training.pairs.decoding import PairBatch
from training.pairs.loading import EvaluationPairs, load, prepare_pairs
from training.pairs.sources import Rows, Source, open_source
from training.world.settings import WorldSettings
from training.world.writer import ensure_sample_dataset

# Metres between a photo and where its tile is read; standard deviations, in metres, of noise on its coordinates; sides of a
# crop of the tile, as shares of the tile's.
OFFSETS_M = (0, 50, 100, 200, 400, 700, 1000)
POINT_NOISES_M = (0, 30, 100, 300)
PLACE_NOISES_M = (0, 1_000, 10_000, 100_000, 300_000, 1_000_000)
SCALES = (1.0, 0.75, 0.5, 0.25)
HOLDOUTS, UNSEEN = ("random", "spatial10"), "unseen"
# Fields of the sample world that places are probed for.
FIELDS = ("moisture", "temperature", "settlement")
_LABELS = ("photo_cover", "moisture")
_TILES_A_BATCH = 32
# Training tiles that probes are fitted on, and photos of a tile that are looked at through crops of it.
_PROBE_TILES, _CROPPED_PHOTOS = 512, 4
_EARTH = Geod(ellps="WGS84")

Embedded = dict[str, torch.Tensor]
Figures = dict[str, float]


@dataclass(frozen=True)
class PlaceTarget:
    """
    A value to predict from places.

    Attributes:
        name (`str`): of the table and the value.
        lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees.
        values (`np.ndarray` of shape `(N,)`): finite, or classes from 0.
        classify (`bool`): whether they are classes, whose share that is told right is measured in place of R².
        unseen (`np.ndarray` of shape `(N,)`, *optional*): true where no arm was trained on images of the place.
    """

    name: str
    lon_lat: np.ndarray
    values: np.ndarray
    classify: bool = False
    unseen: np.ndarray | None = None


@dataclass(frozen=True)
class Table:
    """
    Real values at places.

    Attributes:
        columns (`tuple[str, ...]`): what is predicted, each by its own.
        classify (`bool`): whether these are classes.
        every (`int`): one of so many rows is taken.
    """

    columns: tuple[str, ...]
    classify: bool = False
    every: int = 1


def open_world(settings: WorldSettings) -> Source:
    """A sample world, made on its first use."""
    return open_source(str(ensure_sample_dataset(settings, 1)), holdout_fraction=0.0)


# Held-out pairs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EmbeddedPairs:
    """
    Features of pairs, each `(N, D)` on the CPU, beside `tile` `(N,)`, the tile of each photo.

    Attributes:
        pairs (`dict[str, torch.Tensor]`): `sv`, `localized`, `tile_mean`, `location`; `sv_tokens`, the mean of the SV tower's
            tokens, which no head has seen; `cover` `(N, classes)` and `moisture` `(N,)`, to be probed for; and what was
            disturbed, by `KIND/LEVEL`: see [`robustness_measures`].
        cropped (`dict[str, torch.Tensor]`): `sv`, `scale/S` and `scale mean/S` of some photos of each tile; or empty.
    """

    pairs: Embedded
    cropped: Embedded


def embed_held_out(
    model: GairModel, processor: GairProcessor, source: Source, tiles: int, disturbed_by: int | None = None
) -> EmbeddedPairs:
    """
    Embeds held-out pairs, once for all measures.

    Args:
        model, processor: what is measured; tiles are read in the model's own query mode.
        source (`Source`): with held-out rows, or such as no arm is trained on.
        tiles (`int`): at most so many of them.
        disturbed_by (`int`, *optional*): a seed of directions and noise, to embed disturbed points, places and tiles as well.
    """
    rows = source.train if source.held_out is None else source.held_out
    return _embedded(model, processor, rows, source.folder, tiles, disturbed_by)


def embed_for_probes(model: GairModel, processor: GairProcessor, source: Source) -> EmbeddedPairs:
    """Embeds the training pairs that probes are fitted on."""
    return _embedded(model, processor, source.train, source.folder, _PROBE_TILES)


@torch.no_grad()
def _embedded(
    model: GairModel, processor: GairProcessor, rows: Rows, folder: Path, tiles: int, disturbed_by: int | None = None
) -> EmbeddedPairs:
    random = None if disturbed_by is None else np.random.default_rng(disturbed_by)
    pairs: list[Embedded] = []
    cropped: list[Embedded] = []
    seen = 0
    for batch in load(EvaluationPairs([(rows, folder)], processor, _TILES_A_BATCH, tiles, _LABELS), 0):
        inputs = prepare_pairs(batch, processor, model.device)
        tokens = model.rs_model(inputs["rs_pixel_values"]).last_hidden_state
        own = _features(model, batch, inputs, tokens)
        if random is not None:
            own |= _disturbed_features(model, processor, batch, inputs, tokens, random)
            cropped.append(_on_cpu(_cropped_features(model, inputs, own["sv"]), seen))
        pairs.append(_on_cpu(own, seen))
        seen += len(batch.tile_ids)
    return EmbeddedPairs(_joined(pairs), _joined(cropped))


def _features(model: GairModel, batch: PairBatch, inputs: Embedded, tokens: torch.Tensor) -> Embedded:
    index = inputs["tile_index"]
    photos = model.sv_model(pixel_values=inputs["sv_pixel_values"])
    return {
        "tile": index,
        "sv": model.sv_projection(photos.pooler_output),
        "sv_tokens": photos.last_hidden_state.mean(dim=1),
        "localized": model.localize(tokens, inputs["query_points"], tile_index=index)[:, 0],
        "tile_mean": tokens.mean(dim=1)[index],
        "location": model.get_location_features(inputs["coordinates"]),
        "cover": torch.from_numpy(np.asarray(batch.labels["photo_cover"])),
        "moisture": torch.from_numpy(np.asarray(batch.labels["moisture"]))[batch.tile_index],
    }


def _disturbed_features(
    model: GairModel,
    processor: GairProcessor,
    batch: PairBatch,
    inputs: Embedded,
    tokens: torch.Tensor,
    random: np.random.Generator,
) -> Embedded:
    """Tiles read beside the photos, and places beside theirs; NaN where the tile has no room."""
    found = {}
    for name, points in _moved_points(batch, random).items():
        asked = torch.from_numpy(points.astype(np.float32)).to(model.device)[:, None]
        read = model.localize(tokens, asked.nan_to_num(), tile_index=inputs["tile_index"])[:, 0]
        found[name] = read.masked_fill(asked[:, 0].isnan().any(dim=1, keepdim=True), float("nan"))
    for name, (lon, lat) in _moved_places(batch, random).items():
        places = processor.feature_extractor(lon, lat, return_tensors="pt")["coordinates"]
        found[name] = model.get_location_features(places.to(model.device))
    return found


def _cropped_features(model: GairModel, inputs: Embedded, photos: torch.Tensor) -> Embedded:
    """Some photos of each tile, and their points as smaller tiles about them show them."""
    index = inputs["tile_index"]
    few = torch.cat([rows[:_CROPPED_PHOTOS] for rows in photos_of_each_tile(index, least=1)])
    tiles, points, own = inputs["rs_pixel_values"][index[few]], inputs["query_points"][few], torch.arange(len(few))
    found = {"sv": photos[few], "tile": index[few]}
    for scale in SCALES:
        side = torch.full((len(few), 1), scale)
        # As far about the photo as the tile reaches.
        corner = (points[:, 0] - scale / 2).clamp(torch.zeros(()), torch.tensor(1 - scale))
        smaller, moved = crop(tiles, points, own, corner, side)
        tokens = model.rs_model(smaller).last_hidden_state
        found[f"scale/{scale}"] = model.localize(tokens, moved)[:, 0]
        found[f"scale mean/{scale}"] = tokens.mean(dim=1)
    return found


def _on_cpu(features: Embedded, tiles_before: int) -> Embedded:
    """Features of a batch, its tiles counted on from those of earlier ones."""
    return {name: values.cpu() for name, values in features.items()} | {"tile": features["tile"].cpu() + tiles_before}


def _joined(parts: Sequence[Embedded]) -> Embedded:
    return {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}


# Measures of pairs ---------------------------------------------------------------------------------------------------


def pair_measures(embedded: EmbeddedPairs) -> Figures:
    """
    Retrieval among held-out pairs: `across/median_rank`, `across/R@5` and `across/mean_rank` of a photo's place among one
    photo of each tile, `among/mean_rank` among the photos of its tile, `location/median_rank` of its coordinates.
    """
    pairs = embedded.pairs
    across, among = one_photo_per_tile(pairs["tile"]), photos_of_each_tile(pairs["tile"])
    found = _ranks(pairs, across, "localized")
    return {
        **{f"across/{name}": found[name] for name in ("median_rank", "R@5", "mean_rank")},
        "among/mean_rank": _ranks(pairs, among, "localized")["mean_rank"],
        "location/median_rank": _ranks(pairs, across, "location")["median_rank"],
    }


def probe_measures(fitted_on: EmbeddedPairs, held_out: EmbeddedPairs) -> Figures:
    """
    R² on held-out tiles of linear probes of frozen embeddings: `probe/cover from the point` (the tile read at the photo),
    `probe/cover from SV` and `probe/moisture from RS`.
    """
    train, test = fitted_on.pairs, held_out.pairs
    probes = {
        "cover from the point": ("localized", "cover"),
        "cover from SV": ("sv_tokens", "cover"),
        "moisture from RS": ("tile_mean", "moisture"),
    }
    return {
        f"probe/{name}": ridge_r2(train[given], train[wanted].numpy(), test[given], test[wanted].numpy())
        for name, (given, wanted) in probes.items()
    }


def robustness_measures(embedded: EmbeddedPairs) -> Figures:
    """
    Retrieval across tiles where the tile is read beside the photo's place (`offset/M m`), where its coordinates are noisy
    (`noise/M m`, of the point in the tile, and `noise location/M m`, of the place), and through a smaller tile about the
    photo (`scale/S`, and `scale mean/S` by its mean): median ranks. Noise that would lead out of a tile is drawn again; the
    few photos whose tile is too small for some offset are left out of all levels, as ranks among fewer compare with none.
    """
    figures: Figures = {}
    for part in (embedded.pairs, embedded.cropped):
        disturbed = sorted(name for name in part if "/" in name)
        whole = torch.stack([part[name].isfinite().all(dim=1) for name in disturbed]).all(dim=0)
        groups = [group[whole[group]] for group in one_photo_per_tile(part["tile"])]
        figures |= {name: _ranks(part, groups, name)["median_rank"] for name in disturbed}
    return figures


def _moved_points(batch: PairBatch, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Query points `(N, 2)`, moved by each offset and by noise of each strength; NaN where their tile has no room."""
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


def _moved_places(batch: PairBatch, random: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The photos' lon, lat in degrees, moved over the globe by noise of each strength."""
    lon, lat = batch.coordinates.numpy().astype(np.float64).T
    moved = {}
    for noise in PLACE_NOISES_M:
        east, north = noise * random.standard_normal((2, len(lon)))
        new_lon, new_lat, _ = _EARTH.fwd(lon, lat, np.degrees(np.arctan2(east, north)), np.hypot(east, north))
        moved[f"noise location/{noise} m"] = (new_lon, new_lat)
    return moved


def _ranks(embedded: Embedded, groups: Sequence[torch.Tensor], target: str) -> Figures:
    """Of photos searched for by what `target` names; chance where a query mode tells none apart."""
    unit = {name: normalize(embedded[name].float(), dim=1) for name in ("sv", target)}
    table = retrieval({"sv": unit["sv"], "nili": unit[target]}, groups, [("sv", "nili")])
    return list(table.values())[-1]


# Places --------------------------------------------------------------------------------------------------------------


def place_measures(encoder: Encoder, targets: Sequence[PlaceTarget], seed: int) -> Figures:
    """
    CoordBench's ridge on frozen location embeddings: `place/TARGET/HOLDOUT`, R², of classes the share told right; the mean
    over five folds of places, or of `unseen` places from all others.
    """
    figures = {}
    for target in targets:
        features = encoder.embed_locations(target.lon_lat)
        for name, holdout in _holdouts(target, seed).items():
            found = ridge(features, target.values, holdout, classify=target.classify)
            figures[f"place/{target.name}/{name}"] = found.score
    return figures


def place_baselines(targets: Sequence[PlaceTarget], seed: int) -> dict[str, Figures]:
    """The same of sin/cos features, and of interpolation by inverse distance, which needs no features."""
    interpolated = {
        f"place/{target.name}/{name}": inverse_distance(
            target.lon_lat, target.values, holdout, classify=target.classify
        ).score
        for target in targets
        for name, holdout in _holdouts(target, seed).items()
    }
    return {"sin/cos": place_measures(SinCosEncoder(), targets, seed), "inverse distance": interpolated}


def field_targets(source: Source) -> list[PlaceTarget]:
    """The fields of a sample world at the centres of its tiles; those held out are unseen."""
    train, held_out = list(source.train), list(source.held_out or ())
    rows = train + held_out
    lon_lat = tile_centres([row["bounds"] for row in rows], [row["crs"] for row in rows])
    unseen = np.arange(len(rows)) >= len(train)
    return [
        PlaceTarget(f"sample world, {name}", lon_lat, np.array([row[name] for row in rows], np.float64), unseen=unseen)
        for name in FIELDS
    ]


def table_targets(folder: Path, tables: Mapping[str, Table]) -> list[PlaceTarget]:
    """
    Columns of CSV or parquet files with lon, lat.

    Args:
        folder (`Path`): where they lie.
        tables (`Mapping[str, Table]`): by the file's name.

    Raises:
        ValueError: a file is missing, lacks a column, or holds values that are no numbers.
    """
    targets = []
    for file, table in tables.items():
        frame = _read_table(folder / file, table)
        lon_lat = frame[["lon", "lat"]].to_numpy(np.float64)
        for name in table.columns:
            values = pd.factorize(frame[name])[0] if table.classify else frame[name].to_numpy(np.float64)
            targets.append(PlaceTarget(f"{Path(file).stem}, {name}", lon_lat, values, table.classify))
    return targets


def _read_table(path: Path, table: Table) -> pd.DataFrame:
    if not path.is_file():
        raise ValueError(f"There is no table {str(path)!r}; name the folder that holds it, or leave --tables out.")
    frame = (pd.read_parquet if path.suffix == ".parquet" else pd.read_csv)(path).iloc[:: table.every]
    columns = ["lon", "lat", *table.columns]
    missing = set(columns) - set(frame.columns)
    if missing:
        raise ValueError(f"{str(path)!r} lacks {', '.join(sorted(missing))}; expected {', '.join(columns)}.")
    numbers = frame[columns[:2] if table.classify else columns].apply(pd.to_numeric, errors="coerce")
    if not np.isfinite(numbers.to_numpy(np.float64)).all() or frame[columns].isna().any(axis=None):
        raise ValueError(f"{str(path)!r} holds values that are no finite numbers; remove their rows.")
    return frame


def _holdouts(target: PlaceTarget, seed: int) -> dict[str, Holdout]:
    lon, lat = target.lon_lat.T
    holdouts = {name: make_holdout(name, lon, lat, seed) for name in HOLDOUTS}
    if target.unseen is not None:
        holdouts[UNSEEN] = make_holdout("official", lon, lat, seed, is_test=target.unseen)
    return holdouts
