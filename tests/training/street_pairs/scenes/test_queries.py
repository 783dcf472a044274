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
"""A query holds the tiles of a site whose periods overlap."""

from datetime import UTC, datetime, timedelta

from training.street_pairs.scenes.queries import queries_of
from training.street_pairs.stages import search

DAY = datetime(2021, 6, 1, tzinfo=UTC)


def tile(name, lon, lat, day=None, site="a"):
    start, end = (None, None) if day is None else (DAY + timedelta(days=day - 3), DAY + timedelta(days=day + 3))
    return {"tile_id": name, "site": site, "lon": lon, "lat": lat, "time_start": start, "time_end": end}


def test_periods_that_overlap_are_one_query():
    tiles = [tile("c", 12.2, 48, 6), tile("a", 12.0, 48, 0), tile("b", 12.1, 48.1, 5), tile("d", 12, 48, 40)]
    first, second = queries_of([*tiles, tile("x", 9, 9, 0, site="b")])[:2]
    assert first.tile_ids == ["a", "b", "c"] and second.tile_ids == ["d"]
    assert (first.start, first.end) == (DAY - timedelta(days=3), DAY + timedelta(days=9))
    west, south, east, north = first.bbox
    assert west < 12.0 < 12.2 < east and south < 48 < 48.1 < north and east - west < 0.21


def test_a_busy_site_is_asked_for_in_parts():
    tiles = [tile(f"{number:04d}", 12, 48, number / 10) for number in range(2000)]
    queries = queries_of(tiles)
    assert [name for query in queries for name in query.tile_ids] == [one["tile_id"] for one in tiles]
    # Each tile has a period of 6 days, and each query one of 12 at most.
    assert max(query.end - query.start for query in queries) <= timedelta(days=12)
    assert len(queries) < 2 * 206 / 12
    known = {one["tile_id"]: one for one in tiles}
    for query in queries:
        for name in query.tile_ids:
            assert query.start <= known[name]["time_start"] and known[name]["time_end"] <= query.end


def test_a_unit_has_so_many_queries_and_tiles_at_most():
    units = search._units([1] * 40 + [300, 100, 100, 100, 256, 1])
    assert units == [0] * 32 + [1] * 8 + [2, 3, 3, 4, 5, 6]
    assert search._units([]) == []


def test_tiles_without_a_time_are_searched_for_at_any_time():
    timeless, timed = queries_of([tile("a", 12, 48), tile("b", 12, 48, 0)])
    assert timeless.tile_ids == ["a"] and timeless.start is timeless.end is None
    assert timed.tile_ids == ["b"]


def test_a_site_on_the_antimeridian_is_searched_in_two_boxes():
    (query,) = queries_of([tile("a", 179.99, -17, 0), tile("b", -179.98, -17.01, 0)])
    (west_of_it, east_of_it) = query.boxes
    assert west_of_it[0] > 179.98 and west_of_it[2] == 180.0
    assert east_of_it[0] == -180.0 and east_of_it[2] < -179.97
