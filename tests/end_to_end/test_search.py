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
"""From a table of places to what is found and classified, by the programs as users run them, with a build that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest

from tests.bad_inputs.case import MODEL
from tests.helpers.shared import ROOT


def program(name: str, *arguments: str | Path) -> str:
    command = [sys.executable, f"training/{name}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Path:
    """20,000 places embedded by the bundled model."""
    folder = tmp_path_factory.mktemp("places")
    lon, lat = np.random.default_rng(0).uniform((-20, 30), (40, 65), (20_000, 2)).round(5).T
    table = pd.DataFrame({"id": [f"place {number}" for number in range(len(lon))], "lon": lon, "lat": lat})
    table["north"] = table.lat > 50
    table.to_csv(folder / "places.csv", index=False)
    program(
        "embed",
        "--model",
        MODEL,
        "--input",
        folder / "places.csv",
        "--output",
        folder / "out",
        "--items_per_task",
        "5000",
    )
    return folder


def killed(out: Path) -> None:
    """Starts a build and kills it once it has begun."""
    command = [sys.executable, "training/search.py", "index", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob("index/.unfinished-*/*")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.ci
def test_places_are_embedded_indexed_searched_and_classified(places):
    out = places / "out"
    for _ in range(2):
        killed(out)
    assert "20,000 rows of 4 files, compared exactly" in program("search", "index", out)
    assert sorted(path.name for path in (out / "index").iterdir()) == ["index.json", "part-00000"]
    table = pd.read_csv(places / "places.csv")
    one = table.iloc[1234]
    text = program(
        "search", "query", out, "--place", f"{one.lon},{one.lat}", "--top", "3", "--output", places / "hits.geojson"
    )
    assert "place 1234" in text.splitlines()[2]
    hits = geopandas.read_file(places / "hits.geojson")
    assert hits.id[0] == "place 1234" and hits.similarity[0] > 0.9999 and len(hits) == 3
    labels = pd.concat([table[table.north].head(10), table[~table.north].head(10)])
    labels.to_csv(places / "labels.csv", index=False)
    text = program(
        "search",
        "classify",
        out,
        "--labels",
        places / "labels.csv",
        "--class_column",
        "north",
        "--output",
        places / "map.parquet",
    )
    assert "20 labels of 2 classes" in text and "in other blocks" in text
    found = geopandas.read_parquet(places / "map.parquet").merge(table, on="id")
    assert len(found) == 20_000 and (found.predicted_class == found.north.astype(str)).mean() > 0.7
