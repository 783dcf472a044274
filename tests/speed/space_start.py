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
How soon the Space is up, and how soon its first visitor sees the first screen:

    OMP_NUM_THREADS=1 python -m tests.speed.space_start              # the bundled model
    OMP_NUM_THREADS=1 python -m tests.speed.space_start --model DIR

Each round starts a server in a new process and opens its page in a new Chromium. An untimed round before them fills the caches on disk. Prints
the CPU time until the server is up, beyond what importing its libraries takes; the time until the first screen is drawn, with photo, tile and map;
and how busy the machine was. Asserts nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryFile

from playwright.sync_api import Browser

from tests.helpers.browser import browser, visit
from tests.speed.space_memory import ROOT, import_libraries

_SERVER = "from tests.speed.space_start import serve; serve()"


@dataclass(frozen=True)
class Start:
    """
    One start, in seconds.

    Attributes:
        imports (`float`): CPU time of importing the libraries.
        up (`float`): CPU time from there until the server answers.
        up_wall (`float`): the same by the clock.
        first_screen (`float`): by the clock, from opening the page until its first screen is drawn.
    """

    imports: float
    up: float
    up_wall: float
    first_screen: float


def main(arguments: list[str]) -> None:
    """Prints all rounds, and their medians."""
    parser = argparse.ArgumentParser("python -m tests.speed.space_start", description="Measure starts of the Space.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", help="a directory or a repository on the Hub, in place of the bundled model")
    options = parser.parse_args(arguments)
    environment = os.environ | ({"GAIR_MODEL": options.model} if options.model else {})
    with browser() as chromium:
        _started(chromium, environment)
        starts = [_started(chromium, environment) for _ in range(options.rounds)]
    for start in starts:
        print(_text(start))
    print("medians:", _text(Start(*(median(column) for column in zip(*(vars(start).values() for start in starts))))))
    print(f"processes that wanted one of {os.cpu_count()} cores in the last minute: {os.getloadavg()[0]:.1f}")


def serve() -> None:
    """Starts the Space in this process, says when it is up, and serves until its input is closed."""
    import_libraries()
    imports, clock = time.process_time(), time.perf_counter()
    sys.path.insert(0, str(ROOT / "spaces_demo"))
    import app

    _, url, _ = app.demo.launch(prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    said = {"url": url, "imports": imports, "up": time.process_time() - imports, "up_wall": time.perf_counter() - clock}
    print(json.dumps(said), flush=True)
    sys.stdin.read()


def _started(chromium: Browser, environment: dict[str, str]) -> Start:
    with _server(environment) as said:
        clock = time.perf_counter()
        with visit(chromium, said["url"]):
            return Start(said["imports"], said["up"], said["up_wall"], time.perf_counter() - clock)


@contextmanager
def _server(environment: dict[str, str]) -> Iterator[dict]:
    command, pipe = [sys.executable, "-c", _SERVER], subprocess.PIPE
    with (
        TemporaryFile("w+") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=log) as server,
    ):
        # Galleries and models print lines of their own before.
        said = next((line for line in server.stdout or () if line.startswith("{")), None)
        if said is None:
            log.seek(0)
            raise RuntimeError(f"The Space did not start:\n{log.read()}")
        try:
            yield json.loads(said)
        finally:
            server.terminate()


def _text(start: Start) -> str:
    return (
        f"imports {start.imports:.1f} s of CPU; up after {start.up:.1f} s of CPU more ({start.up_wall:.1f} s by the clock); "
        f"first screen {start.first_screen:.1f} s after opening the page"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
