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
"""The land, borders and places that the Space's maps show: how they are made, and the files."""

import json

import numpy as np
import pytest

from training.hub.geography import GeographyOptions, outlines, places, plain
from training.hub.options import SPACE

pytest.importorskip("shapely", reason="the extra embed is not installed")

# In half degrees: two countries on an island from 155° E to 165° W with their border at 175° E, and land around the pole.
_ARCS = [
    [[350, 10], [0, 20]],
    [[350, 30], [10, 0], [-690, 0], [0, -20], [690, 0], [-10, 0]],
    [[350, 30], [-40, 0], [0, -20], [40, 0]],
    [[-360, -150], [240, 10], [240, -10], [240, 0]],
]
_TOPOLOGY = {
    "transform": {"scale": [0.5, 0.5], "translate": [0, 0]},
    "arcs": _ARCS,
    "objects": {
        "land": {"geometries": [{"type": "MultiPolygon", "arcs": [[[1, ~2]], [[3]]]}]},
        "countries": {
            "geometries": [{"type": "Polygon", "arcs": [[0, 1]]}, {"type": "MultiPolygon", "arcs": [[[~0, ~2]]]}]
        },
    },
}


def points(steps: list[int]) -> np.ndarray:
    """The points of a line, in degrees."""
    return np.cumsum(np.reshape(steps, (-1, 2)), axis=0) / 100


def test_a_ring_may_cross_the_date_line_and_one_around_the_pole_is_closed_there():
    made = outlines(_TOPOLOGY)
    (pole,), (island,) = made["land"]
    assert points(island)[:, 0].min() == 155 and points(island)[:, 0].max() == 195
    assert points(pole).tolist() == [[-180, -75], [-60, -70], [60, -75], [180, -75], [180, -90], [-180, -90]]


def test_only_what_two_countries_share_is_a_border():
    assert [points(line).tolist() for line in outlines(_TOPOLOGY)["borders"]] == [[[175, 5], [175, 15]]]


def city(number: int, name: str, population: int, others: tuple[str, ...] = ()) -> dict:
    return {
        "geonameid": number, "name": name, "countrycode": "AA", "longitude": 6.954, "latitude": 50.936,
        "population": population, "alternatenames": list(others),
    }  # fmt: skip


def test_capitals_are_kept_and_the_largest_places_have_other_names():
    many = [city(number, f"Town {number}", 10**6 - number) for number in range(5000)]
    largest = city(9000, "Köln", 10**7, ("Cologne", "CGN", "Koln", "kln", "Köln", "Кёльн", "Kel'n"))
    made = places([*many, city(9001, "Seat", 5), largest], {"AA": {"name": "Land", "capital": "Seat"}})
    assert len(made["places"]) == 5000 and made["countries"] == {"AA": "Land"}
    assert made["places"][0] == ["Köln", "AA", 6.95, 50.94, "cologne"]
    assert made["places"][-1] == ["Seat", "AA", 6.95, 50.94]


def test_the_atlas_must_be_there(tmp_path):
    with pytest.raises(ValueError, match="has no countries-50m"):
        GeographyOptions(atlas=str(tmp_path))


def test_the_files_of_the_space_are_whole():
    outline, names = (json.loads((SPACE / "geography" / name).read_text()) for name in ("land.json", "places.json"))
    assert len(outline["land"]) > 1000 and len(outline["borders"]) > 300
    assert len(names["places"]) == 5000
    assert {code for _, code, *_ in names["places"]} == set(names["countries"])
    lon, lat = np.array([place[2:4] for place in names["places"]]).T
    assert np.all(np.abs(lon) <= 180) and np.all(np.abs(lat) <= 90)
    found = {plain(place[0]) for place in names["places"]}
    assert {"tokyo", "koln", "sao paulo", "reykjavik", "suva"} <= found
