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
"""What location embeddings predict about places: fields of the sample world and real values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from training.benchmarks.data import tile_centres
from training.benchmarks.encoders.encoder import Encoder
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.probes.fitting import inverse_distance, ridge
from training.benchmarks.probes.folds import Holdout, make_holdout
from training.pairs.sources import Source
from training.world.places import split_of
from training.world.settings import WorldSettings

HOLDOUTS, UNSEEN = ("random", "spatial10"), "unseen"
# Fewer unseen places say nothing about a region.
LEAST_UNSEEN = 100
# Fields of the sample world to predict.
FIELDS = ("moisture", "temperature", "precipitation", "settlement")

Figures = dict[str, float]


@dataclass(frozen=True)
class PlaceTarget:
    """
    A value to predict from locations.

    Attributes:
        name (`str`): table and value.
        lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees.
        values (`np.ndarray` of shape `(N,)`): finite numbers, or classes from 0.
        classify (`bool`): whether values are classes; then accuracy is measured instead of R².
        unseen (`np.ndarray` of shape `(N,)`, *optional*): whether the location lies in a block without any training tile.
    """

    name: str
    lon_lat: np.ndarray
    values: np.ndarray
    classify: bool = False
    unseen: np.ndarray | None = None


@dataclass(frozen=True)
class TargetTable:
    """
    A file with real values at locations.

    Attributes:
        columns (`tuple[str, ...]`): values to predict, each separately.
        classify (`bool`): whether values are classes.
        every (`int`): use every n-th row.
    """

    columns: tuple[str, ...]
    classify: bool = False
    every: int = 1


# Files with real values, in the folder of --tables.
TABLES = {
    "air_temp.csv": TargetTable(("meanT", "meanP")),
    "brazil_municipalities.csv": TargetTable(("state_code",), classify=True),
    "eurosat_locations.parquet": TargetTable(("label",), classify=True, every=5),
}


def place_measures(encoder: Encoder, targets: Sequence[PlaceTarget], seed: int) -> Figures:
    """
    Probes frozen location embeddings with CoordBench's ridge regression, and its strength chosen as there: by the reported folds.

    Returns:
        `dict`: `place/TARGET/HOLDOUT` → R², or accuracy for classes: mean over five folds, or on `unseen` locations with a
        probe fitted on all others.
    """
    figures = {}
    for target in targets:
        features = encoder.embed_locations(target.lon_lat)
        for name, holdout in _holdouts(target, seed).items():
            found = ridge(features, target.values, holdout, classify=target.classify, nested=False)
            figures[f"place/{target.name}/{name}"] = found.score
    return figures


def place_baselines(targets: Sequence[PlaceTarget], seed: int) -> dict[str, Figures]:
    """The same measures for sin/cos features, and for interpolation by inverse distance, which needs no features."""
    interpolated = {
        f"place/{target.name}/{name}": inverse_distance(
            target.lon_lat, target.values, holdout, classify=target.classify
        ).score
        for target in targets
        for name, holdout in _holdouts(target, seed).items()
    }
    return {"sin/cos": place_measures(SinCosEncoder(), targets, seed), "inverse distance": interpolated}


def field_targets(source: Source) -> list[PlaceTarget]:
    """The fields of a sample world at the centres of its tiles; held-out tiles are unseen."""
    train, held_out = list(source.train), list(source.held_out or ())
    rows = train + held_out
    lon_lat = tile_centres([row["bounds"] for row in rows], [row["crs"] for row in rows])
    unseen = np.arange(len(rows)) >= len(train)
    return [
        PlaceTarget(f"sample world, {name}", lon_lat, np.array([row[name] for row in rows], np.float64), unseen=unseen)
        for name in FIELDS
    ]


def table_targets(folder: Path, tables: Mapping[str, TargetTable], world: WorldSettings) -> list[PlaceTarget]:
    """
    Reads targets from CSV or parquet files with columns lon and lat.

    Args:
        folder (`Path`): folder of the files.
        tables (`Mapping[str, TargetTable]`): file name → its content.
        world (`WorldSettings`): rows in its held-out blocks are unseen, if they are at least `LEAST_UNSEEN`.

    Raises:
        ValueError: a file is missing, lacks a column, or has values that are not finite numbers.
    """
    targets = []
    for file, table in tables.items():
        frame = _read_table(folder / file, table)
        lon_lat = frame[["lon", "lat"]].to_numpy(np.float64)
        held_out = np.array([split_of(world, lon, lat) == "test" for lon, lat in lon_lat])
        # A table of one country may lie in training blocks alone, or nearly so.
        unseen = held_out if LEAST_UNSEEN <= held_out.sum() < len(held_out) else None
        for name in table.columns:
            values = pd.factorize(frame[name])[0] if table.classify else frame[name].to_numpy(np.float64)
            targets.append(PlaceTarget(f"{Path(file).stem}, {name}", lon_lat, values, table.classify, unseen))
    return targets


def _read_table(path: Path, table: TargetTable) -> pd.DataFrame:
    if not path.is_file():
        raise ValueError(f"File not found: {str(path)!r}; pass the folder of the tables as --tables, or drop --tables.")
    frame = (pd.read_parquet if path.suffix == ".parquet" else pd.read_csv)(path).iloc[:: table.every]
    columns = ["lon", "lat", *table.columns]
    missing = set(columns) - set(frame.columns)
    if missing:
        raise ValueError(
            f"{str(path)!r} lacks the columns {', '.join(sorted(missing))}; expected {', '.join(columns)}."
        )
    numbers = frame[columns[:2] if table.classify else columns].apply(pd.to_numeric, errors="coerce")
    if not np.isfinite(numbers.to_numpy(np.float64)).all() or frame[columns].isna().any(axis=None):
        raise ValueError(f"{str(path)!r} has values that are not finite numbers; remove those rows.")
    return frame


def _holdouts(target: PlaceTarget, seed: int) -> dict[str, Holdout]:
    lon, lat = target.lon_lat.T
    holdouts = {name: make_holdout(name, lon, lat, seed) for name in HOLDOUTS}
    if target.unseen is not None:
        holdouts[UNSEEN] = make_holdout("official", lon, lat, seed, is_test=target.unseen)
    return holdouts
