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
"""The tabs: each is built, and results are described in plain words."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
import gradio as gr

from serving.boxes import BoxComparison
from serving.distributions import DistributionComparison
from serving.embedded_rows import EmbeddedRows
from serving.gallery import Gallery
from serving.model import untrained
from serving.search import Totals, find_tiles
from serving.turns import Asking, Superseded
from serving.world_maps import WorldMaps
from tests.helpers.rasters import made_pixels, write_tif
from tests.helpers.space import asked, request
from views import boxes, embeddings, explore, find, models, readings, start
from views.boxes import sentence
from views.find import totals_text
from views.link import Link, Links
from views.site import Site


@pytest.fixture(scope="module")
def maps(served_model):
    return WorldMaps(served_model)


@pytest.fixture
def site(served_model, bundled_gallery, maps):
    with gr.Blocks():
        return Site(served_model, bundled_gallery, maps, Links(), lambda: untrained(served_model))


def event(**data):
    return gr.EventData(None, data)


def last(answers):
    """The final one of several answers; the cards come with the first, which a finer map may follow."""
    first, *others = answers
    return (*first[:-1], (others or [first])[-1][-1])


def each(answers):
    """What the components show in the end; the map of the first model comes before the second model is made."""
    first, *others = answers
    assert gr.skip() in first
    shown = list(first)
    for answer in others:
        shown = [old if new == gr.skip() else new for old, new in zip(shown, answer)]
    return shown


@pytest.mark.parametrize("tab", [start, find, explore, readings, models, boxes])
def test_a_tab_is_built_with_and_without_photos(served_model, bundled_gallery, maps, tab):
    bare = Gallery("bare", bundled_gallery.tiles[:1], [], np.zeros((0, 96), np.float32))
    few = replace(bundled_gallery, photos=bundled_gallery.photos[:4], photo_embeds=bundled_gallery.photo_embeds[:4])
    for gallery in (few, bare):
        with gr.Blocks() as page, gr.Tab("made"):
            tab.add_tab(Site(served_model, gallery, maps, Links(), lambda: served_model))
        assert any(isinstance(block, gr.HTML) for block in page.blocks.values())


def test_choosing_one_of_the_first_cards_moves_the_others(site):
    handlers, gallery = start._Handlers(site), site.gallery
    scene, examples, head, picture, _, tile, _, world = last(handlers.open(Link("Start")))
    first = scene.photo
    standings = sorted(gallery.photos[example.photo].standing for example in handlers._examples)
    assert gallery.photos[first].standing == standings[5] and picture["picture"] == gallery.photos[first].picture
    assert [choice["chosen"] for choice in examples].count("true") == 1
    assert f"?tab=Find&amp;photo={first}" in picture["more"] and "tab=Compare" in picture["more"]
    assert tile["query"] == gallery.photos[first].point and tile["link"] == f"tab=Start&photo={first}"
    assert {"id": f"photo-{first}", "kind": "photo"}.items() <= world["marks"][-1].items() and world["pins"] == []

    scene, examples, head, _, _, tile, _, world = last(handlers.pick(event(x=0.25, y=0.75), scene, request()))
    assert (scene.query.kind, tile["query"], tile["asked"]) == ("point", (0.25, 0.75), "point")
    assert "true" not in [choice["chosen"] for choice in examples] and "most similar photo" in head["title"]
    assert tile["link"] == f"tab=Start&tile={scene.tile}&point=0.25,0.75" and "turn" not in world

    wanted = asked([24.0, -23.0], turn=7)
    scene, _, photo_head, picture, head, tile, world_head, world = last(handlers.ask(wanted, scene, request()))
    assert scene.tile == find_tiles(gallery, scene.query.embedding)[0].position and "similar tile" in head["title"]
    numbers = [shown["number"] for shown in (photo_head, head, world_head)]
    assert numbers == ["2", "3", "1"]
    assert world["pins"] == [{"lon": 24.0, "lat": -23.0}] and world["turn"] == 7
    assert picture["picture"] == gallery.photos[scene.photo].picture and tile["link"] == "tab=Start&place=24,-23"
    # The numbered places of the map open too.
    opened = {**wanted, "opened": world["places"][1]["id"], "turn": 8}
    other, *_ = last(handlers.ask(opened, scene, request()))
    assert other.place == pytest.approx((world["places"][1]["lon"], world["places"][1]["lat"]), abs=1e-4)

    # The pin is known, so a mark that is opened, or else the view, is what is new.
    scene, *_, tile, _, world = last(handlers.ask({**wanted, "opened": "tile-3", "turn": 8}, scene, request()))
    assert (scene.tile, scene.photo, world["turn"]) == (3, 12, 8)
    moved = {**wanted, "pins": [], "view": [0, 0, 40, 20], "turn": 9}
    *unchanged, world = last(handlers.ask(moved, scene, request()))
    assert world["drawn_for"] == [0, 0, 40, 20] and unchanged == [gr.skip()] * 7


@pytest.mark.parametrize("mark", ["tile-99", "photo-x", "../app.py", ""])
def test_marks_that_no_map_has_open_nothing(site, mark):
    handlers = start._Handlers(site)
    wanted = asked(opened=mark, placed=False)
    with pytest.raises(ValueError, match=r"opens no tile|there are"):
        last(handlers.ask(wanted, last(handlers.open(Link("Start")))[0], request()))


@pytest.mark.parametrize(
    ("parts", "tile", "kind"),
    [
        ({"photo": "13"}, 3, "photo"),
        ({"tile": "5", "point": "0.25,0.5"}, 5, "point"),
        ({"tile": "5"}, 5, "photo"),
        ({"place": "24,-23"}, None, "place"),
    ],
)
def test_links_open_scenes(site, parts, tile, kind):
    scene, *_ = last(start._Handlers(site).open(Link("Start", parts)))
    assert scene.query.kind == kind and scene.tile == (scene.tile if tile is None else tile)


def test_readings_show_every_query_beside_their_own_photos(site):
    handlers, gallery = readings._Handlers(site), site.gallery
    _, position, query, tiles, photos, panels, text = handlers.open(Link("Compare"))
    assert position == 0 and query.point == gallery.photos[0].point and tiles[0]["chosen"] == "true"
    assert [photo["chosen"] for photo in photos] == ["true", "false", "false", "false"]
    assert set(panels["standings"]) == {"pixels", "nili", "bilinear", "mean"} and "chance gives 50%" in text
    # A photo from elsewhere is shown as the query, and nothing says that it was taken here.
    _, position, query, _, photos, panels, text = handlers.open(Link("Compare", {"tile": "2", "photo": "0"}))
    assert position == 2 and query.point is None and panels["standings"] == {} and "The photo was taken" not in text
    assert len(photos) == 5 and photos[4]["picture"] == gallery.photos[0].small and photos[4]["chosen"] == "true"
    tile, position, *_ = handlers.choose_tile(event(number=1))
    *_, photos, panels, _ = handlers.pick_point(event(x=0.5, y=0.5), tile, position)
    assert panels["asked"] == "point" and "true" not in [photo["chosen"] for photo in photos]
    assert panels["link"] == "tab=Compare&tile=1&point=0.5,0.5"
    with pytest.raises(ValueError, match="has forgotten the tile"):
        handlers.pick_point(event(x=0.5, y=0.5), None, None)


def test_what_is_found_is_what_is_chosen(site):
    handlers = find._Handlers(site)
    totals, _, _, _, photos, tiles, found, rows = handlers.open(Link("Find", {"tile": "4"}))
    assert "chance: 4%" in totals and found["link"] == "tab=Find&tile=4" and len(rows) == 96
    assert [tile["chosen"] for tile in tiles].index("true") == 4 and "true" not in [one["chosen"] for one in photos]
    photos, tiles, found, rows = handlers.choose_photo(event(number=9))
    assert photos[9]["chosen"] == "true" and "true" not in [one["chosen"] for one in tiles] and len(rows) == 24
    assert "Photo 10 of the gallery" in found["html"]
    saved = handlers.save(event(format="csv"), rows)["file"]
    assert saved["name"] == "gair-results.csv" and len(base64.b64decode(saved["content"]).splitlines()) == 25
    with pytest.raises(ValueError, match="expected one of csv, geojson"):
        handlers.save(event(format="exe"), rows)


def test_another_order_of_bands_reads_the_file_again(site, tmp_path):
    path = write_tif(tmp_path / "tile.tif", made_pixels(), names=())
    for view in (find, readings):
        handlers = view._Handlers(site)
        with pytest.raises(ValueError, match="without usable names"):
            handlers.upload_tile(str(path), "")
        assert len(handlers.upload_tile(str(path), "gair_10")) > 3
        # Without a file, a choice waits for one.
        assert handlers.upload_tile(None, "gair_10") == gr.skip()


def test_another_order_of_bands_searches_embeddings_again(site, tmp_path):
    path = str(write_tif(tmp_path / "tile.tif", made_pixels(), names=()))
    rows = EmbeddedRows(["one"], ["location"], *np.zeros((2, 1)), site.served.places(*np.zeros((2, 1))), "One row.")
    handlers = embeddings._Handlers(site.served, rows)
    with pytest.raises(ValueError, match="without usable names"):
        handlers.by_tile(path, "", 1)
    assert handlers.by_tile(path, "gair_10", 1)[1]["places"] and handlers.by_tile(None, "gair_10", 1) == gr.skip()


def test_totals_stand_beside_chance():
    said = totals_text(Totals(photos=96, tiles=24, first=0.1979, median_rank=5.0))
    assert "20% find their own tile first" in said and "chance: 4%" in said and "chance: 12.5" in said
    assert "no photos" in totals_text(None)


def test_two_models_are_asked_for_the_same_place(site, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.model.constants.HF_HOME", str(tmp_path))
    handlers = models._Handlers(site)
    shown, place, trained, drawn_anew, first, second = each(handlers.open(Link(models.MODELS)))
    assert (shown, place) == ("similarity", models._FIRST) and "untrained" in second and "untrained" not in first
    assert (
        trained["pins"] == drawn_anew["pins"] == [{"lon": 13.4, "lat": 52.52}]
        and trained["cells"] != drawn_anew["cells"]
    )
    wanted = asked([20.0, -10.0], turn=7)
    answers = handlers.answers_of(1)(request(), wanted, "colours", "13.4, 52.52")
    place, trained, drawn_anew, *_ = each(answers)
    assert place == "20, -10" and drawn_anew["turn"] == 7 and "turn" not in trained
    assert trained["colours"] != drawn_anew["colours"] and trained["link"] == drawn_anew["link"]
    with pytest.raises(ValueError, match="expected one of similarity"):
        list(handlers.open(Link(models.MODELS, {"show": "magic"})))


def test_a_difference_by_chance_is_not_called_a_difference():
    assert "do not show" in sentence(DistributionComparison(0.3, 0.4, 1, 1, 1))
    assert "very different" in sentence(DistributionComparison(0.6, 0.005, 1, 1, 0))


def test_embeddings_are_found_by_place_and_listed_as_plain_text(site):
    lon, lat = np.array([13.4, -60.0]), np.array([52.5, -3.1])
    vectors = site.served.places(lon, lat).astype(np.float16)
    rows = EmbeddedRows(["a|b <i>", "c"], ["location"] * 2, lon, lat, vectors, "Two rows.")
    with gr.Blocks() as page, gr.Tab("made"):
        embeddings.add_tab(Site(site.served, site.gallery, site.maps, Links(), site.other), rows)
    assert any(isinstance(block, gr.HTML) for block in page.blocks.values())
    handlers = embeddings._Handlers(site.served, rows)
    place, value, text, found = handlers.by_place("13.4, 52.5", 2)
    assert value["pins"] == [{"lon": 13.4, "lat": 52.5}] and [row["id"] for row in value["places"]] == ["a|b <i>", "c"]
    first = text.splitlines()[2]
    assert "<i>" not in first and first.count("|") == 7 and "| 13.4000 | 52.5000 | 1.0" in first
    with pytest.raises(ValueError, match="expected 1 to 100"):
        handlers.by_place("13.4, 52.5", 1000)
    saved = base64.b64decode(handlers.save(event(format="csv"), found)["file"]["content"]).decode()
    assert saved.splitlines()[1].startswith("location,1,a|b <i>,")
    # A row that is chosen on the map is the next query, and links restore places and rows.
    wanted = asked([13.4, 52.5], opened="c", turn=3)
    place, value, *_ = handlers.answer(wanted, 2)
    assert (place, value["turn"], value["link"]) == ("", 3, "tab=Yours&row=c&count=2") and value["places"][0][
        "id"
    ] == "c"
    count, place, again, *_ = handlers.open(Link("Yours", {"row": "c", "count": "2"}))
    assert (count, again["places"]) == (2, value["places"])
    assert handlers.open(Link("Yours", {"at": "13.4, 52.5"}))[1] == "13.4, 52.5" and handlers.open(
        Link("Yours", {"view": "0,0,20,10"})
    )[2] == {"view": [0, 0, 20, 10]}
    with pytest.raises(ValueError, match="expected 1 to 100"):
        handlers.open(Link("Yours", {"count": "0"}))
    with pytest.raises(ValueError, match="have no id 'd'"):
        handlers.open(Link("Yours", {"row": "d"}))


def test_every_map_is_saved_as_files(site):
    wanted = asked()
    shown = start._Handlers(site)
    scene, *_ = last(shown.open(Link("Start")))
    compared = boxes._Handlers(BoxComparison(site.served))
    for file in (
        shown.save_map(event(format="geojson"), wanted, scene),
        models._Handlers(site).save_of(0)(event(format="geojson"), wanted, "similarity", "13.4, 52.52"),
        compared.save(event(format="geojson"), "170, -25, -170, -10", "150, -25, 170, -10"),
    ):
        found = json.loads(base64.b64decode(file["file"]["content"]))["features"]
        assert found and all(feature["geometry"] for feature in found)
    # Two parts beside the date line.
    assert [len(feature["geometry"]["coordinates"]) for feature in found] == [2, 1]
    table = base64.b64decode(compared.save(event(format="csv"), "0, 0, 1, 1", "2, 0, 3, 1")["file"]["content"]).decode()
    assert table.startswith("a_west,a_south,a_east,a_north,b_west") and table.count("\n") == 2
    with pytest.raises(ValueError, match="expected one of geojson, csv"):
        compared.save(event(format="tif"), "0, 0, 1, 1", "2, 0, 3, 1")


def test_what_the_server_has_forgotten_is_not_guessed(site):
    shown, found = start._Handlers(site), find._Handlers(site)
    moved = asked(view=[0, 0, 40, 20], placed=False, turn=9)
    for refused in (
        lambda: list(shown.pick(event(x=0.5, y=0.5), None, request())),
        lambda: list(shown.ask(moved, None, request())),
        lambda: shown.save(event(format="csv"), None),
        lambda: shown.save_map(event(format="csv"), moved, None),
        lambda: found.save(event(format="csv"), []),
    ):
        with pytest.raises(ValueError, match="has forgotten"):
            refused()
    # A place on the map needs nothing of what was shown.
    assert last(shown.ask(moved | {"pins": [[24.0, -23.0]]}, None, request()))[0].place == (24, -23)


def test_a_photo_that_takes_long_does_not_replace_what_was_chosen_after_it(site, monkeypatch):
    handlers = start._Handlers(site)

    def slowly(served, gallery, path):
        # Meanwhile, the visitor chooses an example.
        assert list(handlers.choose(event(number=2), request(2)))
        return start.photo_scene(served, gallery, 0)

    monkeypatch.setattr(start, "upload_scene", slowly)
    with pytest.raises(Superseded):
        next(handlers.take("large.jpg", request(1)))


def test_moving_the_map_does_not_undo_a_click_that_it_does_not_show_yet(site):
    handlers = start._Handlers(site)
    before = last(handlers.choose(event(number=2), request(1)))[0]
    clicked, moved = handlers.choose(event(number=3), request(2)), asked(view=[0, 0, 60, 30], turn=1)
    view_before = handlers._current(Asking("a visitor", 3), before)
    assert view_before() and next(handlers.ask(moved, before, request(3)))
    scene, *_ = next(clicked)
    assert scene.photo != before.photo and not view_before()
    with pytest.raises(Superseded):
        next(handlers.ask(moved, before, request(4)))
    # Another view of what is shown now replaces what is still drawn for the click.
    rest = handlers._current(Asking("a visitor", 2), scene)
    assert rest() and next(handlers.ask(moved, scene, request(5))) and not rest()


def test_moving_the_map_does_not_set_its_pin_anew(site):
    handlers = start._Handlers(site)
    # The map still shows the place that was chosen before the photo.
    photo, *_ = last(handlers.choose(event(number=2), request(2)))
    moved = asked([24.0, -23.0], placed=False, view=[0, 0, 60, 30], turn=2)
    *unchanged, world = last(handlers.ask(moved, photo, request(3)))
    assert unchanged == [gr.skip()] * 7 and not world["pins"]


def test_a_link_of_the_first_screen_has_the_view_of_its_map(site):
    handlers = start._Handlers(site)
    wanted = asked([24.0, -23.0], view=[0, -40, 60, -10], turn=7)
    *_, tile, _, world = last(handlers.ask(wanted, None, request()))
    assert tile["link"] == "tab=Start&place=24,-23&view=0,-40,60,-10"
    *_, again = last(handlers.open(Link("Start", {"place": "24,-23", "view": "0,-40,60,-10"})))
    assert again["view"] == [0, -40, 60, -10] and again["cells"] == world["cells"]
