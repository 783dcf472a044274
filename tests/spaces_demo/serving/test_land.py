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
import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.land import on_land


def test_cities_are_on_land_and_oceans_are_not():
    lon = np.array([-9.14, 13.4, 139.75, -60.02, 106.9, 174.78, 178.44, -157.86, -30.0, -150.0, 80.0, 0.0, 51.0])
    lat = np.array([38.72, 52.52, 35.68, -3.1, 47.92, -41.29, -18.14, 21.31, 40.0, 0.0, -20.0, -50.0, 42.0])
    assert on_land(lon, lat, 0.1).tolist() == [True] * 8 + [False] * 5


def test_longitudes_may_lie_beyond_the_antimeridian():
    assert on_land(np.array([178.44, 178.44 - 360, 538.44]), np.full(3, -18.14), 1.0).all()


def test_a_third_of_the_earth_is_land():
    draw = np.random.default_rng(0)
    lon, lat = draw.uniform(-180, 180, 20_000), np.degrees(np.arcsin(draw.uniform(-1, 1, 20_000)))
    assert 0.27 < on_land(lon, lat, 0.01).mean() < 0.34


def test_a_coarse_cell_is_land_if_it_touches_land():
    lon, lat = np.array([-11.0]), np.array([38.7])
    assert not on_land(lon, lat, 0.1)[0] and on_land(lon, lat, 4.0)[0]
