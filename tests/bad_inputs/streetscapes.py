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
"""`training/streetscapes.py`: options, tables of photos, providers, and folders of other jobs."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bad_inputs.case import Case, Program
from tests.helpers.embedding import jpeg

_Arguments = Callable[[Path], Sequence[str | Path]]
_TABLE = "id,lon,lat,time,path\na,13.1,52.1,2021-06-01,a.jpg\nb,13.2,52.2,2021-06-01,a.jpg\n"
_OWN = ("--own_photos", "Mine.")


def _given(*more: str, table: str = _TABLE, input: str = "photos.csv", provider: str = "FOLDER") -> _Arguments:
    """A command line with a table of photos, and FOLDER in place of the folder of the test."""

    def arguments(folder: Path) -> Sequence[str]:
        (folder / "photos.csv").write_text(table, encoding="utf-8")
        (folder / "a.jpg").write_bytes(jpeg())
        named = input if input in ("mapillary", "kartaview") else str(folder / input)
        start = ["--input", named, "--output", str(folder / "out"), "--provider", provider]
        return [part.replace("FOLDER", str(folder)) for part in (*start, *more)]

    return arguments


def _photos_without_positions(folder: Path) -> Path:
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").write_bytes(jpeg())
    return folder / "photos"


def _other_job(folder: Path) -> Sequence[str]:
    from training.street_pairs.job import check_job
    from training.street_pairs.options import StreetPairsOptions

    arguments = _given(*_OWN)(folder)
    check_job(StreetPairsOptions(input=str(folder / "photos.csv"), output=folder / "out", provider=str(folder), seed=1))
    return arguments


def _case(name: str, arguments: _Arguments, says: str, launched: bool = False) -> Program:
    return Program(
        f"streetscapes: {name}",
        "training.streetscapes",
        arguments,
        says,
        check=lambda folder: not (folder / "out" / "dataset").exists(),
        launched=launched,
    )


CASES: list[Case] = [
    _case(
        "no input",
        lambda folder: ["--output", folder / "out"],
        "--input is missing; pass a table or a folder",
        launched=True,
    ),
    _case("no output", lambda folder: ["--input", "photos.csv"], "--output is missing; pass the folder to write to"),
    _case(
        "an input that does not exist", _given(*_OWN, input="photo.csv"), "is not a table; expected an existing file"
    ),
    _case(
        "an input of another kind", _given(*_OWN, input="a.jpg"), "expected a CSV or parquet file, a folder of photos"
    ),
    _case("a table without ids", _given(*_OWN, table="lon,lat\n1,2\n"), "has no column id"),
    _case(
        "an id twice",
        _given(*_OWN, table="id,lon,lat\na,1,2\na,3,4\n"),
        "'a' names several photos; make the ids unique",
    ),
    _case("times that are none", _given(*_OWN, table="id,lon,lat,time\na,1,2,noon\n"), "times that are not understood"),
    _case("photos that are not blurred", _given(), "are not known to be blurred; pass --own_photos"),
    _case(
        "photos over the South Pole", _given(*_OWN, table="id,lon,lat\na,1,-89\n"), "No photo is left after all rules"
    ),
    _case("an area without a box", _given(input="kartaview"), "--bbox is missing; pass the area"),
    _case(
        "a box of a table", _given("--bbox", "1,2,3,4"), "--bbox is for --input mapillary or kartaview; leave it out"
    ),
    _case(
        "a box upside down", _given("--bbox", "1,4,3,2", input="kartaview"), "bbox is '1,4,3,2', expected west,south"
    ),
    _case("an unknown provider", _given(*_OWN, provider="earthsearch"), "earthsearch"),
    _case("a folder without scenes", _given(*_OWN), "scene|STAC|GeoTIFF"),
    _case("a window off the grid", _given("--window_m", "1930"), "--window_m is 1930, expected a multiple of 20"),
    _case("a share above one", _given("--max_cloud", "2"), "--max_cloud is 2.0, expected a number from 0 to 1"),
    _case("negative days", _given("--days", "-1"), "--days is -1.0, expected a number from 0 to 3650"),
    _case("sites of a millimetre", _given("--site_km", "1e-6"), "--site_km is 1e-06, expected a number from 0.1"),
    _case("plates without blurring", _given("--plates", "FOLDER/a.jpg"), "--plates is for --blur; leave it out"),
    _case(
        "a folder without positions",
        lambda folder: [*_given(*_OWN)(folder)[2:], "--input", _photos_without_positions(folder)],
        "1 photos could not be listed, such as 'a.jpg': it has no position",
    ),
    _case("no photos a tile", _given("--photos_per_tile", "0"), "photos_per_tile"),
    _case(
        "no requests", _given("--requests_per_second", "0"), "--requests_per_second is 0.0, expected a number above 0"
    ),
    _case("an unknown stage", _given("--stage", "tile"), "stage is 'tile'; expected 'select' or 'photos'"),
    _case("a stage before its turn", _given(*_OWN, "--stage", "pack"), "--stage pack needs the stage select"),
    _case("private, without a push", _given("--private", "true"), "--private is for --push; leave it out"),
    _case("a push without an owner", _given("--push", "pairs"), "--push is 'pairs', expected ORG/NAME"),
    _case(
        "a raster of classes that is none", _given(*_OWN, "--settlement_raster", "FOLDER/a.jpg"), "settlement_raster"
    ),
    _case("the folder of another job", _other_job, "holds the job of another command: --own_photos|--seed"),
    _case(
        "photos that are nowhere",
        _given(*_OWN, table="id,lon,lat,where\n1,13,52,a.jpg\n"),
        "'photos.csv' says of no photo where it is",
    ),
    _case("ids to remove from nothing", _given("--remove_ids", "FOLDER/photos.csv"), "holds no readable job.json"),
]
