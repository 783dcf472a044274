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
Tiles: windows around photos, each of which holds up to K photos of one site and one period, so that a scene may be near in time to all
of them.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from modeling_gair.crs_gair import project
from training.common.utm import utm_epsg
from training.street_pairs.windows import anchor_offset_m

# The scene of a tile may be in the neighbouring UTM zone, whose grid is turned about the anchor: meridians converge by the difference in
# longitude, here between the zones' middles, times the sine of the latitude (Snyder, 1987, Map Projections: A Working Manual, section 8).
_BETWEEN_ZONES_DEG = 6.0
# Windows begin at every second pixel, and the scale differs by a thousandth between zones.
_SLACK_M = 25.0
_SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True)
class Places:
    """
    Photos to make tiles of.

    Attributes:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees on WGS 84.
        seconds (`np.ndarray` of shape `(N,)`): when they were taken, in seconds since 1970; NaN where unknown.
        site (`np.ndarray` of shape `(N,)`): the site of each.
        group (`np.ndarray` of shape `(N,)`): cell and settlement class, of which only so many tiles are made.
        draw_x, draw_y (`np.ndarray` of shape `(N,)`): in [0, 1): where in its window a photo lies if it anchors it.
    """

    lon: np.ndarray
    lat: np.ndarray
    seconds: np.ndarray
    site: np.ndarray
    group: np.ndarray
    draw_x: np.ndarray
    draw_y: np.ndarray


def group_into_tiles(
    places: Places, order: np.ndarray, photos: int, window_m: int, days: float, cap: int | None
) -> list[list[int]]:
    """
    Makes a tile of each photo in turn that is in none yet, with others that lie in its window.

    Args:
        places ([`Places`]): the photos.
        order (`np.ndarray` of shape `(N,)`): in which they anchor tiles.
        photos (`int`): the most photos of a tile.
        window_m (`int`): its side in metres.
        days (`float`): that a scene may lie before or after a photo; the photos of a tile are taken within half as many of its anchor, so that
            scenes of as many days are near to all.
        cap (`int`, *optional*): the most tiles of a group.

    Returns:
        The photos of each tile, the anchor first.
    """
    zones = utm_epsg(places.lon, places.lat)
    x, y = np.empty(len(zones)), np.empty(len(zones))
    for zone in np.unique(zones):
        here = zones == zone
        x[here], y[here] = project(places.lon[here], places.lat[here], f"EPSG:{zone}")
    cells: defaultdict[tuple, list[int]] = defaultdict(list)
    columns, rows = (np.floor(values / window_m).astype(np.int64) for values in (x, y))
    for photo in order.tolist():
        cells[_key(places, zones, columns, rows, photo)].append(photo)
    free = np.ones(len(order), bool)
    tiles: list[list[int]] = []
    made: defaultdict[object, int] = defaultdict(int)
    for anchor in order.tolist():
        group = places.group[anchor]
        if not free[anchor] or (cap is not None and made[group] >= cap):
            continue
        tile = _with_others(
            places, anchor, _near(cells, places, zones, columns, rows, anchor), x, y, free, photos, window_m, days
        )
        free[tile] = False
        tiles.append(tile)
        made[group] += 1
    return tiles


def _with_others(
    places: Places,
    anchor: int,
    near: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    free: np.ndarray,
    photos: int,
    window_m: int,
    days: float,
) -> list[int]:
    near = near[free[near] & (near != anchor)]
    from_west, from_north = (anchor_offset_m(draw[anchor], window_m) for draw in (places.draw_x, places.draw_y))
    east, south = x[near] - x[anchor], y[anchor] - y[near]
    turn = np.radians(_BETWEEN_ZONES_DEG * np.sin(np.radians(abs(places.lat[anchor]))))
    inside = np.ones(len(near), bool)
    for along, across, offset in ((east, south, from_west), (south, east, from_north)):
        moved = _SLACK_M + np.abs(across) * np.sin(turn) + np.abs(along) * (1 - np.cos(turn))
        inside &= (along >= moved - offset) & (along <= window_m - offset - moved)
    apart = np.abs(places.seconds[near] - places.seconds[anchor])
    # Photos without a time only with each other.
    together = (
        np.isnan(places.seconds[near]) if np.isnan(places.seconds[anchor]) else apart <= days / 2 * _SECONDS_PER_DAY
    )
    return [anchor, *near[inside & together][: photos - 1].tolist()]


def _near(
    cells: dict[tuple, list[int]], places: Places, zones: np.ndarray, columns: np.ndarray, rows: np.ndarray, anchor: int
) -> np.ndarray:
    """Photos of the site in the cells around, in their order."""
    site, zone = places.site[anchor], zones[anchor]
    found = [
        cells.get((site, zone, columns[anchor] + right, rows[anchor] + up), ())
        for right in (-1, 0, 1)
        for up in (-1, 0, 1)
    ]
    return np.array([photo for some in found for photo in some], np.int64)


def _key(places: Places, zones: np.ndarray, columns: np.ndarray, rows: np.ndarray, photo: int) -> tuple:
    return places.site[photo], zones[photo], columns[photo], rows[photo]
