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
"""The world map in a browser: pointer, touch and keyboard, on a page with slow answers."""

import json

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo is not installed")
pytest.importorskip("axe_playwright_python", reason="the extra ci is not installed")
from axe_playwright_python.sync_playwright import Axe

from tests.helpers.browser import (
    DESKTOP,
    IN_A_BROWSER,
    PHONE,
    TABLET,
    drag_box,
    map_area,
    map_point,
    pixel,
    until,
    visit,
)
from tests.helpers.map_page import PALETTE, READY, map_page

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def url():
    with map_page() as address:
        yield address


@pytest.fixture
def page(chromium, url):
    # Otherwise a map that is let go on a fast machine moves on by itself.
    with visit(chromium, url, ready=READY, reduced_motion="reduce") as opened:
        yield opened


def wanted(page, field: str = "said") -> dict:
    """What the server was last asked for."""
    text = page.locator(f"#{field} textarea, #{field} input").first.input_value()
    return json.loads(text) if text else {"pins": [], "boxes": {}, "view": None, "opened": None}


def near(found, places) -> bool:
    return len(found) == len(places) and all(
        place == pytest.approx(pair, abs=1) for place, pair in zip(found, places, strict=True)
    )


def drawn(page, map_id: str = "pins") -> str:
    return page.locator(f"#{map_id} canvas[data-part=canvas]").get_attribute("data-drawn")


def hover(page, map_id: str = "pins") -> str:
    return page.locator(f"#{map_id} [data-part=hover]").inner_text()


def busy(page) -> bool:
    return page.locator("#pins [data-part=busy]").is_visible()


def test_quick_clicks_all_count(page):
    for place in ((-50, -10), (20, 5)):
        page.mouse.click(*map_point(page, "pins", *place))
    assert busy(page)
    until(page, lambda: near(wanted(page)["pins"], [[20, 5]]))
    page.locator("#pins").get_by_label("A click adds a pin").check()
    for place in ((100, 10), (-100, 40), (-60, -30)):
        page.mouse.click(*map_point(page, "pins", *place))
    until(page, lambda: near(wanted(page)["pins"], [[20, 5], [100, 10], [-100, 40], [-60, -30]]))
    until(page, lambda: drawn(page) == "4 pins" and not busy(page))


def test_a_zoom_during_an_answer_is_drawn_in_the_end(page):
    page.mouse.click(*map_point(page, "pins", 20, 5))
    page.locator("#pins").get_by_role("button", name="Zoom in").click()
    page.locator("#pins").get_by_role("button", name="Zoom in").click()
    until(page, lambda: wanted(page)["view"] == pytest.approx([-45, -22.5, 45, 22.5], abs=8))
    assert near(wanted(page)["pins"], [[20, 5]])


def test_a_refused_pin_leaves_nothing_under_way(page):
    page.mouse.click(*map_point(page, "pins", 20, 88))
    page.get_by_test_id("toast-body").wait_for()
    until(page, lambda: not busy(page))
    page.mouse.click(*map_point(page, "pins", 20, 5))
    until(page, lambda: near(wanted(page)["pins"], [[20, 5]]))


def test_the_value_under_the_pointer_is_the_new_maps(page):
    page.mouse.move(*map_point(page, "pins", -60, -10))
    until(page, lambda: hover(page).endswith("·  ≤ 0.000"))
    page.locator("#typed input").fill("2")
    page.locator("#typed input").press("Enter")
    until(page, lambda: drawn(page) == "2 pins")
    # The pointer has not moved.
    until(page, lambda: hover(page).endswith("·  0.315"))
    page.mouse.move(*map_point(page, "pins", -60, 86))
    until(page, lambda: hover(page).endswith("·  no data"))


def test_the_world_repeats_across_the_date_line(page):
    x, y = map_point(page, "pins", 0, 0)
    for _ in range(2):
        page.mouse.move(x + 300, y)
        page.mouse.down()
        page.mouse.move(x, y, steps=4)
        page.mouse.move(x - 300, y, steps=4)
        page.mouse.up()
    west = page.evaluate("gairAsked('pins').wanted.view[0]")
    scale = page.locator("#pins [data-part=area]").bounding_box()["width"] / 360
    for lon in (175, -175):
        right = x - 180 * scale + ((lon - west) % 360) * scale
        page.mouse.click(right, y)
        until(page, lambda lon=lon: near(wanted(page)["pins"], [[lon, 0]]))


def test_the_keyboard_finds_places_moves_a_cursor_and_opens_marks(page):
    field = page.locator("#pins").get_by_role("combobox", name="Find a place by name")
    field.focus()
    page.keyboard.type("cologne")
    option = page.get_by_role("option", name="Köln, Germany")
    option.wait_for()
    assert option.get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    until(page, lambda: near(wanted(page)["pins"], [[6.95, 50.93]]))
    field.fill("sao pau")
    page.get_by_role("option", name="São Paulo, Brazil").wait_for()
    page.keyboard.press("Escape")
    assert not page.get_by_role("listbox", name="Places").first.is_visible()

    map_area(page, "pins").focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    until(page, lambda: (pin := wanted(page)["pins"][0])[0] > 15 and pin[1] < 30)
    page.keyboard.press("PageDown")
    until(page, lambda: hover(page).endswith("·  Tile 1"))
    page.keyboard.press("Enter")
    until(page, lambda: wanted(page)["opened"] == "t1")
    page.keyboard.press("PageDown")
    page.keyboard.press("Enter")
    until(page, lambda: wanted(page)["opened"] == "t2")
    page.keyboard.press("+")
    until(page, lambda: (view := wanted(page)["view"])[2] - view[0] < 200)


def test_boxes_are_drawn_by_pointer_and_by_keyboard(page):
    maps = page.locator("#boxes")
    maps.get_by_role("button", name="Draw box A").click()
    drag_box(page, "boxes", -20, -20, 40, 20)
    until(page, lambda: wanted(page, "drawn")["boxes"].get("A") == pytest.approx([-20, -20, 40, 20], abs=1))
    maps.get_by_role("button", name="Draw box B").click()
    map_area(page, "boxes").focus()
    for key in ("Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    until(page, lambda: "B" in wanted(page, "drawn")["boxes"])
    west, south, east, north = wanted(page, "drawn")["boxes"]["B"]
    assert west == pytest.approx(0, abs=1) and north == pytest.approx(0, abs=1) and east > 10 and south < -10
    # Away from the date line and across it.
    maps.get_by_role("button", name="Move the map").click()
    x, y = map_point(page, "boxes", 0, 0)
    page.mouse.move(x + 250, y)
    page.mouse.down()
    page.mouse.move(x - 250, y, steps=6)
    page.mouse.up()
    maps.get_by_role("button", name="Draw box A").click()
    page.mouse.move(x + 20, y)
    page.mouse.down()
    page.mouse.move(x + 400, y + 50, steps=3)
    page.mouse.up()
    until(page, lambda: (box := wanted(page, "drawn")["boxes"]["A"])[0] > box[2])


def test_colours_and_classes_have_their_own_legends_and_move_together(page):
    # In the sea, away from lines.
    for lon, colour in ((-130, PALETTE["forest"]), (80, PALETTE["desert"])):
        at = map_point(page, "classes", lon, -25)
        until(page, lambda at=at, colour=colour: "#" + bytes(pixel(page, "classes", *at)[:3]).hex() == colour)
    page.mouse.move(*map_point(page, "classes", -90, 10))
    until(page, lambda: hover(page, "classes").endswith("·  forest"))
    assert page.locator("#classes [data-part=classes]").inner_text().split() == ["forest", "desert"]
    assert not page.locator("#classes [data-part=palette]").is_visible()
    assert page.locator("#colours").get_by_text("A colour alone has no meaning").is_visible()
    page.locator("#classes").get_by_role("button", name="Zoom in").click()
    until(
        page,
        lambda: page.evaluate("gairAsked('colours').wanted.view") == page.evaluate("gairAsked('classes').wanted.view"),
    )
    assert page.evaluate("gairAsked('colours').wanted.view[0]") > -179


def test_a_picture_is_saved_with_title_and_legend(page, tmp_path):
    with page.expect_download() as download:
        page.locator("#classes").get_by_role("button", name="Save picture").click()
    download.value.save_as(tmp_path / "map.png")
    picture = Image.open(tmp_path / "map.png").convert("RGB")
    area = map_area(page, "classes").bounding_box()
    assert picture.width == 2 * round(area["width"]) and picture.height > 2 * area["height"] + 100
    legend = picture.crop((0, picture.height - 2 * 50, picture.width, picture.height))
    shown = {colour for _, colour in legend.getcolors(2**20)}
    assert {(0x1B, 0x78, 0x37), (0xDF, 0xC2, 0x7D)} <= shown


def test_back_returns_to_the_pin_before_and_moving_adds_no_step(page, url):
    for place, number in (((20, 5), 1), ((100, 10), 2)):
        page.mouse.click(*map_point(page, "pins", *place))
        until(page, lambda number=number: f"pins={number}" in page.url)
        page.locator("#pins").get_by_label("A click adds a pin").check()
    page.locator("#pins").get_by_role("button", name="Zoom in").click()
    until(page, lambda: "west=-9" in page.url or "west=-10" in page.url)
    page.locator("#pins").get_by_role("button", name="Copy link").click()
    until(page, lambda: page.evaluate("navigator.clipboard.readText()") == page.url)
    page.go_back()
    page.wait_for_function(READY)
    assert "pins=1" in page.url


def test_a_map_in_a_hidden_tab_shows_its_view_once_it_is_opened(page):
    page.get_by_role("tab", name="Second").click()
    until(page, lambda: page.evaluate("gairAsked('later').wanted.view") == pytest.approx([0, 40, 20, 50], abs=6))


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE])
def test_the_maps_fit_and_are_accessible(chromium, url, size):
    for dark in (False, True):
        with visit(chromium, url, size, dark=dark, ready=READY) as page:
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            for name in ("pins", "boxes"):
                box = map_area(page, name).bounding_box()
                assert box["height"] >= 300 and box["width"] > 280
            found = (
                Axe()
                .run(page, context={"include": [[".gair-map"]]}, options={"resultTypes": ["violations"]})
                .response["violations"]
            )
            grave = [violation for violation in found if violation["impact"] in ("serious", "critical")]
            assert not grave, [(violation["id"], violation["nodes"][0]["html"][:300]) for violation in grave]
            if size == PHONE:
                page.touchscreen.tap(*map_point(page, "pins", 30, 10))
                until(page, lambda page=page: near(wanted(page)["pins"], [[30, 10]]))
