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
"""`python -m training.evidence` as a user runs it: arms are trained, measured and compared; interrupted runs resume."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

pytest.importorskip("accelerate", reason="the extra eval is not installed")
from training.evidence.__main__ import main

pd = pytest.importorskip("pandas", reason="the extra eval is not installed")

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.ci
# fmt: off
TRIAL = ["--set", "max_steps=3", "batch_size=4", "warmup_steps=1", "num_workers=0", "sample_world.tiles=24",
         "sample_world.held_out_tiles=8", "sample_world.held_out_photos=4", "evaluation_tiles=4"]
# fmt: on


def command(folder: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "training.evidence", "--output_dir", str(folder / "out"), *flags]


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys) -> Callable[..., str]:
    """
    Does the work of the command in this process, which has imported what it needs; what it starts are processes of their own.
    Returns what it printed.
    """
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))

    def run(*flags: str) -> str:
        main(["--output_dir", str(tmp_path / "out"), *flags])
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """Made values in files with the names and columns of the real ones, which are large and licensed."""
    folder = tmp_path_factory.mktemp("tables")
    places = [(lon, lat) for lon in range(-170, 180, 20) for lat in range(-60, 70, 15)]
    rows = pd.DataFrame([(lon, lat, lon + lat, lon - lat, lat // 40) for lon, lat in places])
    rows.columns = ["lon", "lat", "meanT", "meanP", "state_code"]
    rows["label"] = np.where(rows["lat"] > 0, "north", "south")
    rows.to_csv(folder / "air_temp.csv")
    rows.to_csv(folder / "brazil_municipalities.csv")
    rows.to_parquet(folder / "eurosat_locations.parquet")
    return folder


def test_a_short_comparison(tmp_path, tables, compare):
    flags = ["--compare", "location", "--seeds", "0", "--tables", str(tables), *TRIAL]
    done = subprocess.run(
        command(tmp_path, *flags), cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert "| GAIR without locations |" in done.stdout and re.search(r"\d ± ", done.stdout) is None
    out = tmp_path / "out"
    with (out / "runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = {(row["arm"], row["weights"], row["measure"]): float(row["value"]) for row in rows}
    assert {arm for arm, _, _ in values} == {"nili", "no_location"}
    # An arm is measured at once for all comparisons that it takes part in.
    for measure in (
        "place/air_temp, meanT/spatial10",
        "place/eurosat_locations, label/random",
        "place/sample world, moisture/unseen",
    ):
        assert ("nili", "trained", measure) in values and ("no_location", "trained", measure) not in values
    assert values["nili", "trained", "own world/across/median_rank"] <= 8
    assert values["nili", "trained", "ms a map"] > 0
    weights = [out / arm / "seed0" / "model.safetensors" for arm in ("nili", "no_location")]
    before = [path.stat().st_mtime_ns for path in weights]
    # The same command skips finished runs.
    (out / "no_location" / "seed0" / "evidence.json").unlink()
    again = compare(*flags)
    assert (out / "report.md").read_text(encoding="utf-8") in again
    assert [path.stat().st_mtime_ns for path in weights] == before
    with pytest.raises(ValueError, match=r"was trained with learning_rate 0\.002, but 0\.001 is requested"):
        compare(*flags, "learning_rate=1e-3")
    # If the tables change, the trained runs are measured again.
    rows = pd.read_csv(tables / "air_temp.csv").assign(meanT=1.0 * np.arange(162))
    for table in tables.iterdir():
        shutil.copy(table, tmp_path)
    rows.to_csv(tmp_path / "air_temp.csv")
    kept = (out / "nili" / "seed0" / "evidence.json").read_text(encoding="utf-8")
    compare("--tables", str(tmp_path), *flags[:4], *flags[6:])
    assert (out / "nili" / "seed0" / "evidence.json").read_text(encoding="utf-8") != kept
    assert [path.stat().st_mtime_ns for path in weights] == before


def test_an_interrupted_comparison_saves_and_resumes(tmp_path, compare):
    """The signals in all combinations of sending and starting are tested without training in test_processes.py."""
    long = ["max_steps=2000" if flag.startswith("max_steps") else flag for flag in TRIAL]
    flags = ["--compare", "location", "--seeds", "0", *long, "checkpoint_every=1000"]
    logs = [tmp_path / "out" / arm / "seed0.log" for arm in ("nili", "no_location")]
    steps = [tmp_path / "out" / arm / "seed0" / "log.jsonl" for arm in ("nili", "no_location")]

    def start(disposition) -> subprocess.Popen:
        return subprocess.Popen(
            command(tmp_path, *flags),
            cwd=ROOT,
            env=environment(tmp_path),
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, disposition),
        )

    # As a shell starts background jobs.
    run = start(signal.SIG_IGN)
    while not all(log.is_file() for log in steps):
        assert run.poll() is None
        time.sleep(0.2)
    with pytest.raises(ValueError, match="Another comparison is writing to"):
        compare(*flags)
    run.send_signal(signal.SIGINT)
    _, printed = run.communicate(timeout=600)
    assert printed.decode().strip().endswith("Interrupted; the same command resumes.")
    for log in steps:
        assert list((log.parent / "checkpoints").glob("step_*/COMPLETE.json"))
    again = start(signal.SIG_DFL)
    while not all("resuming from step" in log.read_text(encoding="utf-8") for log in logs):
        assert again.poll() is None
        time.sleep(0.2)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=600)
    assert again.returncode == 1


def test_a_failed_run_is_reported_in_one_sentence(tmp_path, compare):
    with pytest.raises(ValueError, match=r"^max_grad_norm is 0\.0; expected") as refused:
        compare("--compare", "location", "--seeds", "0", *TRIAL, "max_grad_norm=0")
    assert "\n" not in str(refused.value)
