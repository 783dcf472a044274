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

from datetime import UTC, datetime

import pytest

from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.photo_sources import list_photos

PHOTOS = (
    "uuid,source,orig_id,lat,lon,datetime_local,year,width,heading,projection_type,hFoV,sequence_index,sequence_id\n"
    "d39b,Mapillary,9007199254740993,48.7,9.2,2024-07-09 03:24:18.913000+02:00,2024,7680.0,29.9,spherical,,1330,aE5\n"
    "07ff,KartaView,1994435177,48.8,9.3,2024-06-09 09:11:51+02:00,2024,,,,125,1,9073001\n"
    "17ff,KartaView,1994435178,48.8,9.3,,2024,,,,,2,9073001\n"
)
# In another order, with a photo of its own and without one of the others.
CITIES = (
    "uuid,source,orig_id,city,city_ascii,city_lat,city_lon,country\n"
    "07ff,KartaView,1994435177,Esslingen,Esslingen,48.74,9.3,Germany\n"
    'eeee,Mapillary,5,"Washington, D.C.",Washington,38.9,-77.0,United States\n'
    "d39b,Mapillary,9007199254740993,Stuttgart,Stuttgart,48.77,9.17,Germany\n"
)


def listed(folder, tables):
    folder.mkdir(exist_ok=True)
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    found = list_photos(StreetPairsOptions(input=str(folder), output=folder / "out"))
    return found.photos.to_pylist(), found.remarks


def test_tables_are_joined_by_their_keys(tmp_path):
    rows, remarks = listed(tmp_path, {"metadata_common_attributes.csv": PHOTOS, "simplemaps.csv": CITIES})
    one, other, third = rows
    assert one["photo_id"] == "9007199254740993" and (one["lon"], one["lat"]) == (9.2, 48.7)
    assert one["time"] == datetime(2024, 7, 9, 1, 24, 18, 913000, tzinfo=UTC) and one["camera"] == "spherical"
    assert [row["source"] for row in rows] == ["mapillary", "kartaview", "kartaview"]
    assert one["site"].startswith("Stuttgart ") and other["site"].startswith("Esslingen ") and third["site"] is None
    assert one["heading"] == pytest.approx(29.9) and other["heading"] is None and third["time"] is None
    assert "2 of 3 photos have a city in simplemaps.csv." in remarks
    assert any("is Global Streetscapes" in remark for remark in remarks)


def test_the_table_of_photos_is_enough(tmp_path):
    rows, remarks = listed(tmp_path, {"metadata_common_attributes.csv": PHOTOS})
    assert len(rows) == 3 and rows[0]["site"] is None and any("sites are cells" in remark for remark in remarks)


@pytest.mark.parametrize("text", ["", "uuid,source\na,b\n", PHOTOS + "one,two\n"])
def test_damaged_tables_are_refused(tmp_path, text):
    with pytest.raises(
        ValueError, match=r"'metadata_common_attributes.csv' cannot be read as a table of Global Streetscapes"
    ):
        listed(tmp_path, {"metadata_common_attributes.csv": text})
