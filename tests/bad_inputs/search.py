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
"""`training/search.py`: folders, options, filters, queries and labels."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.bad_inputs.case import MODEL, Case, Program
from tests.helpers.embeddings import clustered, write_folder

_PLACES = np.array([[9.0, 47.0], [9.5, 47.5], [10.0, 48.0], [10.5, 48.5], [11.0, 49.0], [11.5, 49.5]])
_Arguments = Callable[[Path], Sequence[str | Path]]


def _given(*arguments: str) -> _Arguments:
    """Arguments with FOLDER in place of the folder of the test."""
    return lambda folder: [argument.replace("FOLDER", str(folder)) for argument in arguments]


def _rows(folder: Path, indexed: bool = True, **settings) -> str:
    from training.search import main

    out = write_folder(folder / "out", clustered(len(_PLACES), 96), _PLACES, model=str(MODEL), **settings)
    if indexed:
        main(["index", str(out)])
    return str(out)


def _query(*arguments: str, indexed: bool = True) -> _Arguments:
    return lambda folder: ["query", _rows(folder, indexed), *_given(*arguments)(folder)]


def _into_a_folder(folder: Path) -> Sequence[str]:
    (folder / "hits.csv").mkdir()
    return ["query", _rows(folder), *_given("--like", "row-1", "--output", "FOLDER/hits.csv")(folder)]


def _embedded(*arguments: str) -> _Arguments:
    """The command line of a query of rows that the bundled model embedded, by their job."""

    def write(folder: Path) -> Sequence[str]:
        from training.common.fingerprints import fingerprint_of
        from training.common.models import load_gair

        return ["query", _rows(folder, fingerprint=fingerprint_of(*load_gair(str(MODEL)))), *_given(*arguments)(folder)]

    return write


def _classify(labels: str, *more: str, name: str = "points.csv", column: str = "cover") -> _Arguments:
    """The command line of a classification with a file of labels."""

    def arguments(folder: Path) -> Sequence[str]:
        out = _rows(folder, indexed=False)
        (folder / name).write_text(labels, encoding="utf-8")
        return [
            "classify",
            out,
            "--labels",
            str(folder / name),
            "--class_column",
            column,
            "--output",
            str(folder / "map.parquet"),
            *more,
        ]

    return arguments


def _truncated(folder: Path) -> Sequence[str]:
    out = _rows(folder, indexed=False)
    file = Path(out) / "embeddings" / "00000.parquet"
    file.write_bytes(file.read_bytes()[:500])
    return ["index", out]


def _missing_file(folder: Path) -> Sequence[str]:
    out = _rows(folder, indexed=False)
    job = Path(out) / "job.json"
    job.write_text(json.dumps({**json.loads(job.read_text()), "tasks": 2}))
    return ["index", out]


def _damaged(folder: Path) -> Sequence[str]:
    """The footer is whole, and pages are not."""
    out = _rows(folder, indexed=False)
    file = Path(out) / "embeddings" / "00000.parquet"
    content = file.read_bytes()
    file.write_bytes(content[:40] + bytes(400) + content[440:])
    return ["index", out]


def _no_direction(folder: Path) -> Sequence[str]:
    return ["index", str(write_folder(folder / "out", np.zeros((3, 8), np.float32)))]


def _twice(folder: Path) -> Sequence[str]:
    out = _rows(folder, columns={"id": ["a", "a", "b", "c", "d", "e"]})
    return ["query", out, "--like", "a"]


def _vector_file(name: str, *more: str, **settings) -> _Arguments:
    """The command line of a classification with labels in a file that GDAL writes."""

    def arguments(folder: Path) -> Sequence[str]:
        import geopandas
        import shapely

        labels = geopandas.GeoDataFrame({"cover": list("abab")}, geometry=shapely.points(_PLACES[:4]), crs=4326)
        for layer in settings.get("layers", ("labels",)):
            # None says nothing of the CRS.
            labels.to_crs(32632).set_crs(settings.get("crs", 32632), allow_override=True).to_file(
                folder / name, layer=layer
            )
        return ["classify", _rows(folder, indexed=False), *_given("--labels", f"FOLDER/{name}", "--class_column", "cover",
                                                                  "--output", "FOLDER/map.parquet", *more)(folder)]  # fmt: skip

    return arguments


def _over_its_labels(folder: Path) -> Sequence[str]:
    import pandas as pd

    out = _rows(folder, indexed=False)
    pd.DataFrame({"lon": _PLACES[:4, 0], "lat": _PLACES[:4, 1], "cover": list("abab")}).to_parquet(folder / "p.parquet")
    return [
        "classify",
        out,
        *_given("--labels", "FOLDER/p.parquet", "--class_column", "cover", "--output", "FOLDER/p.parquet")(folder),
    ]


def _over_its_photo(folder: Path) -> Sequence[str]:
    from PIL import Image

    Image.new("RGB", (40, 30)).save(folder / "photo.png")
    return ["query", _rows(folder), *_given("--photo", "FOLDER/photo.png", "--output", "FOLDER/photo.png")(folder)]


def _no_map(folder: Path) -> Sequence[str]:
    return [*_classify(_POINTS)(folder)[:-1], str(folder / "classes.tif")]


def _case(name: str, arguments: _Arguments, says: str, launched: bool = False) -> Program:
    return Program(
        f"search: {name}",
        "training.search",
        arguments,
        says,
        check=lambda folder: not (folder / "map.parquet").exists(),
        launched=launched,
    )


_POINTS = "lon,lat,cover\n9,47,a\n9.5,47.5,b\n10,48,a\n10.5,48.5,b\n"
_POLYGON = {"type": "Polygon", "coordinates": [[[9, 47], [10, 47], [10, 48], [9, 47]]]}
_FEATURE = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "properties": {"cover": "a"}, "geometry": _POLYGON}],
}

CASES: list[Case] = [
    _case("an unknown command", _given("serach", "FOLDER"), "'serach' is not a command of training/search.py; expected index"),
    _case("no folder", _given("query", "--place", "1,2"), "No folder of embeddings is given", launched=True),
    _case("a folder without a job", _given("index", "FOLDER"), "holds no job.json", launched=True),
    _case("several folders to index", _given("index", "FOLDER", "FOLDER"), "2 folders of embeddings are given; expected one"),
    _case("no memory", _given("index", "FOLDER", "--memory_gb", "0"), "memory_gb is 0.0; expected a positive number"),
    _case("a truncated file of embeddings", _truncated, "00000.parquet' cannot be read .* run training/embed.py again"),
    _case("a file of embeddings is missing", _missing_file, "1 of the 2 files of embeddings .* are missing"),
    _case("a damaged file of embeddings", _damaged, "00000.parquet' is damaged .* run the same training/embed.py again"),
    _case("embeddings of zero", _no_direction, "row 'row-0' is zero or not finite"),
    _case("no index", _query("--place", "1,2", indexed=False), "has no index; run training/search.py index"),
    _case("no query", _query(), "nothing is given to search with; pass one of --photo"),
    _case("two queries", _query("--place", "1,2", "--like", "row-1"), "--place and --like is given to search with"),
    _case("a place of one number", _query("--place", "13.4"), "place is '13.4'; expected lon,lat in degrees"),
    _case("a latitude beyond the pole", _embedded("--place", "52,113"), "lat is 113"),
    _case("a box upside down", _query("--like", "row-1", "--bbox", "0,50,10,40"), "bbox is '0,50,10,40', expected west,south"),
    _case("a box of three numbers", _query("--like", "row-1", "--bbox", "0,50,10"), "bbox is '0,50,10', expected west,south"),
    _case("no rows wanted", _query("--like", "row-1", "--top", "0"), "top is 0; expected a whole number"),
    _case("a row that does not exist", _query("--like", "row-9"), "No row has the id 'row-9'"),
    _case("an id of two rows", _twice, "2 rows have the id 'a' .* expected one; search one folder at a time"),
    _case("a number of rows below zero", _query("--like", "row-1", "--top", "-3"), "top is -3; expected a whole number"),
    _case("half a row", _query("--like", "row-1", "--top", "2.5"), "top is '2.5'; expected a value of type int"),
    _case("a box without width", _query("--like", "row-1", "--bbox", "9,40,9,50"), "bbox is '9,40,9,50', expected west,south"),
    _case("longitudes beyond 180", _query("--like", "row-1", "--bbox", "170,40,190,50"), "box across the antimeridian has west > east"),
    _case("an output that is a folder", _into_a_folder, "hits.csv' is a folder, expected the name of a file"),
    _case("an output over the photo", _over_its_photo, "photo.png' is an input, which would be overwritten"),
    _case("several statements", _query("--like", "row-1", "--where", "true) ; DROP VIEW embeddings; SELECT (true"), "expected one condition"),
    _case("a condition that reads a file", _query("--like", "row-1", "--where", "id IN (SELECT id FROM read_csv('/etc/passwd'))"), "cannot be evaluated .*disabled"),
    _case("a condition that attaches a database", _query("--like", "row-1", "--where", "ATTACH 'FOLDER/other.db'"), "cannot be evaluated"),
    _case("a condition on no column", _query("--like", "row-1", "--where", "height > 3"), "cannot be evaluated .*height.* columns id"),
    _case("a condition that is no SQL", _query("--like", "row-1", "--where", "lat >"), "cannot be evaluated"),
    _case("an output of another kind", _query("--like", "row-1", "--output", "hits.shp"), "output is 'hits.shp'; expected a name"),
    _case("a photo that does not exist", _embedded("--photo", "FOLDER/none.jpg"), "none.jpg"),
    _case("a model that does not exist", _query("--place", "1,2", "--model", "FOLDER/none"), "not found"),
    _case("another model", _query("--place", "1,2"), "is not the one that embedded"),
    _case("no labels", _given("classify", "FOLDER", "--class_column", "c", "--output", "m.parquet"), "--labels is missing"),
    _case("labels that do not exist", _given("classify", "FOLDER", "--labels", "FOLDER/none.geojson", "--class_column", "c", "--output",
                                             "FOLDER/map.parquet"), "none.geojson', which does not exist"),
    _case("an output that is no map", _given("classify", "FOLDER", "--labels", "l", "--class_column", "c", "--output", "m.json"),
          "output is 'm.json'; expected a name that ends in .parquet"),
    _case("no such class column", _classify(_POINTS, column="covr"), "no column 'covr' .* did you mean 'cover'"),
    _case("labels of one class", _classify(_POINTS.replace("b", "a")), "All labels have the class 'a'"),
    _case("a class with one label", _classify(_POINTS + "11,49,c\n"), "Class 'c' of column 'cover' has 1 label"),
    _case("classes that differ in capitals", _classify(_POINTS.replace("10.5,48.5,b", "10.5,48.5,B") + "11,49,B\n11.5,49.5,b\n"), "The classes B, b .* differ in capitals alone"),
    _case("labels of one place", _classify("lon,lat,cover\n9,47,a\n9,47,b\n9,47.001,a\n9.001,47,b\n"), "All 4 labels have the same embedding"),
    _case("labels in metres", _classify(_POINTS.replace("9,47", "500000,5205000")), "which are not degrees"),
    _case("labels without a CRS", _vector_file("p.gpkg", crs=None), "p.gpkg' does not say in which CRS its points are"),
    _case("labels in two layers", _vector_file("p.gpkg", layers=("a", "b")), r"p.gpkg' has several layers \(a, b\)"),
    _case("no labels in the file", _classify('{"type": "FeatureCollection", "features": []}', name="p.geojson"), "p.geojson' holds no labels"),
    _case("an empty table of labels", _classify("lon,lat,cover\n"), "has no rows below its header"),
    Program("search: an output over the labels", "training.search", _over_its_labels, "p.parquet' is an input, which would be overwritten"),
    Program("search: labels in metres of their CRS", "training.search", _vector_file("p.gpkg"), "4 labels of 2 classes", status=0,
            check=lambda folder: (folder / "map.parquet").exists()),
    _case("labels without a class", _classify(_POINTS + "11,49,\n"), "1 of 5 labels .* have no class .* first is row 5"),
    _case("labels without a place", _classify(_POINTS + ",49,a\n"), "1 of 5 labels .* have no place"),
    _case("labels that lie nowhere near", _classify(_POINTS.replace("9,47,a", "9,-47,a")), "1 of 4 labels lie farther than 1,000 m"),
    _case("a negative distance", _classify(_POINTS, "--within_m", "-1"), "within_m is -1.0; expected metres"),
    _case("labels that are polygons", _classify(json.dumps(_FEATURE), name="p.geojson"), "holds geometries such as a Polygon, expected points"),
    _case("labels that are no GeoJSON", _classify("{", name="p.geojson"), "p.geojson' cannot be read as labels"),
    _case("a dense map that does not exist", _no_map, "map.zarr' is not a dense map of embeddings"),
]  # fmt: skip
