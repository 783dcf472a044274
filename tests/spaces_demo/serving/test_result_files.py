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
"""Results of a retrieval as files."""

import csv
import io
import json

from serving.result_files import ResultRow, csv_of, geojson_of

ROWS = [ResultRow("tile", 1, "a,b", 0.5, 13.4, 52.5), ResultRow("photo", 2, "c", -0.25, None, None)]


def test_the_table_has_a_line_for_each_result():
    first, second = csv.DictReader(io.StringIO(csv_of(ROWS).decode()))
    assert first == {"kind": "tile", "rank": "1", "id": "a,b", "cosine": "0.5", "lon": "13.4", "lat": "52.5"}
    assert (second["lon"], second["lat"]) == ("", "")


def test_the_geojson_has_a_point_for_each_result_with_a_place():
    first, second = json.loads(geojson_of(ROWS))["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [13.4, 52.5]}
    assert first["properties"] == {"kind": "tile", "rank": 1, "id": "a,b", "cosine": 0.5}
    assert second["geometry"] is None
