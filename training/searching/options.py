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
"""Options of `training/search.py`; imports neither PyTorch nor the model."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from training.common.boxes import parse_box
from training.common.checks import check_whole, is_number

_OUT_MISSING = (
    "No folder of embeddings is given; pass the folder that training/embed.py wrote, right after the command."
)
HITS_SUFFIXES = (".geojson", ".parquet", ".csv", ".png")


@dataclass(kw_only=True)
class IndexOptions:
    """
    Prepare embeddings for searching.

    Attributes:
        out: folder written by training/embed.py; may also stand right after the command
        memory_gb: memory that building may take in GB; more rows than fit into it get several indexes, which queries merge

    Raises:
        ValueError: no folder, several, or no memory.
    """

    out: list[str] = field(default_factory=list)
    memory_gb: float = 4.0

    def __post_init__(self) -> None:
        self.folder = _one_folder(self.out)
        if not is_number(self.memory_gb) or self.memory_gb <= 0:
            raise ValueError(f"memory_gb is {self.memory_gb!r}; expected a positive number of gigabytes.")


@dataclass(kw_only=True)
class QueryOptions:
    """
    Find the most similar rows. Give one of photo, tile, place and like; a tile and a place together ask for that point of the tile.

    Attributes:
        out: folders written by training/embed.py with the same model; may also stand right after the command
        photo: street view to search with
        tile: Sentinel-2 GeoTIFF to search with; the embedding of the whole tile, unless a place is given too
        place: place to search with, as lon,lat in degrees
        like: id of a row to search with
        bbox: only rows whose lon, lat lie in this box, as west,south,east,north in degrees; west > east across the antimeridian
        where: only rows for which this SQL condition on their columns holds, e.g. "modality = 'tile' AND valid_fraction > 0.9"
        top: how many rows to find
        output: files to write the rows to; their names end in .geojson, .parquet, .csv or .png (a map)
        model: directory or Hub repository of the model that embedded OUT, if it is elsewhere now

    Raises:
        ValueError: no query, several, or a value that cannot be used.
    """

    out: list[str] = field(default_factory=list)
    photo: str | None = None
    tile: str | None = None
    place: str | None = None
    like: str | None = None
    bbox: str | None = None
    where: str | None = None
    top: int = 10
    output: list[str] = field(default_factory=list)
    model: str | None = None

    def __post_init__(self) -> None:
        if not self.out:
            raise ValueError(_OUT_MISSING)
        given = [name for name in ("photo", "tile", "place", "like") if getattr(self, name) is not None]
        if len(given) != 1 and given != ["tile", "place"]:
            found = " and ".join(f"--{name}" for name in given) or "nothing"
            raise ValueError(
                f"{found} is given to search with; pass one of --photo, --tile, --place and --like, or --tile with --place."
            )
        check_whole("top", self.top, 1)
        self.lon_lat = None if self.place is None else _lon_lat(self.place)
        self.box = None if self.bbox is None else parse_box(self.bbox)
        for path in self.output:
            if Path(path).suffix.lower() not in HITS_SUFFIXES:
                raise ValueError(f"output is {path!r}; expected a name that ends in {', '.join(HITS_SUFFIXES)}.")


@dataclass(kw_only=True)
class ClassifyOptions:
    """
    Classify all rows or pixels from a few labelled places, by a logistic regression on their embeddings.

    Attributes:
        out: folder written by training/embed.py; may also stand right after the command
        labels: labelled places: GeoJSON, GeoPackage or another vector file, or a table (CSV, parquet) with lon and lat
        class_column: column of the labels that holds the class
        output: what to write: .parquet, the probabilities of every row; .tif, the class of every pixel of a dense map
        within_m: largest distance in metres from a label to the row that it labels, unless it lies in the row's footprint

    Raises:
        ValueError: something is missing, or cannot be used.
    """

    out: list[str] = field(default_factory=list)
    labels: str | None = None
    class_column: str | None = None
    output: str | None = None
    within_m: float = 1000.0

    def __post_init__(self) -> None:
        self.folder = _one_folder(self.out)
        if not self.labels:
            raise ValueError("--labels is missing; pass a GeoJSON file or a table of labelled places.")
        if not self.class_column:
            raise ValueError("--class_column is missing; pass the column of the labels that holds the class.")
        if not self.output or Path(self.output).suffix.lower() not in (".parquet", ".tif"):
            raise ValueError(
                f"output is {self.output!r}; expected a name that ends in .parquet (rows) or .tif (pixels of a dense map)."
            )
        if not is_number(self.within_m) or self.within_m < 0:
            raise ValueError(f"within_m is {self.within_m!r}; expected metres, 0 or more.")


def _lon_lat(text: str) -> tuple[float, float]:
    try:
        lon, lat = map(float, text.split(","))
    except ValueError:
        lon = lat = math.nan
    if not (is_number(lon) and is_number(lat)):
        raise ValueError(f"place is {text!r}; expected lon,lat in degrees, separated by a comma.")
    return lon, lat


def _one_folder(folders: list[str]) -> Path:
    if not folders:
        raise ValueError(_OUT_MISSING)
    if len(folders) > 1:
        raise ValueError(f"{len(folders)} folders of embeddings are given; expected one: run the command for each.")
    return Path(folders[0]).expanduser()
