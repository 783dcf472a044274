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

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from tests.helpers.benchmark_tables import read_air_temp
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.probes.fitting import (
    RIDGE_ALPHAS,
    constant,
    inverse_distance,
    knn,
    knn_classify,
    logistic_probabilities,
    reciprocal_rank,
    ridge,
)
from training.benchmarks.probes.folds import Holdout, inner_folds, make_holdout


def places(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.uniform(-180, 180, count), generator.uniform(-70, 70, count)


# Folds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random", "spatial2", "spatial20"])
def test_folds_test_every_row_once_and_never_on_training_rows(name):
    lon, lat = places()
    holdout = make_holdout(name, lon, lat, seed=3)
    assert len(holdout.folds) == 5
    assert np.array_equal(np.sort(np.concatenate([test for _, test in holdout.folds])), np.arange(400))
    for train, test in holdout.folds:
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(400))


def test_spatial_folds_keep_cells_whole():
    lon, lat = places()
    for train, test in make_holdout("spatial20", lon, lat, seed=0).folds:
        cells = [set(zip((lon[rows] // 20).tolist(), (lat[rows] // 20).tolist())) for rows in (train, test)]
        assert not cells[0] & cells[1]


def test_folds_follow_the_seed():
    lon, lat = places()
    first, again, other = (make_holdout("random", lon, lat, seed).folds[0][1] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    # CoordBench's own: every fifth of the permuted rows.
    assert np.array_equal(first, np.random.default_rng(0).permutation(400)[0::5])


def test_an_official_split_is_used_unchanged():
    lon, lat = places(10)
    is_test = np.arange(10) >= 7
    ((train, test),) = make_holdout("official", lon, lat, 0, is_test).folds
    assert train.tolist() == list(range(7)) and test.tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("name", "lon", "message"),
    [
        ("spatial40", [1.0, 2.0, 3.0], "fills 1 of 5 folds with 3 rows"),
        ("official", [1.0, 2.0, 3.0], "has no test rows"),
        ("spatial", [1.0, 2.0, 3.0], "expected random, official, or spatial with degrees"),
    ],
)
def test_impossible_folds_are_refused(name, lon, message):
    with pytest.raises(ValueError, match=message):
        make_holdout(name, np.array(lon), np.zeros(3), 0, np.zeros(3, bool))


# Ridge ---------------------------------------------------------------------------------------------------------------


def test_the_published_figures_of_air_temperature(data_dir):
    lon, lat, temperature = read_air_temp(data_dir)
    features = SinCosEncoder().embed_locations(np.stack([lon, lat], axis=1))
    for name, published in (("random", 0.85151204), ("spatial10", 0.84205590)):
        holdout = make_holdout(name, lon, lat, seed=0)
        found = ridge(features, temperature, holdout, classify=False, penalize_intercept=True, nested=False)
        assert found.score == pytest.approx(published, abs=1e-5)
        # The defaults differ slightly.
        free = ridge(features, temperature, holdout, classify=False, nested=False)
        assert 0 < abs(free.score - found.score) < 1e-3
        nested = ridge(features, temperature, holdout, classify=False)
        assert abs(free.score - nested.score) < 1e-3


def test_the_class_of_a_eurosat_patch_from_its_place_is_interpolation(data_dir):
    table = pq.read_table(data_dir / "tables" / "eurosat_locations.parquet").to_pandas().iloc[::5]
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    _, labels = np.unique(table["label"].to_numpy().astype(str), return_inverse=True)
    features = SinCosEncoder().embed_locations(np.stack([lon, lat], axis=1))
    at_random, apart = (
        knn(features, labels, make_holdout(name, lon, lat, 0)).score for name in ("random", "spatial10")
    )
    assert at_random > 0.6 and apart < 0.25


def problem(classify: bool) -> tuple[np.ndarray, np.ndarray, Holdout]:
    generator = np.random.default_rng(0)
    # Unequal scales, and one feature that never varies.
    features = generator.standard_normal((300, 8)) * np.logspace(-2, 3, 8) + 5
    features[:, 3] = 1.5
    values = features[:, 0] * 50 + features[:, 5] / 40 + generator.standard_normal(300)
    labels = np.digitize(values, np.quantile(values, [0.3, 0.7])) if classify else values
    return features, labels, make_holdout("random", *places(300), seed=0)


@pytest.mark.parametrize("classify", [False, True])
def test_ridge_agrees_with_solving_for_each_strength(classify):
    features, labels, holdout = problem(classify)
    targets = np.eye(3)[labels] if classify else labels
    scores = []
    for alpha in RIDGE_ALPHAS:
        folds = []
        for train, test in holdout.folds:
            scaler = StandardScaler().fit(features[train])
            # CoordBench divides by the deviation with n − 1.
            inputs = [
                scaler.transform(features[rows]) * np.sqrt((len(train) - 1) / len(train)) for rows in (train, test)
            ]
            guess = Ridge(alpha).fit(inputs[0], targets[train]).predict(inputs[1])
            right = np.argmax(guess, axis=1) == labels[test] if classify else None
            folds.append(right.mean() if classify else r2_score(labels[test], guess))
        scores.append(folds)
    best = scores[int(np.argmax(np.mean(scores, axis=1)))]
    found = ridge(features, labels, holdout, classify=classify, nested=False)
    assert found.fold_scores == pytest.approx(best, abs=1e-9)
    assert np.array_equal(np.sort(found.rows), np.arange(300)) and len(found.predictions) == 300


def test_a_nested_strength_is_chosen_without_the_test_rows():
    generator = np.random.default_rng(1)
    features, labels = generator.standard_normal((60, 40)), generator.standard_normal(60)
    holdout = make_holdout("random", *places(60), seed=0)
    chosen_on_test = ridge(features, labels, holdout, classify=False, nested=False).score
    nested = ridge(features, labels, holdout, classify=False)
    assert nested.score <= chosen_on_test
    # Official splits are always nested.
    official = Holdout("official", (holdout.folds[0],))
    scores = [ridge(features, labels, official, classify=False, nested=nested).score for nested in (False, True)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(("name", "parts"), [("random", 4), ("spatial10", 4), ("official", 5)])
def test_inner_folds_are_the_other_folds_or_parts_of_the_training_rows(name, parts):
    lon, lat = places(60)
    holdout = make_holdout(name, lon, lat, seed=0, is_test=np.arange(60) < 20)
    for number, (train, test) in enumerate(holdout.folds):
        inner = inner_folds(holdout, number)
        assert len(inner) == parts and sorted(np.concatenate([part for _, part in inner])) == sorted(train)
        assert not any(set(test) & {*fitted, *tested} for fitted, tested in inner)
        others = [other.tolist() for index, (_, other) in enumerate(holdout.folds) if index != number]
        assert name == "official" or [part.tolist() for _, part in inner] == others


def test_too_few_rows_to_choose_a_strength_by_are_refused():
    labels = np.array([0.0, 1, 0, 1])
    holdout = Holdout("official", ((np.array([0, 1]), np.array([2, 3])),))
    with pytest.raises(ValueError, match="The 2 training rows of fold 1 of holdout official are too few"):
        ridge(labels[:, None], labels, holdout, classify=False)


def test_ridge_refuses_folds_without_variation():
    features = np.random.default_rng(0).standard_normal((10, 2))
    rows = np.arange(10)
    holdout = Holdout("spatial10", ((rows[:5], rows[5:]), (rows[5:], rows[:5])), 10)
    one_class = np.repeat([0, 1], 5)
    with pytest.raises(ValueError, match="Fold 1 of 2 of holdout spatial10 trains on 5 rows of one class"):
        ridge(features, one_class, holdout, classify=True)
    with pytest.raises(ValueError, match="tests on 5 rows of one value, so R² is not defined"):
        ridge(features, np.r_[np.arange(5.0), np.ones(5)], holdout, classify=False)


# Others --------------------------------------------------------------------------------------------------------------


def test_knn_gives_ties_to_the_lowest_class():
    train = np.array([[0.0], [1], [2], [3], [40]])
    # Two of class 0, two of class 2, one of class 1.
    assert knn_classify(train, np.array([2, 0, 2, 0, 1]), np.array([[1.5]])).tolist() == [0]


def test_interpolation_is_exact_at_training_places_and_crosses_the_antimeridian():
    lon_lat = np.array([[179.9, 10], [-179.9, 10], [0, 10], [10, 10], [179.95, 10], [0, 10]])
    labels = np.array([1.0, 1.2, 50.0, 60.0, 1.1, 51.0])
    holdout = Holdout("random", ((np.arange(4), np.array([4, 5])),))
    near, same = inverse_distance(lon_lat, labels, holdout, classify=False).predictions
    assert 0.9 < near < 1.3 and same == pytest.approx(50.0, abs=1e-6)


def test_a_constant_scores_zero_or_the_share_of_the_most_frequent_class():
    lon, lat = places(100)
    holdout = make_holdout("random", lon, lat, 0)
    assert constant(np.arange(100.0), holdout, classify=False).score <= 0
    assert constant(np.repeat([0, 1], [80, 20]), holdout, classify=True).score == pytest.approx(0.8)


def test_the_logistic_probe_learns_and_handles_unseen_classes():
    generator = np.random.default_rng(0)
    labels = np.tile([0, 2], 60)
    features = generator.standard_normal((120, 3)) + labels[:, None]
    train, validation, test = (slice(start, start + 40) for start in (0, 40, 80))
    found = logistic_probabilities(
        (features[train], labels[train]), (features[validation], labels[validation]), features[test]
    )
    assert found.shape == (40, 3) and (found[:, 1] == 0).all()
    assert (found.argmax(axis=1) == labels[test]).mean() > 0.8
    several = np.stack([labels == 2, labels == 0], axis=1).astype(int)
    found = logistic_probabilities(
        (features[train], several[train]), (features[validation], several[validation]), features[test]
    )
    assert found.shape == (40, 2) and ((found[:, 0] > 0.5) == (labels[test] == 2)).mean() > 0.8
    with pytest.raises(ValueError, match="have one class"):
        logistic_probabilities((features[train], np.zeros(40, int)), (features[train], labels[train]), features[test])


def test_reciprocal_ranks_share_their_position_in_ties():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2]])
    assert reciprocal_rank(probabilities, np.array([1, 0])) == pytest.approx((1 / 2 + 1 / 1.5) / 2)
