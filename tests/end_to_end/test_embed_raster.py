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
"""A raster becomes a map by `training/embed.py` as users run it: killed and run again, and on little memory."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from modeling_gair.bands_gair import GAIR_BANDS
from tests.end_to_end.test_embed import kill_when, run, start
from tests.helpers.memory import wait_for
from tests.helpers.rasters import made_scene, rasterio, write_tif

pytestmark = pytest.mark.ci
_PIXELS = ("--what", "pixels", "--resolution_m", "10", "--dtype", "int8")


def contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_a_map_that_was_killed_is_completed_by_two_workers_to_the_same_bytes(tmp_path):
    # Two blocks, the first of 1024 x 280 cells.
    path = write_tif(tmp_path / "scene.tif", made_scene(280, 1040), names=GAIR_BANDS)
    code, out, errors = run(path, tmp_path / "whole", *_PIXELS)
    assert code == 0 and "291,200 embeddings" in out and "embed: 100%" in errors, errors
    process = start(path, tmp_path / "killed", *_PIXELS)
    # While the first block's shards are being written.
    kill_when(process, (tmp_path / "killed" / "map.zarr" / "embeddings" / "c" / "0" / "0" / "1").exists)
    assert contents(tmp_path / "killed" / "map.zarr") != contents(tmp_path / "whole" / "map.zarr")
    code, _, errors = run(path, tmp_path / "killed", *_PIXELS, "--workers", "2")
    assert code == 0, errors
    assert contents(tmp_path / "killed" / "map.zarr") == contents(tmp_path / "whole" / "map.zarr")


def write_sparse(path: Path, side: int) -> Path:
    """A raster of `side` x `side` pixels, which has data in its first rows alone: a small file that decodes to gigabytes."""
    profile = {"width": side, "height": side, "count": 10, "dtype": "uint16", "crs": "EPSG:32633", "tiled": True}
    layout = {"blockxsize": 512, "blockysize": 512, "sparse_ok": True, "compress": "deflate"}
    transform = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    strip = made_scene(512, 512)
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **profile, **layout) as file:
        for left in range(0, side - 511, 512):
            file.write(strip, window=rasterio.windows.Window(left, 0, 512, 512))
        file.descriptions = GAIR_BANDS
    return path


@pytest.mark.parametrize("what", ["pixels", "chips"])
def test_memory_does_not_grow_with_the_raster(tmp_path, what):
    flags = ("--what", what, "--window_m", "2400", *(("--resolution_m", "200") if what == "pixels" else ()))
    peaks = []
    # The first has several batches of windows, too, and exceeds GDAL's cache of 256 MB.
    for side in (4096, 12_288):
        process = start(write_sparse(tmp_path / f"{side}.tif", side), tmp_path / f"out-{side}", *flags)
        peaks.append(wait_for(process).peak_bytes)
    more = (12_288**2 - 4096**2) * 10 * np.dtype(np.uint16).itemsize
    assert more > 2.5e9 and peaks[1] - peaks[0] < 0.1 * more, peaks
