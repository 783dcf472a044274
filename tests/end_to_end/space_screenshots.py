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
Takes the screenshots of the documentation from the running page:

    python -m tests.end_to_end.space_screenshots
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from tests.helpers.browser import PHONE, TABS, browser, map_point, open_tab, redrawn, visit
from tests.helpers.space import running_space

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def main() -> None:
    """Starts the Space and takes a screenshot of each view."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as scratch, running_space(Path(scratch)) as url, browser() as chromium:
        with visit(chromium, url) as page:
            with redrawn(page):
                page.mouse.click(*map_point(page, "world-map", 77, 12))
            page.mouse.move(0, 0)
            _screenshot(page, "space-world-map")
            for tab in TABS[1:]:
                open_tab(page, tab)
                _screenshot(page, f"space-{tab.lower().replace(' ', '-')}")
        with visit(chromium, url, PHONE, dark=True) as page:
            _screenshot(page, "space-phone")


def _screenshot(page: Page, name: str) -> None:
    page.screenshot(path=IMAGES / f"{name}.jpg", type="jpeg", quality=75)


if __name__ == "__main__":
    main()
