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
"""Grids of embedded places: which blocks cover a view, what is cached, and that nothing is computed twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.grids import CELLS, WORLD, Grids, Region


class Planet:
    """Embeds a place as its direction from the centre of the Earth; counts the calls."""

    def __init__(self):
        self.blocks = 0
        self._lock = threading.Lock()

    def __call__(self, lon, lat):
        with self._lock:
            self.blocks += 1
        lon, lat = np.radians(lon), np.radians(lat)
        place = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
        return np.stack(place, axis=1).astype(np.float32)


def test_the_world_is_360_by_180_cells():
    region = Region.covering(*WORLD)
    assert region.bounds == WORLD and region.shape == (180, 360)


@pytest.mark.parametrize("view", [(5, 40, 20, 47), (170, -10, 200, 5), (-180, 80, -179.9, 80.05), (0, 0, 1e-5, 1e-5)])
def test_a_region_covers_its_view_with_cells_that_suit_its_size(view):
    region = Region.covering(*view)
    west, south, east, north = region.bounds
    assert (view[0] - west) % 360 <= east - west and (view[2] - west) % 360 <= east - west
    assert south <= view[1] and view[3] <= north
    assert max(region.shape) <= 5 * CELLS and -180 <= west < 180
    assert region.level == 10 or region.side <= view[2] - view[0]


def test_a_tall_view_has_bounded_cells():
    assert max(Region.covering(0, -90, 20, 90).shape) <= 5 * CELLS


def test_cosines_are_at_the_cells_of_their_places(tmp_path):
    grids = Grids(Planet(), tmp_path / "world.npy")
    query = Planet()(np.array([13.4]), np.array([52.5]))[0]
    values = grids.cosines(query, Region.covering(*WORLD))
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert (column - 179.5, 89.5 - row) == pytest.approx((13.4, 52.5), abs=0.51)
    assert values.max() == pytest.approx(1, abs=1e-3)


def test_a_view_across_the_antimeridian_is_continuous(tmp_path):
    grids = Grids(Planet(), tmp_path / "world.npy")
    query = Planet()(np.array([180.0]), np.array([0.0]))[0]
    region = Region.covering(170, -10, 190, 10)
    values = grids.cosines(query, region)
    column = int(np.unravel_index(values.argmax(), values.shape)[1])
    assert region.bounds[0] + (column + 0.5) * region.side / CELLS == pytest.approx(180, abs=region.side / CELLS)
    assert np.abs(np.diff(values, axis=1)).max() < 0.01


def test_the_world_is_computed_once_and_read_back(tmp_path):
    file, planet = tmp_path / "folder" / "world.npy", Planet()
    made = Grids(planet, file).world()
    assert planet.blocks == 8 and [path.name for path in file.parent.iterdir()] == ["world.npy"]
    again = Planet()
    assert all(np.array_equal(one, other) for one, other in zip(made, Grids(again, file).world()))
    assert again.blocks == 0


def test_a_truncated_world_is_computed_again(tmp_path):
    file = tmp_path / "world.npy"
    Grids(Planet(), file).world()
    file.write_bytes(file.read_bytes()[:1000])
    planet = Planet()
    Grids(planet, file).world()
    assert planet.blocks == 8 and len(np.load(file)) == 8


def test_finer_blocks_are_kept_up_to_a_limit(tmp_path):
    planet = Planet()
    grids = Grids(planet, tmp_path / "world.npy", max_bytes=4 * CELLS * CELLS * 3 * 4)
    query = np.array([1.0, 0.0, 0.0], np.float32)
    first, second = Region(3, 0, 0, 2, 2), Region(3, 8, 4, 2, 2)
    grids.cosines(query, first)
    grids.cosines(query, first)
    assert planet.blocks == 4
    grids.cosines(query, second)
    grids.cosines(query, second)
    assert planet.blocks == 8
    grids.cosines(query, first)
    assert planet.blocks == 12 and sum(block.nbytes for block in grids._finer.values()) <= 4 * CELLS * CELLS * 3 * 4


def test_simultaneous_visitors_share_the_computation(tmp_path):
    planet = Planet()
    grids = Grids(planet, tmp_path / "world.npy")
    with ThreadPoolExecutor(8) as visitors:
        results = list(
            visitors.map(lambda _: grids.cosines(np.eye(3, dtype=np.float32)[0], Region(0, 0, 0, 4, 2)), range(8))
        )
    assert planet.blocks == 8 and all(np.array_equal(results[0], result) for result in results)


def test_a_world_that_cannot_be_written_or_read_is_computed(tmp_path):
    (tmp_path / "file").touch()
    assert len(Grids(Planet(), tmp_path / "file" / "world.npy").world()) == 8
    (tmp_path / "world.npy").mkdir()
    assert len(Grids(Planet(), tmp_path / "world.npy").world()) == 8
