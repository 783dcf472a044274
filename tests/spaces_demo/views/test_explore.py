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
"""Explore without a browser: what each choice shows, labels by clicks and their undoing, links and files."""

import base64
from itertools import count
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo is not installed")
from gradio import EventData, skip

from serving.labels import MINUS, PLUS
from serving.turns import Asking, Superseded
from serving.world_maps import FULL, WorldMaps
from tests.helpers.rasters import made_pixels, write_tif
from tests.helpers.space import asked, request
from views.explore import _Handlers
from views.explored import CLUSTERS, COLOURS, TEACH, Choices
from views.link import Link

TAUGHT = f"5, 25, {PLUS}\n-60, -5, {MINUS}"


@pytest.fixture(scope="module")
def handlers(served_model, bundled_gallery):
    return _Handlers(SimpleNamespace(served=served_model, maps=WorldMaps(served_model), gallery=bundled_gallery))


def last(steps):
    return list(steps)[-1]


def test_a_click_is_a_place_of_the_query(handlers):
    places, labels, value, status = last(
        handlers.answer(request(), asked([13.4, 52.5], turn=7), *vars(Choices()).values())
    )
    assert (places, labels, value["turn"]) == ("13.4, 52.5", "", 7) and value["pins"] == [{"lon": 13.4, "lat": 52.5}]
    assert len(value["places"]) == 5 and status.count("\n|") == 7 and "at=13.4" in value["link"]
    # A narrow screen does not show all of the world.
    assert status.startswith("The most similar places of the world, ")
    near = asked([13.4, 52.5], view=[0, 40, 30, 60])
    *_, status = last(handlers.answer(request(), near, *vars(Choices()).values()))
    assert status.startswith("The most similar places in this view, ")


def test_what_is_typed_stays_while_the_map_is_moved(handlers):
    moved = asked([13.4, 52.5], placed=False)
    typed = Choices(places="2.35, 48.8")
    places, labels, value, _ = last(handlers.answer(request(), moved, *vars(typed).values()))
    assert places == labels == skip() and value["pins"] == [{"lon": 13.4, "lat": 52.5}] and "at=13.4" in value["link"]


def test_a_click_that_is_not_answered_yet_counts_when_a_control_is_changed(handlers):
    typed = vars(Choices(places="2.35, 48.8", sea=True)).values()
    places, _, value, _ = last(handlers.redraw(request(), asked([13.4, 52.5]), *typed))
    assert places == "13.4, 52.5" and "at=13.4" in value["link"] and "sea=1" in value["link"]
    places, _, value, _ = last(handlers.redraw(request(), asked([13.4, 52.5], placed=False), *typed))
    assert places == skip() and "at=2.35" in value["link"]
    labels = vars(Choices(TEACH, labels=TAUGHT, marks=PLUS)).values()
    _, fewer, *_ = last(handlers.undo(request(), asked([20, 10]), *labels))
    assert fewer == TAUGHT


def test_a_tile_does_not_replace_that_of_a_link_that_was_opened_after_it(handlers):
    click = EventData(None, {"number": 7})
    choices = vars(Choices(COLOURS)).values()
    assert handlers.choose_tile(click, request(1, "another"), asked(), *choices)[1] == 7
    list(handlers.open(Link("Explore", {"show": COLOURS, "tile": "3"}, Asking("another", 3))))
    assert handlers.choose_tile(click, request(2, "another"), asked(), *choices) == 4 * (skip(),)


def test_a_click_is_a_label_where_labels_are_taught(handlers):
    choices = Choices(TEACH, labels=f"5, 25, {PLUS}", marks=MINUS)
    _, labels, value, status = last(handlers.answer(request(), asked([-60, -5]), *vars(choices).values()))
    assert labels == TAUGHT and [mark["kind"] for mark in value["marks"]] == ["plus", "minus"] and not value["pins"]
    assert "probability" in value["unit"] and "cannot be measured with these 2 labels" in status
    assert value["title"].endswith("+: too few labels to measure its accuracy")
    _, labels, value, status = last(handlers.undo(request(), asked(), *vars(Choices(TEACH, labels=TAUGHT)).values()))
    assert (
        labels == f"5, 25, {PLUS}"
        and len(value["marks"]) == 1
        and "cells" not in value
        and "choose another class" in value["title"]
    )


@pytest.mark.parametrize(("shown", "part"), [(COLOURS, "colours"), (CLUSTERS, "classes")])
def test_the_world_is_drawn_without_a_query(handlers, shown, part):
    *_, value, status = last(handlers.draw(request(), asked(), *vars(Choices(shown)).values()))
    assert part in value and f"show={shown}" in value["link"] and status == ""


def test_a_link_says_what_is_shown(handlers):
    shown, *_, value, _ = last(handlers.open(Link("Explore", {"show": CLUSTERS, "view": "-10,30,30,50"})))
    assert shown == CLUSTERS and "classes" in value and value["view"] == [-10, 30, 30, 50]
    with pytest.raises(ValueError, match="expected one of similarity"):
        last(handlers.open(Link("Explore", {"show": "x"})))


def opened(handlers, **parts):
    """What a link opens: the choices that the controls show, and the map."""
    shown, photo, scale, count, clusters, sea, *others, places, labels, value, _ = last(
        handlers.open(Link("Explore", parts))
    )
    position = others[-3] if shown == COLOURS else None
    return Choices(shown, places, photo, None, scale, count, clusters, PLUS, labels, sea, position), value


def parts_of(value):
    return {name: text for name, text in parse_qsl(value["link"], keep_blank_values=True) if name != "tab"}


def test_links_restore_all_that_is_chosen(handlers):
    photo, berlin = handlers.files.path(17), "13.40, 52.52"
    for choices in (
        Choices(places="13.4, 52.52; 2.35, 48.86", count=9, scale=FULL, sea=True),
        Choices(places="", photo=photo),
        Choices(CLUSTERS, berlin, clusters=3),
        Choices(COLOURS, berlin, position=5),
        Choices(
            TEACH, berlin, labels="5, 25, sand & stone\n-60, -5, forest\n14.4444, 50.1, forest\n6, 26, sand & stone"
        ),
    ):
        *_, value, _ = last(handlers.draw(request(), asked(), *vars(choices).values()))
        assert not value["unlinked"]
        again, drawn = opened(handlers, **parts_of(value))
        assert again == choices and drawn["key"] == value["key"]


def test_another_order_of_bands_reads_the_file_again(handlers, tmp_path):
    path = str(write_tif(tmp_path / "tile.tif", made_pixels(), names=()))
    with pytest.raises(ValueError, match="without usable names"):
        last(handlers.draw(request(), asked(), *vars(Choices(tile=path)).values()))
    *_, value, _ = last(handlers.draw(request(), asked(), *vars(Choices(tile=path, band_order="gair_10")).values()))
    assert "the tile" in value["title"]


def test_what_a_link_cannot_hold_is_said(handlers, tmp_path):
    path = tmp_path / "own.jpg"
    Image.new("RGB", (40, 30)).save(path)
    *_, value, _ = last(handlers.draw(request(), asked(), *vars(Choices(photo=str(path))).values()))
    assert "file of your own" in value["unlinked"] and "photo" not in value["link"]
    many = "\n".join(f"{10 + number / 7:.4f}, {20 + number / 7:.4f}, class {number % 2}" for number in range(300))
    *_, value, _ = last(handlers.draw(request(), asked(), *vars(Choices(TEACH, labels=many)).values()))
    assert "too many for a link" in value["unlinked"] and len(value["link"]) < 200


@pytest.mark.parametrize(
    "parts",
    [
        {"show": CLUSTERS, "clusters": "1"},
        {"show": CLUSTERS, "clusters": "many"},
        {"show": TEACH, "labels": "5,25"},
        {"show": TEACH, "labels": "~sand,5,95"},
        {"show": TEACH, "labels": "~sand,5"},
        {"photo": "96"},
        {"show": COLOURS, "tile": "24"},
        {"count": "-1"},
        {"clusters": "99"},
        {"scale": "magic"},
        {"sea": "2"},
        {"view": "0,0,0,0"},
    ],
)
def test_links_that_are_none_are_refused(handlers, parts):
    with pytest.raises(ValueError, match=r"expected|there are"):
        opened(handlers, **parts)


@pytest.mark.parametrize("kind", ["tif", "geojson", "csv"])
def test_what_is_shown_can_be_saved(handlers, kind):
    event = EventData(None, {"format": kind})
    file = handlers.save(event, asked(), *vars(Choices(TEACH, labels=TAUGHT)).values())["file"]
    assert file["name"] == f"gair-world.{kind}" and len(file["content"]) > 100
    if kind == "geojson":
        with pytest.raises(ValueError, match="Colours have no outlines"):
            handlers.save(event, asked(), *vars(Choices(COLOURS)).values())


def test_a_tile_is_shown_and_saved_as_colours(handlers, tmp_path):
    skipped = 4 * (skip(),)
    assert (
        handlers.first_tile(CLUSTERS, None)
        == skipped
        == handlers.first_tile(COLOURS, 3)
        == handlers.upload_tile(None, "")
    )
    tile, position, tiles, card = handlers.first_tile(COLOURS, None)
    assert (
        position == 0
        and tiles[0]["chosen"] == "true"
        and card["colours"].startswith("data:image/png")
        and "%" in card["said"]
    )
    chosen = Choices(COLOURS).__dict__.values()
    tile, position, tiles, card = handlers.choose_tile(EventData(None, {"number": 7}), request(), asked(), *chosen)
    assert tiles[7]["chosen"] == "true" and "show=colours&tile=7&" in card["link"]
    for kind, begins in (("tif", b"II*"), ("csv", b"lon,lat,red,green,blue\n")):
        file = handlers.coloured.save(EventData(None, {"format": kind}), tile)["file"]
        assert base64.b64decode(file["content"]).startswith(begins)
    with pytest.raises(ValueError, match="expected one of tif, csv"):
        handlers.coloured.save(EventData(None, {"format": "geojson"}), tile)
    own, position, tiles, card = handlers.upload_tile(str(write_tif(tmp_path / "tile.tif", made_pixels())), "gair_10")
    assert (
        position is None and "true" not in [one["chosen"] for one in tiles] and own.name == card["name"] == "Your tile"
    )


def test_what_is_typed_while_the_controls_are_answered_stays(handlers):
    for places, labels, *_ in handlers.draw(request(), asked(), *vars(Choices(places="13.4, 52.52")).values()):
        assert places == labels == skip()


def test_a_refused_request_stops_no_other_and_a_newer_one_stops_all(handlers):
    numbers = count(1)

    def begun(choices):
        return handlers.draw(request(next(numbers)), asked(), *vars(choices).values())

    wanted = begun(Choices(CLUSTERS))
    with pytest.raises(ValueError, match="expected"):
        next(begun(Choices(places="95")))
    assert next(wanted)
    # The sea is not in memory any more, so that a coarse map comes first.
    handlers._served.grids._recent.clear()
    late = begun(Choices(places="13.4, 52.52", sea=True))
    assert next(late)[2]["coarse"]
    # Too few labels are answered at once, and what was computed before does not follow.
    assert "marks" in next(begun(Choices(TEACH)))[2]
    with pytest.raises(Superseded):
        next(late)
