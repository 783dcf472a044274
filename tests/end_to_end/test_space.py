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
"""The Space as its visitors meet it: in a browser at two widths, as a program, and as somebody who means harm."""

import json
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo is not installed")
pytest.importorskip("playwright", reason="the extra test is not installed")
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.end_to_end.space import DESKTOP, PHONE, chromium_path, map_point, redrawn, until, visit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium_path() is None, reason="no Chromium is installed: apt-get install chromium"),
]
TABS = ("World map", "Tile view", "Retrieval", "Place to place")


def numbers(text: str) -> list[float]:
    return [float(part) for part in re.findall(r"-?\d+\.?\d*", text)]


def colours(page) -> int:
    """How many different colours the world map shows."""
    return page.evaluate(
        """() => {
          const canvas = document.querySelector('#world-map canvas');
          const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          return new Set(new Uint32Array(pixels.buffer)).size;
        }"""
    )


def places(page):
    return page.locator("#places input, #places textarea")


# Visitors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_click_draws_the_map_of_its_place_and_so_does_the_next(chromium, space_url, size):
    with visit(chromium, space_url, size) as page:
        assert colours(page) > 100
        for lon, lat in ((20.0, -10.0), (-60.0, 30.0)):
            at = map_point(page, "world-map", lon, lat)
            with redrawn(page):
                (page.touchscreen.tap if size == PHONE else page.mouse.click)(*at)
            until(page, lambda place=[lon, lat]: numbers(places(page).input_value()) == pytest.approx(place, abs=0.5))
            # The pin is orange, where it was set.
            pixel = page.evaluate(
                """([x, y]) => {
                  const canvas = document.querySelector('#world-map canvas'), frame = canvas.getBoundingClientRect();
                  const ratio = canvas.width / frame.width;
                  return [...canvas.getContext('2d').getImageData((x - frame.x - 6) * ratio, (y - frame.y) * ratio, 1, 1).data];
                }""",
                list(at),
            )
            assert pixel[0] > 150 > pixel[2]
        until(page, lambda: page.locator("#world-status tbody tr").count() == 5)
        assert "km apart" in page.locator("#world-status").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_pins_add_up_and_their_link_brings_them_back(chromium, space_url):
    with visit(chromium, space_url) as page:
        page.get_by_label("A click adds a pin").check()
        with redrawn(page):
            page.mouse.click(*map_point(page, "world-map", 100, 10))
        with redrawn(page):
            page.mouse.click(*map_point(page, "world-map", -100, 40))
        until(page, lambda: places(page).input_value().count(";") == 2 and page.url.count("%3B") == 2)
        typed, link = places(page).input_value(), page.url
        page.get_by_role("button", name="Copy link to this view").first.click()
        page.wait_for_function("document.querySelector('#world-map [data-part=copied]').textContent")
        assert page.evaluate("navigator.clipboard.readText()") == link
        drawn = page.evaluate("document.querySelector('#world-map canvas').dataset.drawn")
    with visit(chromium, space_url, link=link.removeprefix(space_url)) as page:
        until(page, lambda: places(page).input_value() == typed)
        until(page, lambda: page.evaluate("document.querySelector('#world-map canvas').dataset.drawn") == drawn)


def test_zooming_in_brings_finer_cells_and_the_view_stays_in_the_link(chromium, space_url):
    with visit(chromium, space_url) as page:
        for west in (-90, -45):
            page.get_by_role("button", name="Zoom in").first.click()
            until(page, lambda seen=f"view={west}": seen in page.url)


def test_a_view_whose_answer_gets_lost_is_asked_for_again(chromium, space_url):
    with visit(chromium, space_url) as page:
        zoom = page.get_by_role("button", name="Zoom in").first
        for _ in range(3):
            zoom.click()
            # As soon as a view has been asked for, and before it is answered, another is.
            page.wait_for_timeout(270)
        until(page, lambda: "view=-22.5" in page.url)


def test_the_keyboard_moves_a_cursor_and_picks(chromium, space_url):
    with visit(chromium, space_url) as page:
        page.locator("#world-map canvas[data-part=canvas]").focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        said = page.locator("#world-map [data-part=hover]").inner_text()
        with redrawn(page):
            page.keyboard.press("Enter")
        until(page, lambda: numbers(places(page).input_value()) != [13.4, 52.52])
        lon, lat = numbers(places(page).input_value())
        assert lon > 10 and lat > 3 and f"{lon:.2f}° E" in said and re.search(r"·\s+[≤≥]?\s?-?\d\.\d+$", said)


def test_colours_threshold_and_opacity_answer_at_once(chromium, space_url):
    with visit(chromium, space_url) as page:
        before = colours(page)
        page.locator("#world-map [data-part=threshold]").fill("240")
        assert colours(page) < before and "from 0." in page.locator("#world-map [data-part=least]").inner_text()
        page.locator("#world-map [data-part=threshold]").fill("0")
        first = page.evaluate("document.querySelector('#world-map canvas').toDataURL()")
        page.locator("#world-map [data-part=palette]").select_option("viridis")
        assert page.evaluate("document.querySelector('#world-map canvas').toDataURL()") != first
        with redrawn(page):
            page.get_by_label("full, −1 to 1").check()
        ticks = page.locator("#world-map [data-part=ticks]").inner_text()
        assert numbers(ticks) == [-1, -0.5, 0, 0.5, 1]
        page.locator("#world-map [data-part=palette]").select_option("PuOr")


def test_a_photo_is_a_query(chromium, space_url, tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).save(path)
    with visit(chromium, space_url) as page:
        places(page).fill("")
        page.get_by_role("button", name="Photo, tile").click()
        with redrawn(page):
            page.locator("input[type=file]").first.set_input_files(path)
        until(page, lambda: "your photo" in page.locator("#world-status").inner_text())


def test_a_slip_is_one_sentence_and_the_map_stays(chromium, space_url, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"<svg onload=alert(1)>")
    with visit(chromium, space_url) as page:
        drawn = page.evaluate("document.querySelector('#world-map canvas').dataset.drawn")
        toasts = page.get_by_test_id("toast-body")
        said: list[str] = []

        def says_more() -> bool:
            """Each sentence is there for some seconds only."""
            new = set(toasts.all_inner_texts()) - set(said)
            said.extend(new)
            return bool(new)

        for typed in ("95", "13, 95", "<img src=x onerror=alert(1)>"):
            places(page).fill(typed)
            places(page).press("Enter")
            until(page, says_more)
        places(page).fill("")
        page.get_by_role("button", name="Photo, tile").click()
        page.locator("input[type=file]").first.set_input_files(path)
        until(page, says_more)
        assert all("expected" in sentence and "Traceback" not in sentence for sentence in said)
        assert any("no photo that can be read" in sentence for sentence in said)
        assert not any("/" in sentence for sentence in said if "photo" in sentence)
        assert page.locator("img[src=x]").count() == 0
        assert page.evaluate("document.querySelector('#world-map canvas').dataset.drawn") == drawn


def test_boxes_are_drawn_and_compared(chromium, space_url):
    with visit(chromium, space_url) as page:
        page.get_by_role("tab", name="Place to place").click()
        page.wait_for_function("document.querySelector('#comparison')?.innerText.includes('Difference')")
        page.get_by_role("button", name="Draw box A").click()
        page.mouse.move(*map_point(page, "box-map", -20, 20))
        page.mouse.down()
        page.mouse.move(*map_point(page, "box-map", 20, 0))
        page.mouse.move(*map_point(page, "box-map", 40, -20))
        page.mouse.up()
        box = page.locator("#box-a input, #box-a textarea")
        until(page, lambda: numbers(box.input_value()) == pytest.approx([-20, -20, 40, 20], abs=1))
        until(page, lambda: "a=" in page.url)
        link = page.url
    with visit(chromium, space_url, link=link.removeprefix(space_url)) as page:
        page.wait_for_function("document.querySelector('#comparison')?.innerText.includes('Difference')")
        assert page.locator("#comparison").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_use_it(chromium, space_url, dark):
    with visit(chromium, space_url, dark=dark) as page:
        for tab in TABS:
            page.get_by_role("tab", name=tab).click()
            found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            grave = [
                (violation["id"], node["html"][:200])
                for violation in found
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"]
            ]
            assert not grave, (tab, grave)


# Programs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(space_url, tmp_path_factory):
    return Client(space_url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def test_programs_get_the_map_and_the_comparison(client):
    drawn = client.predict("13.4, 52.52", api_name="/similarity_map")
    assert (drawn["columns"], drawn["rows"], len(drawn["places"])) == (360, 180, 5)
    found = client.predict("170,-20,-170,-10", "0,40,10,50", api_name="/compare_boxes")
    assert 0 <= found["difference"] <= 1 and 0 < found["p_value"] <= 1


@pytest.mark.parametrize(("name", "arguments"), [("/similarity_map", ("13.4, 99",)), ("/compare_boxes", ("1", "2"))])
def test_programs_get_one_sentence_too(client, name, arguments):
    with pytest.raises(AppError, match="expected"):
        client.predict(*arguments, api_name=name)


# Harm ----------------------------------------------------------------------------------------------------------------


def status_of(request) -> int:
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def called(url: str, handler: str, data: list, event: object = None) -> str:
    """What the server says to a call of a handler by raw HTTP, as no page would send it."""
    with urlopen(f"{url}config", timeout=30) as answer:
        dependencies = json.load(answer)["dependencies"]
    number = next(found["id"] for found in dependencies if found["api_name"] == handler)
    body = {"data": data, "event_data": event, "fn_index": number, "session_hash": "harm"}
    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(f"{url}gradio_api/queue/join", json.dumps(body).encode(), headers), timeout=30) as answer:
            answer.read()
        said = b""
        with urlopen(f"{url}gradio_api/queue/data?session_hash=harm", timeout=30) as stream:
            for line in stream:
                said += line
                if b"process_completed" in line:
                    break
        return said.decode()
    except HTTPError as error:
        return error.read().decode()


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py", "../../etc/passwd", "model/model.safetensors"])
def test_no_file_of_the_server_can_be_read(space_url, path):
    assert status_of(f"{space_url}gradio_api/file={path}") in (403, 404)
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    said = called(space_url, "draw", ["", file, None, "-180,-90,180,90", "fixed", 5])
    assert "cells" not in said and "root:" not in said and '"success":false' in said.replace(" ", "")


def test_too_large_an_upload_is_refused(space_url):
    boundary = "x" * 20
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'.encode()
    body = head + bytes(33 * 2**20) + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert status_of(Request(f"{space_url}gradio_api/upload", body, headers)) == 413


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.jpg", "http://169.254.169.254/latest", "file:///etc/passwd"])
def test_no_address_is_fetched_for_a_visitor(space_url, address):
    file = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
    said = called(space_url, "draw", ["", file, None, "-180,-90,180,90", "fixed", 5])
    assert "cells" not in said and '"success":false' in said.replace(" ", "")


@pytest.mark.parametrize("event", [None, [], {"lon": "1", "lat": 0}, {"lon": 1e308, "lat": 0}, {"lon": 0, "lat": 91}])
def test_what_no_map_would_send_draws_nothing(space_url, event):
    said = called(space_url, "pick", [False, "", None, None, "-180,-90,180,90", "fixed", 5], event)
    assert "cells" not in said and "Traceback" not in said and "site-packages" not in said


def test_visitors_are_not_watched(space_url):
    assert status_of(f"{space_url}monitoring") == 403
    assert status_of(f"{space_url}gradio_api/runs") == 404


def test_the_folder_holds_what_the_hub_needs():
    from tests.end_to_end.space import FOLDER

    head = (FOLDER / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert "sdk: gradio" in head and "app_file: app.py" in head and "python_version:" in head
    needs = (FOLDER / "requirements.txt").read_text(encoding="utf-8").split()
    assert not any(need.startswith("gradio") for need in needs) and any(need.startswith("rasterio") for need in needs)
    assert sum(path.stat().st_size for path in Path(FOLDER / "model").iterdir()) <= 5 * 2**20
