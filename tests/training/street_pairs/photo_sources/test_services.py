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
"""Mapillary and KartaView: photos by ids and in a box, absent fields, errors in good answers."""

from datetime import UTC, datetime

import pytest

from tests.helpers.stub_server import stub_server
from training.street_pairs.errors import Unusable
from training.street_pairs.http_client import HttpClient
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.photo_sources import list_photos, mapillary
from training.street_pairs.photo_sources.kartaview import KartaView
from training.street_pairs.photo_sources.mapillary import Mapillary

PLACES = {str(number): (13.0 + 0.001 * number, 52.0 + 0.0005 * number) for number in range(40)}


def mapillary_photo(name):
    geometry = {"type": "Point", "coordinates": list(PLACES[name])}
    photo = {"id": name, "captured_at": 1622541600000, "thumb_1024_url": f"http://x/{name}.jpg", "compass_angle": -10}
    number = int(name)
    if number % 3:
        photo["computed_geometry"] = geometry
        photo["creator"] = {"username": "anna", "id": "1"}
    photo["geometry"] = {"type": "Point", "coordinates": [0.0, 0.0]} if number % 3 else geometry
    return photo | ({"is_pano": True, "camera_type": "spherical"} if number == 5 else {"camera_type": "perspective"})


def mapillary_service(asked):
    def answer(path, parameters, headers):
        asked.append((parameters, headers.get("Authorization")))
        if "image_ids" in parameters:
            names = [name for name in parameters["image_ids"].split(",") if name in PLACES]
        else:
            west, south, east, north = map(float, parameters["bbox"].split(","))
            names = [n for n, (lon, lat) in PLACES.items() if west <= lon < east and south <= lat < north]
        return 200, {}, {"data": [mapillary_photo(name) for name in names[: int(parameters.get("limit", 50))]]}

    return answer


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv(mapillary.TOKEN, "secret")
    with HttpClient(1000.0) as client:
        yield client


def test_photos_of_mapillary_by_ids(client):
    asked = []
    with stub_server(mapillary_service(asked)) as url:
        rows, failures = Mapillary(client, url).photos(["1", "3", "5", "99"])
    one, three, five = rows
    assert (one["lon"], one["lat"]) == PLACES["1"] and one["position"] == "computed" and one["creator"] == "anna"
    assert three["position"] == "original" and three["creator"] is None and three["heading"] == 350
    assert five["camera"] == "spherical" and one["time"] == datetime(2021, 6, 1, 10, tzinfo=UTC)
    (gone,) = failures
    assert (gone.id, gone.kind, gone.permanent) == ("99", "gone", True)
    assert asked[0][1] == "OAuth secret"


def test_a_box_is_divided_until_nothing_is_cut_off(client, monkeypatch):
    monkeypatch.setattr(mapillary, "_MOST_PER_BOX", 5)
    asked = []
    with stub_server(mapillary_service(asked)) as url:
        rows = list(Mapillary(client, url).in_box((12.99, 51.99, 13.1, 52.1)))
    assert sorted(row["photo_id"] for row in rows) == sorted(PLACES)
    assert len(asked) > len(PLACES) / 5


def test_an_error_of_mapillary_fails_all_that_was_asked_for(client):
    with stub_server(lambda *_: (200, {}, {"error": {"message": "no such field"}})) as url:
        rows, failures = Mapillary(client, url).photos(["1", "2"])
    assert rows == [] and [failure.kind for failure in failures] == ["api_error"] * 2
    assert not failures[0].permanent and "no such field" in failures[0].message


def test_a_refused_token_stops_the_program(client):
    with (
        stub_server(lambda *_: (401, {}, b"")) as url,
        pytest.raises(ValueError, match="refuses the token in MAPILLARY"),
    ):
        Mapillary(client, url).photos(["1"])
    with stub_server(lambda *_: (400, {}, b"")) as url:
        (failure,) = Mapillary(client, url).photos(["1"])[1]
    assert not failure.permanent


def test_odd_fields_concern_one_photo_alone(client):
    photos = [
        mapillary_photo("1") | {"computed_geometry": {"type": "Point", "coordinates": []}},
        mapillary_photo("2") | {"captured_at": "1622541600000", "computed_compass_angle": None},
    ]
    with stub_server(lambda *_: (200, {}, {"data": [*photos, {"id": None}, "odd"]})) as url:
        (row,), (failure,) = Mapillary(client, url).photos(["1", "2"])
    assert row["photo_id"] == "2" and row["heading"] == 350 and row["time"] == datetime(2021, 6, 1, 10, tzinfo=UTC)
    assert (failure.id, failure.kind, failure.permanent) == ("1", "incomplete", True)
    odd = {"status": {"apiCode": 600}, "result": {"data": [kartaview_photo("1", lng=None)], "hasMoreData": False}}
    with stub_server(lambda *_: (200, {}, odd)) as url:
        assert KartaView(client, url).photos(["1"])[1][0].kind == "incomplete"


def test_pages_without_photos_are_the_last(client):
    asked = []

    def answer(path, parameters, headers):
        asked.append(parameters["page"])
        return 200, {}, {"status": {"apiCode": 600}, "result": {"data": [], "hasMoreData": True}}

    with stub_server(answer) as url:
        assert list(KartaView(client, url).in_box((13.0, 52.0, 13.001, 52.001))) == []
    assert asked == ["1"]


def test_a_token_is_needed(monkeypatch):
    monkeypatch.delenv(mapillary.TOKEN, raising=False)
    with pytest.raises(ValueError, match=mapillary.TOKEN):
        Mapillary(None, "http://x")


def kartaview_photo(name, **changes):
    lon, lat = PLACES[name]
    return {
        "id": name,
        "lat": str(lat),
        "lng": str(lon),
        "heading": "12.5",
        "shotDate": "2021-06-01 10:00:00",
        "sequenceId": 4,
        "projection": "PLANE",
        "autoImgProcessingResult": "BLURRED",
        "fileurlProc": f"http://x/{name}.jpg",
    } | changes


def kartaview_service(path, parameters, headers):
    if "id" in parameters:
        name = parameters["id"]
        if name not in PLACES:
            return 200, {}, {"status": {"apiCode": 601}, "result": {}}
        changes = {"autoImgProcessingResult": "ORIGINAL"} if name == "2" else {}
        return 200, {}, {"status": {"apiCode": 600}, "result": {"data": [kartaview_photo(name, **changes)]}}
    names = list(PLACES)
    page, size = int(parameters["page"]), 15
    some = names[(page - 1) * size : page * size]
    result = {"data": [kartaview_photo(name) for name in some], "hasMoreData": page * size < len(names)}
    return 200, {}, {"status": {"apiCode": 600}, "result": result}


def test_photos_of_kartaview(client):
    with stub_server(kartaview_service) as url:
        service = KartaView(client, url)
        ((one,), none) = service.photos(["1"])
        assert none == [] and one["photo_id"] == "1" and one["heading"] == 12.5 and one["sequence"] == "4"
        assert service.photos(["99"])[1][0].kind == "gone"
        assert service.photos(["2"])[1][0].kind == "not_blurred"
        inside = [row["photo_id"] for row in service.in_box((13.0, 52.0, 13.0051, 52.01))]
    assert inside == ["0", "1", "2", "3", "4", "5"]


def test_an_error_of_kartaview_is_an_error(client):
    refusal = {"status": {"apiCode": 401, "apiMessage": "no"}}
    with stub_server(lambda *_: (200, {}, refusal)) as url, pytest.raises(Unusable, match="code 401"):
        list(KartaView(client, url).in_box((13.0, 52.0, 13.001, 52.001)))


def test_an_area_is_listed(client, tmp_path):
    with stub_server(mapillary_service([])) as url:
        options = {"output": tmp_path, "input": "mapillary", "mapillary_url": url, "requests_per_second": 1000.0}
        listed = list_photos(StreetPairsOptions(**options, bbox="12.999,51.999,13.0105,52.0105"))
        assert len(listed.photos) == 11
        with pytest.raises(ValueError, match="--bbox is missing"):
            list_photos(StreetPairsOptions(**options))


def test_other_inputs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a CSV or parquet file, a folder of photos, mapillary or kartaview"):
        list_photos(StreetPairsOptions(output=tmp_path, input="mapilary"))
    (tmp_path / "photos.csv").write_text("id,lon,lat\n1,2,3\n")
    with pytest.raises(ValueError, match="--bbox is for"):
        list_photos(StreetPairsOptions(output=tmp_path, input=str(tmp_path / "photos.csv"), bbox="1,2,3,4"))
