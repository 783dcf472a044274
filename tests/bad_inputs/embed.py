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
"""`training/embed.py`: inputs, options and folders."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bad_inputs.case import MODEL, Case, Program
from tests.helpers.embedding import jpeg, write_tiles

Arguments = Callable[[Path], Sequence[str]]


def _input(write: Callable[[Path], Path | str], *flags: str) -> Arguments:
    return lambda folder: [
        "--model",
        str(MODEL),
        "--input",
        str(write(folder)),
        "--output",
        str(folder / "out"),
        *flags,
    ]


def _csv(rows: Sequence[Sequence[object]], name: str = "p.csv") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        return folder / name

    return write


def _file(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return folder / name

    return write


def _folder(**files: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "in").mkdir()
        for name, content in files.items():
            (folder / "in" / name.replace("_", ".")).write_bytes(content)
        return folder / "in"

    return write


def _parquet(**columns: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pq.write_table(pa.table(columns), folder / "p.parquet")
        return folder / "p.parquet"

    return write


def _refused(name: str, arguments: Arguments, says: str, launched: bool = False) -> Program:
    """Nothing but, at most, an empty folder is left."""

    def clean(folder: Path) -> bool:
        return not any((folder / "out" / "embeddings").glob("*"))

    return Program(f"embed: {name}", "training.embed", arguments, says, check=clean, launched=launched)


def _some_bad(name: str, write: Callable[[Path], Path], says: str, *flags: str, rows: int = 1) -> Program:
    """The bad are listed, the rest is embedded."""

    def check(folder: Path) -> bool:
        listed = (folder / "out" / "errors.jsonl").read_text(encoding="utf-8").splitlines()
        return pq.read_table(folder / "out" / "embeddings").num_rows == rows and len(listed) >= 1

    return Program(f"embed: {name}", "training.embed", _input(write, *flags), says, status=2, check=check)


def _link_to_nothing(folder: Path) -> Path:
    photos = _folder(a_jpg=jpeg(1, 2))(folder)
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    return photos


def _pairs(photo: bytes | None, tile: bytes | None = None) -> Callable[[Path], Path]:
    """A pairs CSV of two tiles and three photos; the last photo, and the second tile if it is given, are replaced or missing."""

    def write(folder: Path) -> Path:
        tiles = write_tiles(folder / "tiles", 2)
        for name, content in (("a", jpeg()), ("b", jpeg(seed=1)), ("c", photo)):
            if content is not None:
                (folder / f"{name}.jpg").write_bytes(content)
        if tile is not None:
            (tiles / "tile 1.tif").unlink()
        # Of the places, all lie in the first tile.
        rows = [
            (name, f"tiles/tile {number}.tif", f"{name}.jpg", 13.535, 52.335)
            for name, number in (("a", 0), ("b", 1), ("c", 0))
        ]
        return _csv([("id", "rs", "sv", "lon", "lat"), *rows])(folder)

    return write


_PLACE = [("lon", "lat"), (1, 2)]

CASES: list[Case] = [
    _refused("no model", lambda folder: ["--input", "p.csv", "--output", "o"], "--model is missing"),
    _refused("no input", lambda folder: ["--model", "m", "--output", "o"], "--input is missing", launched=True),
    _refused("no output", lambda folder: ["--model", "m", "--input", "p.csv"], "--output is missing"),
    _refused("no such model", lambda folder: ["--model", str(folder / "m"), "--input", str(_csv(_PLACE)(folder)), "--output", str(folder / "out")], "not found"),
    _refused("an unknown dtype", _input(_csv(_PLACE), "--dtype", "float64"), "dtype is 'float64'; expected 'float32' or"),
    _refused("no workers", _input(_csv(_PLACE), "--workers", "0"), "workers is 0; expected a whole number of at least 1"),
    _refused("a box without a grid", _input(_csv(_PLACE), "--bbox", "1,2,3,4"), "--bbox is for grids"),
    _refused("an option for rasters", _input(_csv(_PLACE), "--window_m", "1000"), "--window_m is for rasters"),
    _refused("a repository without owner", _input(_csv(_PLACE), "--push", "places"), "expected ORG/NAME"),
    _refused("private without push", _input(_csv(_PLACE), "--private"), "--private and --license are for --push"),
    _refused("a grid without unit", _input(lambda folder: "grid:10"), "expected a grid such as grid:10km"),
    _refused("a grid too fine", _input(lambda folder: "grid:1m"), "of 10 m to 5000 km"),
    _refused("a box of three sides", _input(lambda folder: "grid:10km", "--bbox", "1,2,3"), "expected west,south,east,north"),
    _refused("a box upside down", _input(lambda folder: "grid:10km", "--bbox", "1,5,2,3"), "south below north"),
    _refused("a grid of tiles", _input(lambda folder: "grid:10km", "--what", "tiles"), "a grid holds places, expected places"),
    _refused("a box without a cell", _input(lambda folder: "grid:100km", "--bbox", "1,2,1.001,2.001"), "holds no places"),
    _refused("another suffix", _input(_file("p.xlsx", b"")), "expected a file whose name ends in .csv"),
    _refused("an empty folder", _input(_folder()), "holds neither photos nor GeoTIFFs nor parquet files"),
    _refused("photos beside tiles", _input(_folder(a_jpg=b"", b_tif=b"")), "holds photos and tiles; pass --what photos"),
    _refused("tiles of a folder of photos", _input(_folder(a_jpg=b""), "--what", "tiles"), "holds photos, and --what is 'tiles'"),
    _refused("parquet that is none", _input(_file("p.parquet", b"PAR1 no")), "cannot be read as a parquet file"),
    _refused("a folder of parquet as places", _input(_folder(p_parquet=b"PAR1 no"), "--what", "places"), "parquet files, as data sets have, expected tiles"),
    _refused("a table without rows", _input(_parquet(lon=pa.array([], pa.float64()), lat=pa.array([], pa.float64()))), "has no rows"),
    _refused("a header alone", _input(_csv([("lon", "lat")])), "has no rows below its header"),
    _refused("no coordinates", _input(_csv([("a", "b"), (1, 2)])), "has no columns lon and lat"),
    _refused("text for degrees", _input(_csv([("lon", "lat"), ("13°E", 2)])), "expected numbers"),
    _refused("metres for degrees", _input(_csv([("lon", "lat"), (400000, 5800000)])), "which are not degrees"),
    _refused("two columns of paths", _input(_csv([("photo", "file", "lon", "lat"), ("a", "b", 1, 2)])), "has several columns with the paths"),
    _refused("no such column of paths", _input(_csv([("photo", "lon", "lat"), ("a", 1, 2)]), "--column", "foto"), "did you mean 'photo'"),
    _refused("two columns of one name", _input(_csv([("lon", "lat", "a", "A"), (1, 2, 3, 4)])), "columns 'a' and 'A', whose names must differ"),
    _refused("a column of the program's own", _input(_csv([("lon", "lat", "gair:row"), (1, 2, 3)])), "begin with gair: are the program's own"),
    _refused("a table that does not exist", _input(lambda folder: folder / "none.csv"), "none.csv', which does not exist here"),
    _refused("a raster that does not exist", _input(lambda folder: "none.tif", "--what", "chips"), "none.tif', which does not exist here"),
    _refused("names that would clash", _input(_csv([("lon", "lat", "source", "input_source"), (1, 2, 3, 4)])), "rename one"),
    _refused("Jobs without a bucket", _input(_csv(_PLACE), "--executor", "jobs"), "--cluster.bucket is None, expected ORG/NAME"),
    _refused("Jobs of a table of photos", _input(_csv([("photo", "lon", "lat"), ("a.jpg", 1, 2)]), "--executor", "jobs"), "names other files"),
    _refused("slurm without a partition", _input(_csv(_PLACE), "--executor", "slurm"), "--cluster.partition is missing"),
    _some_bad("a latitude of 95", _csv([*_PLACE, (1, 95)]), "lat is 95"),
    _some_bad("a place without longitude", _csv([*_PLACE, ("", 5)]), "lon or lat is missing"),
    _some_bad("a place without longitude, which is the third", _csv([*_PLACE, (3, 4), ("", 5)]), "p.csv, row 3: lon or lat", rows=2),
    _some_bad("a link to nothing", _link_to_nothing, "gone.jpg: it is not found"),
    _some_bad("a photo without a position", _folder(a_jpg=jpeg(1, 2), b_jpg=jpeg()), "no position in its EXIF"),
    _some_bad("a photo that is cut off", _folder(a_jpg=jpeg(1, 2), b_jpg=jpeg(1, 2)[:800]), "b.jpg"),
    _some_bad("a photo of a data set is missing", _pairs(None), r"c.jpg.*: file not found", "--what", "photos", rows=2),
    _some_bad("a photo of a data set is empty", _pairs(b""), "cannot be decoded", "--what", "photos", rows=2),
    _some_bad("a tile of a data set is missing", _pairs(jpeg(), b""), r"'tiles/tile 1.tif': file not found", "--what", "tiles"),
    _some_bad("nothing good at all", _csv([("lon", "lat"), (1, 99)]), "0 embeddings", rows=0),
]  # fmt: skip
