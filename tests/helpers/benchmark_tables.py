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
"""Tables of locations for the tests of benchmarks: real air temperatures, and generated ones in the published schema."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.benchmarks.tasks.task import Task


def read_air_temp(data_dir: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """lon, lat and mean temperature of weather stations."""
    with (data_dir / "tables" / "air_temp.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lon, lat, temperature = (np.array([float(row[name]) for row in rows]) for name in ("lon", "lat", "meanT"))
    return lon, lat, temperature


def made_columns(count: int = 200, seed: int = 0) -> dict[str, Any]:
    """Columns of CoordBench (lon, lat, timestamps, split, id) with a smooth value and a class."""
    generator = np.random.default_rng(seed)
    lon, lat = generator.uniform(-170, 170, count), generator.uniform(-60, 60, count)
    return {
        "lon": lon,
        "lat": lat,
        "timestamp": [None] * count,
        "split": ["test" if index % 4 == 0 else "train" for index in range(count)],
        "id": [f"place-{index}" for index in range(count)],
        "value": np.sin(np.radians(lat)) * 20 + generator.standard_normal(count),
        "zone": np.where(lat > 20, "north", np.where(lat < -20, "south", "middle")),
    }


def write_table(path: Path, columns: dict[str, Any]) -> Path:
    """Write a CSV or parquet file, depending on the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), path)
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
    return path


def place_task(path: Path, target: str = "value", **settings: Any) -> Task:
    """A location task on a file."""
    defaults: dict[str, Any] = {
        "name": "made",
        "title": "made",
        "group": "location",
        "kind": "location",
        "needs": ("location",),
        "target_type": "regression",
        "source": str(path.parent),
        "data_files": path.name,
        "columns": {"target": target},
        "probes": ("ridge", "knn"),
        "licence": "none",
        "citation": "none",
    }
    return Task(**(defaults | settings))
