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
"""What a data set holds, in figures and places, from all columns of its files but the pixels."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from modeling_gair.crs_gair import unproject
from training.street_pairs.packing.shards import DATA

_COLUMNS = (
    "bounds",
    "crs",
    "tile_time",
    "split",
    "settlement",
    "baseline",
    "offset_evidence",
    "clear_fraction",
    "photo_creator",
)
_PHOTO_COLUMNS = ("lon", "lat", "source", "licence", "attribution")


@dataclass
class Contents:
    """
    What a data set holds.

    Attributes:
        tiles (`Counter`), photos (`Counter`): numbers by split.
        settlements (`Counter`), baselines (`Counter`), evidence (`Counter`): numbers of tiles by these labels.
        unchecked (`int`): number of tiles that were not checked for clouds.
        licences (`Counter`): numbers of photos by source and licence.
        credits (`Counter`): numbers of photos by source, licence, creator and attribution.
        years (`set[str]`): when the scenes were taken.
        places (`dict[str, np.ndarray]`): by split, lon, lat of the photos `(N, 2)`.
        corners (`dict[str, np.ndarray]`): by split, lon, lat of the tiles' corners `(T, 4, 2)`.
    """

    tiles: Counter = field(default_factory=Counter)
    photos: Counter = field(default_factory=Counter)
    settlements: Counter = field(default_factory=Counter)
    baselines: Counter = field(default_factory=Counter)
    evidence: Counter = field(default_factory=Counter)
    unchecked: int = 0
    licences: Counter = field(default_factory=Counter)
    credits: Counter = field(default_factory=Counter)
    years: set[str] = field(default_factory=set)
    places: dict[str, np.ndarray] = field(default_factory=dict)
    corners: dict[str, np.ndarray] = field(default_factory=dict)


def contents_of(dataset: Path) -> Contents:
    """Reads the files of a data set, one at a time."""
    contents = Contents()
    places: dict[str, list] = {}
    corners: dict[str, list] = {}
    for path in sorted((dataset / DATA).glob("*.parquet")):
        columns = [*_COLUMNS, *(f"photos.list.element.{name}" for name in _PHOTO_COLUMNS)]
        for row in pq.ParquetFile(path).read(columns=columns).to_pylist():
            _count(contents, row)
            places.setdefault(row["split"], []).extend((photo["lon"], photo["lat"]) for photo in row["photos"])
            corners.setdefault(row["split"], []).append(_corners(row["bounds"], row["crs"]))
    contents.places = {split: np.array(points) for split, points in places.items()}
    contents.corners = {split: np.array(points) for split, points in corners.items()}
    return contents


def _count(contents: Contents, row: dict) -> None:
    split = row["split"]
    contents.tiles[split] += 1
    contents.photos[split] += len(row["photos"])
    contents.settlements[row["settlement"]] += 1
    contents.baselines[row["baseline"]] += 1
    contents.evidence[row["offset_evidence"]] += 1
    contents.unchecked += row["clear_fraction"] is None
    contents.years.add(str(row["tile_time"])[:4])
    for photo, creator in zip(row["photos"], row["photo_creator"]):
        contents.licences[photo["source"], photo["licence"]] += 1
        contents.credits[photo["source"], photo["licence"], creator, photo["attribution"]] += 1


def _corners(bounds: list[float], crs: str) -> np.ndarray:
    west, south, east, north = bounds
    lon, lat = unproject(np.array([west, east, east, west]), np.array([south, south, north, north]), crs)
    return np.stack([lon, lat], axis=1)
