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
"""Rasters that are to become chips or maps."""

import numpy as np

from modeling_gair import GairProcessor
from modeling_gair.bands_gair import GAIR_BANDS
from tests.bad_inputs.case import Refused, Right
from tests.helpers.rasters import made_pixels, made_scene, write_tif
from training.embedding.inputs.chips import window_size
from training.embedding.inputs.raster import RasterSource, bands_of, opened, time_of
from training.embedding.maps.plan import plan_map

_HALF_DEGREE = (0.0001, 0, 10, 0, -0.0001, 60)


def _map(pixels, window_m=1920.0, resolution_m=40.0, bands=None, to=None, names=GAIR_BANDS, **file):
    def run(folder):
        path = write_tif(folder / "scene.tif", pixels, names=names, **file)
        return plan_map(RasterSource(str(path), bands_of(bands), to), GairProcessor(), window_m, resolution_m, 96)

    return run


def _chips(pixels, window_m=1920.0, **file):
    def run(folder):
        path = write_tif(folder / "scene.tif", pixels, names=GAIR_BANDS, **file)
        with opened(RasterSource(str(path)), GairProcessor()) as raster:
            return window_size(raster, window_m, str(path))

    return run


def _read(window):
    def run(folder):
        path = write_tif(folder / "scene.tif", made_pixels(), names=GAIR_BANDS)
        return GairProcessor().image_processor.read(path, window=window)

    return run


def _inf(folder):
    pixels = made_scene(200, 200).astype(np.float32)
    pixels[:, 50, 50] = np.inf
    return _map(pixels)(folder)


_SCENE = made_scene(200, 200)
CASES = [
    Refused("no georeference", _map(_SCENE, transform=None), "not georeferenced, so that its pixels have no size"),
    Refused("no band names", _map(_SCENE, names=None), "10 bands without usable names; pass bands"),
    Refused("a band short", _map(_SCENE[:9], names=GAIR_BANDS[:9]), "lacks B12 .*; add them"),
    Refused("bands out of order", _map(_SCENE, bands="B03,B02"), "has 10 bands but bands lists 2"),
    Refused("an unknown order", _map(_SCENE, bands="sentinel"), "'sentinel', which is not a known order"),
    Refused("an unknown CRS", _map(_SCENE, to="EPSG:99999"), "'EPSG:99999' is not a known coordinate reference system"),
    Refused("a CRS of the Moon", _map(_SCENE, to="IAU_2015:30100"), "does not place anything on the Earth|not a known coordinate"),
    Refused("warped without georeference", _map(_SCENE, transform=None, to="EPSG:32633"), "not georeferenced, so that it cannot be warped"),
    Refused("rotated", _map(_SCENE, transform=(7, 7, 5e5, 7, -7, 5e6)), "rotated or mirrored"),
    Refused("cells of a pixel and a half", _map(_SCENE, resolution_m=15.0), "A cell of 15 m would measure [12]0.* such as 10 or 20"),
    Refused("cells below a pixel", _map(_SCENE, resolution_m=2.5), "pass at least the 10 m of a pixel"),
    Refused("windows too large", _map(_SCENE, window_m=8000.0), "measures 80.. x 80.. m, expected sides of 500 to 5000 m"),
    Refused("windows too small", _map(_SCENE, window_m=200.0, resolution_m=20.0), "expected sides of 500 to 5000 m"),
    Refused("inf in all windows", _inf, "contains inf, expected finite values"),
    Refused("8 bits", _map(_SCENE.astype(np.uint8)), "contains uint8, expected reflectance"),
    Refused("chips of uneven degrees", _chips(made_pixels(10, 60, 60), 1920.0, transform=(0.01, 0, 10, 0, -0.01, 60), crs="EPSG:4326"), "A window of 1920 m would measure .*pass --crs EPSG:32632"),
    Refused("a window beside the raster", _read((500, 0, 600, 100)), r"The window \(500, 0, 600, 100\) does not touch"),
    Refused("a window from right to left", _read((100, 0, 0, 100)), "expected left < right and top < bottom"),
    Refused("no time", lambda folder: time_of("yesterday"), "--datetime is 'yesterday', expected a date or a time"),
    Right("a time with a zone", lambda folder: time_of("2026-06-01T12:00+02:00").isoformat(), "2026-06-01T10:00:00+00:00".__eq__),
    Right("names with spaces", _map(_SCENE, names=None, bands=", ".join(GAIR_BANDS)), lambda plan: plan.shape == (50, 50)),
    Right("no data in the middle", _map(np.where(np.indices((10, 600, 600))[1] < 500, 0, made_scene(600, 600)).astype(np.uint16)), lambda plan: plan.shape == (150, 150)),
    Right("degrees at 60 north", _map(made_pixels(10, 300, 600), transform=_HALF_DEGREE, crs="EPSG:4326", resolution_m=45.0), lambda plan: plan.cell == (8, 4)),
    Right("one pixel more than a cell", _map(made_scene(201, 201)), lambda plan: plan.shape == (51, 51)),
]  # fmt: skip
