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
"""The Space's tab of embeddings of one's own, in a browser."""

import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="the extra demo is not installed")
pytest.importorskip("datatrove", reason="the extra embed is not installed")
from modeling_gair import GairModel
from tests.helpers.browser import (
    DESKTOP,
    IN_A_BROWSER,
    PHONE,
    TABLET,
    map_area,
    map_point,
    numbers,
    tab_to,
    until,
    visit,
)
from tests.helpers.embedding import MODEL, run_embed, vectors_of
from tests.helpers.space import running_space

_MAP = "embeddings-map"

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The address of a Space that searches the cells of the land, and these rows."""
    folder = tmp_path_factory.mktemp("embeddings")
    _, table = run_embed("grid:500km", folder / "land")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAIR_EMBEDDINGS", str(folder / "land" / "embeddings"))
        with running_space(folder) as address:
            yield address, table


def test_a_click_and_a_typed_place_find_the_rows_beside_them(chromium, searched):
    url, table = searched
    with visit(chromium, url) as page:
        page.get_by_role("tab", name="Yours", exact=True).click()
        # Nothing is drawn before the first query.
        map_area(page, _MAP).wait_for()
        found, place = (
            page.locator("#embeddings-found tbody tr"),
            page.locator("#embeddings-place textarea, #embeddings-place input"),
        )
        page.mouse.click(*map_point(page, _MAP, 20.0, -10.0))
        until(page, lambda: found.count() == 20 and numbers(place.input_value()) == pytest.approx([20, -10], abs=1))
        place.fill("-100, 45")
        before = found.first.inner_text()
        place.press("Enter")
        until(page, lambda: found.first.inner_text() != before)
        cells = found.first.locator("td").all_inner_texts()
        similarities = _cosines(table, -100.0, 45.0)
        best = int(similarities.argmax())
        assert cells[1] == table["id"][best].as_py() and float(cells[5]) == pytest.approx(similarities[best], abs=2e-3)


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE])
def test_rows_are_found_by_keyboard_alone_and_links_restore_them(chromium, searched, size):
    url, _ = searched

    def rows(page) -> list[str]:
        return page.locator("#embeddings-found tbody tr").all_inner_texts()

    with visit(chromium, url, size, dark=size != DESKTOP) as page:
        tab_to(page, page.get_by_role("tab", name="Yours", exact=True))
        page.keyboard.press("Enter")
        tab_to(page, map_area(page, _MAP))
        for key in ("ArrowRight", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        until(page, lambda: len(rows(page)) == 20 and "at=" in page.url)
        by_place, link = rows(page), page.url
        for key in ("PageDown", "PageDown", "Enter"):
            page.keyboard.press(key)
        until(page, lambda: "row=" in page.url and rows(page) != by_place)
        page.go_back()
        until(page, lambda: rows(page) == by_place)
    ready = "document.querySelectorAll('#embeddings-found tbody tr').length === 20"
    with visit(chromium, url, size, link=link.removeprefix(url), ready=ready) as page:
        assert rows(page) == by_place
        # The table fits, and its numbers are not broken.
        lines = "(all) => all.map((cell) => { const text = document.createRange(); text.selectNodeContents(cell); return text.getClientRects().length; })"
        assert set(page.locator("#embeddings-found td:not(:nth-child(2))").evaluate_all(lines)) == {1}
        right = page.locator("#embeddings-found table").evaluate("(table) => table.getBoundingClientRect().right")
        assert right <= size[0]
        with page.expect_download() as saved:
            page.locator(f"#{_MAP} [data-save=csv]").click()
        assert saved.value.suggested_filename == "gair-rows.csv"
    with visit(
        chromium, url, size, link="?tab=Yours&row=nobody", ready="document.querySelector('[data-testid=toast-body]')"
    ) as page:
        assert "no id" in page.get_by_test_id("toast-body").first.inner_text()


def _cosines(table, lon: float, lat: float) -> np.ndarray:
    """Of all rows `(N,)` to a place, by the model itself."""
    with torch.no_grad():
        query = GairModel.from_pretrained(MODEL).eval().get_location_features(torch.tensor([[lon, lat]]))[0].numpy()
    vectors = vectors_of(table)
    return vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
