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
"""Probes of location encoders, and the tables of real values."""

import numpy as np
import pytest

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")
pytest.importorskip("pyproj", reason="the extra geo is not installed")
from modeling_gair import GairConfig, GairModel, GairProcessor
from training.benchmarks.encoders.gair import GairEncoder
from training.evidence.place_measures import (
    LEAST_UNSEEN,
    PlaceTarget,
    TargetTable,
    place_baselines,
    place_measures,
    table_targets,
)
from training.world.places import split_of
from training.world.settings import WorldSettings


def test_probes_find_what_depends_on_the_place_and_no_noise():
    rng = np.random.default_rng(0)
    lon_lat = np.stack([rng.uniform(-180, 180, 400), np.degrees(np.arcsin(rng.uniform(-1, 1, 400)))], axis=1)
    targets = [
        PlaceTarget("latitude", lon_lat, np.sin(np.radians(lon_lat[:, 1]))),
        PlaceTarget("noise", lon_lat, rng.normal(size=400)),
    ]
    baselines = place_baselines(targets, seed=0)
    assert baselines["sin/cos"]["place/latitude/random"] > 0.99 > 0.2 > baselines["sin/cos"]["place/noise/random"]
    assert 0.5 < baselines["inverse distance"]["place/latitude/spatial10"] < 1
    config = GairConfig.tiny()
    encoder = GairEncoder(GairModel(config).eval(), GairProcessor.for_config(config), "tiny")
    own = place_measures(encoder, targets, seed=0)
    assert own.keys() == baselines["sin/cos"].keys() and own["place/latitude/random"] > 0.8


def test_unseen_places_are_measured_apart():
    lon_lat = np.stack([np.linspace(-179, 179, 200), np.tile([-40.0, 0.0, 40.0, 70.0], 50)], axis=1)
    unseen = np.arange(200) >= 160
    # A relation that holds for seen places only does not help at unseen ones.
    values = np.where(unseen, -1, 1) * np.sin(np.radians(lon_lat[:, 1]))
    found = place_baselines([PlaceTarget("turned", lon_lat, values, unseen=unseen)], seed=0)["sin/cos"]
    assert found.keys() == {f"place/turned/{holdout}" for holdout in ("random", "spatial10", "unseen")}
    assert found["place/turned/unseen"] < 0 < found["place/turned/random"]


def test_tables_hold_values_and_classes(tmp_path):
    (tmp_path / "own.csv").write_text("lon,lat,value,kind\n1,2,3,b\n4,5,6,a\n7,8,9,b\n", encoding="utf-8")
    value, other = table_targets(tmp_path, {"own.csv": TargetTable(("value", "lat"))}, WorldSettings())
    assert (value.name, value.values.tolist(), other.values.tolist()) == ("own, value", [3, 6, 9], [2, 5, 8])
    (kind,) = table_targets(tmp_path, {"own.csv": TargetTable(("kind",), classify=True, every=2)}, WorldSettings())
    assert kind.classify and kind.values.tolist() == [0, 0] and kind.lon_lat.tolist() == [[1, 2], [7, 8]]


def test_too_few_unseen_rows_are_not_measured(tmp_path):
    world = WorldSettings()
    lons, lats = (values.ravel() for values in np.meshgrid(np.arange(-179, 180, 4.0), np.arange(-59, 80, 4.0)))
    held_out = [split_of(world, lon, lat) == "test" for lon, lat in zip(lons, lats)]
    unseen, seen = (np.flatnonzero(np.array(held_out) == kind) for kind in (True, False))
    for count in (LEAST_UNSEEN - 1, LEAST_UNSEEN):
        rows = [f"{lons[i]},{lats[i]},{i}" for i in [*unseen[:count], *seen[:200]]]
        (tmp_path / "own.csv").write_text("\n".join(["lon,lat,value", *rows]), encoding="utf-8")
        (target,) = table_targets(tmp_path, {"own.csv": TargetTable(("value",))}, world)
        assert (target.unseen is None) == (count < LEAST_UNSEEN)


def test_an_invalid_table_is_an_error(tmp_path):
    (tmp_path / "own.csv").write_text("lon,lat,value,kind\n1,2,3,a\n4,5,,\n", encoding="utf-8")
    for columns, classify, sentence in (
        (("value", "other"), False, "lacks the columns other; expected lon, lat, value, other"),
        (("value",), False, "values that are not finite numbers; remove those rows"),
        (("kind",), True, "values that are not finite numbers; remove those rows"),
    ):
        with pytest.raises(ValueError, match=sentence):
            table_targets(tmp_path, {"own.csv": TargetTable(columns, classify)}, WorldSettings())
    with pytest.raises(ValueError, match=r"File not found: .*none\.csv'; pass the folder of the tables as --tables"):
        table_targets(tmp_path, {"none.csv": TargetTable(("value",))}, WorldSettings())
