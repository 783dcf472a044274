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

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.helpers.benchmark_tables import made_columns, place_task, write_table
from training.benchmarks.data import Unavailable, open_split, revision_of, ruled_labels
from training.benchmarks.encoders.simple import SinCosEncoder
from training.benchmarks.kinds.kind import Bench
from training.benchmarks.kinds.location import Location
from training.benchmarks.kinds.location_prior import LocationPrior
from training.benchmarks.kinds.places import read_places
from training.benchmarks.selection import _free_name
from training.benchmarks.store import FeatureStore
from training.benchmarks.tasks.task import Task, load_tasks

KIND = Location()


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(FeatureStore(tmp_path / "features"), torch.device("cpu"))


def figures(outcome) -> dict:
    return {(score.method, score.split, score.target): score for score in outcome.scores}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_of_numbers_is_regressed(tmp_path, bench, suffix):
    columns = made_columns()
    columns.pop("split")
    task = place_task(write_table(tmp_path / f"own{suffix}", columns))
    outcome = KIND.measure(task, SinCosEncoder(), bench)
    found = figures(outcome)
    assert set(found) == {("ridge", "random", ""), ("ridge", "spatial10", "")} and not outcome.problems
    random = found["ridge", "random", ""]
    assert random.value > 0.9 and random.n_folds == 5 and random.spread[0] < random.value < random.spread[1]
    assert (random.metric, random.n_samples, random.n_test, random.feature_dim) == ("r2", 200, 200, 4)
    assert found["ridge", "spatial10", ""].cell_deg == 10
    assert outcome.places.split == "spatial10" and len(outcome.places.error) == 200
    below = {score.model: score for score in KIND.baselines(task, bench).scores if score.split == "random"}
    assert set(below) == {"mean", "inverse distance"}
    assert below["mean"].value < 0 < below["inverse distance"].value < random.value


def test_classes_are_predicted_by_ridge_and_knn_on_the_official_split(tmp_path, bench):
    task = place_task(write_table(tmp_path / "own.csv", made_columns()), "zone", target_type="classification")
    found = figures(KIND.measure(task, SinCosEncoder(), bench))
    assert set(found) == {("ridge", "official", ""), ("knn", "official", "")}
    for score in found.values():
        assert score.metric == "accuracy" and score.value > 0.8 and score.n_test == 50 and score.n_folds == 1
        assert score.spread[0] <= score.value <= score.spread[1]
    below = {score.model: score.value for score in KIND.baselines(task, bench).scores}
    assert below["majority"] < 0.5 < below["inverse distance"]


def test_seeds_widen_the_folds(tmp_path, bench):
    task = place_task(write_table(tmp_path / "own.csv", made_columns()), holdouts=("random", "spatial10", "official"))
    found = figures(KIND.measure(task, SinCosEncoder(), replace(bench, seeds=(0, 1, 2))))
    assert [found["ridge", name, ""].n_folds for name in ("random", "spatial10", "official")] == [15, 15, 1]


def test_rows_without_a_label_or_location_are_dropped_and_reported(tmp_path, bench):
    columns = made_columns()
    columns["value"] = columns["value"].copy()
    columns["value"][:7] = np.nan
    columns["lon"] = columns["lon"].copy()
    columns["lon"][7:10] = np.nan
    outcome = KIND.measure(place_task(write_table(tmp_path / "own.parquet", columns)), SinCosEncoder(), bench)
    assert outcome.remarks == (
        "3 of 200 rows of made have no location and are left out.",
        "7 of 197 rows of made have no usable value and are left out.",
    )
    assert {(score.n_samples, score.dropped) for score in outcome.scores} == {(190, 7)}


def test_one_class_or_few_cells_fail_only_their_holdout(tmp_path, bench):
    columns = made_columns()
    columns["lon"], columns["lat"] = columns["lon"] / 100 + 5, columns["lat"] / 100 + 5
    columns["lon"][:60] += 50
    columns["zone"] = np.where(columns["lon"] > 40, "far", "near")
    task = place_task(
        write_table(tmp_path / "own.csv", columns),
        "zone",
        target_type="classification",
        holdouts=("random", "spatial20"),
    )
    outcome = KIND.measure(task, SinCosEncoder(), bench)
    assert {score.split for score in outcome.scores} == {"random"}
    assert any("trains on" in problem and "of one class" in problem for problem in outcome.problems)


def test_empty_folds_are_reported(tmp_path, bench):
    columns = made_columns()
    columns["lon"] = np.abs(columns["lon"]) / 10
    columns["lat"] = np.abs(columns["lat"]) / 10
    path = write_table(tmp_path / "own.csv", columns)
    outcome = KIND.measure(place_task(path, holdouts=("spatial10", "spatial40")), SinCosEncoder(), bench)
    assert [score.n_folds for score in outcome.scores] == [2]
    assert "Holdout spatial10 of made fills 2 of 5 folds" in outcome.remarks[0]
    assert "Holdout spatial40 fills 1 of 5 folds with 200 rows" in outcome.problems[0]


@pytest.mark.parametrize(
    ("changes", "target", "message"),
    [
        ({"lon": None}, "value", "has no columns lon and lat .*rename its longitude to lon"),
        ({}, "valeu", "has no column 'valeu' .*did you mean 'value'"),
        ({}, "zone", "holds 0 numbers and 200 other cells"),
        ({"lat": [95.0] * 200}, "value", "lat is 95.0, expected -90 to 90 degrees"),
        ({"lat": ["north"] * 200}, "value", "Column 'lat' of 'own.csv' holds 0 numbers and 200 other cells"),
        ({"lat": [None] * 200}, "value", "None of the 200 rows of made has a location"),
        ({"value": [None] * 200}, "value", "has no values, all 200 cells are missing"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, bench, changes, target, message):
    columns = {**made_columns(), **changes}
    columns = {name: values for name, values in columns.items() if values is not None}
    with pytest.raises(ValueError, match=message) as refused:
        KIND.measure(place_task(write_table(tmp_path / "own.csv", columns), target), SinCosEncoder(), bench)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "kind", "labels", "kept"),
    [
        ({"drop": [-999], "log1p": True}, "regression", [0, np.log(11), 0, np.log(101)], [True, True, False, True]),
        ({"drop_below": 10}, "regression", [0, 10, 0, 100], [False, True, False, True]),
        ({"drop": [-999]}, "classification", [0, 1, 0, 2], [True, True, False, True]),
        ({"bins": [5, 50]}, "classification", [1, 2, 0, 3], [True, True, True, True]),
        ({"top": 1}, "classification", [0, 0, 0, 0], [True, False, False, False]),
    ],
)
def test_label_rules(tmp_path, rule, kind, labels, kept):
    task = place_task(tmp_path / "own.csv", target_type=kind, label_rule=rule)
    raw = [0, 0, -999, 100] if "top" in rule else [0, 10, -999, 100]
    if "bins" in rule:
        labels = [1, 2, 0, 3]
        raw = [0, 10, -999, 100]
        task = replace(task, label_rule={"bins": [-5, 5, 50]})
    if "top" in rule:
        kept = [True, True, False, False]
    found, used = ruled_labels(task, raw)
    assert used.tolist() == kept and found.tolist() == pytest.approx(labels)


def coordbench(folder, config: str, **columns) -> None:
    base = {name: made_columns()[name] for name in ("lon", "lat", "timestamp", "split", "id")}
    base.pop("split")
    write_table(folder / f"data/{config}/data.parquet", base | columns)


def test_coordbench_tables_in_their_published_layout(tmp_path, bench):
    """One generated table per layout: a single target, sentinel values, several targets, and ids from another table."""
    made, tasks = made_columns(), load_tasks()
    population = np.r_[np.full(20, -999.0), np.arange(180.0) ** 2]
    coordbench(tmp_path, "usavars_population", population=population)
    country = np.where(made["lat"] > 0, 1, np.where(made["lat"] > -50, 2, 0))
    coordbench(tmp_path, "satclip_country", country=country)
    coordbench(
        tmp_path, "pdfm_conus27", place=made["id"], Count_Person=made["value"], Health=made["value"], Income=made["lat"]
    )
    pool = np.arange(200) % 2
    covers = dict.fromkeys(tasks["bt-landcover"].options["targets"], made["value"])
    coordbench(tmp_path, "bt_landcover", random_sample=pool, **covers)
    coordbench(tmp_path, "bt_human_footprint", pop_density=made["value"], maxdist_road=made["lat"])
    expected = {
        "mosaiks-population": (180, {""}),
        "satclip-country": (int((country > 0).sum()), {""}),
        "pdfm-conus27": (200, {"Health", "Income"}),
        "bt-landcover": (100, set(covers)),
        "bt-population": (100, {""}),
    }
    for name, (rows, targets) in expected.items():
        task = replace(tasks[name].at(str(tmp_path)), holdouts=("random",))
        outcome = KIND.measure(task, SinCosEncoder(), bench)
        assert not outcome.problems, name
        assert {score.n_samples for score in outcome.scores} == {rows}, name
        assert {score.target for score in outcome.scores} == targets, name


def test_features_from_another_process_are_found(tmp_path, bench):
    task = place_task(write_table(tmp_path / "own.csv", made_columns()))
    for rank in (0, 1):
        shared = replace(bench, store=replace(bench.store, rank=rank, processes=2))
        KIND.extract(task, SinCosEncoder(), shared)
    asked = []

    class Counted(SinCosEncoder):
        def embed_locations(self, lon_lat):
            asked.append(len(lon_lat))
            return super().embed_locations(lon_lat)

    assert KIND.measure(task, Counted(), bench).scores and not asked


def prior_table(folder):
    columns = made_columns(240)
    generator = np.random.default_rng(0)
    _, labels = np.unique(columns["zone"], return_inverse=True)
    # The image separates the middle class; the location separates the others.
    image = (labels == 0)[:, None] + 0.7 * generator.standard_normal((240, 4))
    columns["label"] = columns.pop("zone")
    columns["split"] = [("train", "val", "test")[index % 3] for index in range(240)]
    return write_table(folder / "own.parquet", {**columns, "image_features": image.tolist()})


def test_image_features_and_locations_are_combined(tmp_path, bench):
    task = load_tasks()["locbench-inat2018"].at(str(prior_table(tmp_path)))
    kind = LocationPrior()
    outcome = kind.measure(task, SinCosEncoder(), bench)
    own = {(score.method, score.metric): score.value for score in outcome.scores}
    below = {(score.model, score.metric): score.value for score in kind.baselines(task, bench).scores}
    both = own["logistic, image × location", "top1"]
    assert both > below["image features alone", "top1"] > below["majority", "top1"]
    assert both >= own["logistic", "top1"] - 0.02
    assert 1 >= own["logistic, image × location", "mrr"] > both
    assert len(outcome.places.error) == 80


def test_a_prior_without_test_rows_is_refused(tmp_path, bench):
    columns = made_columns()
    columns["split"] = ["train"] * 200
    columns["image_features"] = [[0.0, 1.0]] * 200
    path = write_table(tmp_path / "own.parquet", {**columns, "label": columns["zone"]})
    with pytest.raises(ValueError, match="needs a column split with train and test rows"):
        LocationPrior().measure(load_tasks()["locbench-yfcc"].at(str(path)), SinCosEncoder(), bench)


def test_unreachable_data_are_reported_as_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr("training.benchmarks.data.constants.HF_HUB_CACHE", str(tmp_path))
    task: Task = load_tasks()["mosaiks-roads"]

    def fails(*arguments, **settings):
        raise ConnectionError("no route")

    monkeypatch.setattr("training.benchmarks.data.HfApi.dataset_info", fails)
    monkeypatch.setattr("training.benchmarks.data.load_dataset", fails)
    for open_data in (revision_of, open_split):
        with pytest.raises(
            Unavailable, match=r"cannot be reached .no route.; pass a local copy by --data mosaiks-roads=PATH"
        ):
            open_data(task)
    # Data fetched earlier are still used.
    reference = tmp_path / "datasets--taylor-geospatial--coordbench" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("0123abc\n", encoding="utf-8")
    assert revision_of(task) == "0123abc"


def test_a_gated_data_set_is_reported_as_gated(monkeypatch):
    def fails(*arguments, **settings):
        raise ConnectionError("401 Client Error. Access to this data set is gated")

    monkeypatch.setattr("training.benchmarks.data.load_dataset", fails)
    with pytest.raises(Unavailable, match="is gated"):
        open_split(load_tasks()["mosaiks-roads"])


def test_the_revision_of_local_data_follows_their_content(tmp_path):
    path = write_table(tmp_path / "own.csv", made_columns())
    first = revision_of(place_task(path))
    write_table(tmp_path / "beside.csv", made_columns(5))
    assert revision_of(place_task(path)) == first
    write_table(path, made_columns(201))
    assert revision_of(place_task(path)) != first


def test_strata_are_kept_if_the_data_have_them(tmp_path, bench):
    columns = made_columns() | {"urban": ["U", "R"] * 100}
    task = place_task(write_table(tmp_path / "own.csv", columns), strata=("urban", "settlement"), holdouts=("random",))
    places = KIND.measure(task, SinCosEncoder(), bench).places
    assert set(places.strata) == {"urban"}
    assert sorted(zip(places.lat, places.strata["urban"])) == sorted(zip(columns["lat"], columns["urban"]))


@pytest.mark.parametrize("target", ["split", "urban", "id"])
def test_a_target_may_have_any_name(tmp_path, bench, target):
    columns = made_columns()
    columns[target] = columns.pop("value")
    task = place_task(write_table(tmp_path / "own.csv", columns), target, strata=("urban",), holdouts=("random",))
    outcome = KIND.measure(task, SinCosEncoder(), bench)
    assert [score.method for score in outcome.scores] == ["ridge"] and not outcome.problems
    assert outcome.places.strata == {}


def test_the_names_of_splits_may_have_capitals(tmp_path, bench):
    columns = made_columns()
    columns["split"] = [name.capitalize() for name in columns["split"]]
    outcome = KIND.measure(place_task(write_table(tmp_path / "own.csv", columns)), SinCosEncoder(), bench)
    assert {score.split for score in outcome.scores} == {"official"}


def test_two_tables_of_one_name_stay_apart():
    assert _free_name("own", []) == "own" and _free_name("own", ["own", "own-2"]) == "own-3"


def test_the_location_of_a_tile_is_its_centre(tmp_path):
    columns = {
        "bounds": [[10.0, 50.0, 10.2, 50.1], [500_000.0, 5_500_000.0, 502_000.0, 5_502_000.0]],
        "crs": ["EPSG:4326", "EPSG:32633"],
        "value": [1.0, 2.0],
        "split": ["train", "test"],
    }
    task = place_task(write_table(tmp_path / "own.parquet", columns), options={"tiles": True})
    lon, lat = read_places(task).lon_lat.T
    assert lon.tolist() == pytest.approx([10.1, 15.014], abs=1e-3) and lat.tolist() == pytest.approx(
        [50.05, 49.66], abs=1e-2
    )
