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
"""Grids of embedded places: which cells a view needs, what is kept, that requests stop, and that nothing is computed twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
import torch

from modeling_gair import GairLocationConfig, GairLocationEncoder
from serving.grids import CELLS, WORLD, Grids, Region, finest_level
from serving.land import on_land
from serving.turns import Superseded

WORLD_REGION = Region.covering(*WORLD, level=0)
ALPS = (5.0, 44.0, 11.0, 47.0)


class Planet:
    """Embeds a place as its direction from the centre of the Earth; counts calls and places."""

    def __init__(self):
        self.calls = self.places = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, lon, lat):
        with self._lock:
            self.calls += 1
            self.places += len(lon)
            self.most = max(self.most, len(lon))
        return directions(lon, lat)


def directions(lon, lat):
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1).astype(np.float32)


def to_place(lon, lat):
    """The function of cells that gives their cosine to a place."""
    query = directions(np.array([lon]), np.array([lat]))[0]
    return lambda cells: cells @ query


@pytest.fixture(scope="module")
def world_file(tmp_path_factory):
    """Where the world of a planet is stored."""
    file = tmp_path_factory.mktemp("world") / "world.npy"
    Grids(Planet(), file, finest=10).open_world()
    return file


@pytest.fixture
def planet():
    return Planet()


@pytest.fixture
def grids(planet, world_file):
    grids = Grids(planet, world_file, finest=10)
    grids.open_world()
    return grids


def test_the_world_is_360_by_180_cells(grids):
    (region,) = grids.regions(*WORLD)
    assert region.bounds == WORLD and region.shape == (180, 360)


@pytest.mark.parametrize("view", [(5, 40, 20, 47), (170, -10, 200, 5), (-180, 80, -179.9, 80.05), (0, 0, 1e-5, 1e-5)])
def test_a_region_covers_its_view_and_less_than_a_block_around_it(grids, view):
    region = grids.regions(*view, sea=True)[-1]
    west, south, east, north = region.bounds
    start = west + (view[0] - west) % 360
    assert start + view[2] - view[0] <= east + 1e-9 and south <= view[1] and view[3] <= north
    block = CELLS * region.cell
    assert start - west < block and south > view[1] - block and north < view[3] + block
    assert -180 <= west < 180 and (view[2] - view[0]) / region.cell <= 180
    assert region.level == 10 or (view[2] - view[0]) / region.cell > 90


def test_no_cells_are_finer_than_the_model_resolves(planet, world_file):
    grids = Grids(planet, world_file, finest=3)
    assert grids.regions(7, 45, 7.1, 45.05)[-1].level == 3
    assert grids.regions(*WORLD)[-1].level == 0


def test_a_tall_view_has_bounded_cells(grids):
    assert max(grids.regions(0, -90, 20, 90)[-1].shape) <= 180 + 2 * CELLS


def test_values_are_at_the_cells_of_their_places(grids):
    *_, (region, values, coarse) = grids.steps(WORLD, to_place(13.4, 52.5))
    # Rounded to float16, neighbours of the maximum are as similar.
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    assert (column - 179.5, 89.5 - row) == pytest.approx((13.4, 52.5), abs=1.51)
    assert np.nanmax(values) == pytest.approx(1, abs=1e-3) and not coarse and region.level == 0


def test_every_cell_in_view_has_the_value_of_its_centre(grids):
    *_, (region, values, _) = grids.steps(ALPS, to_place(7.0, 46.0), sea=True)
    lon, lat = region.centers()
    np.testing.assert_allclose(values.ravel(), to_place(7.0, 46.0)(directions(lon, lat)), atol=1e-3)


def test_functions_may_give_several_values(grids):
    values = grids.mapped(WORLD_REGION, lambda cells: cells[:, :2])
    assert values.shape == (180, 360, 2) and values.dtype == np.float32


def test_a_view_across_the_antimeridian_is_continuous(grids):
    *_, (region, values, _) = grids.steps((170, -10, 190, 10), to_place(180.0, 0.0), sea=True)
    column = int(np.unravel_index(values.argmax(), values.shape)[1])
    assert region.bounds[0] + (column + 0.5) * region.cell == pytest.approx(180, abs=1)
    assert np.abs(np.diff(values, axis=1)).max() < 0.01


def test_the_sea_is_computed_on_request_only(grids, planet):
    view = (-12.0, 36.0, -4.0, 40.0)
    *_, (region, land, _) = grids.steps(view, to_place(0, 0))
    wet = ~on_land(*region.centers(), region.cell).reshape(region.shape)
    assert np.array_equal(np.isnan(land), wet)
    before = planet.places
    *_, (region, both, _) = grids.steps(view, to_place(0, 0), sea=True)
    assert np.isfinite(both).all() and np.array_equal(both[~wet], land[~wet])
    coarse_sea = planet.places - before - wet.sum()
    assert 0 <= coarse_sea <= wet.sum() / 4


def test_a_view_without_land_has_no_values(grids):
    assert np.isnan(grids.mapped(Region.covering(-35, 5, -30, 8, level=2), to_place(0, 0))).all()


# Pieces --------------------------------------------------------------------------------------------------------------


def test_a_coarse_map_comes_first_at_a_small_part_of_the_cost(grids, planet):
    steps, before = grids.steps(ALPS, to_place(7.0, 46.0), sea=True), planet.places
    region, values, coarse = next(steps)
    first = planet.places - before
    finer, _, more = next(steps)
    assert coarse and not more and region.level == finer.level - 2 and np.isfinite(values).all()
    assert first < (planet.places - before) / 5


def test_no_coarse_map_is_drawn_where_all_is_known(grids):
    list(grids.steps(ALPS, to_place(7.0, 46.0)))
    assert len(list(grids.steps(ALPS, to_place(8.0, 46.0)))) == 1


def test_pieces_are_small(grids, planet):
    list(grids.steps(ALPS, to_place(7.0, 46.0), sea=True))
    assert planet.most < 512 + CELLS**2


def test_a_request_that_is_not_current_stops_at_the_next_piece(grids, planet):
    answers = iter([True, True, False])
    before = planet.calls
    with pytest.raises(Superseded):
        grids.mapped(Region.covering(*ALPS, level=4), to_place(7.0, 46.0), True, lambda: next(answers))
    assert planet.calls == before + 2


def test_what_a_stopped_request_has_computed_is_kept(grids, planet):
    region, answers = Region.covering(*ALPS, level=4), iter([True, True, False])
    before = planet.places
    with pytest.raises(Superseded):
        grids.mapped(region, to_place(7.0, 46.0), True, lambda: next(answers))
    grids.mapped(region, to_place(7.0, 46.0), True)
    assert planet.places - before == region.shape[0] * region.shape[1]


# What is kept --------------------------------------------------------------------------------------------------------


def test_the_world_is_computed_once_and_read_back(tmp_path):
    file, planet = tmp_path / "folder" / "world.npy", Planet()
    lon, lat, made = Grids(planet, file, finest=10).land()
    assert planet.places == len(made) == on_land(*WORLD_REGION.centers(), 1.0).sum()
    np.testing.assert_allclose(made, directions(lon, lat), atol=1e-3)
    again = Planet()
    assert np.array_equal(made, Grids(again, file, finest=10).land()[2]) and again.calls == 0
    (stored,) = file.parent.iterdir()
    stored.write_bytes(stored.read_bytes()[:1000])
    assert np.array_equal(made, Grids(again, file, finest=10).land()[2]) and again.places == planet.places


def test_a_world_released_with_the_model_is_read_unless_its_weights_are_others(tmp_path, world_file):
    released = Grids(Planet(), world_file, finest=10).release(tmp_path)
    planet = Planet()
    _, _, land = Grids(planet, tmp_path / "cache" / "world.npy", finest=10, beside=tmp_path).land()
    assert np.array_equal(land, np.load(released)) and planet.places == 16 and not (tmp_path / "cache").exists()
    other = Planet()
    turned = Grids(lambda lon, lat: other(lon + 30, lat), tmp_path / "cache" / "world.npy", finest=10, beside=tmp_path)
    assert not np.array_equal(turned.land()[2], land) and other.places == 16 + len(land)


def test_a_query_on_the_world_embeds_nothing(grids, planet):
    list(grids.steps(WORLD, to_place(0, 0)))
    assert planet.calls == 0


def test_finer_blocks_are_kept_up_to_a_limit(world_file):
    planet, block = Planet(), CELLS * CELLS * 3 * 2
    grids = Grids(planet, world_file, finest=10, max_bytes=4 * block)
    first, second = Region(3, 100, 20, 2, 2), Region(3, 108, 24, 2, 2)
    for region, places in ((first, 4), (first, 4), (second, 8), (second, 8), (first, 12)):
        grids.mapped(region, to_place(0, 0), sea=True)
        assert planet.places == places * CELLS**2
        assert sum(part.nbytes for part in grids._recent.values()) <= 4 * block


def test_a_view_beyond_the_limit_is_drawn_all_the_same(world_file):
    grids = Grids(Planet(), world_file, finest=10, max_bytes=1)
    assert np.isfinite(grids.mapped(Region(3, 100, 20, 2, 2), to_place(0, 0), sea=True)).all()


def test_simultaneous_visitors_share_the_computation(grids, planet):
    region, before = Region.covering(*ALPS, level=4), planet.places
    with ThreadPoolExecutor(8) as visitors:
        results = list(visitors.map(lambda _: grids.mapped(region, to_place(7, 46), sea=True), range(8)))
    assert planet.places - before == region.shape[0] * region.shape[1]
    assert all(np.array_equal(results[0], result) for result in results)


def test_a_world_that_cannot_be_written_or_read_is_computed(tmp_path):
    (tmp_path / "file").touch()
    assert len(Grids(Planet(), tmp_path / "file" / "world.npy", finest=0).land()[2])


# What a model resolves -----------------------------------------------------------------------------------------------


def location_encoder(scales):
    torch.manual_seed(0)
    config = GairLocationConfig(scales=scales, num_frequencies=128, hidden_size=128, output_size=64)
    encoder = GairLocationEncoder(config).eval()

    @torch.no_grad()
    def embed(lon, lat):
        coordinates = torch.from_numpy(np.stack([lon, lat], axis=1))
        return torch.nn.functional.normalize(encoder(coordinates), dim=-1).numpy()

    return embed


def test_the_finest_cells_follow_the_finest_scale_of_the_location_encoder():
    levels = [finest_level(location_encoder([1, 4 * finest, finest])) for finest in (2, 8, 32)]
    # Four times the frequency, a quarter of the cell.
    assert np.diff(levels).tolist() == [2, 2] and levels[1] in (3, 4)


def test_a_smooth_model_needs_no_cells_finer_than_the_world(served_model):
    assert finest_level(Planet()) == 0 == finest_level(served_model.places)
