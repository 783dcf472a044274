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
The Space in a browser, for the tests and the screenshots: its folder alone, copied elsewhere and started as on the Hub.

    with running_space(scratch) as url, browser() as chromium, visit(chromium, url) as page:
        page.mouse.click(...)
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parents[2] / "spaces_demo"
DESKTOP, PHONE = (1280, 900), (390, 844)
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Chromium itself must ask nobody for anything, so that what is asked is the page's doing.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Generous, for machines that do other work beside; nothing waits longer than it must.
_START_S, _ANSWER_MS = 300, 60_000


def chromium_path() -> str | None:
    """Where the system has a Chromium, if it has one."""
    return next((path for path in map(shutil.which, _CHROMIUM) if path), None)


@contextmanager
def running_space(scratch: Path) -> Iterator[str]:
    """
    The page's address. The folder is copied into `scratch` and started there, with no variable but its cache and port.

    Raises:
        RuntimeError: it does not start; with what it wrote.
    """
    folder, log = scratch / "space", scratch / "log.txt"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "GAIR_MODEL", "GAIR_GALLERY")}  # fmt: skip
    environment |= {
        "HF_HOME": str(scratch / "cache"),
        "HF_HUB_OFFLINE": "1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(scratch / "uploads"),
        "OMP_NUM_THREADS": "1",
    }
    with log.open("w") as written:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=folder, env=environment, stdout=written, stderr=subprocess.STDOUT)  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait(server, url, log)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _wait(server: subprocess.Popen, url: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < until:
        try:
            urlopen(url, timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"The Space did not start:\n{log.read_text()}")


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium: the system's, never one that is downloaded."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=list(_FLAGS))
        yield chromium
        chromium.close()


@contextmanager
def visit(chromium: Browser, url: str, size: tuple[int, int] = DESKTOP, dark: bool = False, link: str = "") -> Iterator[Page]:  # fmt: skip
    """
    The page, loaded and with its first map drawn. At the end, errors in the browser and requests to other hosts are an
    `AssertionError`.
    """
    phone = size == PHONE
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        has_touch=phone,
        is_mobile=phone,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    page.set_default_timeout(_ANSWER_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda said: problems.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("request", lambda sent: None if sent.url.startswith((url, "data:", "blob:")) else problems.append(f"request: {sent.url}"))  # fmt: skip
    page.goto(f"{url}{link}")
    page.wait_for_function("document.querySelector('#world-map canvas')?.dataset.drawn")
    yield page
    context.close()
    assert not problems, problems


def map_point(page: Page, map_id: str, lon: float, lat: float) -> tuple[float, float]:
    """Where a place is on the screen, while the map shows the whole world (or, on a phone, its middle)."""
    page.locator(f"#{map_id} canvas[data-part=canvas]").scroll_into_view_if_needed()
    box = page.locator(f"#{map_id} canvas[data-part=canvas]").bounding_box()
    assert box is not None
    scale = max(box["width"] / 360, box["height"] / 180)
    return box["x"] + box["width"] / 2 + lon * scale, box["y"] + box["height"] / 2 - lat * scale


def until(page: Page, holds: Callable[[], bool]) -> None:
    """
    Waits for what is true in a moment: the parts of a page follow an answer one after the other.

    Raises:
        AssertionError: it never is.
    """
    end = time.monotonic() + _ANSWER_MS / 1000
    while not holds():
        assert time.monotonic() < end, "what was waited for did not come"
        page.wait_for_timeout(50)


@contextmanager
def redrawn(page: Page, map_id: str = "world-map") -> Iterator[None]:
    """Waits at its end until the map shows another query, or other colours, than at its beginning."""
    canvas = f"document.querySelector('#{map_id} canvas')"
    before = page.evaluate(f"{canvas}.dataset.drawn")
    yield
    page.wait_for_function(f"before => {canvas}.dataset.drawn !== before", arg=before)
