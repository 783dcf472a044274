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
`training/streetscapes.py` at some scale, on a loopback service with faults: thousands of tiles, once without and once with a kill in each
stage, which must give the same bytes:

    python -m tests.end_to_end.street_pairs_at_scale FOLDER

Prints what was made and how long it took; fails if a byte differs, or a photo is lost or twice.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from tests.end_to_end.test_streetscapes import PASSING, check_rows, command, environment, files_of, kill_in
from tests.helpers.loopback.photos import PhotoRoutes, made_photos, write_table
from tests.helpers.loopback.service import Fault, LoopbackService
from tests.helpers.loopback.stac import SceneRoutes
from tests.helpers.loopback.world import SITES, read_world, write_world
from training.street_pairs.stage import STAGES

_VISITS, _SIDE, _STREETS, _PHOTOS = 15, 400, 20, 50
# Photos that are gone for good.
_GONE = 100


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    photos = made_photos(SITES, _STREETS, _PHOTOS)
    write_world(folder / "world", SITES, _VISITS, _SIDE)
    print(f"{len(read_world(folder / 'world'))} scenes, {len(photos):,} photos, {len(SITES)} sites", flush=True)
    gone = {photo.name for photo in photos[:: len(photos) // _GONE]}
    permanent = [Fault("404", rf"/photos/({'|'.join(sorted(gone))})\.jpg")]
    routes = [*SceneRoutes(folder / "world").routes(), *PhotoRoutes(photos).routes()]
    with LoopbackService(routes) as service:
        table = folder / "photos.csv"
        write_table(table, photos, service.url)
        service.faults = list(permanent)
        whole, killed = folder / "whole", folder / "killed"
        _complete("without kills or passing faults", command(table, whole, service, 2))
        service.faults = [*permanent, *PASSING]
        arguments = command(table, killed, service, 2)
        for stage in STAGES:
            kill_in(stage, arguments, killed)
        _complete("with a kill in each stage and passing faults", arguments)
        counts = {name: count for name, count in sorted(service.counts.items()) if name.startswith("fault")}
        print(f"faults of the service: {counts}")
    assert files_of(whole) == files_of(killed), "The data sets differ."
    check_rows(killed, gone)
    rows = sum(pq.read_metadata(path).num_rows for path in (killed / "dataset" / "data").glob("*.parquet"))
    print(f"{rows:,} tiles; the two data sets are equal, byte for byte; no photo is lost or twice")


def _complete(title: str, arguments: list[str]) -> None:
    """Runs the program until nothing is left that failed in passing."""
    start, before = time.perf_counter(), os.times()
    status, attempts = 2, 0
    while status:
        again = ["--retry_failed"] if attempts else []
        done = subprocess.run([*arguments, *again], env=environment(), capture_output=True, text=True)
        status, attempts = done.returncode, attempts + 1
        assert status in (0, 2) and attempts < 10, done.stdout + done.stderr
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{title}: {attempts} runs, {time.perf_counter() - start:.0f} s, {cpu:.0f} s of CPU", flush=True)
    print(done.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
