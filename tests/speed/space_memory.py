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
Memory of the Space after many visits:

    python -m tests.speed.space_memory               # a hundred visits to the bundled model
    python -m tests.speed.space_memory --trace 20    # and the lines that hold the most

Each visit is a new session that opens links to all views: other photos, places, zooms, numbers of clusters and labels each time.
Prints the memory of the process beyond what importing its libraries takes, in two parts: what is private to it, and files in memory,
which the system takes back when it needs the memory. These are the gallery's encoded tiles, the land of the world, and code of the
libraries that is read only when it runs. At last, it waits until the Space has returned what is free. Asserts nothing.
"""

import argparse
import json
import random
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
_HEADERS = {"Content-Type": "application/json"}
_SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def main(arguments: list[str]) -> None:
    """Visits a Space in this process."""
    parser = argparse.ArgumentParser("python -m tests.speed.space_memory", description="Measure the Space's memory.")
    parser.add_argument("--visits", type=int, default=100)
    parser.add_argument(
        "--trace", type=int, default=0, metavar="LINES", help="list the lines that hold the most memory"
    )
    options = parser.parse_args(arguments)
    import_libraries()
    before, files_before = _memory_mb()

    def more() -> str:
        resident, files = _memory_mb()
        beyond, of_files = resident - before, files - files_before
        return f"{beyond:.0f} MB more: {beyond - of_files:.0f} MB private and {of_files:.0f} MB of files"

    if options.trace:
        tracemalloc.start()
    sys.path.insert(0, str(ROOT / "spaces_demo"))
    import app

    _, url, _ = app.demo.launch(prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    print(f"libraries {before:.0f} MB; started: {more()}", flush=True)
    chance = random.Random(0)
    started = tracemalloc.take_snapshot() if options.trace else None
    for number in range(1, options.visits + 1):
        _visit(url, f"visit-{number}", chance)
        if number in _SHOWN or number == options.visits:
            print(f"{number} visits: {more()}", flush=True)
    time.sleep(app.RETURN_AFTER + 1)
    print(f"at rest: {more()}", flush=True)
    if started is not None:
        for line in tracemalloc.take_snapshot().compare_to(started, "lineno")[: options.trace]:
            print(line)
    app.demo.close()


def import_libraries() -> None:
    """What any Space with such a model imports."""
    import datasets  # noqa: F401
    import gradio  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import rasterio.features  # noqa: F401
    import sklearn.cluster
    import sklearn.linear_model  # noqa: F401
    from transformers import AutoModel, AutoProcessor  # noqa: F401


def _links(chance: random.Random) -> Iterator[str]:
    """The query strings of one visit."""

    def place() -> tuple[float, float]:
        return round(chance.uniform(-120, 140), 2), round(chance.uniform(-35, 60), 2)

    lon, lat = place()
    width = 360 / 2 ** chance.randint(2, 6)
    zoom = f"{lon},{lat},{lon + width},{min(lat + width / 2, 90)}"
    labels = ",".join(f"~class {number % 2},{lon},{lat}" for number in range(6) for lon, lat in [place()])
    explore = {"tab": "Explore", "view": zoom, "sea": 1}
    yield urlencode({"tab": "Start", "photo": chance.randrange(96)})
    yield urlencode({"tab": "Start", "place": "{},{}".format(*place())})
    yield urlencode({"tab": "Find", "photo": chance.randrange(96)})
    yield urlencode(explore | {"at": f"{lon}, {lat}"})
    yield urlencode(explore | {"show": "colours", "tile": chance.randrange(24)})
    yield urlencode(explore | {"show": "clusters", "clusters": chance.randint(2, 12)})
    yield urlencode(explore | {"show": "teach", "labels": labels})
    yield urlencode({"tab": "Compare", "tile": chance.randrange(24), "point": f"{chance.random():.3f},0.5"})
    yield urlencode({"tab": "Boxes", "a": "-10,36,30,60", "b": f"{lon},{lat},{lon + 20},{lat + 20}"})


def _visit(url: str, session: str, chance: random.Random) -> None:
    """Opens the page, and in it one link after the other, as a browser does."""
    with urlopen(url) as answer:
        answer.read()
    with urlopen(f"{url}config") as answer:
        handlers = json.load(answer)["dependencies"]
    # The event that opens a view is called after its tab.
    opens = {event: one["id"] for one in handlers for _, event in one["targets"]}
    for link in _links(chance):
        _call(url, link, opens[dict(parse_qsl(link))["tab"]], session)


def _call(url: str, link: str, handler: int, session: str) -> None:
    body = json.dumps({"data": [], "fn_index": handler, "session_hash": session}).encode()
    with urlopen(Request(f"{url}gradio_api/queue/join?{link}", body, _HEADERS)) as answer:
        answer.read()
    with urlopen(f"{url}gradio_api/queue/data?session_hash={session}") as stream:
        for line in stream:
            if b"process_completed" in line:
                return


def _memory_mb() -> tuple[float, float]:
    """The memory of this process, and how much of it are files."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    resident, files = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssFile"))
    return resident, files


if __name__ == "__main__":
    main(sys.argv[1:])
