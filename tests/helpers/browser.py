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
"""
The page of the Space in a browser, for the tests and the screenshots:

    with running_space(scratch) as url, browser() as chromium, visit(chromium, url) as page:
        page.mouse.click(...)
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("playwright", reason="the extra ci is not installed")
from playwright.sync_api import Browser, Locator, Page, Route, sync_playwright

DESKTOP, TABLET, PHONE, LANDSCAPE = (1280, 900), (800, 900), (390, 844), (844, 390)
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Chromium itself must send no requests, so that all requests are the page's.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# For busy machines; nothing waits longer than it must.
_ANSWER_MS = 180_000
_MOST_TABS = 250
_ASKED = "**/queue/join*"
# What is true once a tab shows its first answer.
_READY = {
    "Start": "document.querySelector('#start-tile-card .gair-tile')?.dataset.drawn && document.querySelector('#start-map canvas')?.dataset.drawn",
    "Find": "document.querySelector('#find-results .gair-found')",
    "Explore": "document.querySelector('#world-map canvas')?.dataset.drawn",
    "Compare": "document.querySelector('#tile-view .gair-tile')?.dataset.drawn",
    "Models": "document.querySelector('#models-second canvas')?.dataset.drawn",
    "Boxes": "document.querySelector('#comparison')?.innerText.includes('Difference')",
}
TABS = tuple(_READY)
# The tabs within Compare.
_COMPARED = ("Models", "Boxes")


def chromium_path() -> str | None:
    """The path of the system's Chromium, if there is one."""
    return next((path for path in map(shutil.which, _CHROMIUM) if path), None)


# The marks of tests of the page: they share one server.
IN_A_BROWSER = [
    pytest.mark.ci,
    pytest.mark.xdist_group("space"),
    pytest.mark.skipif(chromium_path() is None, reason="no Chromium is installed: apt-get install chromium"),
]


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless; none is downloaded."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=list(_FLAGS))
        yield chromium
        chromium.close()


@contextmanager
def with_text_of(chromium: Browser, pixels: int) -> Iterator[Browser]:
    """Another Chromium, in whose settings the usual text has this size in place of 16 pixels."""
    flags = [*_FLAGS, f"--blink-settings=defaultFontSize={pixels}"]
    other = chromium.browser_type.launch(executable_path=chromium_path(), args=flags)
    yield other
    other.close()


@contextmanager
def visit(chromium: Browser, url: str, size: tuple[int, int] = DESKTOP, dark: bool = False, link: str = "", ready: str | None = None, **settings: Any) -> Iterator[Page]:  # fmt: skip
    """
    The page, with the view of the link, such as "?tab=Explore", or else the first one drawn; or once `ready`, an expression in
    JavaScript, is true. `settings` are of a context of Playwright. At the end, errors in the browser and requests to other hosts raise an `AssertionError`.
    """
    phone = size in (PHONE, LANDSCAPE)
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        has_touch=phone,
        is_mobile=phone,
        permissions=["clipboard-read", "clipboard-write"],
        **settings,
    )
    problems: list[str] = []
    context.on("page", lambda page: _watch(page, url, problems))
    page = context.new_page()
    page.goto(f"{url}{link}")
    tab = re.search(r"tab=(\w+)", link)
    page.wait_for_function(ready or _READY[tab[1] if tab else "Start"])
    yield page
    context.close()
    assert not problems, problems


def _watch(page: Page, url: str, problems: list[str]) -> None:
    """Notes errors of a page, and requests to other hosts."""
    page.set_default_timeout(_ANSWER_MS)
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda said: problems.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("request", lambda sent: None if sent.url.startswith((url, "data:", "blob:")) else problems.append(f"request: {sent.url}"))  # fmt: skip


def map_area(page: Page, map_id: str) -> Locator:
    """The part of a map that is moved, clicked and focused."""
    return page.locator(f"#{map_id} [data-part=area]")


def map_point(page: Page, map_id: str, lon: float, lat: float) -> tuple[float, float]:
    """The position of a place on the screen if the map shows the whole world (or, on a phone, its middle)."""
    area = map_area(page, map_id)
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    scale = max(box["width"] / 360, box["height"] / 180)
    return box["x"] + box["width"] / 2 + lon * scale, box["y"] + box["height"] / 2 - lat * scale


def pixel(page: Page, map_id: str, x: float, y: float) -> list[int]:
    """Red, green, blue, opacity of a map's canvas at a position on the screen."""
    return page.evaluate(
        """([id, x, y]) => {
          const canvas = document.querySelector(`#${id} canvas[data-part=canvas]`), frame = canvas.getBoundingClientRect();
          const ratio = canvas.width / frame.width;
          return [...canvas.getContext('2d').getImageData((x - frame.x) * ratio, (y - frame.y) * ratio, 1, 1).data];
        }""",
        [map_id, x, y],
    )


def until(page: Page, holds: Callable[[], bool]) -> None:
    """
    Waits until a condition holds: the parts of a page change one after the other.

    Raises:
        AssertionError: if it does not hold in time.
    """
    end = time.monotonic() + _ANSWER_MS / 1000
    while not holds():
        assert time.monotonic() < end, "the condition did not become true in time"
        page.wait_for_timeout(50)


@contextmanager
def redrawn(page: Page, map_id: str = "world-map") -> Iterator[None]:
    """Waits at its end until the map shows another query or other colours than at its beginning."""
    canvas = f"document.querySelector('#{map_id} canvas')"
    before = page.evaluate(f"{canvas}.dataset.drawn")
    yield
    page.wait_for_function(f"before => {canvas}.dataset.drawn !== before", arg=before)


def open_tab(page: Page, name: str) -> None:
    """Opens a tab and waits for its first answer."""
    if name in _COMPARED:
        page.get_by_role("tab", name="Compare").click()
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_function(_READY[name])


def settle(page: Page) -> None:
    """Waits until no map computes, and what came last is painted: a map paints in the next frame."""
    page.wait_for_function("![...document.querySelectorAll('[data-part=busy]')].some((busy) => busy.checkVisibility())")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@contextmanager
def held_requests(page: Page) -> Iterator[list[Route]]:
    """
    Holds what the page asks the server to compute until the end of the block. Then it is sent, the newest first, as browsers may
    do that send it over several connections.
    """
    held: list[Route] = []
    holding = True
    page.route(_ASKED, lambda route: held.append(route) if holding else route.continue_())
    yield held
    # The page sends what it has been told to.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    # The handler stays: a request that is on its way to it while it is removed could be lost.
    holding = False
    while held:
        held.pop().continue_()


def tab_to(page: Page, target: Locator) -> None:
    """
    Presses Tab until an element has the focus, as a visitor without a mouse does.

    Raises:
        AssertionError: if the keyboard does not reach it.
    """
    target.wait_for()
    for _ in range(_MOST_TABS):
        if target.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {target}")


def drag_box(page: Page, map_id: str, west: float, south: float, east: float, north: float) -> None:
    """Drags from the north-west to the south-east corner of a box in degrees, on a map on which boxes are being drawn."""
    page.mouse.move(*map_point(page, map_id, west, north))
    page.mouse.down()
    page.mouse.move(*map_point(page, map_id, (west + east) / 2, (south + north) / 2))
    page.mouse.move(*map_point(page, map_id, east, south))
    page.mouse.up()


def numbers(text: str) -> list[float]:
    """All numbers in a text."""
    return [float(part) for part in re.findall(r"-?\d+\.?\d*", text.replace("−", "-"))]
