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
"""Users' tables of places: files, columns of coordinates, and targets, for `training/evaluate.py`."""

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from tests.bad_inputs.case import MODEL, Case, Program, Refused, Right
from training.benchmarks.kinds.places import read_places
from training.benchmarks.selection import table_task

ROWS = 60
_GENERATOR = np.random.default_rng(0)
LON, LAT = _GENERATOR.uniform(-170, 170, ROWS).round(4), _GENERATOR.uniform(-60, 60, ROWS).round(4)
WARM = (30 * np.cos(np.radians(LAT)) + _GENERATOR.normal(0, 1, ROWS)).round(2)
ZONES = np.where(LAT > 20, "north", np.where(LAT < -20, "south", "middle")).tolist()
CODES = [f"{row % 5:02d}" for row in range(ROWS)]
PLACES = {"lon": LON, "lat": LAT}
_POINTS = [f"POINT ({lon} {lat})" for lon, lat in zip(LON, LAT)]

Write = Callable[[Path], Path]


def encode(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """A location encoder to measure, in place of a model."""
    return np.stack([np.sin(np.radians(lat)), np.cos(np.radians(lon)), lon], axis=1)


# Files ---------------------------------------------------------------------------------------------------------------


def _csv(columns: Mapping[str, Any], name: str = "p.csv", sep: str = ",", encoding: str = "utf-8") -> Write:
    def write(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=sep)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values()))
        return path

    return write


def _parquet(columns: Mapping[str, Any]) -> Write:
    def write(folder: Path) -> Path:
        pq.write_table(pa.table(dict(columns)), folder / "p.parquet")
        return folder / "p.parquet"

    return write


def _file(name: str, content: bytes) -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def _points(crs: Any = 4326, shapes: Sequence[Any] | None = None, **settings: Any) -> Write:
    def write(folder: Path) -> Path:
        frame = geopandas.GeoDataFrame({"y": WARM}, geometry=shapes or geopandas.points_from_xy(LON, LAT), crs=4326)
        frame = frame.set_crs(None, allow_override=True) if crs is None else frame.to_crs(crs)
        frame.to_parquet(folder / "p.parquet", **settings)
        return folder / "p.parquet"

    return write


def _labels(folder: Path) -> Path:
    names = datasets.ClassLabel(names=["cold", "warm"])
    features = datasets.Features({"lon": datasets.Value("float64"), "lat": datasets.Value("float64"), "y": names})
    path = folder / "p.parquet"
    datasets.Dataset.from_dict({**PLACES, "y": [0, 1] * (ROWS // 2)}, features).to_parquet(path)
    return path


def _renamed(lon: str, lat: str) -> Write:
    return _csv({lon: LON, lat: LAT, "y": WARM})


def _comma(values: Sequence[float]) -> list[str]:
    return [str(value).replace(".", ",") for value in values]


# What must happen ----------------------------------------------------------------------------------------------------


def _read(write: Write, target: str, target_type: str | None, missing: Sequence[str]) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        task = table_task(write(folder), target, target_type, missing)
        return task, read_places(task)

    return run


def _same_places(found: Any) -> bool:
    return np.allclose(found[1].lon_lat, np.stack([LON, LAT], axis=1), atol=1e-6)


def _regressed(
    name: str, write: Write, target: str = "y", says: str = "", values: Any = WARM, missing: Sequence[str] = ()
) -> Right:
    """Places and numbers are read as they are meant, and a remark says what was found."""

    def check(found: Any) -> bool:
        task, table = found
        same = np.allclose(table.targets[target], np.asarray(values, np.float64), equal_nan=True)
        heard = not says or any(says in remark for remark in table.remarks)
        return task.target_type == "regression" and same and _same_places(found) and heard

    return Right(name, _read(write, target, None, missing), check)


def _classified(name: str, write: Write, classes: int, target_type: str | None = None) -> Right:
    def check(found: Any) -> bool:
        values = pd.Series(found[1].targets["y"])
        return found[0].target_type == "classification" and values.nunique() == classes and _same_places(found)

    return Right(name, _read(write, "y", target_type, ()), check)


def _refused(
    name: str, write: Write, says: str, target_type: str | None = None, missing: Sequence[str] = ()
) -> Refused:
    return Refused(name, _read(write, "y", target_type, missing), says)


def _target(values: Sequence[Any]) -> Write:
    return _csv({**PLACES, "y": values})


def _evaluated(name: str, write: Write, *more: str, says: str = "1 of 1 tasks measured", **settings: Any) -> Program:
    def arguments(folder: Path) -> list[str | Path]:
        path = write(folder)
        flags = ["--model", "tests.bad_inputs.tables:encode", "--table", path, "--output_dir", folder / "out"]
        return [*flags, "--holdouts", "random", *(more or ("--target", "y"))]

    return Program(name, "training.evaluate", arguments, says, **settings)


def _figures(folder: Path) -> bool:
    written = {path.name for path in (folder / "out").iterdir()}
    return {"results.csv", "report.md", "scores.png"} <= written


def _one(value: str) -> list[str]:
    """Numbers as text, one of which is something else."""
    return [*map(str, WARM[:-1]), value]


_MIXED = "holds 59 numbers and 1 other cell .such as {}.; .* --missing_values .* --target_type classification"
_LOOKS = "which look like numbers with units or separators, or like dates"

TYPES: list[Case] = [
    _regressed("numbers", _target(WARM)),
    *(
        _refused(f"one cell {value!r} among numbers", _target(_one(value)), _MIXED.format(shown))
        for value, shown in (
            ("-", "'-'"),
            ("#DIV/0!", "'#DIV/0!'"),
            ("<0.5", "'<0.5'"),
            ("1,234.5", "'1,234.5'"),
            ("12.3 C", "'12.3 C'"),
            ("inf", "'inf'"),
            ("1_000", "'1_000'"),
            ("true", "'true'"),
        )
    ),
    _refused("codes with leading zeros", _target(CODES), "cells such as '00', whose leading zeros"),
    _classified("codes with leading zeros, told", _target(CODES), 5, "classification"),
    _regressed("a dash that is told", _target(_one("-")), says="1 × '-'", values=[*WARM[:-1], np.nan], missing=["-"]),
    _regressed("a number for no value", _target(_one("-999")), values=[*WARM[:-1], np.nan], missing=["-999"]),
    _regressed("NA among numbers", _target(_one("NA")), says="1 × 'NA'", values=[*WARM[:-1], np.nan]),
    _regressed("an empty cell", _target(_one("")), values=[*WARM[:-1], np.nan]),
    _regressed("exponents", _target([f"{value:.6e}" for value in WARM])),
    _regressed("a typographic minus", _target([str(value).replace("-", "−") for value in -WARM]), values=-WARM),
    _regressed("decimal commas", _target(_comma(WARM)), says="is written with decimal commas"),
    _refused("decimals or thousands", _target([f"{row + 1},234" for row in range(ROWS)]), _LOOKS),
    _refused("both commas and points", _target(_comma(WARM[:30]) + [f"{value:.2f}" for value in WARM[30:]]), "30 numbers and 30 other"),
    _refused("units throughout", _target([f"{value} C" for value in WARM]), _LOOKS),
    _refused("few values with units", _target(["12 C", "15 C"] * 30), _LOOKS),
    _classified("values with units as classes", _target(["12 C", "15 C"] * 30), 2, "classification"),
    _refused("percentages", _target([f"{value}%" for value in WARM]), _LOOKS),
    _refused("dates as text", _target(["2020-01-01", "2020-02-01"] * 30), _LOOKS),
    _refused("text for a regression", _target(ZONES), "holds 0 numbers and 60 other cells", "regression"),
    _refused("numbers as classes", _target(WARM), "too many for classes", "classification"),
    _refused("names", _target([f"place {row}" for row in range(ROWS)]), "60 different values in 60 rows"),
    _refused("nothing", _target([""] * ROWS), "has no values, all 60 cells are missing"),
    _classified("text", _target(ZONES), 3),
    _classified("truth values", _target(["True", "False"] * 30), 2),
    _refused("one number among classes", _target([*ZONES[:-1], "7"]), "holds 1 number and 59 other cells"),
    _classified("one number among classes, told", _target([*ZONES[:-1], "7"]), 4, "classification"),
    _classified("a missing class", _target([*ZONES[:-1], "NA"]), 3),
    _regressed("decimals of a database", _parquet({**PLACES, "y": [Decimal(str(value)) for value in WARM]})),
    _regressed("half precision", _parquet({**PLACES, "y": WARM.astype(np.float16)}), values=WARM.astype(np.float16)),
    _regressed("text views", _parquet({**PLACES, "y": pa.array(map(str, WARM), pa.string_view())})),
    _regressed("integers and null", _parquet({**PLACES, "y": [1, None] * 30}), values=[1, np.nan] * 30),
    _classified("booleans", _parquet({**PLACES, "y": [True, False] * 30}), 2),
    _classified("categories", _parquet({**PLACES, "y": pd.Categorical(["1", "2"] * 30)}), 2),
    _classified("labels of datasets", _labels, 2),
    _classified("large codes", _parquet({**PLACES, "y": [2**60, 2**60 + 1] * 30}), 2, "classification"),
    _refused("timestamps", _parquet({**PLACES, "y": [datetime(2020, 1, 1)] * ROWS}), "of the type timestamp.*years or days"),
    _refused("durations", _parquet({**PLACES, "y": [timedelta(days=2)] * ROWS}), "of the type duration"),
    _refused("dates", _parquet({**PLACES, "y": [date(2020, 1, 1)] * ROWS}), "of the type date32", "classification"),
    _refused("lists", _parquet({**PLACES, "y": [[1.0]] * ROWS}), "of the type list.*name another column"),
    _refused("bytes", _parquet({**PLACES, "y": [b"1"] * ROWS}), "of the type binary"),
    _refused("a column of nulls", _parquet({**PLACES, "y": pa.nulls(ROWS)}), "all 60 cells are missing"),
    _refused("another column", _csv({**PLACES, "yy": WARM}), "has no column 'y' .*did you mean 'yy'"),
    _refused("a column twice", _file("p.csv", b"lon,lat,y,y\n1,2,3,4\n2,3,4,5\n"), "several columns 'y'"),
]  # fmt: skip

COORDINATES: list[Case] = [
    *(
        _regressed(f"places in {lon!r} and {lat!r}", _renamed(lon, lat), says=f"its columns {lon!r} (longitude)")
        for lon, lat in (
            ("longitude", "latitude"),
            ("Longitude", "LATITUDE"),
            ("lng", "lat"),
            ("long", "lat"),
            ("decimalLongitude", "decimalLatitude"),
            ("Lon (deg)", "Lat (deg)"),
            ("x", "Y"),
        )
    ),
    _regressed("lon, lat beside others", _csv({**PLACES, "x": LAT, "longitude": LAT, "y": WARM})),
    _regressed("names with blanks", _csv({" lon ": LON, "lat ": LAT, "y": WARM})),
    _regressed("a column of WKT", _csv({"place": _POINTS, "y": WARM}), says="the points of its column 'place'"),
    _regressed("WKT with an SRID", _csv({"geom": [f"SRID=4326;{point}" for point in _POINTS], "y": WARM})),
    _regressed("GeoParquet", _points(), says="the points of its column 'geometry'"),
    _regressed("GeoParquet in metres", _points(3857)),
    _regressed("GeoParquet with native points", _points(geometry_encoding="geoarrow")),
    _regressed("decimal commas in coordinates", _csv({"lon": _comma(LON), "lat": _comma(LAT), "y": WARM}, sep=";")),
    _refused("GeoParquet without a CRS", _points(None), "have no CRS"),
    _refused("polygons", _points(shapes=[shapely.box(0, 0, 1, 1)] * ROWS), "60 geometries that are no points, such as a Polygon"),
    _refused("broken WKT", _csv({"geom": [*_POINTS[:-1], "POINT (1"], "y": WARM}), "1 cells that are no geometries"),
    _refused("no coordinates", _csv({"a": LON, "b": LAT, "y": WARM}), "has no columns lon and lat .it has a, b, y."),
    _refused("metres in x and y", _csv({"x": LON * 1e5, "y": LAT * 1e5}), "which are not degrees; convert them"),
    _refused("a dash for a coordinate", _csv({"lon": ["-", *LON[1:]], "lat": LAT, "y": WARM}), "'lon' of 'p.csv' holds 59 numbers and 1"),
    _refused("degrees and minutes", _csv({"lon": ["13°24'E"] * ROWS, "lat": LAT, "y": WARM}), "holds 0 numbers and 60 other cells"),
    _refused("swapped", _csv({"lon": LAT, "lat": LON, "y": WARM}), "expected -90 to 90"),
    _refused("no places at all", _csv({"lon": [""] * ROWS, "lat": LAT, "y": WARM}), "None of the 60 rows of p has a location"),
]  # fmt: skip

FILES: list[Case] = [
    _regressed("semicolons", _csv({"lon": _comma(LON), "lat": _comma(LAT), "y": _comma(WARM)}, sep=";"), says="separated by semicolons"),
    _regressed("tabs", _csv({**PLACES, "y": WARM}, sep="\t"), says="separated by tabs"),
    _regressed("a TSV", _csv({**PLACES, "y": WARM}, "p.tsv", sep="\t")),
    _regressed("an upper-case suffix", _csv({**PLACES, "y": WARM}, "P.CSV")),
    _regressed("brackets", _csv({**PLACES, "y": WARM}, "run [2]/p[1].csv")),
    _regressed("a wildcard", _csv({**PLACES, "y": WARM}, "*.csv")),
    _regressed("two colons", _csv({**PLACES, "y": WARM}, "a::b/zip::p.csv")),
    _regressed("a tilde", _csv({**PLACES, "y": WARM}, "~p.csv")),
    _regressed("a folder like a partition", _csv({**PLACES, "y": WARM}, "lon=3/p.csv")),
    _regressed("a byte order mark", _csv({**PLACES, "y": WARM}, encoding="utf-8-sig")),
    _regressed("UTF-16", _csv({**PLACES, "y": WARM}, encoding="utf-16")),
    _regressed("Latin-1", _csv({**PLACES, "y": WARM, "name": ["é"] * ROWS}, encoding="latin-1"), says="is not UTF-8"),
    _regressed("a huge cell", _csv({**PLACES, "y": WARM, "outline": ["x" * 10, "y" * 300_000] * 30})),
    _refused("an empty file", _file("p.csv", b""), "'p.csv' is empty"),
    _refused("a header alone", _file("p.csv", b"lon,lat,y\n"), "has no rows below its header"),
    _refused("a line too long", _file("p.csv", b"lon,lat,y\n1,2,3\n1,2,3,4\n"), "saw 4.*as many fields as the header"),
    _refused("an open quote", _file("p.csv", b'lon,lat,y\n1,2,"3\n'), "cannot be read as a CSV .EOF inside string"),
    _refused("a workbook called CSV", _file("p.csv", b"PK\x03\x04" + bytes(99)), "is a workbook or an archive"),
    _refused("parquet called CSV", _file("p.csv", b"PAR1" + bytes(99)), "is a parquet file"),
    _refused("zeros", _file("p.csv", bytes(99)), "is not text"),
    _refused("a damaged parquet file", _file("p.parquet", b"PAR1" + bytes(99) + b"PAR1"), "cannot be read as a parquet file"),
    _refused("another suffix", _file("p.xlsx", b""), "expected an existing file whose name ends in .csv"),
    _refused("a missing file", lambda folder: folder / "nowhere.csv", "nowhere.csv' is not a table"),
    _refused("a folder", lambda folder: folder, "is not a table"),
]  # fmt: skip


def _no_photos(folder: Path) -> list[str | Path]:
    model = ["--model", "tests.bad_inputs.tables:encode", "--output_dir", folder / "out"]
    return [*model, "--tasks", "streetscapes-weather", "--data", f"streetscapes-weather={folder}"]


def _beside_front_matter(folder: Path) -> Path:
    (folder / "README.md").write_text("---\nconfigs: [{data_files: 3\n---\n", encoding="utf-8")
    return _target(WARM)(folder)


PROGRAMS: list[Case] = [
    _evaluated("target settlement", _csv({**PLACES, "settlement": WARM}), "--target", "settlement", check=_figures, status=0),
    _evaluated("target split", _csv({**PLACES, "split": WARM}), "--target", "split", check=_figures, status=0),
    _evaluated("dollars in a name", _csv({**PLACES, "GDP_$_per_$": WARM}), "--target", "GDP_$_per_$", check=_figures, status=0),
    _evaluated("brackets in a name", _csv({**PLACES, "y": WARM}, "places[1].csv"), status=0, check=_figures),
    _evaluated("broken front matter beside it", _beside_front_matter, status=0),
    _evaluated("a dash among numbers", _target(_one("-")), says="59 numbers and 1 other cell"),
    _evaluated("a dash, told", _target(_one("-")), "--target", "y", "--missing_values", "-", status=0, says="1 × '-'"),
    Program("no model for the task", "training.evaluate", _no_photos, "needs embeddings of photo(.|\n)*0 of 1 tasks measured"),
    _evaluated("an unknown task", _target(WARM), "--target", "y", "--tasks", "nothing-*", says="--tasks is 'nothing-.'; expected one of location, rs,"),
    _evaluated("one value", _target([1.0] * ROWS), says="0 of 1 tasks measured"),
    _evaluated("targets too large for R²", _target(WARM * 1e300), says="r2 by ridge on random is nan"),
    _evaluated("half of the options", _target(WARM), "--missing_values", "-", "--target_type", "regression", says="belong together", launched=True),
    Program(
        "missing values without a table", "training.evaluate", lambda folder: ["--missing_values", "-"], "is for a --table"
    ),
    Program(
        "decimal commas, launched",
        "training.evaluate",
        lambda folder: [
            *("--model", MODEL, "--target", "y", "--holdouts", "random", "--output_dir", folder / "out"),
            *("--table", _csv({"lng": _comma(LON), "lat": _comma(LAT), "y": _comma(WARM)}, "p [1].csv", sep=";")(folder)),
        ],
        "separated by semicolons",
        status=0,
        check=_figures,
        launched=True,
    ),
]  # fmt: skip

CASES = [*TYPES, *COORDINATES, *FILES, *PROGRAMS]
