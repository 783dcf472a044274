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
`training/streetscapes.py` from photos and scenes of a loopback service to a data set: with faults and a kill in each stage, the same byte
for byte as without; and training and retrieval on what it makes.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("datatrove", reason="the extra streets is not installed")
from modeling_gair.crs_gair import unproject
from tests.helpers.loopback.photos import PhotoRoutes, made_photos, write_table
from tests.helpers.loopback.service import Fault, LoopbackService
from tests.helpers.loopback.stac import SceneRoutes
from tests.helpers.loopback.world import SITES, truth, write_world
from training.common.schema import unpack_tile
from training.street_pairs.stage import STAGES

ROOT = Path(__file__).parents[2]
PHOTOS = made_photos(SITES[:2], streets=4, photos=8)
GONE = [PHOTOS[0].name, PHOTOS[1].name, PHOTOS[2].name]
PERMANENT = [Fault("404", rf"/photos/{name}\.jpg") for name in GONE]
PASSING = [
    Fault("429 Retry-After", r"/photos/", every=19, times=2),
    Fault("500", r"/photos/|/files/", every=23),
    Fault("cut", r"/photos/", every=17),
    Fault("html", r"/photos/", every=29),
    Fault("error in 200", r"/mapillary/|/kartaview/", every=3),
    Fault("429", r"/stac/search", every=3),
]

# fmt: off
_SMALL = ["--model.rs_config.num_hidden_layers", "1", "--model.sv_config.num_hidden_layers", "1", "--batch_size", "4",
          "--photos_per_tile", "2", "--num_workers", "0", "--report_to", "none"]
# fmt: on


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    world = tmp_path_factory.mktemp("world")
    write_world(world, SITES[:2], visits=3, side=300)
    with LoopbackService([*SceneRoutes(world).routes(), *PhotoRoutes(PHOTOS).routes()]) as running:
        yield running


def command(table: Path, output: Path, service: LoopbackService, workers: int) -> list[str]:
    options = {
        "input": table,
        "output": output,
        "provider": "earth-search-c1",
        "stac_url": f"{service.url}/earth-search-c1/stac",
        "mapillary_url": f"{service.url}/mapillary",
        "kartaview_url": f"{service.url}/kartaview",
        "window_m": 800,
        "max_cloud": 1,
        "max_shadow": 1,
        "own_photos": "They are made up.",
        "rows_per_shard": 6,
        "requests_per_second": 1000,
        "workers": workers,
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [sys.executable, str(ROOT / "training" / "streetscapes.py"), *flags]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "MAPILLARY_TOKEN": "a-secret"}


def files_of(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (output / "dataset").rglob("*") if path.is_file()}


def kill_in(stage: str, arguments: list[str], output: Path) -> None:
    """Starts the program, and kills it when a stage has begun."""
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while not (output / stage / "logs").is_dir():
            assert process.poll() is None, f"It ended with {process.returncode} before the stage {stage}."
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def table(service, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("table") / "photos.csv"
    write_table(path, PHOTOS, service.url)
    return path


@pytest.fixture(scope="module")
def quiet(service, table, tmp_path_factory) -> Path:
    """What is made without kills or passing faults."""
    output = tmp_path_factory.mktemp("quiet") / "quiet"
    service.faults = list(PERMANENT)
    done = subprocess.run(command(table, output, service, 1), env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


@pytest.mark.ci
@pytest.mark.timeout(1200)
def test_kills_and_faults_change_no_byte(service, table, quiet, tmp_path):
    noisy, expected = tmp_path / "noisy", files_of(quiet)
    service.faults = [*PERMANENT, *PASSING]
    arguments = command(table, noisy, service, 2)
    for stage in STAGES:
        kill_in(stage, arguments, noisy)
    for attempt in range(5):
        again = ["--retry_failed"] if attempt else []
        done = subprocess.run([*arguments, *again], env=environment(), capture_output=True, text=True)
        assert done.returncode in (0, 2), done.stdout + done.stderr
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout
    found = files_of(noisy)
    assert {name for name in expected if found[name] != expected[name]} == set() and found.keys() == expected.keys()
    assert service.counts["fault cut"] and service.counts["fault error in 200"] and service.counts["fault 500"]
    check_rows(noisy, set(GONE))
    assert not any(b"a-secret" in path.read_bytes() for path in noisy.rglob("*") if path.is_file())


@pytest.mark.ci
def test_a_model_trains_on_the_data_set_and_finds_its_photos(quiet, tmp_path):
    data, model, report = quiet / "dataset", tmp_path / "model", tmp_path / "report"
    held_out = pq.read_table(data / "data" / "test-00000-of-00001.parquet", columns=["photos"])["photos"].to_pylist()
    photos = sum(map(len, held_out))
    assert photos > len(held_out) > 1
    run("pretrain.py", "--data", data, "--output_dir", model, "--max_steps", 4, *_SMALL)
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["tiles"], metrics["photos"]) == (len(held_out), photos)
    run("evaluate.py", "--model", model, "--tasks", "pairs", "--data", f"pairs={data}", "--output_dir", report)
    with (report / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    across = [row for row in rows if row["split"] == "across tiles" and row["metric_name"] == "R@1"]
    assert "SV → RS at the point (NILI)" in {row["task"] for row in across}
    assert {int(row["n_samples"]) for row in across} == {photos}
    assert all(0 <= float(row["metric_value"]) <= 1 for row in across)


def run(program: str, *flags: object) -> str:
    """A program of the repository, as it is."""
    arguments = [sys.executable, str(ROOT / "training" / program), *map(str, flags)]
    variables = {**environment(), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_rows(output: Path, gone: set[str]) -> None:
    """Nothing is twice or lost, and all pixels are where and what they should be."""
    rows = [row for path in (output / "dataset" / "data").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    photos = Counter(photo["id"] for row in rows for photo in row["photos"])
    selected = pq.read_table(output / "select" / "photos.parquet")["photo_id"].to_pylist()
    failures = [json.loads(line) for line in (output / "failures.jsonl").read_text().splitlines()]
    assert max(photos.values()) == 1
    failed = {failure["id"] for failure in failures if failure["stage"] == "photos"}
    assert failed and failed <= gone
    without_tile = {failure["id"] for failure in failures if failure["stage"] in ("choose", "tiles")}
    tiles = dict(
        pq.read_table(output / "select" / "photos.parquet", columns=["photo_id", "tile_id"]).to_pandas().values
    )
    assert set(photos) == {name for name in selected if name not in failed and tiles[name] not in without_tile}
    for row in rows:
        pixels = unpack_tile(row).astype(float)
        west, _, east, north = row["bounds"]
        side = pixels.shape[1]
        assert pixels.shape == (10, 80, 80) and east - west == 800
        steps = 10 * (np.arange(side) + 0.5)
        lon, lat = unproject(*np.meshgrid(west + steps, north - steps), row["crs"])
        # Half a pixel aside would be up to 126; clouds and their shadows hide some.
        assert np.median(np.abs(pixels[0] - truth(row["bands"][0], lon, lat))) < 3
