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
"""Arms that differ in one thing each, what is measured of them, and how it is told."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")
pytest.importorskip("pyproj", reason="the extra geo is not installed")
from PIL import Image

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.benchmarks.encoders.encoder import GairEncoder
from training.evidence.children import Children
from training.evidence.measures import (
    PlaceTarget,
    Table,
    _moved_places,
    _moved_points,
    place_baselines,
    place_measures,
    table_targets,
)
from training.evidence.report import LABELS, Run, spread, write_report
from training.evidence.runner import (
    COMPARISONS,
    CONFIGS,
    TEACHERS,
    check_same,
    command_of,
    in_order,
    note_of,
    parse,
    second_world,
    trained_with,
)
from training.pairs.decoding import PairBatch
from training.pretraining.settings import load_settings

ARMS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def settings_of(arm: str):
    return load_settings(["--config", str(CONFIGS / f"{arm}.yaml")])


# Arms ----------------------------------------------------------------------------------------------------------------


def test_every_arm_answers_a_question_and_has_a_name():
    assert set(ARMS) == {arm for comparison in COMPARISONS.values() for arm in comparison.arms} == set(LABELS)


# What an arm differs from nili in: keys of its settings, and of their parts.
DIFFERING = {
    "nili": set(),
    "nili_ninth": {"nili_learning_rate_factor"},
    **{name: {"model.query_mode"} for name in ("bilinear", "bicubic", "mean")},
    # Whoever reads a tile's mean cannot tell its photos apart, so they are no negatives of each other.
    "mean_across": {"model.query_mode", "model.incl_min_distance_m", "model.secl_min_distance_m"},
    "no_location": {"objective.secl_weight"},
    "distillation": {"objective.rs_teacher"},
    "spherical_harmonics": {"model.location_config"},
    "published_scales": {"model.location_config"},
}
for name in ("nili", "mean", "mean_across"):
    DIFFERING[f"control_{name}"] = DIFFERING[name] | {"sample_world.control"}


@pytest.mark.parametrize("arm", ARMS)
def test_arms_differ_in_what_they_are_named_for(arm):
    """Data, steps, batch, rates and towers are those of nili."""
    parts = []
    for name in (arm, "nili"):
        settings = settings_of(name)
        model = settings.gair_config().to_dict()
        values = settings.resolved() | {"model": model | {"location_config": str(model["location_config"])}}
        parts.append(
            {
                f"{key}.{inner}": value
                for key in ("model", "objective", "sample_world")
                for inner, value in values.pop(key).items()
            }
            | values
        )
    own, other = parts
    differing = {key for key in own.keys() | other.keys() if own.get(key) != other.get(key)}
    if arm in ("mae", "moco_v3"):
        differing = {key for key in differing if not key.startswith("objective.")}
    assert differing == DIFFERING.get(arm, set())


def test_the_second_world_is_another_one_of_the_same_kind():
    for arm in ("nili", "control_nili"):
        world = settings_of(arm).world()
        second = second_world(world)
        assert (second.seed, second.control) == (1, world.control)
        assert second.held_out_tiles == world.held_out_tiles


def test_a_teacher_is_trained_before_its_pupil_and_has_its_seed(tmp_path):
    order = in_order({"objectives": COMPARISONS["objectives"]})
    for pupil, teacher in TEACHERS.items():
        assert order.index(teacher) < order.index(pupil)
        flags = command_of(pupil, 2, parse(["--output_dir", str(tmp_path)]))
        named = flags[flags.index("--objective.rs_teacher") + 1]
        assert Path(named) == tmp_path.resolve() / teacher / "seed2"


# Measures ------------------------------------------------------------------------------------------------------------


def batch_of(points: np.ndarray, size_m: float = 2000.0) -> PairBatch:
    """Photos of one tile at the equator."""
    count = len(points)
    return PairBatch(
        tile_ids=["tile"],
        tiles=None,
        tile_sizes_m=[(size_m, size_m)],
        photo_ids=[str(number) for number in range(count)],
        photos=None,
        tile_index=torch.zeros(count, dtype=torch.int64),
        coordinates=torch.zeros(count, 2),
        query_points=torch.from_numpy(points.astype(np.float32))[:, None],
        labels={},
        bad=None,
        problems=[],
    )


def test_points_are_moved_as_far_as_said_and_stay_in_their_tile():
    points = np.random.default_rng(0).random((400, 2))
    moved = _moved_points(batch_of(points), np.random.default_rng(1))
    for name, values in moved.items():
        assert ((values >= 0) & (values <= 1)).all()
        distance = np.linalg.norm((values - batch_of(points).query_points[:, 0].numpy()) * 2000, axis=1)
        kind, level = name.split("/")
        if kind == "offset":
            np.testing.assert_allclose(distance, float(level.removesuffix(" m")), atol=1e-3)
    middle = _moved_points(batch_of(np.full((2000, 2), 0.5)), np.random.default_rng(2))["noise/100 m"]
    np.testing.assert_allclose(((middle - 0.5) * 2000).std(axis=0), 100, rtol=0.06)


def test_places_are_moved_over_the_globe():
    moved = _moved_places(batch_of(np.full((3000, 2), 0.5)), np.random.default_rng(0))
    lon, lat = moved["noise location/10000 m"]
    for degrees in (lon, lat):
        np.testing.assert_allclose(degrees.std() * 111_195, 10_000, rtol=0.06)
    assert not any(values.any() for values in moved["noise location/0 m"])


def test_place_measures_find_what_a_place_tells():
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


def test_places_unseen_in_training_are_told_from_those_that_were_seen():
    lon_lat = np.stack([np.linspace(-179, 179, 200), np.tile([-40.0, 0.0, 40.0, 70.0], 50)], axis=1)
    unseen = np.arange(200) >= 160
    # What holds for seen places only is of no use for the others.
    values = np.where(unseen, -1, 1) * np.sin(np.radians(lon_lat[:, 1]))
    found = place_baselines([PlaceTarget("turned", lon_lat, values, unseen=unseen)], seed=0)["sin/cos"]
    assert found.keys() == {f"place/turned/{holdout}" for holdout in ("random", "spatial10", "unseen")}
    assert found["place/turned/unseen"] < 0 < found["place/turned/random"]


def test_tables_give_values_and_classes(tmp_path):
    (tmp_path / "own.csv").write_text("lon,lat,value,kind\n1,2,3,b\n4,5,6,a\n7,8,9,b\n", encoding="utf-8")
    value, other = table_targets(tmp_path, {"own.csv": Table(("value", "lat"))})
    assert (value.name, value.values.tolist(), other.values.tolist()) == ("own, value", [3, 6, 9], [2, 5, 8])
    (kind,) = table_targets(tmp_path, {"own.csv": Table(("kind",), classify=True, every=2)})
    assert kind.classify and kind.values.tolist() == [0, 0] and kind.lon_lat.tolist() == [[1, 2], [7, 8]]


def test_a_table_that_does_not_fit_is_one_sentence(tmp_path):
    (tmp_path / "own.csv").write_text("lon,lat,value,kind\n1,2,3,a\n4,5,,\n", encoding="utf-8")
    for columns, classify, sentence in (
        (("value", "other"), False, "lacks other; expected lon, lat, value, other"),
        (("value",), False, "no finite numbers; remove their rows"),
        (("kind",), True, "no finite numbers; remove their rows"),
    ):
        with pytest.raises(ValueError, match=sentence):
            table_targets(tmp_path, {"own.csv": Table(columns, classify)})
    with pytest.raises(ValueError, match=r"There is no table .*none\.csv'; name the folder that holds it, or leave"):
        table_targets(tmp_path, {"none.csv": Table(("value",))})


# Programs ------------------------------------------------------------------------------------------------------------


def test_a_program_that_fails_says_why(tmp_path):
    log = tmp_path / "logs" / "log.txt"
    Children().run(["-c", "print('an earlier line')"], log, {})
    for code, why in (
        ("raise SystemExit('no such value')", "no such value"),
        ("raise SystemExit(3)", "it ended with code 3 and said nothing"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by signal 9"),
    ):
        with pytest.raises(ValueError, match=f"A run failed: {why} "):
            Children().run(["-c", code], log, {})
    Children().run(["-c", "import os; print(os.environ['GAIR_OF_TEST'])"], log, {"GAIR_OF_TEST": "given"})
    assert log.read_text(encoding="utf-8").splitlines()[-1] == "given"


def test_programs_that_are_stopped_may_save_and_none_begins_after(tmp_path):
    code = (
        "import signal, threading\nstop = threading.Event()\nsignal.signal(signal.SIGTERM, lambda *_: stop.set())\n"
        "print('began', flush=True)\nif stop.wait(60): print('saved')"
    )  # fmt: skip
    children, log = Children(), tmp_path / "log.txt"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(children.run, ["-c", code], log, {})
        while not log.is_file() or "began" not in log.read_text(encoding="utf-8"):
            time.sleep(0.05)
        children.stop()
        with pytest.raises(ValueError, match="it was stopped"):
            running.result(30)
    assert "saved" in log.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="Stopped"):
        children.run(["-c", "print('late')"], log, {})
    assert "late" not in log.read_text(encoding="utf-8")


def test_a_run_of_other_settings_is_not_taken_for_this_one(tmp_path):
    def options_of(*flags):
        return parse(["--output_dir", str(tmp_path), *flags])

    note = note_of("nili", 0, options_of())
    note.parent.mkdir()
    note.write_text(json.dumps({"settings": trained_with("nili", 0, options_of())}), encoding="utf-8")
    check_same("nili", 0, options_of())
    check_same("nili", 1, options_of("--set", "max_steps=720"))
    with pytest.raises(ValueError, match="was trained with max_steps 240, and now 720 is asked for; give the same"):
        check_same("nili", 0, options_of("--set", "max_steps=720"))


# Report --------------------------------------------------------------------------------------------------------------


def made_runs() -> list[Run]:
    """Three seeds of every arm with made figures."""
    runs = []
    for number, arm in enumerate(ARMS):
        for seed in range(3):
            trained = {"MFLOP a pair": 99.0}
            for world in ("own world", "second world"):
                trained |= {f"{world}/across/median_rank": 10.0 + number + seed, f"{world}/across/R@5": 0.1}
                trained |= {f"{world}/among/mean_rank": 5.0, f"{world}/location/median_rank": 50.0}
            trained |= {f"offset/{level} m": 10.0 + level / 10 for level in (0, 50, 1000)}
            trained |= {f"scale/{level}": 10.0 for level in (0.5, 1.0)}
            trained |= {f"place/moisture/{holdout}": 0.5 for holdout in ("random", "unseen")}
            runs.append(Run(arm, seed, {"trained": trained, "untrained": trained}))
    return runs + [Run("sin/cos", seed, {"": {"place/moisture/random": 0.25}}) for seed in range(3)]


def test_tables_give_means_and_deviations(tmp_path, capsys):
    runs = made_runs()
    write_report(tmp_path, {name: (one.question, one.arms) for name, one in COMPARISONS.items()}, runs)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report in capsys.readouterr().out
    first = 10 + ARMS.index("nili")
    assert f"| NILI (GAIR) | {first + 1:.1f} ± 1.0 |" in report
    assert "0.50 ± 0.00 | 0.25 ± 0.00 | – | 3 |" in report and "| moisture: places unseen in training | 0.50" in report
    for comparison in COMPARISONS.values():
        assert comparison.question in report
    rows = (tmp_path / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + sum(len(part) for run in runs for part in run.figures.values())
    for name in ("query_modes", "robustness", "location_encoders"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 100


def test_what_was_not_measured_is_a_dash_and_no_zero(tmp_path):
    runs = [Run("nili", 0, {"trained": {"own world/across/median_rank": 3.0}})]
    write_report(tmp_path, {"location": ("With places?", ("nili", "no_location"))}, runs)
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if "GAIR without places" in line).count("–") == 10
    assert not len(spread(runs, "no_location", "own world/across/median_rank"))


def test_settings_of_runs_are_the_files_own():
    assert asdict(settings_of("mae").objective_settings())["decoder_size"] == 96
