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
"""Starting the Space from a copy of its folder alone, as on the Hub."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

FOLDER = Path(__file__).parents[2] / "spaces_demo"
# For busy machines; nothing waits longer than it must.
_START_S = 500
_STOP_S = 60


def asked(*pins: list[float], **parts: Any) -> dict[str, Any]:
    """What a map of the page sends: pins (lon, lat) that a visitor has set, and other parts than those of the whole world."""
    whole = {"view": [-180, -90, 180, 90], "boxes": {}, "opened": None, "placed": True, "turn": 1}
    return whole | {"pins": list(pins)} | parts


def request(number: int | None = None, visitor: str = "a visitor", **parts: str) -> Any:
    """The part of a request that views read: its number if a page sent it, who asks, and the parts of the address."""
    headers = {} if number is None else {"x-gair-request": str(number)}
    return SimpleNamespace(headers=headers, session_hash=visitor, query_params=parts)


@contextmanager
def running_space(scratch: Path, **variables: str) -> Iterator[str]:
    """
    The address of the page. The folder is copied to `scratch` and started there, with its cache in the same place,
    and with further environment variables.

    Raises:
        RuntimeError: if it does not start; with its output.
    """
    folder, log = scratch / "space", scratch / "log.txt"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    unwanted = ("PYTHONPATH", "GAIR_MODEL", "GAIR_GALLERY", "GRADIO_SERVER_PORT")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {
        "HF_HOME": str(scratch / "cache"),
        "HF_HUB_OFFLINE": "1",
        "GRADIO_TEMP_DIR": str(scratch / "uploads"),
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    with log.open("w") as written:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=folder, env=environment, stdout=written, stderr=subprocess.STDOUT)  # fmt: skip
    try:
        yield _address(server, log)
    finally:
        server.terminate()
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _address(server: subprocess.Popen, log: Path) -> str:
    """Wait until the server, which chooses a free port, prints its address and answers."""
    end = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < end:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            try:
                urlopen(f"{found[0]}/", timeout=30).close()
                return f"{found[0]}/"
            except (URLError, OSError):
                pass
        time.sleep(0.2)
    raise RuntimeError(f"The Space did not start:\n{log.read_text()}")
