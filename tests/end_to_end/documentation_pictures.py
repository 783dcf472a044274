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
Remakes the pictures of README and docs, from a run of `training/pretrain.py` on the sample world and from the running page:

    python -m tests.end_to_end.documentation_pictures outputs/pretrain

Without a run, it takes the screenshots of the page alone.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page

from tests.end_to_end import newcomer_pictures, query_picture
from tests.helpers.browser import PHONE, TABS, browser, open_tab, redrawn, settle, visit
from tests.helpers.space import running_space
from training.pretraining.monitoring import PICTURE
from training.world.contact_sheet import CONTACT_SHEET
from training.world.settings import WorldSettings
from training.world.writer import ensure_sample_dataset

IMAGES = Path(__file__).parents[2] / "docs" / "images"
_WIDTH = 1500


def run_pictures(run: Path) -> None:
    """Copies the pictures of a run and of its data, and draws its readings."""
    world = ensure_sample_dataset(WorldSettings())
    copies = {"similarity.jpg": run / "similarity.png", "sample_world.jpg": world / CONTACT_SHEET}
    copies |= {"training.png": run / PICTURE, "world_map.png": run / "world_map.png"}
    for name, source in copies.items():
        _copy(source, IMAGES / name)
    with TemporaryDirectory() as scratch:
        query_picture.main(run, Path(scratch) / "query.png")
        _copy(Path(scratch) / "query.png", IMAGES / "query.jpg")


def space_pictures() -> None:
    """Takes a screenshot of each view of the Space."""
    with TemporaryDirectory() as scratch, running_space(Path(scratch)) as url, browser() as chromium:
        with visit(chromium, url) as page:
            for tab in TABS:
                open_tab(page, tab)
                _screenshot(page, f"space-{tab.lower()}")
            open_tab(page, "Explore")
            with redrawn(page):
                page.locator("#explore-shown").get_by_label("Embeddings as colours").check()
            _screenshot(page, "space-colours")
            newcomer_pictures.teach(page)
            _screenshot(page, "space-taught")
        with visit(chromium, url, PHONE, dark=True) as page:
            _screenshot(page, "space-phone")


def _copy(source: Path, target: Path) -> None:
    """Copies a picture at a width for pages."""
    with Image.open(source) as picture:
        picture = picture.convert("RGB")
        picture.thumbnail((_WIDTH, 10 * _WIDTH))
        picture.save(target, optimize=True, quality=82)


def _screenshot(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    settle(page)
    page.screenshot(path=IMAGES / f"{name}.jpg", type="jpeg", quality=75)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run_pictures(Path(name))
    space_pictures()
