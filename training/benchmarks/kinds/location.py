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
"""Location embeddings, by CoordBench's protocol: a table of places and values, a frozen encoder, and folds over space."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modeling_gair import GairCoordinateProcessor
from training.benchmarks.data import open_split, require_columns, ruled_labels, tile_centres
from training.benchmarks.encoders.encoder import Encoder, SinCosEncoder
from training.benchmarks.kinds.kind import Bench, Kind, Outcome, PlaceErrors, Score, bootstrap, interval
from training.benchmarks.probes.fitting import (
    Probed,
    constant,
    inverse_distance,
    knn,
    logistic_probabilities,
    r2,
    reciprocal_rank,
    ridge,
)
from training.benchmarks.probes.folds import FOLDS, OFFICIAL, RANDOM, Holdout, make_holdout
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task

# What the `split` column calls its test rows, and those to choose settings on.
_TEST, _VALIDATION = ("test",), ("val", "validation", "valid")
_PLACES_PER_PART = 65_536

Probe = Callable[[Holdout], Probed]


@dataclass(frozen=True)
class PlaceTable:
    """
    Places with what is to be predicted of them.

    Args:
        lon_lat (`np.ndarray` of shape `(N, 2)`): lon, lat in degrees, checked and wrapped, float64.
        columns (`dict[str, np.ndarray]`): the targets, strata and `split`, as they came, each `(N,)`.
        remarks (`tuple[str, ...]`): sentences on rows that were left out.
    """

    lon_lat: np.ndarray
    columns: dict[str, np.ndarray]
    remarks: tuple[str, ...] = ()

    def split(self, names: Sequence[str]) -> np.ndarray | None:
        """Which rows `(N,)` the `split` column gives one of these names; None where there is no such column."""
        return np.isin(self.columns["split"].astype(str), names) if "split" in self.columns else None


class _OfPlaces(Kind):
    """What is measured on embeddings of places, beside sines and cosines of them."""

    def rivals(self, task: Task) -> Sequence[Encoder]:
        return (SinCosEncoder(),)

    def extract(self, task: Task, encoder: Encoder, bench: Bench) -> None:
        location_features(read_places(task).lon_lat, encoder, bench.store)


class Location(_OfPlaces):
    """
    Ridge and, of classes, KNN on frozen location embeddings.

    Options of a task:
        targets: columns to predict, each on its own, in place of the column `target`.
        targets_except: the same by exclusion: all numeric columns but these.
        where: {column: value}: only rows with that value.
        tiles: true where rows are tiles in the schema of training/common/schema.py, whose place is the centre of their `bounds`.
        pool: {data_files, where}: only rows whose `id` another table of the source holds.
    """

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        table = read_places(task)
        features = location_features(table.lon_lat, encoder, bench.store)

        def probes(rows: np.ndarray, labels: np.ndarray, classify: bool) -> dict[str, Probe]:
            own = features[rows]
            settings = {"penalize_intercept": bench.penalize_intercept, "nested": bench.nested_alpha}
            found: dict[str, Probe] = {
                "ridge": lambda holdout: ridge(own, labels, holdout, classify=classify, **settings)
            }
            if classify:
                found["knn"] = lambda holdout: knn(own, labels, holdout)
            return {name: probe for name, probe in found.items() if name in task.probes}

        return _measured(task, table, probes, bench, features.shape[1])

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        table = read_places(task)

        def probes(rows: np.ndarray, labels: np.ndarray, classify: bool) -> dict[str, Probe]:
            places = table.lon_lat[rows]
            return {
                "majority" if classify else "mean": lambda holdout: constant(labels, holdout, classify=classify),
                "inverse distance": lambda holdout: inverse_distance(places, labels, holdout, classify=classify),
            }

        outcome = _measured(task, table, probes, bench, 0)
        named = [replace(score, model=score.method, method="none") for score in outcome.scores]
        # What the data lack, the models' rows say.
        return Outcome(named)


class LocationPrior(_OfPlaces):
    """
    LocBench's classification with image features: what a place tells beside the picture. Two logistic probes, one on
    precomputed image features and one on the frozen location embedding, each chosen on the validation rows; their
    probabilities are multiplied, `P(y | image, place) ∝ P(y | image) P(y | place)` (Mac Aodha et al., 2019, who assume the
    two independent given the class, and classes equally common).

    Columns: `lon`, `lat`, `target`, `image_features` (a list of numbers), and a `split` of train, val and test rows.
    Without val rows, every fifth training row chooses.
    """

    def measure(self, task: Task, encoder: Encoder, bench: Bench) -> Outcome:
        table = read_places(task)
        rows = _prior_rows(task, table)
        features = location_features(table.lon_lat, encoder, bench.store)
        place = rows.probabilities(features)
        both = place * rows.probabilities(rows.image_features)
        scores = [*rows.scores("logistic", place, features.shape[1])]
        scores += rows.scores("logistic, image × location", both, features.shape[1] + rows.image_features.shape[1])
        wrong = (both.argmax(axis=1) != rows.labels[rows.test]).astype(np.float64)
        lon, lat = table.lon_lat[rows.test].T
        return Outcome(scores, PlaceErrors(lon, lat, wrong, "wrong", OFFICIAL), table.remarks + rows.remarks)

    def baselines(self, task: Task, bench: Bench) -> Outcome:
        rows = _prior_rows(task, read_places(task))
        commonest = np.bincount(rows.labels[rows.train]).argmax()
        always = np.zeros((len(rows.test), rows.labels.max() + 1))
        always[:, commonest] = 1
        image = rows.probabilities(rows.image_features)
        return Outcome(
            [
                *(replace(score, model="majority") for score in rows.scores("none", always, 0)),
                *(
                    replace(score, model="image features alone")
                    for score in rows.scores("logistic", image, rows.image_features.shape[1])
                ),
            ]
        )


def read_places(task: Task) -> PlaceTable:
    """
    The rows of a task's table that have a place.

    Raises:
        ValueError: no `lon`, `lat` or target column, coordinates that are no degrees, or no rows at all.
    """
    lon_name, lat_name = (task.columns.get(name, name) for name in ("lon", "lat"))
    split = task.columns.get("split", "split")
    of_tiles = bool(task.options.get("tiles"))
    wanted = [*task.options.get("where", {}), *filter(None, [task.columns.get("image_features")])]
    if of_tiles:
        targets = _targets(task, None)
        data = open_split(task, columns=[*targets, *wanted, *task.strata, "bounds", "crs", split])
    else:
        data = open_split(task)
        targets = _targets(task, data)
        wanted += [lon_name, lat_name]
    # Strata divide the table of bias; data without them can still be measured on.
    strata = [name for name in task.strata if name in data.column_names]
    require_columns(task, data, [*targets, *wanted])
    kept = [*targets, *wanted, *strata, *(name for name in (split, "id", "bounds", "crs") if name in data.column_names)]
    frame = data.select_columns(list(dict.fromkeys(kept))).to_pandas()
    for column, value in task.options.get("where", {}).items():
        frame = frame[frame[column] == value]
    if "pool" in task.options:
        frame = frame[frame["id"].isin(_pool_ids(task))]
    if of_tiles:
        lon, lat = tile_centres(frame["bounds"], frame["crs"]).T
    else:
        lon, lat = (_numbers(task, frame[name], name) for name in (lon_name, lat_name))
    placed = np.isfinite(lon) & np.isfinite(lat)
    if not placed.any():
        raise ValueError(
            f"None of the {len(frame)} rows of {task.name} has a {lon_name} and a {lat_name}; fill them in."
        )
    lon_lat = GairCoordinateProcessor().check(lon[placed], lat[placed])
    extra = [name for name in (task.columns.get("image_features"), *strata) if name]
    columns = {name: frame[name].to_numpy()[placed] for name in [*targets, *extra]}
    if split in frame:
        columns["split"] = frame[split].to_numpy()[placed]
    missing = int((~placed).sum())
    remarks = (f"{missing} of {len(frame)} rows of {task.name} have no {lon_name} or {lat_name} and are left out.",)
    return PlaceTable(lon_lat, columns, remarks if missing else ())


def is_numeric(task: Task, column: str) -> bool:
    """Whether a table's column holds numbers (or nothing), and not text or truth values."""
    data = open_split(task)
    require_columns(task, data, [column])
    return any(name in str(data.features[column]) for name in ("int", "float", "null"))


def location_features(lon_lat: np.ndarray, encoder: Encoder, store: FeatureStore) -> np.ndarray:
    """Embeddings `(N, D)` of places, from the store where they are known; a share of them in a process among several."""
    places = hashlib.blake2b(lon_lat.tobytes(), digest_size=8).hexdigest()
    key = {"model": encoder.fingerprint, "kind": "location", "places": places}

    def embed(part: list[np.ndarray]) -> dict[str, np.ndarray]:
        return {"features": encoder.embed_locations(np.stack(part)).astype(np.float32)}

    columns = store.collect(key, lambda: iter(lon_lat), embed, _PLACES_PER_PART)
    if not columns:
        return np.zeros((0, 0), np.float32)
    if not np.isfinite(columns["features"]).all():
        raise ValueError(f"{encoder.name} embeds some places as no finite numbers; it cannot be measured.")
    return columns["features"]


def holdouts_of(task: Task, table: PlaceTable) -> tuple[str, ...]:
    """The task's holdouts; without any the official split where the table has one, else random and 10 degree cells."""
    is_test = table.split(_TEST)
    has_official = is_test is not None and bool(is_test.any())
    return task.holdouts or ((OFFICIAL,) if has_official else (RANDOM, "spatial10"))


# Measuring -----------------------------------------------------------------------------------------------------------


def _measured(
    task: Task,
    table: PlaceTable,
    probes: Callable[[np.ndarray, np.ndarray, bool], dict[str, Probe]],
    bench: Bench,
    width: int,
) -> Outcome:
    """All targets, probes and holdouts of a table."""
    scores, remarks, problems = [], list(table.remarks), []
    places = None
    names = [name for name in table.columns if name not in ("split", *task.strata)]
    classify = task.target_type == "classification"
    is_test = table.split(_TEST)
    for target in names:
        labels, kept = ruled_labels(task, table.columns[target])
        rows, dropped = np.flatnonzero(kept), int((~kept).sum())
        labels = labels[rows]
        if dropped:
            remarks.append(f"{dropped} of {len(kept)} rows of {task.name} have no usable {target} and are left out.")
        common: dict[str, Any] = {"n_samples": len(rows), "feature_dim": width, "dropped": dropped}
        common |= {"target": target} if len(names) > 1 else {}
        for name in holdouts_of(task, table):
            for method, probe in probes(rows, labels, classify).items():
                try:
                    found, holdout = _over_seeds(name, table.lon_lat[rows], probe, bench, is_test, rows)
                except ValueError as error:
                    problems.append(f"{target} by {method}: {error}")
                    continue
                scores.append(_score(method, holdout, found, labels, classify, common))
                if holdout.cell_deg and len(found[0].fold_scores) < FOLDS:
                    remarks.append(
                        f"Holdout {name} of {task.name} fills {len(found[0].fold_scores)} of {FOLDS} folds, with so few "
                        "cells."
                    )
                # The map shows the first target under the last holdout, the strictest as tasks list them.
                if target == names[0] and method == "ridge":
                    places = _places(task, table, rows, labels, found[0], holdout, classify)
    return Outcome(scores, places, tuple(dict.fromkeys(remarks)), tuple(dict.fromkeys(problems)))


def _over_seeds(
    name: str, lon_lat: np.ndarray, probe: Probe, bench: Bench, is_test: np.ndarray | None, rows: np.ndarray
) -> tuple[list[Probed], Holdout]:
    """What a probe scores with the folds of each seed; an official split knows no seed."""
    own_test = None if is_test is None else is_test[rows]
    seeds = bench.seeds[:1] if name == OFFICIAL else bench.seeds
    holdouts = [make_holdout(name, lon_lat[:, 0], lon_lat[:, 1], seed, own_test) for seed in seeds]
    return [probe(holdout) for holdout in holdouts], holdouts[0]


def _score(
    method: str, holdout: Holdout, found: list[Probed], labels: np.ndarray, classify: bool, common: dict[str, Any]
) -> Score:
    scores = [score for probed in found for score in probed.fold_scores]
    tested, predicted = labels[found[0].rows], found[0].predictions

    def figure(chosen: np.ndarray) -> float:
        own, guess = tested[chosen], predicted[chosen]
        return float((own == guess).mean()) if classify else r2(own, guess)

    return Score(
        method=method,
        split=holdout.name,
        metric="accuracy" if classify else "r2",
        value=float(np.mean(scores)),
        n_test=len(tested),
        n_folds=len(scores),
        spread=bootstrap(len(tested), figure) if len(scores) == 1 else interval(scores),
        cell_deg=holdout.cell_deg,
        **common,
    )


def _places(
    task: Task,
    table: PlaceTable,
    rows: np.ndarray,
    labels: np.ndarray,
    found: Probed,
    holdout: Holdout,
    classify: bool,
) -> PlaceErrors:
    lon, lat = table.lon_lat[rows[found.rows]].T
    tested = labels[found.rows]
    error = (tested != found.predictions).astype(np.float64) if classify else np.abs(tested - found.predictions)
    strata = {name: table.columns[name][rows[found.rows]] for name in task.strata if name in table.columns}
    reference = None if classify else (tested - tested.mean()) ** 2
    unit = "wrong" if classify else "absolute error"
    return PlaceErrors(lon, lat, error, unit, holdout.name, strata, reference)


# Reading -------------------------------------------------------------------------------------------------------------


def _targets(task: Task, data: Any) -> list[str]:
    if "targets" in task.options:
        return list(task.options["targets"])
    if "targets_except" in task.options:
        left_out = {"lon", "lat", *task.columns.values(), *task.options["targets_except"]}
        numeric = [name for name, kind in data.features.items() if "int" in str(kind) or "float" in str(kind)]
        return [name for name in numeric if name not in left_out]
    return [task.columns.get("target", "target")]


def _pool_ids(task: Task) -> np.ndarray:
    """The ids of another table of the same source, of the rows that the option `pool` chooses."""
    pool = task.options["pool"]
    data = open_split(replace(task, data_files=pool["data_files"]))
    require_columns(task, data, ["id", *pool["where"]])
    frame = data.select_columns(["id", *pool["where"]]).to_pandas()
    for column, value in pool["where"].items():
        frame = frame[frame[column] == value]
    return frame["id"].to_numpy()


def _numbers(task: Task, values: Any, name: str) -> np.ndarray:
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The column {name!r} of {task.name} holds no numbers; expected degrees on WGS 84.") from error


@dataclass(frozen=True)
class _PriorRows:
    """Rows of [`LocationPrior`] by split, as indices into the table."""

    labels: np.ndarray
    image_features: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    dropped: int
    remarks: tuple[str, ...]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Of the test rows: `(T, K)`."""
        train, validation = ((features[part], self.labels[part]) for part in (self.train, self.validation))
        found = logistic_probabilities(train, validation, features[self.test])
        return np.pad(found, ((0, 0), (0, self.labels.max() + 1 - found.shape[1])))

    def scores(self, method: str, probabilities: np.ndarray, width: int) -> Iterator[Score]:
        own = self.labels[self.test]
        right = probabilities.argmax(axis=1) == own
        figures: dict[str, Callable[[np.ndarray], float]] = {
            "top1": lambda chosen: float(right[chosen].mean()),
            "mrr": lambda chosen: reciprocal_rank(probabilities[chosen], own[chosen]),
        }
        for metric, figure in figures.items():
            yield Score(
                method=method,
                split=OFFICIAL,
                metric=metric,
                value=figure(np.arange(len(own))),
                n_samples=len(self.train) + len(self.validation) + len(own),
                n_test=len(own),
                feature_dim=width,
                spread=bootstrap(len(own), figure),
                dropped=self.dropped,
            )


def _prior_rows(task: Task, table: PlaceTable) -> _PriorRows:
    target, image = task.columns.get("target", "target"), task.columns["image_features"]
    labels, kept = ruled_labels(task, table.columns[target])
    is_test, is_validation = table.split(_TEST), table.split(_VALIDATION)
    if is_test is None or is_validation is None or not (is_test & kept).any():
        raise ValueError(f"{task.name} needs a column split with train and test rows; add it.")
    train = np.flatnonzero(kept & ~is_test & ~is_validation)
    validation = np.flatnonzero(kept & is_validation)
    if not len(validation):
        validation = train[::FOLDS]
        train = np.setdiff1d(train, validation)
    dropped = int((~kept).sum())
    remark = f"{dropped} of {len(kept)} rows of {task.name} have no usable {target} and are left out."
    features = np.stack(table.columns[image].tolist()).astype(np.float32)
    return _PriorRows(
        labels, features, train, validation, np.flatnonzero(kept & is_test), dropped, (remark,) if dropped else ()
    )
