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
Time and memory of a dense map of a Sentinel-2 scene, through `training/embed.py`:

    python -m tests.speed.embedding_map OUTPUT [--side 10980] [--resolution_m 40] [--model DIR]

Makes a raster of `side` x `side` pixels of 10 m in OUTPUT, if it is not there, and maps it in one process. Prints tasks, windows, time,
peak memory and size; asserts nothing. The default model is of tiny size, with drawn weights.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch

from modeling_gair import GairConfig, GairModel, GairProcessor
from modeling_gair.bands_gair import GAIR_BANDS
from tests.helpers.embedding import ROOT
from tests.helpers.memory import wait_for
from tests.helpers.rasters import made_scene

_BLOCK = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--side", type=int, default=10_980)
    parser.add_argument("--resolution_m", type=float, default=40.0)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    model = options.model or made_model(options.output / "model")
    found = map_scene(options.output, options.side, options.resolution_m, model)
    side = options.side
    print(
        f"{side} x {side} pixels to cells of {options.resolution_m:g} m, D = {found.dimension}, {torch.get_num_threads()} threads"
    )
    print(
        f"{found.tasks} tasks, {found.windows:,} windows, {found.wall:.0f} s, {found.cpu:.0f} s of CPU, {1000 * found.cpu / found.windows:.1f} ms of "
        "CPU a window"
    )
    print(
        f"peak memory {found.peak_mb / 1000:.2f} GB; the raster decodes to {side**2 * 20 / 1e9:.2f} GB, the map is {found.stored_mb:.0f} MB"
    )


@dataclass(frozen=True)
class SceneMap:
    """What a map of a scene took: CPU and wall seconds, peak memory, and what it consists of."""

    cpu: float
    wall: float
    peak_mb: float
    tasks: int
    windows: int
    dimension: int
    stored_mb: float


def map_scene(folder: Path, side: int, resolution_m: float, model: Path) -> SceneMap:
    """
    Maps a made scene in one process, as users do.

    Args:
        folder (`Path`): where the scene is made, if it is not there, and the map.
        side (`int`): of the scene in pixels of 10 m.
        resolution_m (`float`): of the map.
        model (`Path`): its folder.
    """
    folder, model = folder.resolve(), model.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    raster, output = folder / f"scene-{side}.tif", folder / f"map-{side}-{resolution_m:g}m"
    if not raster.exists():
        write_scene(raster, side)
    paths = ("--model", str(model), "--input", str(raster), "--output", str(output))
    flags = ("--what", "pixels", "--resolution_m", str(resolution_m), "--dtype", "int8")
    start = time.perf_counter()
    command = [sys.executable, "training/embed.py", *paths, *flags]
    used = wait_for(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL))
    wall = time.perf_counter() - start
    job = json.loads((output / "job.json").read_text())
    stored = sum(file.stat().st_size for file in (output / "map.zarr").rglob("*") if file.is_file())
    return SceneMap(
        used.cpu, wall, used.peak_bytes / 1e6, job["tasks"], sum(job["sizes"]), job["dimension"], stored / 1e6
    )


def write_scene(path: Path, side: int) -> None:
    """A landscape, repeated in blocks, as a tiled GeoTIFF."""
    block = made_scene(_BLOCK, _BLOCK)
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "zstd", "bigtiff": "if_safer"}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=10,
        dtype="uint16",
        crs="EPSG:32633",
        transform=transform,
        **layout,
    ) as file:
        for top in range(0, side, _BLOCK):
            for left in range(0, side, _BLOCK):
                height, width = min(_BLOCK, side - top), min(_BLOCK, side - left)
                # Turned, so that neighbouring blocks differ.
                part = np.rot90(block, (top // _BLOCK + left // _BLOCK) % 4, axes=(1, 2))[:, :height, :width]
                file.write(np.ascontiguousarray(part), window=rasterio.windows.Window(left, top, width, height))
        file.descriptions = GAIR_BANDS


def made_model(folder: Path) -> Path:
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(nili_init="normal"))
    model.save_pretrained(folder)
    GairProcessor.for_config(model.config).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
