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
Speed of making street pairs from local scenes and photos, with four photos a tile: pairs per second of CPU time, stage by stage, and of the
whole program with two workers by the clock:

    OMP_NUM_THREADS=1 python -m tests.speed.street_pairs

Scenes are COGs of 1,098 pixels a side at three sites; photos are one JPEG of 1,024 pixels with the noise of a camera. Prints the results; asserts
nothing.
"""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from modeling_gair.crs_gair import unproject
from tests.helpers.loopback.stac import write_catalogue
from tests.helpers.loopback.world import FIRST_DAY, read_world, write_world
from tests.helpers.loopback.world import SITES as ALL_SITES
from tests.speed.measuring import as_jpeg, camera_photo
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.stage import STAGES, Stage, run_unit

ROOT = Path(__file__).parents[2]
# In one zone each, so that all places of a scene are in no other.
_SITES = ALL_SITES[2:5]
_SIDE, _PHOTOS_PER_SITE, _MARGIN_M = 1098, 800, 1920
_PROVIDER, _WORKERS = "earth-search-c1", 2


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_world(folder / "world", _SITES, visits=1, side=_SIDE)
        write_catalogue(folder / "world", _PROVIDER, folder / "scenes.json")
        _write_photos(folder)
        seconds = _by_stage(folder)
        pairs = len(_SITES) * _PHOTOS_PER_SITE
        print(f"{pairs:,} photos, 1,024 pixels; tiles of 192 pixels with at most 4 photos")
        for stage, spent in seconds.items():
            print(f"{stage:<10}{spent:>8.1f} s of CPU time")
        print(
            f"{'all':<10}{sum(seconds.values()):>8.1f} s of CPU time: {pairs / sum(seconds.values()):.0f} pairs a second and core"
        )
        spent = _by_program(folder)
        print(f"the program with {_WORKERS} workers: {spent:.0f} s by the clock, {pairs / spent:.0f} pairs/s")


def _write_photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    (folder / "photo.jpg").write_bytes(as_jpeg(camera_photo(1024, 768)))
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "lon", "lat", "time", "path"))
        # Of each place, the scene of the newer baseline.
        for scene in [scene for scene in read_world(folder / "world") if scene.offset]:
            inside = rng.uniform(_MARGIN_M, 10 * _SIDE - _MARGIN_M, (2, _PHOTOS_PER_SITE))
            lon, lat = unproject(scene.west + inside[0], scene.north - inside[1], f"EPSG:{scene.epsg}")
            for number, place in enumerate(zip(lon.tolist(), lat.tolist())):
                writer.writerow((f"{scene.name}-{number}", *place, FIRST_DAY.isoformat(), "photo.jpg"))


def _options(folder: Path, output: str) -> dict[str, str]:
    return {
        "input": str(folder / "photos.csv"),
        "output": str(folder / output),
        "provider": _PROVIDER,
        "stac_url": str(folder / "scenes.json"),
        "own_photos": "They are made up.",
    }


def _by_stage(folder: Path) -> dict[str, float]:
    """Seconds of CPU time of each stage, in this process."""
    given = {**_options(folder, "here"), "output": folder / "here"}
    options = StreetPairsOptions(**given, thin_m=0.0, test_share=0.0)
    seconds = {}
    for name in STAGES:
        stage = Stage(options, name)
        start = time.process_time()
        for rank in range(len(stage.begin())):
            run_unit(options, name, rank)
        seconds[name] = time.process_time() - start
    return seconds


def _by_program(folder: Path) -> float:
    flags = {**_options(folder, "there"), "thin_m": "0", "test_share": "0", "workers": str(_WORKERS)}
    start = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "training/streetscapes.py",
            *(part for name, value in flags.items() for part in (f"--{name}", value)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
