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
"""The evidence program as a user runs it: arms trained and measured, tables and plots, nothing done twice."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
# fmt: off
TRIAL = ["--set", "max_steps=3", "batch_size=4", "warmup_steps=1", "num_workers=0", "sample_world.tiles=24",
         "sample_world.held_out_tiles=8", "sample_world.held_out_photos=4", "evaluation_tiles=4"]
# fmt: on


def compare(folder: Path, *flags: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "training.evidence", "--output_dir", str(folder / "out"), *flags]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)


def test_a_short_comparison(tmp_path):
    values = "\n".join(
        f"{lon},{lat},{lon + lat},{lon - lat}" for lon in range(-170, 180, 20) for lat in range(-60, 70, 15)
    )
    (tmp_path / "air_temp.csv").write_text(f"lon,lat,meanT,meanP\n{values}\n", encoding="utf-8")
    flags = ["--compare", "location", "--seeds", "0", "--tables", str(tmp_path), *TRIAL]
    done = compare(tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    assert "| GAIR without places |" in done.stdout and "± " not in done.stdout
    out = tmp_path / "out"
    with (out / "runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = {(row["arm"], row["weights"], row["measure"]): float(row["value"]) for row in rows}
    assert {arm for arm, _, _ in values} == {"nili", "no_location"}
    # Arms that other comparisons ask more of are measured for those at once.
    for measure in (
        "offset/0 m",
        "noise/300 m",
        "noise location/1000000 m",
        "scale mean/0.5",
        "place/air_temp, meanT/spatial10",
    ):
        assert ("nili", "trained", measure) in values and ("no_location", "trained", measure) not in values
    assert values["nili", "trained", "offset/0 m"] == values["nili", "trained", "noise/0 m"]
    assert values["nili", "trained", "own world/across/median_rank"] <= 8
    weights = [out / arm / "seed0" / "model.safetensors" for arm in ("nili", "no_location")]
    before = [path.stat().st_mtime_ns for path in weights]
    # The same command does nothing again, and another question takes what is there.
    (out / "no_location" / "seed0" / "evidence.json").unlink()
    again = compare(tmp_path, *flags)
    assert again.returncode == 0, again.stderr
    assert (out / "report.md").read_text(encoding="utf-8") in again.stdout
    assert [path.stat().st_mtime_ns for path in weights] == before


def test_a_run_that_fails_is_one_sentence(tmp_path):
    done = compare(tmp_path, "--compare", "location", "--seeds", "0", *TRIAL, "max_grad_norm=0")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("max_grad_norm is 0; expected")
    assert "Traceback" not in done.stderr
