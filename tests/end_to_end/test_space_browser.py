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
"""The Space in a browser, at the widths of a desktop and a phone."""

import re
from pathlib import Path

import numpy as np
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
    TABS,
    drag_box,
    map_area,
    map_point,
    numbers,
    open_tab,
    pixel,
    redrawn,
    settle,
    tab_to,
    until,
    visit,
)

EXPLORE = "?tab=Explore"

pytestmark = IN_A_BROWSER


def colours(page) -> int:
    """The number of different colours on the world map."""
    return page.evaluate(
        """() => {
          const canvas = document.querySelector('#world-map canvas');
          const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          return new Set(new Uint32Array(pixels.buffer)).size;
        }"""
    )


def places(page):
    return page.locator("#places input, #places textarea")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_click_draws_the_map_of_its_place_and_so_does_the_next(chromium, space_url, size):
    with visit(chromium, space_url, size, link=EXPLORE) as page:
        assert colours(page) > 100
        for lon, lat in ((20.0, -10.0), (-60.0, 30.0)):
            at = map_point(page, "world-map", lon, lat)
            with redrawn(page):
                (page.touchscreen.tap if size == PHONE else page.mouse.click)(*at)
            until(page, lambda place=[lon, lat]: numbers(places(page).input_value()) == pytest.approx(place, abs=0.5))
            # The pin is orange, where it was set.
            until(page, lambda at=at: (colour := pixel(page, "world-map", at[0] - 6, at[1]))[0] > 150 > colour[2])
        until(page, lambda: page.locator("#world-status tbody tr").count() == 5)
        assert "km from each other" in page.locator("#world-status").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_pins_add_up_and_a_link_restores_them(chromium, space_url):
    with visit(chromium, space_url, link=EXPLORE) as page:
        page.locator("#world-map").get_by_label("A click adds a pin").check()
        with redrawn(page):
            page.mouse.click(*map_point(page, "world-map", 100, 10))
        with redrawn(page):
            page.mouse.click(*map_point(page, "world-map", -100, 40))
        until(page, lambda: places(page).input_value().count(";") == 2 and page.url.count("%3B") == 2)
        typed, link = places(page).input_value(), page.url
        page.get_by_role("button", name="Copy link").first.click()
        page.wait_for_function("document.querySelector('#world-map [data-part=done]').textContent")
        assert page.evaluate("navigator.clipboard.readText()") == link
        drawn = page.evaluate("document.querySelector('#world-map canvas').dataset.drawn")
    with visit(chromium, space_url, link=link.removeprefix(space_url)) as page:
        until(page, lambda: places(page).input_value() == typed)
        until(page, lambda: page.evaluate("document.querySelector('#world-map canvas').dataset.drawn") == drawn)


def test_the_second_of_two_quick_clicks_counts(chromium, space_url):
    with visit(chromium, space_url, link=EXPLORE) as page:
        # Without adding, the last one wins.
        for lon, lat in ((-50, -10), (20, 5)):
            page.mouse.click(*map_point(page, "world-map", lon, lat))
        until(page, lambda: numbers(places(page).input_value()) == pytest.approx([20, 5], abs=1))
        page.locator("#world-map").get_by_label("A click adds a pin").check()
        for lon, lat in ((100, 10), (-100, 40)):
            page.mouse.click(*map_point(page, "world-map", lon, lat))
        until(page, lambda: numbers(places(page).input_value()) == pytest.approx([20, 5, 100, 10, -100, 40], abs=1))


def test_zooming_in_puts_the_view_into_the_link(chromium, space_url):
    with visit(chromium, space_url, link=EXPLORE) as page:
        for west in (-90, -45):
            page.get_by_role("button", name="Zoom in").first.click()
            until(page, lambda seen=f"view={west}": seen in page.url)


def test_a_zoom_during_an_answer_is_drawn_in_the_end(chromium, space_url):
    with visit(chromium, space_url, link=EXPLORE) as page:
        zoom = page.get_by_role("button", name="Zoom in").first
        for _ in range(3):
            # Each view is requested before the answer to the one before.
            with page.expect_request(lambda request: "queue/join" in request.url):
                zoom.click()
        until(page, lambda: "view=-22.5" in page.url)


def test_the_keyboard_moves_a_cursor_and_selects_its_place(chromium, space_url):
    with visit(chromium, space_url, link=EXPLORE) as page:
        map_area(page, "world-map").focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        said = page.locator("#world-map [data-part=hover]").inner_text()
        with redrawn(page):
            page.keyboard.press("Enter")
        until(page, lambda: numbers(places(page).input_value()) != [13.4, 52.52])
        lon, lat = numbers(places(page).input_value())
        assert lon > 10 and lat > 3 and f"{lon:.2f}° E" in said and re.search(r"·\s+[≤≥]?\s?-?\d\.\d+$", said)


def test_colours_and_threshold_change_at_once(chromium, space_url):
    with visit(chromium, space_url, link=EXPLORE) as page:
        settle(page)
        before = colours(page)
        page.locator("#world-map [data-part=threshold]").fill("240")
        until(page, lambda: colours(page) < before)
        assert "from 0." in page.locator("#world-map [data-part=least]").inner_text()
        page.locator("#world-map [data-part=threshold]").fill("0")
        until(page, lambda: colours(page) == before)
        at = map_point(page, "world-map", -60, -10)
        first = pixel(page, "world-map", *at)
        page.locator("#world-map [data-part=palette]").select_option("viridis")
        until(page, lambda: pixel(page, "world-map", *at) != first)
        with redrawn(page):
            page.get_by_label("full, −1 to 1").check()
        ticks = page.locator("#world-map [data-part=ticks]").inner_text()
        assert numbers(ticks) == [-1, -0.5, 0, 0.5, 1]
        page.locator("#world-map [data-part=palette]").select_option("PuOr")


def test_a_photo_is_a_query(chromium, space_url, tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).save(path)
    with visit(chromium, space_url, link=EXPLORE) as page:
        places(page).fill("")
        page.get_by_role("button", name="Ask with a photo or a tile").click()
        with redrawn(page):
            page.locator("[role=tabpanel]:visible input[type=file]").first.set_input_files(path)
        until(page, lambda: "the photo" in page.locator("#world-map [data-part=title]").inner_text())


def test_invalid_input_is_reported_and_the_map_stays(chromium, space_url, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"<svg onload=alert(1)>")
    with visit(chromium, space_url, link=EXPLORE) as page:
        drawn = page.evaluate("document.querySelector('#world-map canvas').dataset.drawn")
        toasts = page.get_by_test_id("toast-body")
        said: list[str] = []

        def says_more() -> bool:
            """Whether a new message appeared; each is shown for some seconds only."""
            new = set(toasts.all_inner_texts()) - set(said)
            said.extend(new)
            return bool(new)

        for typed in ("95", "13, 95", "<img src=x onerror=alert(1)>"):
            places(page).fill(typed)
            places(page).press("Enter")
            until(page, says_more)
        places(page).fill("")
        page.get_by_role("button", name="Ask with a photo or a tile").click()
        page.locator("[role=tabpanel]:visible input[type=file]").first.set_input_files(path)
        until(page, says_more)
        assert all("expected" in sentence and "Traceback" not in sentence for sentence in said)
        assert any("not a readable photo" in sentence for sentence in said)
        assert not any("/" in sentence for sentence in said if "photo" in sentence)
        page.keyboard.press("Escape")
        until(page, lambda: toasts.count() == 0)
        assert page.locator("img[src=x]").count() == 0
        assert page.evaluate("document.querySelector('#world-map canvas').dataset.drawn") == drawn


def test_boxes_are_drawn_and_compared(chromium, space_url):
    with visit(chromium, space_url, link=EXPLORE) as page:
        open_tab(page, "Boxes")
        page.get_by_role("button", name="Draw box A").click()
        drag_box(page, "box-map", -20, -20, 40, 20)
        box = page.locator("#box-a input, #box-a textarea")
        until(page, lambda: numbers(box.input_value()) == pytest.approx([-20, -20, 40, 20], abs=1))
        until(page, lambda: "a=-20" in page.url)
        link = page.url
    with visit(chromium, space_url, link=link.removeprefix(space_url)) as page:
        page.wait_for_function("document.querySelector('#comparison')?.innerText.includes('Difference')")
        assert page.locator("#comparison").is_visible()


# The first screen ----------------------------------------------------------------------------------------------------


def drawn(page, part: str) -> str:
    return page.evaluate(f"document.querySelector('{part}')?.dataset.drawn")


TILE, MAP = "#start-tile-card .gair-tile", "#start-map canvas"


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE])
def test_the_first_screen_shows_photo_tile_and_map_and_all_tabs(chromium, space_url, size):
    with visit(chromium, space_url, size) as page:
        for card in ("#start-photo-card img", "#start-tile-card img", "#start-map canvas"):
            box = page.locator(card).first.bounding_box()
            assert box["width"] > 100 and box["y"] + box["height"] < size[1], (card, box)
        inside = """document.querySelector('#start-examples [aria-pressed="true"]').getBoundingClientRect().right <= innerWidth"""
        page.wait_for_function(inside)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for name in ("Start", "Find", "Explore", "Compare"):
            assert page.get_by_role("tab", name=name, exact=True).is_visible()
        loaded = "[...document.querySelectorAll('#start-examples img')].every((image) => image.naturalWidth > 0)"
        page.wait_for_function(loaded)


def test_choosing_any_card_moves_the_others_and_back_and_forward_restore(chromium, space_url):
    with visit(chromium, space_url) as page:
        seen = [(page.url, drawn(page, TILE), drawn(page, MAP))]

        def moved() -> None:
            """Waits until tile, map and address are all new."""
            until(
                page,
                lambda: all(now != old for now, old in zip((page.url, drawn(page, TILE), drawn(page, MAP)), seen[-1])),
            )
            seen.append((page.url, drawn(page, TILE), drawn(page, MAP)))

        page.locator("#start-examples button").nth(8).click()
        moved()
        assert "photo=" in page.url and "Its place in the tile" in page.locator("#start-tile-head").inner_text()
        page.locator("#start-tile-card [data-part=marks]").click(position={"x": 60, "y": 60})
        moved()
        assert "point=" in page.url and "most similar photo" in page.locator("#start-photo-head").inner_text()
        page.mouse.click(*map_point(page, "start-map", -60, -10))
        moved()
        assert "place=" in page.url and "most similar tile" in page.locator("#start-tile-head").inner_text()
        for old in (seen[2], seen[1], seen[0]):
            page.go_back()
            until(page, lambda old=old: (page.url, drawn(page, TILE), drawn(page, MAP)) == old)
        page.go_forward()
        until(page, lambda: (page.url, drawn(page, TILE), drawn(page, MAP)) == seen[1])
    with visit(chromium, space_url, link=seen[2][0].removeprefix(space_url)) as page:
        assert (drawn(page, TILE), drawn(page, MAP)) == seen[2][1:]


def test_a_result_opens_its_tile_and_a_bad_link_says_so(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Find&photo=5") as page:
        assert "chance" in page.locator("#find-totals").inner_text()
        page.locator("#find-results .gair-found a").nth(2).click()
        page.wait_for_function("document.querySelector('#tile-view .gair-tile')?.dataset.drawn")
        assert "tab=Compare" in page.url and "photo=5" in page.url
        assert page.locator("#tile-photos button").count() in (4, 5)
        page.go_back()
        until(page, lambda: page.locator("#find-results").is_visible() and "tab=Find" in page.url)
    with visit(chromium, space_url, link="?tab=Start&photo=5000") as page:
        until(page, lambda: "there are 96" in " ".join(page.get_by_test_id("toast-body").all_inner_texts()))


def test_the_tabs_inside_find_leave_the_address_to_what_they_find(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Find") as page:
        page.get_by_role("tab", name="By tile").click()
        tiles = page.locator("#find-tiles button")
        tiles.nth(3).click()
        until(page, lambda: page.url.endswith("?tab=Find&tile=3"))
        # Start, which nobody opened, has nothing to refuse.
        assert page.get_by_test_id("toast-body").count() == 0


def test_a_map_that_is_hidden_as_the_window_turns_asks_for_nothing(chromium, space_url):
    with visit(chromium, space_url, PHONE) as page:
        open_tab(page, "Explore")
        page.wait_for_function("document.querySelector('#world-map canvas')?.dataset.drawn")
        page.set_viewport_size({"width": PHONE[1], "height": PHONE[0]})
        open_tab(page, "Start")
        # What the map asked for would have been answered before the second of these.
        for number in (8, 3):
            before = drawn(page, TILE)
            page.locator("#start-examples button").nth(number).click()
            until(page, lambda before=before: drawn(page, TILE) != before)
        assert page.get_by_test_id("toast-body").count() == 0


def test_the_first_screen_works_by_keyboard(chromium, space_url):
    with visit(chromium, space_url) as page:
        before = drawn(page, TILE)
        page.locator("#start-examples button").nth(3).focus()
        page.keyboard.press("Enter")
        until(page, lambda: drawn(page, TILE) != before)
        photo = drawn(page, TILE)
        page.locator("#start-tile-card [data-part=marks]").focus()
        page.keyboard.press("Shift+ArrowLeft")
        assert page.locator("#start-tile-card [data-part=hover]").inner_text()
        page.keyboard.press("Enter")
        until(page, lambda: drawn(page, TILE) != photo and "point=" in page.url)


def check_saves(page, part: str, name: str, csv: bytes) -> Path:
    """Saves what a part shows in all its formats, and returns the picture."""
    for format_, begins in (("csv", csv), ("geojson", b'{"type"'), ("png", b"\x89PNG")):
        with page.expect_download() as saved:
            page.locator(f"#{part} [data-save={format_}]").click()
        assert saved.value.suggested_filename == f"{name}.{format_}"
        assert Path(saved.value.path()).read_bytes().startswith(begins)
    return Path(saved.value.path())


def test_readings_are_saved_as_files(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Compare&tile=2") as page:
        check_saves(page, "tile-view", "gair-tile", b"lon,lat,similarity")
        for panel in page.locator("#tile-view figure:visible").all():
            assert "above" in panel.locator("[data-part=rank]").inner_text()
        boxes = [panel.bounding_box()["width"] for panel in page.locator("#tile-view figure:visible").all()]
        assert len(boxes) == 4 and max(boxes) - min(boxes) < 2


def test_results_of_a_search_are_saved_as_files_and_as_a_picture(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Find&tile=4") as page:
        png = check_saves(page, "find-results", "gair-results", b"kind,rank")
        cards = page.locator("#find-results .gair-found figure").count()
        picture = np.asarray(Image.open(png).convert("RGB"))
    # The query above rows of four photos, with the marks of the page's.
    assert picture.shape[1] == 2 * (16 + 4 * (220 + 16)) and picture.shape[0] > 2 * (220 + (cards // 4) * 165)
    assert (picture == (0xC2, 0x41, 0x0C)).all(axis=-1).any() and len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_accessible(chromium, space_url, dark):
    with visit(chromium, space_url, dark=dark) as page:
        # What the words mean is folded up until somebody asks.
        meaning = page.get_by_text("how alike two embeddings are")
        assert not meaning.is_visible()
        page.get_by_text("What do the words on this page mean?").press("Enter")
        meaning.wait_for()
        for tab in TABS:
            open_tab(page, tab)
            if tab == "Find":
                page.get_by_role("tab", name="By place").click()
            found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            grave = [
                (violation["id"], node["html"][:200])
                for violation in found
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"]
            ]
            assert not grave, (tab, grave)


def test_taught_labels_are_in_the_link_and_back_takes_one_away(chromium, space_url):
    def labels(shown) -> str:
        return shown.locator("#explore-labels textarea").input_value()

    with visit(chromium, space_url, link=f"{EXPLORE}&show=clusters&clusters=3") as page:
        assert page.locator("#world-map [data-part=classes] li").count() == 3
        # Neither pins nor examples have a part in it.
        assert not page.locator("#world-map").get_by_label("A click adds a pin").is_visible()
        assert not page.get_by_role("button", name="Lisbon").is_visible()
        page.get_by_role("radio", name="Teach by clicks").check()
        until(page, lambda: "show=teach" in page.url)
        # Two quick clicks are two labels.
        for lon, lat in ((5, 25), (20, 22)):
            page.mouse.click(*map_point(page, "world-map", lon, lat))
        until(page, lambda: labels(page).count("like this") == 2)
        page.locator("#explore-marks input").fill("not like this")
        page.keyboard.press("Enter")
        with redrawn(page):
            page.mouse.click(*map_point(page, "world-map", -60, -5))
        until(page, lambda: "not+like+this" in page.url and labels(page).count("\n") == 2)
        taught, link = labels(page), page.url
        page.go_back()
        until(page, lambda: labels(page).count("\n") == 1)
    with visit(chromium, space_url, link=link.removeprefix(space_url)) as page:
        until(page, lambda: labels(page) == taught)
        page.get_by_role("radio", name="Similar places").check()
        until(page, lambda: page.locator("#world-map").get_by_label("A click adds a pin").is_visible())
        page.get_by_role("button", name="Photo 1 of the gallery").click()
        until(page, lambda: "photo=0" in page.url)
        link = page.url
    with visit(chromium, space_url, link=link.removeprefix(space_url)) as page:
        until(page, lambda: "the photo" in page.locator("#world-map [data-part=title]").inner_text())
    with visit(chromium, space_url, link=f"{EXPLORE}&show=clusters&clusters=99") as page:
        page.get_by_text("Its view is shown from the beginning").wait_for()
        until(page, lambda: "13.4" in places(page).input_value())


def test_every_map_is_saved_in_its_formats(chromium, space_url):
    begins = {"png": b"\x89PNG", "tif": b"II*", "csv": b"", "geojson": b'{"type": "FeatureCollection"'}

    def save(page, part: str, kind: str) -> bytes:
        with page.expect_download() as saved:
            page.locator(f"{part} [data-save={kind}], {part} [data-part={kind}]").first.click()
        content = Path(saved.value.path()).read_bytes()
        assert content.startswith(begins[kind])
        return content

    with visit(chromium, space_url, link=f"{EXPLORE}&show=colours&tile=3") as page:
        until(page, lambda: drawn(page, "#explore-coloured .gair-coloured"))
        # Colours have no features.
        assert not page.locator("#world-map [data-save=geojson]").is_visible()
        for part in ("#world-map", "#explore-coloured"):
            for kind in ("png", "tif", "csv"):
                save(page, part, kind)
        page.locator("#explore-tiles button").nth(5).click()
        until(page, lambda: "tile=5" in page.url)
        page.go_back()
        until(page, lambda: page.locator("#explore-tiles button").nth(3).get_attribute("aria-pressed") == "true")
        page.get_by_role("radio", name="Clusters").check()
        until(page, lambda: page.locator("#world-map [data-save=geojson]").is_visible())
        until(page, lambda: not page.locator("#explore-coloured").is_visible())
        assert b'"area"' in save(page, "#world-map", "geojson")
        open_tab(page, "Start")
        assert b'"similar"' in save(page, "#start-map", "geojson")
        open_tab(page, "Models")
        assert save(page, "#models-first", "csv") != save(page, "#models-second", "csv")
        open_tab(page, "Boxes")
        assert b'"box": "B"' in save(page, "#box-map", "geojson")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE])
def test_find_explore_and_compare_work_by_keyboard_alone(chromium, space_url, size, dark):
    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    def to_tab(name: str) -> None:
        tab_to(page, page.get_by_role("tab", name=name, exact=True))
        press("Enter")

    with visit(chromium, space_url, size, dark=dark) as page:
        to_tab("Find")
        tab_to(page, page.locator("#find-photos button").nth(3))
        press("Enter")
        until(page, lambda: "photo=3" in page.url)
        tab_to(page, page.locator("#find-results .gair-found a").first)
        press("Enter")
        until(page, lambda: "tab=Compare" in page.url and drawn(page, "#tile-view .gair-tile"))
        tab_to(page, page.locator("#tile-view [data-part=marks]").first)
        press("ArrowLeft", "ArrowUp", "Enter")
        until(page, lambda: "point=" in page.url)

        page.evaluate("document.activeElement.blur(), window.scrollTo(0, 0)")
        to_tab("Explore")
        until(page, lambda: drawn(page, "#world-map canvas"))
        tab_to(page, map_area(page, "world-map"))
        with redrawn(page):
            press("ArrowRight", "ArrowRight", "Shift+ArrowUp", "Enter")
        until(page, lambda: "at=13.4" not in page.url and "tab=Explore" in page.url)
        page.evaluate("document.activeElement.blur(), window.scrollTo(0, 0)")
        tab_to(page, page.get_by_role("radio", name="Similar places"))
        press("ArrowRight")
        until(page, lambda: "show=colours" in page.url)
        tab_to(page, page.locator("#explore-tiles button").nth(2))
        press("Enter")
        until(page, lambda: "tile=2" in page.url)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
