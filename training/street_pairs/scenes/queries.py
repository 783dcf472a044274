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
What is searched for: one query for the tiles of a site whose periods overlap, since services slow down or shut out those who ask for
each tile. A site that was photographed all the time is asked for in parts, since each tile looks at all scenes of its query.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np

from modeling_gair.geo_gair import wrap_longitude
from training.common.boxes import Box, longitude_spans

# Keeps a box from being a point; a scene that holds a window holds its anchor as well.
_MARGIN_DEG = 1e-4


@dataclass
class Query:
    """
    A search for scenes.

    Attributes:
        site (`str`): whose tiles need the scenes.
        bbox (`Box`): west, south, east, north in degrees; west > east across the antimeridian.
        start, end (`datetime`, *optional*): the period, both ends included; None for any time.
        tile_ids (`list[str]`): the tiles.
    """

    site: str
    bbox: Box
    start: datetime | None
    end: datetime | None
    tile_ids: list[str]

    @property
    def boxes(self) -> list[Box]:
        """The box, or the two on either side of the antimeridian: services do not agree on west > east."""
        _, south, _, north = self.bbox
        return [(west, south, east, north) for west, east in longitude_spans(self.bbox)]


def queries_of(tiles: Sequence[dict[str, Any]]) -> list[Query]:
    """
    The queries for some tiles, in order of site and time.

    Args:
        tiles (`Sequence[dict]`): rows with tile_id, site, lon, lat, time_start, time_end.
    """
    timeless = datetime.min
    order = sorted(
        tiles, key=lambda tile: (tile["site"], (tile["time_start"] or timeless).replace(tzinfo=None), tile["tile_id"])
    )
    return [
        _query(site, period)
        for site, members in groupby(order, key=lambda tile: tile["site"])
        for period in _periods(list(members))
    ]


def _periods(tiles: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """
    Tiles of a site, in order of time, in groups whose periods overlap and together are at most twice as long as the longest; those without
    a period are a group of their own.
    """
    timeless = [tile for tile in tiles if tile["time_start"] is None]
    if timeless:
        yield timeless
    timed = [tile for tile in tiles if tile["time_start"] is not None]
    most = 2 * max((tile["time_end"] - tile["time_start"] for tile in timed), default=timedelta())
    group: list[dict[str, Any]] = []
    end: Any = None
    for tile in timed:
        if group and (tile["time_start"] > end or tile["time_end"] - group[0]["time_start"] > most):
            yield group
            group = []
        end = max(end, tile["time_end"]) if group else tile["time_end"]
        group.append(tile)
    if group:
        yield group


def _query(site: str, tiles: Sequence[dict[str, Any]]) -> Query:
    times = [(tile["time_start"], tile["time_end"]) for tile in tiles if tile["time_start"] is not None]
    start, end = (min(one for one, _ in times), max(one for _, one in times)) if times else (None, None)
    return Query(site, _box(tiles), start, end, [tile["tile_id"] for tile in tiles])


def _box(tiles: Sequence[dict[str, Any]]) -> Box:
    """The box of the anchors, by the shorter way around the Earth."""
    lon, lat = (np.array([tile[name] for tile in tiles], np.float64) for name in ("lon", "lat"))
    # Relative to one of them, so that a site on the antimeridian is in one piece.
    east_of_first = wrap_longitude(lon - lon[0])
    west, east = (
        float(wrap_longitude(lon[0] + side))
        for side in (east_of_first.min() - _MARGIN_DEG, east_of_first.max() + _MARGIN_DEG)
    )
    return west, max(float(lat.min()) - _MARGIN_DEG, -90.0), east, min(float(lat.max()) + _MARGIN_DEG, 90.0)
