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
"""Tables of photos: names of columns, ids, times, cameras, and Global Streetscapes."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.street_pairs.photo_sources.table import table_photos


def written(folder, text, name="photos.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_with_everything(tmp_path):
    listed = table_photos(
        written(
            tmp_path,
            "id,lon,lat,captured_at,compass_angle,source,license,username,sequence_id,path,camera_type\n"
            "7,13.1,52.1,2021-06-01T12:00:00+02:00,370,Mapillary,CC BY-SA 4.0,anna,s1,a/b.jpg,perspective\n"
            "8,13.2,52.2,,,,,,,,\n",
        )
    )
    one, other = listed.photos.to_pylist()
    assert one["photo_id"] == "7" and (one["lon"], one["lat"]) == (13.1, 52.1)
    assert one["time"] == datetime(2021, 6, 1, 10, tzinfo=UTC) and one["heading"] == 10
    assert (one["source"], one["licence"], one["creator"], one["sequence"]) == (
        "mapillary",
        "CC BY-SA 4.0",
        "anna",
        "s1",
    )
    assert one["path"] == str(tmp_path / "a" / "b.jpg") and one["position"] == "given"
    assert (
        other["source"] == "photos" and other["licence"] is None and other["time"] is None and other["camera"] is None
    )


@pytest.mark.parametrize("name", ["file_path", "Image Path", "photo", "filename", "sv_path"])
def test_paths_are_found_by_many_names(tmp_path, name):
    listed = table_photos(written(tmp_path, f"id,lon,lat,{name}\n1,2,3,a.jpg\n2,2,3,\n"))
    assert listed.photos["path"].to_pylist() == [str(tmp_path / "a.jpg"), None]


def test_global_streetscapes_names_photos_of_its_sources(tmp_path):
    head = "uuid,source,orig_id,lat,lon,datetime_local,heading,projection_type,sequence_id,city\n"
    row = "d39b,Mapillary,1666317524185318,48.77,9.17,2024-07-09 03:24:18.913000+02:00,29.9,spherical,aE5,Stuttgart\n"
    other = "e39b,KartaView,123,48.78,9.18,2024-06-09 11:13:27+02:00,,,,Stuttgart\n"
    listed = table_photos(written(tmp_path, head + row + other))
    one, two = listed.photos.to_pylist()
    assert one["photo_id"] == "1666317524185318" and one["source"] == "mapillary" and two["source"] == "kartaview"
    assert (
        one["position"] == "original"
        and one["licence"] == "CC BY-SA 4.0"
        and one["site"] == two["site"]
        and one["site"].startswith("Stuttgart ")
    )
    assert one["camera"] == "spherical" and one["time"] == datetime(2024, 7, 9, 1, 24, 18, 913000, tzinfo=UTC)
    assert any("Global Streetscapes" in remark for remark in listed.remarks)


def test_of_the_released_parquet_only_what_is_needed_is_read(tmp_path, monkeypatch):
    path = tmp_path / "streetscapes.parquet"
    columns = {
        "uuid": ["d39b"],
        "source": ["Mapillary"],
        "orig_id": [2**60 + 1],
        "lat": [48.77],
        "lon": [9.17],
        "city": ["Bonn"],
    }
    pq.write_table(pa.table({**columns, **{f"segment_{n}": [b"x"] for n in range(9)}}), path)
    read = []
    whole = pq.read_table
    monkeypatch.setattr(pq, "read_table", lambda *given, **how: read.append(how["columns"]) or whole(*given, **how))
    (row,) = table_photos(path).photos.to_pylist()
    assert (row["photo_id"], row["source"], row["lon"]) == (str(2**60 + 1), "mapillary", 9.17)
    assert row["site"].startswith("Bonn ") and set(read[0]) == set(columns)


def test_cities_of_the_same_name_are_several_sites(tmp_path):
    text = "id,lon,lat,city\na,-121.89,37.33,San Jose\nb,-84.08,9.93,San Jose\nc,-121.9,37.34,San Jose\n"
    one, other, third = (row["site"] for row in table_photos(written(tmp_path, text)).photos.to_pylist())
    assert one == third != other


def test_parquet_keeps_large_ids_exact(tmp_path):
    path = tmp_path / "photos.parquet"
    pq.write_table(
        pa.table({"id": [2**53 + 1, 5], "lon": [1.0, 2.0], "lat": [3.0, 4.0], "captured_at": [1622541600000, None]}),
        path,
    )
    one, other = table_photos(path).photos.to_pylist()
    assert one["photo_id"] == "9007199254740993" and one["time"] == datetime(2021, 6, 1, 10, tzinfo=UTC)
    assert other["time"] is None


def test_ids_that_lost_digits_are_refused(tmp_path):
    path = tmp_path / "photos.parquet"
    pq.write_table(pa.table({"id": [1e17], "lon": [1.0], "lat": [3.0]}), path)
    with pytest.raises(ValueError, match="not exact; write them as text"):
        table_photos(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lon,lat\n1,2\n", "no column id"),
        ("id,a,b\n1,2,3\n", "no columns lon and lat"),
        ("id,lon,lat,time\n1,2,3,yesterday\n", "times that are not understood"),
        ("id,lon,lat,time\n1,2,3,1622541600000000\n", r"has 1.62254e\+15, expected seconds or milliseconds since 1970"),
        ("id,lon,lat,camera\n1,2,3,pinhole\n", "expected a kind of camera"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        table_photos(written(tmp_path, text))
