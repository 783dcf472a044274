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
"""The stage that downloads photos: from files, addresses and services; failures of both kinds, and another try."""

import io
from shutil import rmtree

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.helpers.stub_server import stub_server
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.photo_sources import mapillary
from training.street_pairs.stages import photos, select
from training.street_pairs.units import read_failures, unit_file


def jpeg(number, size=(640, 480)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (number % 256, 90, 120)).save(buffer, format="JPEG")
    return buffer.getvalue()


@pytest.fixture
def made(tmp_path):
    """Selects the photos of a table, and downloads them; returns the rows and the failures."""

    def make(lines, again=False, **options):
        path = tmp_path / "photos.csv"
        path.write_text("\n".join(lines))
        settings = {"own_photos": "Mine.", "requests_per_second": 1000.0, "thin_m": 0.0, "test_share": 0.0}
        given = StreetPairsOptions(output=tmp_path / "out", input=str(path), **{**settings, **options})
        if not again:
            rmtree(tmp_path / "out", ignore_errors=True)
            select.run(given, given.output, 0)
        for rank in range(len(photos.plan(given, given.output))):
            photos.run(given, given.output, rank)
        file = unit_file(given.output, "photos", 0)
        return pq.read_table(file).to_pylist(), {failure.id: failure for failure in read_failures(file)}

    return make


def test_files_and_addresses(made, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    (tmp_path / "cut.jpg").write_bytes(jpeg(1)[:-200])
    (tmp_path / "text.jpg").write_bytes(b"no photo")

    def answer(path, parameters, headers):
        return {"/b.jpg": (200, {}, jpeg(2)), "/gone.jpg": (404, {}, b"")}.get(path, (200, {}, b"<html>"))

    with stub_server(answer) as url:
        rows, failures = made(
            [
                "id,lon,lat,time,path,url,heading,username",
                "a,13.0,52.0,2021-06-01,a.jpg,,10,anna",
                f"b,13.01,52.0,,,{url}/b.jpg,,",
                f"gone,13.02,52.0,,,{url}/gone.jpg,,",
                f"html,13.03,52.0,,,{url}/html.jpg,,",
                "cut,13.04,52.0,,cut.jpg,,,",
                "text,13.05,52.0,,text.jpg,,,",
                "absent,13.06,52.0,,absent.jpg,,,",
                "none,13.07,52.0,,,,,",
            ]
        )
    assert {row["photo_id"] for row in rows} == {"a", "b"}
    one = next(row for row in rows if row["photo_id"] == "a")
    assert (one["width"], one["height"], one["heading"], one["creator"]) == (341, 256, 10, "anna")
    with Image.open(io.BytesIO(one["jpeg"])) as image:
        assert image.size == (341, 256)
    kinds = {name: (failure.kind, failure.permanent) for name, failure in failures.items()}
    assert kinds == {
        "gone": ("gone", True),
        "html": ("not_an_image", False),
        "cut": ("damaged", True),
        "text": ("not_an_image", True),
        "absent": ("unreadable", True),
        "none": ("no_url", True),
    }
    assert all(str(tmp_path) not in failure.message for failure in failures.values())


def test_another_try_does_only_what_failed_in_passing(made):
    asked, broken = [], [True]

    def answer(path, parameters, headers):
        asked.append(path)
        if path == "/gone.jpg":
            return 410, {}, b""
        return (500, {}, b"") if path == "/later.jpg" and broken else (200, {}, jpeg(3))

    lines = ["id,lon,lat,url"]
    with stub_server(answer) as url:
        lines += [f"{name},13.0{n},52.0,{url}/{name}.jpg" for n, name in enumerate(("first", "later", "gone"))]
        rows, failures = made(lines)
        assert len(rows) == 1 and not failures["later"].permanent and failures["gone"].permanent
        broken.clear()
        asked.clear()
        rows, failures = made(lines, again=True)
        assert asked == ["/later.jpg"]
        # As if nothing had failed.
        whole, _ = made(lines)
    assert rows == whole and list(failures) == ["gone"]


def test_services_tell_what_they_know_better(made, monkeypatch):
    monkeypatch.setenv(mapillary.TOKEN, "secret")

    def answer(path, parameters, headers):
        if path.endswith(".jpg"):
            return 200, {}, jpeg(int(path[1]), (4096, 2048) if path.endswith("original.jpg") else (1024, 512))
        names = [name for name in parameters["image_ids"].split(",") if name != "4"]
        return 200, {}, {"data": [described(name) for name in names]}

    def described(name):
        geometry = {"type": "Point", "coordinates": [13.00001, 52.00001]}
        kind = {"is_pano": True} if name == "3" else {"camera_type": "perspective"}
        about = {"creator": {"username": f"user{name}"}, "captured_at": 1622541600000, "compass_angle": 40}
        sizes = {"thumb_1024_url": f"{url}/{name}.jpg", "thumb_original_url": f"{url}/{name}/original.jpg"}
        return {"id": name, "computed_geometry": geometry, **sizes, **about, **kind}

    lines = ["id,lon,lat,source", *(f"{name},13.0{name},52.0,Mapillary" for name in "1234")]
    with stub_server(answer) as url:
        options = {"mapillary_url": url, "own_photos": None}
        rows, failures = made(lines, **options)
        assert {row["photo_id"] for row in rows} == {"1", "2"}
        assert rows[0]["position"] == "computed" and rows[0]["lon"] == 13.00001 and rows[0]["time"] is not None
        assert rows[0]["creator"] == f"user{rows[0]['photo_id']}" and rows[0]["url"].endswith(".jpg")
        assert {name: failure.kind for name, failure in failures.items()} == {"3": "panorama", "4": "gone"}
        rows, failures = made(lines, panoramas="cut", **options)
    view = next(row for row in rows if row["photo_id"] == "3")
    assert (view["width"], view["height"]) == (341, 256) and view["heading"] != 40 and list(failures) == ["4"]
    assert view["url"].endswith("/3/original.jpg") and rows[0]["url"].endswith("/1.jpg")


def test_batches_have_equal_sizes(made, monkeypatch, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    monkeypatch.setattr(photos, "_PHOTOS_PER_UNIT", 3)
    lines = ["id,lon,lat,path", *(f"{n},13.{n:02d},52.0,a.jpg" for n in range(7))]
    rows, _ = made(lines)
    options = StreetPairsOptions(output=tmp_path / "out", input="photos.csv")
    assert photos.plan(options, tmp_path / "out") == [2, 2, 3] and len(rows) == 2
