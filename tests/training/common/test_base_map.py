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
"""The map of the land: what it shows, and the colours of land and water."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from training.common.base_map import LAND_COLOUR, SEA_COLOUR, base_map, extent_around, save_map


def colour_at(tmp_path, lon, lat):
    """The colour in the middle of a map around a place."""
    figure, axis = base_map(np.array([[lon, lat]]), "a place")
    axis.grid(False)
    save_map(figure, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        return picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))


@pytest.mark.parametrize(
    ("lon", "lat", "colour"),
    [(50.5, 42.0, SEA_COLOUR), (-30.0, 30.0, SEA_COLOUR), (60.0, 55.0, LAND_COLOUR), (35.0, 31.0, LAND_COLOUR)],
    ids=["Caspian Sea", "Atlantic", "border of Europe and Asia", "border of Africa and Asia"],
)
def test_land_and_water(tmp_path, lon, lat, colour):
    assert colour_at(tmp_path, lon, lat) == tuple(round(255 * part) for part in to_rgb(colour))


def test_what_a_map_shows():
    assert extent_around(np.empty((0, 2))) == (-180, -90, 180, 90)
    west, south, east, north = extent_around(np.array([[10.0, 50.0], [20.0, 51.0]]))
    assert west < 10 and east > 20 and south < 50 and north > 51 and (north - south) * 3 == pytest.approx(east - west)
    assert extent_around(np.array([[-180.0, -90.0], [180.0, 90.0]])) == (-180, -90, 180, 90)
