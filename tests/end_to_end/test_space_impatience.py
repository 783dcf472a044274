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
"""The Space in a browser, by impatient visitors: quick clicks, Back while something computes, typing meanwhile, links of what they see."""

import re

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from tests.helpers.browser import IN_A_BROWSER, held_requests, map_point, tab_to, until, visit

pytestmark = IN_A_BROWSER


def choose(page, strip: str, number: int) -> None:
    """Clicks a picture of a strip at once: Playwright's own clicks wait for what they cause."""
    page.evaluate("([id, at]) => document.querySelectorAll(`#${id} button`)[at].click()", [strip, number])


def chosen(page, strip: str) -> list[str]:
    """The numbers of the pictures that are marked as chosen."""
    return page.locator(f"#{strip} [aria-pressed=true]").evaluate_all("(all) => all.map((one) => one.dataset.number)")


def answered(page, strip: str, number: int) -> str:
    """The address of a picture of a strip, after a click on it."""
    before = page.url
    choose(page, strip, number)
    until(page, lambda: page.url != before and chosen(page, strip) == [str(number)])
    return page.url


STRIPS = [
    ("?tab=Start&photo=5", "start-examples"),
    ("?tab=Find&photo=5", "find-photos"),
    ("?tab=Find&tile=5", "find-tiles"),
    ("?tab=Compare&tile=2", "tile-tiles"),
    ("?tab=Explore&show=colours&tile=3", "explore-tiles"),
]


@pytest.mark.parametrize(("link", "strip"), STRIPS)
def test_of_two_quick_clicks_the_second_one_counts(chromium, space_url, link, strip):
    with visit(chromium, space_url, link=link) as page:
        wanted = answered(page, strip, 7)
        answered(page, strip, 2)
        with held_requests(page) as held:
            choose(page, strip, 4)
            until(page, lambda: held)
            choose(page, strip, 7)
        until(page, lambda: page.url == wanted)
        # An answer to the first click that came now would be between both.
        answered(page, strip, 8)
        page.go_back()
        until(page, lambda: page.url == wanted and chosen(page, strip) == ["7"])


@pytest.mark.parametrize(("link", "strip"), STRIPS)
def test_back_after_a_quick_click_undoes_it(chromium, space_url, link, strip):
    with visit(chromium, space_url, link=link) as page:
        first = answered(page, strip, 3)
        answered(page, strip, 2)
        with held_requests(page) as held:
            choose(page, strip, 7)
            until(page, lambda: held)
            page.go_back()
        until(page, lambda: chosen(page, strip) == ["3"] and page.evaluate("gairOpening === null"))
        assert page.url == first
        answered(page, strip, 6)
        page.go_back()
        until(page, lambda: chosen(page, strip) == ["3"])
        assert page.url == first


def test_tabs_and_controls_change_before_the_server_answers(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Explore") as page:
        with held_requests(page) as held:
            page.get_by_label("Clusters", exact=True).check()
            page.get_by_label("number input for Number of clusters").wait_for()
            assert not page.locator("#places").is_visible() and held
            page.get_by_role("tab", name="Find").click()
            page.go_back()
            until(page, lambda: page.get_by_role("tab", name="Explore").get_attribute("aria-selected") == "true")
        # What the address says, which the click on "Clusters" had not reached.
        page.locator("#places").wait_for()
        assert page.get_by_role("radio", name="Similar places").is_checked() and page.url == f"{space_url}?tab=Explore"


@pytest.mark.parametrize(("link", "strip"), STRIPS[:4])
def test_a_click_between_two_steps_back_does_not_stay(chromium, space_url, link, strip):
    with visit(chromium, space_url, link=link) as page:
        first = answered(page, strip, 3)
        for number in (2, 6):
            answered(page, strip, number)
        with held_requests(page) as held:
            page.go_back()
            until(page, lambda: held)
            choose(page, strip, 8)
            page.go_back()
            until(page, lambda: page.url == first)
        until(page, lambda: chosen(page, strip) == ["3"] and page.evaluate("gairOpening === null"))
        # All that was asked for is answered by now, since answers come in this order.
        answered(page, strip, 7)
        page.go_back()
        until(page, lambda: page.url == first and chosen(page, strip) == ["3"])


def test_a_click_after_back_counts_even_if_it_is_answered_first(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Find&photo=5") as page:
        back = answered(page, "find-photos", 3)
        answered(page, "find-photos", 2)
        with held_requests(page) as held:
            page.go_back()
            until(page, lambda: held)
            show = "(later) => gairShown({ link: `tab=Find&photo=${later}`, request: gairRequest - 1 + later })"
            page.evaluate(show, 0)
            assert page.url == back
            page.evaluate(show, 1)
            assert page.url == f"{space_url}?tab=Find&photo=1"


def test_a_click_is_answered_though_the_end_of_earlier_answers_comes_late(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Find&photo=5") as page:
        late: list = []
        page.route("**/queue/data*", lambda route: late.append((route, route.fetch())), times=1)
        choose(page, "find-photos", 3)
        # The server has ended the stream of answers, which the page does not know yet.
        until(page, lambda: late)
        with page.expect_response("**/queue/join*"):
            choose(page, "find-photos", 7)
        route, ended = late.pop()
        route.fulfill(response=ended)
        until(page, lambda: page.url == f"{space_url}?tab=Find&photo=7" and chosen(page, "find-photos") == ["7"])


@pytest.mark.parametrize(("tab", "map_id"), [("Start", "start-map"), ("Explore", "world-map")])
def test_a_page_goes_on_after_a_full_queue(chromium, space_url, tab, map_id):
    full = {"status": 503, "json": {"detail": "Queue is full."}}
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{space_url}?tab=Find")
        page.wait_for_function("document.querySelector('#find-results .gair-found')")
        page.route("**/queue/join*", lambda route: route.fulfill(**full))
        page.get_by_role("tab", name=tab).click()
        page.get_by_test_id("toast-body").wait_for()
        until(page, lambda: page.evaluate("gairOpening === null"))
        page.unroute("**/queue/join*")
        page.reload()
        zoom = page.locator(f"#{map_id}").get_by_role("button", name="Zoom in")
        page.wait_for_function(f"document.querySelector('#{map_id} canvas')?.dataset.drawn")
        page.route("**/queue/join*", lambda route: route.fulfill(**full))
        zoom.click()
        page.get_by_test_id("toast-body").wait_for()
        until(page, lambda: not page.locator(f"#{map_id} [data-part=busy]").is_visible())


def test_tabs_inside_a_view_leave_the_address_as_it_is(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Find&photo=5") as page:
        page.get_by_role("tab", name="By place").click()
        page.get_by_role("button", name="Find", exact=True).wait_for()
        assert page.url == f"{space_url}?tab=Find&photo=5" and page.evaluate("gairOpening === null")
        page.get_by_role("button", name="Find", exact=True).click()
        until(page, lambda: "tab=Find&place=" in page.url)


def test_a_tab_that_a_link_has_opened_keeps_the_link(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Find&photo=5") as page:
        for name in ("Start", "Find"):
            page.get_by_role("tab", name=name, exact=True).click()
            until(page, lambda name=name: f"tab={name}" in page.url)
        assert page.url == f"{space_url}?tab=Find&photo=5" and chosen(page, "find-photos") == ["5"]


def test_controls_count_once_they_say_what_the_link_says(chromium, space_url):
    with visit(chromium, space_url) as page, held_requests(page) as held:
        page.get_by_role("link", name="Explore the world from here").click()
        until(page, lambda: held)
        sea = page.get_by_label("Show the sea")
        sea.wait_for()
        blocked = "(box) => getComputedStyle(box).pointerEvents === 'none'"
        assert sea.evaluate(blocked)
        held.pop().continue_()
        sea.check()
        until(page, lambda: held)
        held.pop().continue_()
        until(page, lambda: "sea=1" in page.url and "at=" in page.url)


def test_a_click_on_the_map_counts_if_a_control_is_changed_before_it_is_answered(chromium, space_url):
    for tab, map_id, option in (
        ("Explore", "world-map", "Show the sea"),
        ("Models", "models-second", "Embeddings as colours"),
    ):
        with visit(chromium, space_url, link=f"?tab={tab}") as page:
            with held_requests(page) as held:
                page.mouse.click(*map_point(page, map_id, 20, 5))
                until(page, lambda: held)
                page.get_by_label(option).check()
            until(
                page,
                lambda: re.search(r"at=(19|20)[.,]", page.url) and ("sea=1" in page.url or "show=colours" in page.url),
            )


def test_what_is_typed_while_a_map_is_drawn_stays_and_a_refusal_stops_nothing(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Explore") as page:
        places = page.locator("#places input, #places textarea")
        with page.expect_request(lambda request: "queue/join" in request.url):
            page.get_by_label("full, −1 to 1").check()
        places.fill("2.35, 48.8")
        until(page, lambda: "scale=full" in page.url)
        assert places.input_value() == "2.35, 48.8"
        places.fill("95")
        places.press("Enter")
        page.get_by_test_id("toast-body").wait_for()
        until(page, lambda: not page.locator("#world-map [data-part=busy]").is_visible())


def test_a_link_of_an_unknown_tab_goes_on_as_the_first_one(chromium, space_url):
    ready = "document.querySelector('#start-tile-card .gair-tile')?.dataset.drawn"
    with visit(chromium, space_url, link="?tab=Nowhere", ready=ready) as page:
        choose(page, "start-examples", 2)
        until(page, lambda: "tab=Start&photo=" in page.url)


def test_arrow_keys_move_among_radio_buttons(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Explore") as page:
        tab_to(page, page.get_by_role("radio", name="Similar places"))
        page.keyboard.press("ArrowRight")
        until(page, lambda: "show=colours" in page.url)
        assert page.get_by_role("radio", name="Embeddings as colours").is_checked()
        page.keyboard.press("ArrowRight")
        until(page, lambda: "show=clusters" in page.url)
        # The buttons are one stop of the Tab key.
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.type") != "radio"


def test_the_view_of_a_map_is_in_the_links_of_all_tabs(chromium, space_url):
    for tab, map_id in (("Start&photo=5", "start-map"), ("Boxes", "box-map")):
        with visit(chromium, space_url, link=f"?tab={tab}") as page:
            page.locator(f"#{map_id}").get_by_role("button", name="Zoom in").click()
            until(page, lambda: "view=" in page.url)
            link = page.url
        with visit(chromium, space_url, link=link.removeprefix(space_url)) as page:
            until(
                page,
                lambda map_id=map_id: (
                    page.evaluate(f"gairAsked('{map_id}').wanted.view[0]") == pytest.approx(-90, abs=1)
                ),
            )


def test_back_to_the_address_without_a_link_shows_the_first_tab(chromium, space_url):
    with visit(chromium, space_url) as page:
        page.get_by_role("tab", name="Explore").click()
        until(page, lambda: page.url == f"{space_url}?tab=Explore")
        page.go_back()
        until(page, lambda: page.get_by_role("tab", name="Start").get_attribute("aria-selected") == "true")
        assert page.url == space_url


def test_what_is_typed_stays_while_the_map_is_zoomed(chromium, space_url):
    with visit(chromium, space_url, link="?tab=Explore") as page:
        places = page.locator("#places input, #places textarea")
        places.fill("2.35, 48.8")
        page.locator("#world-map").get_by_role("button", name="Zoom in").click()
        until(page, lambda: "view=" in page.url and not page.evaluate("gairAsked('world-map').running"))
        assert places.input_value() == "2.35, 48.8"
        places.press("Enter")
        until(page, lambda: "at=2.35" in page.url)
