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
"""The world map without a browser: queries, colour scales, views and what visitors may type."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.grids import WORLD
from serving.land import on_land
from serving.similarity import NO_DATA
from serving.world_maps import FIXED, FULL, STRETCHED, WorldMaps, parse_view


@pytest.fixture(scope="module")
def maps(served_model):
    return WorldMaps(served_model)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).save(path)
    return str(path)


def cells(value):
    return np.frombuffer(base64.b64decode(value["cells"]), np.uint8).reshape(value["rows"], value["columns"])


def test_a_place_is_most_similar_to_itself(maps):
    value = maps.draw(maps.query("13.4, 52.52"), WORLD, FIXED, 5)
    drawn = cells(value)
    assert drawn.shape == (180, 360) and len(np.unique(drawn)) > 100
    assert drawn[37, 193] >= 250
    assert value["pins"] == [{"lon": 13.4, "lat": 52.52}] and value["high"] == 1
    assert (value["west"], value["south"], value["east"], value["north"]) == WORLD


def test_listed_places_are_sorted_by_the_values_of_their_cells(maps, served_model):
    query = maps.query("13.4, 52.52")
    value = maps.draw(query, WORLD, FIXED, 8)
    found = value["places"]
    similarities = [place["similarity"] for place in found]
    assert len(found) == 8 and similarities == sorted(similarities, reverse=True)
    for place in found:
        embedding = served_model.places(np.array([place["lon"]]), np.array([place["lat"]]))[0]
        assert place["similarity"] == pytest.approx(float(embedding @ query.embedding), abs=1e-4)


def test_a_closer_view_has_the_cells_around_it_and_lists_visible_places(maps):
    view = [170.0, -20.0, 200.0, -5.0]
    value = maps.draw(maps.query("178.44, -18.14"), view, STRETCHED, 5)
    # The tiny model resolves no more than the cells of the world, and its blocks extend beyond the view.
    assert (value["columns"], value["rows"]) == (45, 30) and (value["west"], value["east"]) == (165, 210)
    assert value["places"] and all(
        (place["lon"] - 170) % 360 <= 30 and -20 <= place["lat"] <= -5 for place in value["places"]
    )
    assert all(-180 <= place["lon"] < 180 for place in value["places"])


def test_several_parts_are_combined_to_their_mean_direction(maps, photo):
    one, other, both = (maps.query(text).embedding for text in ("13.4, 52.5", "2.3, 48.9", "13.4, 52.5; 2.3, 48.9"))
    assert both == pytest.approx((one + other) / np.linalg.norm(one + other), abs=1e-6)
    mixed = maps.query("13.4, 52.5", photo)
    assert mixed.kinds == ("place", "photo")
    expected = one + maps.query("", photo).embedding
    assert mixed.embedding == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_a_tile_is_a_query(maps, data_dir):
    tile = next(data_dir.rglob("*.tif"))
    assert maps.query("", None, str(tile)).kinds == ("tile",)


def test_scales_come_from_the_model_or_the_view_or_are_full(maps, photo):
    place, image = maps.query("13.4, 52.5"), maps.query("", photo)
    fixed = [maps.draw(query, WORLD, FIXED, 0) for query in (place, maps.query("-60, -3"), image)]
    ends = [(value["low"], value["high"]) for value in fixed]
    assert ends[0] == ends[1] != ends[2]
    full = maps.draw(image, WORLD, FULL, 0)
    assert (full["low"], full["high"]) == (-1, 1)
    stretched = cells(maps.draw(place, WORLD, STRETCHED, 0))
    stretched = stretched[stretched != NO_DATA]
    assert (stretched == 0).mean() == pytest.approx(0.02, abs=0.01)
    with pytest.raises(ValueError, match="expected one of"):
        maps.draw(place, WORLD, "wide", 0)


def test_a_model_without_ranges_says_so(served_model, photo):
    maps = WorldMaps(replace(served_model, similarity_ranges={}))
    assert "states no fixed range" in maps.draw(maps.query("", photo), WORLD, FIXED, 0)["scale"]


@pytest.mark.parametrize(
    "text", ["1", "1, 2, 3", "a, b", "nan, 0", "0, inf", "0, 91", "1 2", "1e999, 0", "; ".join(["1, 1"] * 21)]
)
def test_invalid_places_are_rejected(maps, text):
    with pytest.raises(ValueError, match="expected"):
        maps.query(text)


def test_longitudes_wrap(maps):
    assert maps.query("190, 0").places == [(-170.0, 0.0)]


def test_an_empty_query_is_rejected(maps):
    with pytest.raises(ValueError, match="click on the map"):
        maps.query(" ; ")


@pytest.mark.parametrize("count", [-1, 21, 2.5, "5", None])
def test_the_number_of_places_is_checked(maps, count):
    with pytest.raises(ValueError, match="expected 0 to 20"):
        maps.draw(maps.query("0, 0"), WORLD, FIXED, count)


@pytest.mark.parametrize(
    "text", ["", "0,0,0,0", "0,0,400,10", "-200,0,0,10", "0,10,10,0", "0,-91,10,0", "nan,0,1,1", "0,0,1e-9,1"]
)
def test_a_view_is_checked(text):
    with pytest.raises(ValueError, match="expected"):
        parse_view(text)


def test_the_sea_is_drawn_on_request_only(maps):
    query = maps.query("13.4, 52.52")
    land, everything = (cells(maps.draw(query, WORLD, FIXED, 8, sea)) for sea in (False, True))
    assert 0.6 < (land == NO_DATA).mean() < 0.75 and (everything != NO_DATA).all()
    np.testing.assert_array_equal(land[land != NO_DATA], everything[land != NO_DATA])
    for place in maps.draw(query, WORLD, FIXED, 20)["places"]:
        assert on_land(np.array([place["lon"]]), np.array([place["lat"]]), 1.0)[0]


def test_a_view_of_the_sea_alone_is_refused_unless_the_sea_is_shown(maps):
    query, view = maps.query("13.4, 52.52"), [-35.0, 5.0, -30.0, 8.0]
    with pytest.raises(ValueError, match="shows only sea, expected some land; tick"):
        maps.draw(query, view, STRETCHED, 5)
    assert maps.draw(query, view, STRETCHED, 5, True)["places"]
