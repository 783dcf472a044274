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
A newcomer's first five minutes on the page of the Space, as screenshots in order, to be looked at: does each explain itself?

    python -m tests.end_to_end.newcomer_pictures FOLDER
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page

from tests.helpers.browser import DESKTOP, PHONE, TABLET, browser, map_point, open_tab, redrawn, settle, until, visit
from tests.helpers.space import running_space

# Pictures elsewhere are only loaded when they come into view.
_PICTURES_IN_VIEW = """[...document.images].every((image) => {
  const { left, right, top, bottom } = image.getBoundingClientRect();
  return image.complete || right <= 0 || bottom <= 0 || left > innerWidth || top > innerHeight;
})"""
# Deserts and other places as lon, lat in degrees.
_TAUGHT = {
    "desert": ((10, 24), (47, 21), (130, -25), (22, -24)),
    "other": ((-60, -5), (10, 50), (100, 60), (-85, 38)),
}
_TILE = "document.querySelector('#start-tile-card .gair-tile').dataset.drawn"


def main(folder: Path) -> None:
    """Starts the Space and takes the screenshots."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch, running_space(Path(scratch)) as url, browser() as chromium:
        _five_minutes(chromium, url, folder)
        for name, size, dark in (("tablet", TABLET, False), ("phone", PHONE, False), ("phone-dark", PHONE, True)):
            with visit(chromium, url, size, dark) as page:
                _settle(page)
                page.screenshot(path=folder / f"{name}.png")
        with visit(chromium, url, DESKTOP, dark=True) as page:
            _settle(page)
            page.screenshot(path=folder / "dark.png")


def _five_minutes(chromium: Browser, url: str, folder: Path) -> None:
    with visit(chromium, url) as page:
        _take(page, folder, "01-first-screen")
        with _another_tile(page):
            page.locator("#start-examples button").nth(8).click()
        _take(page, folder, "02-another-photo")
        with _another_tile(page):
            page.locator("#start-tile-card [data-part=marks]").click(position={"x": 80, "y": 80})
        _take(page, folder, "03-a-point-of-the-tile")
        with _another_tile(page):
            page.mouse.click(*map_point(page, "start-map", -60, -10))
        _take(page, folder, "04-a-place-on-the-map")
        page.locator("#start-tile-card summary").click()
        _take(page, folder, "05-bands-and-files")
        open_tab(page, "Find")
        _take(page, folder, "06-find")
        page.get_by_role("tab", name="By place").click()
        page.get_by_role("button", name="Find", exact=True).click()
        until(page, lambda: "the place" in page.locator("#find-results").inner_text())
        _take(page, folder, "07-find-by-place")
        open_tab(page, "Explore")
        _take(page, folder, "08-explore")
        for number, choice in enumerate(("Embeddings as colours", "Clusters"), start=9):
            with redrawn(page):
                page.locator("#explore-shown").get_by_label(choice).check()
            _take(page, folder, f"{number:02}-{choice.split()[-1].lower()}")
        teach(page)
        _take(page, folder, "11-taught")
        open_tab(page, "Compare")
        _take(page, folder, "12-readings")
        open_tab(page, "Models")
        _take(page, folder, "13-models")
        open_tab(page, "Boxes")
        _take(page, folder, "14-boxes")


def teach(page: Page) -> None:
    """Opens Explore's map that is taught, and labels some deserts by clicks, then some places that are none."""
    page.locator("#explore-shown").get_by_label("Teach by clicks").check()
    labels = page.locator("#explore-labels textarea")
    for kind, places in _TAUGHT.items():
        marks = page.locator("#explore-marks input")
        marks.fill(kind)
        marks.press("Enter")
        for place in places:
            count = labels.input_value().count(kind)
            page.mouse.click(*map_point(page, "world-map", *place))
            until(page, lambda before=count, kind=kind: labels.input_value().count(kind) > before)
    until(page, lambda: "Accuracy" in page.locator("#world-status").inner_text())


@contextmanager
def _another_tile(page: Page) -> Iterator[None]:
    """Waits at its end until the tile of the first screen shows another query than at its beginning."""
    before = page.evaluate(_TILE)
    yield
    page.wait_for_function(f"before => {_TILE} !== before", arg=before)


def _settle(page: Page) -> None:
    """Waits until all pictures that are in view have come, and no map computes."""
    page.wait_for_function(_PICTURES_IN_VIEW)
    settle(page)


def _take(page: Page, folder: Path, name: str) -> None:
    page.mouse.move(0, 0)
    _settle(page)
    page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
