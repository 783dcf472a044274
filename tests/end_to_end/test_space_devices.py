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
"""The Space on other devices and with other settings: fingers, a phone in landscape, enlarged, forced colours, less motion, two tabs, behind a path."""

import pytest
import rasterio
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo is not installed")
from tests.helpers.browser import (  # fmt: skip
    DESKTOP,
    IN_A_BROWSER,
    LANDSCAPE,
    PHONE,
    TABS,
    map_area,
    open_tab,
    settle,
    until,
    visit,
    with_text_of,
)
from tests.helpers.proxy import behind_a_path
from tests.helpers.space import running_space

pytestmark = IN_A_BROWSER

# The text of a page that is cut off, and the elements that stick out of the page on the right.
CUT_OFF = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const style = getComputedStyle(element);
  const writes = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  const cuts = writes && ["hidden", "clip"].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
  const sticksOut = element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".gair-picker, .leaflet-container");
  // The tabs by which Gradio measures how many fit, and a sign that is turned, whose box sticks out then.
  if (element.closest(".visually-hidden, .label-wrap > .icon")) return false;
  return element.checkVisibility() && element.clientWidth && (cuts || sticksOut);
}).map((element) => `${element.tagName}.${element.className}: ${element.textContent.trim().slice(0, 40)}`)"""


def view_of(page, map_id: str) -> list[float]:
    """West, south, east, north of what a map shows, in degrees."""
    return page.evaluate(f"gairAsked('{map_id}').wanted.view")


def pinch(page, map_id: str, begin: float, end: float) -> None:
    """Two fingers on the middle of a map, so many pixels apart at the beginning and at the end."""
    area = map_area(page, map_id)
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touches = page.context.new_cdp_session(page)

    def send(kind: str, apart: float | None = None) -> None:
        sides = () if apart is None else (-apart / 2, apart / 2)
        points = [{"x": x + side, "y": y, "id": number} for number, side in enumerate(sides)]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", begin)
    for step in range(1, 9):
        send("touchMove", begin + (end - begin) * step / 8)
    send("touchEnd")


def swipe(page, map_id: str, right: float, down: float) -> None:
    """One finger from the middle of a map, which stays where it is on the screen."""
    box = map_area(page, map_id).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touches = page.context.new_cdp_session(page)
    touches.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        point = {"x": x + right * step / 8, "y": y + down * step / 8}
        touches.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touches.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.fixture(scope="module")
def space_behind_a_path(tmp_path_factory):
    """The address of a Space that a proxy serves under a path."""
    scratch = tmp_path_factory.mktemp("behind")
    with running_space(scratch, GRADIO_ROOT_PATH="/space") as url, behind_a_path(url, "/space") as outer:
        yield outer


@pytest.mark.parametrize(("tab", "map_id"), [("Start", "start-map"), ("Explore", "world-map")])
def test_two_fingers_zoom_a_map_and_not_the_page(chromium, space_url, tab, map_id):
    with visit(chromium, space_url, PHONE, link=f"?tab={tab}") as page:
        scrolled = "[visualViewport.scale, visualViewport.offsetTop]"
        before = page.evaluate(scrolled)
        whole = view_of(page, map_id)
        pinch(page, map_id, 60, 240)
        until(page, lambda: view_of(page, map_id)[2] - view_of(page, map_id)[0] < 0.5 * (whole[2] - whole[0]))
        closer = view_of(page, map_id)
        # Around the fingers.
        assert closer[0] + closer[2] == pytest.approx(whole[0] + whole[2], abs=20)
        until(page, lambda: "view=" in page.url)
        pinch(page, map_id, 240, 60)
        until(page, lambda: view_of(page, map_id)[2] - view_of(page, map_id)[0] > 3 * (closer[2] - closer[0]))
        assert page.evaluate(scrolled) == before


def test_one_finger_moves_the_map_or_scrolls_the_page(chromium, space_url):
    def scrolled() -> float:
        return page.evaluate("scrollY")

    def rests() -> bool:
        at = scrolled()
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return scrolled() == at

    def drags_the_map(right: float, down: float) -> None:
        before, at = view_of(page, "box-map"), scrolled()
        swipe(page, "box-map", right, down)
        until(page, lambda: view_of(page, "box-map") != before)
        assert scrolled() == at

    with visit(chromium, space_url, PHONE, link="?tab=Boxes", reduced_motion="reduce") as page:
        page.evaluate("scrollTo(0, 100)")
        whole = view_of(page, "box-map")
        # There is nothing to see above or below the whole world.
        swipe(page, "box-map", 10, -120)
        until(page, lambda: scrolled() > 150)
        assert view_of(page, "box-map") == whole
        # The page rolls on for a moment.
        until(page, rests)
        page.evaluate("scrollTo(0, 100)")
        drags_the_map(90, 30)
        tools = page.locator("#box-map")
        tools.get_by_role("button", name="Zoom in").click()
        until(page, lambda: view_of(page, "box-map")[3] < 50)
        page.evaluate("scrollTo(0, 100)")
        drags_the_map(0, -60)
        # A finger draws a box, and afterwards moves the map as before.
        box, drawn = (
            page.locator("#box-a input, #box-a textarea"),
            page.locator("#box-a input, #box-a textarea").input_value(),
        )
        tools.get_by_role("button", name="Draw box A").click()
        swipe(page, "box-map", 60, 70)
        until(page, lambda: box.input_value() != drawn)
        tools.get_by_role("button", name="Move the map").click()
        drags_the_map(0, 60)


def test_a_phone_in_landscape_shows_the_cards_and_leaves_room_to_scroll(chromium, space_url):
    with visit(chromium, space_url, LANDSCAPE) as page:
        assert page.locator("#start-photo-card img").bounding_box()["y"] < LANDSCAPE[1]
        for tab in TABS:
            open_tab(page, tab)
            settle(page)
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), tab
            assert not page.evaluate(CUT_OFF), tab
            heights = page.locator("[data-part=area]:visible").evaluate_all(
                "(all) => all.map((one) => one.clientHeight)"
            )
            assert all(height < 0.8 * LANDSCAPE[1] for height in heights), tab


@pytest.mark.parametrize("times", [2, 4])
def test_nothing_is_cut_off_when_the_page_is_enlarged(chromium, space_url, times):
    size = tuple(side // times for side in DESKTOP)
    with visit(chromium, space_url, size, device_scale_factor=times) as page:
        # Also what phones leave out.
        assert page.locator("#start-tile-card [data-part=opacity]").is_visible()
        for tab in TABS:
            open_tab(page, tab)
            settle(page)
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), tab
            assert not page.evaluate(CUT_OFF), tab


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_text_of_twice_the_size_is_readable_and_not_cut_off(chromium, space_url, size):
    sizes = """[...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() && !one.closest("footer, .gair-map-zoom, .leaflet-control-scale")
      && [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()))
      .map((one) => parseFloat(getComputedStyle(one).fontSize))"""

    def smallest(times: int) -> dict[str, float]:
        found = {}
        with with_text_of(chromium, 16 * times) as enlarged:
            for tab in TABS:
                with visit(enlarged, space_url, size, link=f"?tab={tab}") as page:
                    settle(page)
                    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), tab
                    assert not page.evaluate(CUT_OFF), tab
                    found[tab] = min(page.evaluate(sizes))
        return found

    usual, twice = smallest(1), smallest(2)
    assert twice == {tab: 2 * text for tab, text in usual.items()}


def test_tabs_without_room_open_their_views_from_a_menu(chromium, space_url):
    with visit(chromium, space_url, (240, 844)) as page:
        more = page.get_by_label("More tabs")
        more.first.click()
        page.locator(".overflow-dropdown button:visible", has_text="Compare").click()
        page.wait_for_function("document.querySelector('#tile-view .gair-tile')?.dataset.drawn")
        until(page, lambda: "?tab=Compare" in page.url)
        page.go_back()
        until(page, lambda: page.locator("#start-examples").is_visible())


def test_what_is_chosen_is_seen_in_forced_colours(chromium, space_url):
    with visit(chromium, space_url, forced_colors="active", link="?tab=Compare&tile=3") as page:
        for chosen in ("#tile-tiles [aria-pressed=true]", "#tile-view [data-layer][aria-pressed=true]"):
            assert page.locator(chosen).first.evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"
            other = page.locator(chosen.replace("true", "false")).first
            assert other.evaluate("(one) => getComputedStyle(one).outlineStyle") == "none"
        tabs = page.get_by_role("tab").evaluate_all("(all) => all.map((one) => [one.ariaSelected, getComputedStyle(one).borderBottomWidth])")  # fmt: skip
        assert {width for selected, width in tabs if selected == "true"} == {"3px"} and "3px" not in {width for selected, width in tabs if selected != "true"}  # fmt: skip
        open_tab(page, "Explore")
        assert (
            page.get_by_role("radio", name="Similar places").evaluate("(one) => getComputedStyle(one).appearance")
            == "auto"
        )


def test_less_motion_is_respected(chromium, space_url):
    with visit(chromium, space_url, reduced_motion="reduce", link="?tab=Explore&view=0,30,40,50") as page:
        area = map_area(page, "world-map")
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        page.mouse.move(box["x"] + 300, box["y"] + 200)
        page.mouse.down()
        for step in range(1, 6):
            page.mouse.move(box["x"] + 300 - 40 * step, box["y"] + 200)
        page.mouse.up()
        dropped = view_of(page, "world-map")
        page.evaluate("new Promise((done) => setTimeout(done, 400))")
        # A map that is let go stays where it is.
        assert view_of(page, "world-map") == pytest.approx(dropped, abs=1e-6)
        page.locator("#places textarea, #places input").fill("95")
        page.keyboard.press("Enter")
        said = page.get_by_test_id("toast-body")
        said.wait_for()
        # Gradio's message itself slides in within a tenth of a second, and a bar says how long it stays.
        moving = """document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime > 50)
          .map((one) => one.effect.target).filter((moved) => !moved.closest("[data-testid=toast-body]")).length"""
        assert page.evaluate(moving) == 0
        assert "longitude and latitude" in said.inner_text()


def test_tabs_of_one_browser_keep_what_they_show(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Explore&at=2.35,48.86") as page:
        other = page.context.new_page()
        other.goto(f"{space_url}?tab=Explore&at=-60,-3")
        canvas = "document.querySelector('#world-map canvas')?.dataset.drawn"
        other.wait_for_function(canvas)
        first, second = page.evaluate(canvas), other.evaluate(canvas)
        assert first != second
        # Both ask, one while the other is answered.
        other.get_by_label("full, −1 to 1").check()
        page.get_by_label("Clusters").check()
        until(page, lambda: "show=clusters" in page.url and page.evaluate(canvas) != first)
        until(other, lambda: "scale=full" in other.url and other.evaluate(canvas) != second)
        assert "-60" in other.locator("#places textarea, #places input").input_value()
        page.bring_to_front()
        page.locator("#world-map [data-part=link]").click()
        page.locator("#world-map [data-part=done]").filter(has_text="Link copied").wait_for()
        third = page.context.new_page()
        third.goto(page.evaluate("navigator.clipboard.readText()"))
        third.wait_for_function(canvas)
        until(third, lambda: third.evaluate(canvas) == page.evaluate(canvas))
        assert third.get_by_label("Clusters", exact=True).is_checked() and third.url == page.url


def test_the_page_works_behind_a_path(chromium, space_behind_a_path, tmp_path):
    # A visit fails if anything is asked for outside the path.
    with visit(chromium, space_behind_a_path) as page:
        assert page.evaluate("[...document.images].every((image) => !image.complete || image.naturalWidth)")
        with page.expect_download() as caught:
            page.locator("#start-map [data-save=tif]").click()
        with rasterio.open(caught.value.path()) as saved:
            assert saved.crs == "EPSG:4326"
        Image.new("RGB", (64, 48), "green").save(tmp_path / "photo.jpg")
        with page.expect_file_chooser() as chooser:
            page.locator("#start-upload").click()
        chooser.value.set_files(tmp_path / "photo.jpg")
        page.locator("#start-photo-head").filter(has_text="Your photo").wait_for()
        page.locator("#start-examples button").first.click()
        until(page, lambda: "?tab=Start&photo=" in page.url)
        page.locator("#start-map [data-part=link]").click()
        page.locator("#start-map [data-part=done]").filter(has_text="Link copied").wait_for()
        link = page.evaluate("navigator.clipboard.readText()")
        assert link == page.url and link.startswith(space_behind_a_path)
        # Impatient visitors have tests of their own: this one waits for the answer to the last click.
        page.locator("#start-photo-head").filter(has_not_text="Your photo").wait_for()
        page.locator("#start-map [data-part=busy]").wait_for(state="hidden")
        page.get_by_role("link", name="Explore the world from here").click()
        until(page, lambda: page.locator("#world-map [data-part=canvas]").get_attribute("data-drawn"))
        page.go_back()
        until(page, lambda: page.get_by_role("tab", name="Start").get_attribute("aria-selected") == "true")
        assert page.url == link
    with visit(chromium, space_behind_a_path, link=link.removeprefix(space_behind_a_path)) as page:
        until(page, lambda: page.locator("#start-examples button").first.get_attribute("aria-pressed") == "true")
