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
"""Which sites are held out whole, and which tiles are too near to them to train on."""

import math

import numpy as np
from sklearn.neighbors import KDTree

from modeling_gair.geo_gair import EARTH_RADIUS_M, wrap_longitude
from training.common.sphere import points_on_sphere
from training.street_pairs.selection.order import drawn_order
from training.street_pairs.windows import anchor_offset_m

TRAIN, TEST = "train", "test"
# Sides of a window by which two turned ones may be nearer than upright ones: each is turned about its anchor by up to 6 degrees, which moves
# its middle by 0.07 and its corners outwards by 0.05 sides; with a hundredth for even pixels and the ellipsoid.
_TURNED = 0.26


def held_out_sites(sites: np.ndarray, share: float, seed: int) -> np.ndarray:
    """
    Whether each tile is in a held-out site.

    Args:
        sites (`np.ndarray` of shape `(N,)`): the site of each tile.
        share (`float`): of the sites, rounded; at least one of several if it is above 0.
        seed (`int`): of the draw.
    """
    names = sorted(set(sites.tolist()))
    count = round(share * len(names))
    if share and len(names) > 1:
        count = min(max(count, 1), len(names) - 1)
    drawn = [names[position] for position in drawn_order(names, seed, "holdout")[:count]]
    return np.isin(sites.astype(str), drawn)


def too_near(
    lon: np.ndarray, lat: np.ndarray, draw_x: np.ndarray, draw_y: np.ndarray, held_out: np.ndarray, window_m: int
) -> np.ndarray:
    """
    Whether the footprint of each tile that is trained on may come nearer than a tile's diagonal to that of a held-out one.

    Footprints are taken for squares with sides to the north and east; how far the grids of scenes may turn them about their anchors is
    added to the distance that is kept.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): the tiles' anchors in degrees.
        draw_x, draw_y (`np.ndarray` of shape `(N,)`): where in the window the anchor lies, see [`training.street_pairs.windows`].
        held_out (`np.ndarray` of shape `(N,)`): which are held out.
        window_m (`int`): a tile's side in metres.
    """
    near = np.zeros(len(lon), bool)
    if not held_out.any() or held_out.all():
        return near
    kept_m = math.sqrt(2) * window_m + _TURNED * window_m
    middle_lon, middle_lat = _middles(lon, lat, draw_x, draw_y, window_m)
    points = points_on_sphere(np.radians(middle_lon), np.radians(middle_lat))
    reach = 2 * math.sin(min((kept_m + math.sqrt(2) * window_m) / EARTH_RADIUS_M / 2, math.pi / 2))
    tests, trains = np.flatnonzero(held_out), np.flatnonzero(~held_out)
    for tile, around in zip(trains, KDTree(points[tests]).query_radius(points[trains], reach)):
        others = tests[around]
        north = np.radians(middle_lat[others] - middle_lat[tile]) * EARTH_RADIUS_M
        between = np.cos(np.radians((middle_lat[others] + middle_lat[tile]) / 2))
        east = np.radians(wrap_longitude(middle_lon[others] - middle_lon[tile])) * between * EARTH_RADIUS_M
        gap = np.hypot(*(np.maximum(np.abs(along) - window_m, 0) for along in (north, east)))
        near[tile] = bool((gap < kept_m).any())
    return near


def _middles(
    lon: np.ndarray, lat: np.ndarray, draw_x: np.ndarray, draw_y: np.ndarray, window_m: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lon, lat in degrees of the middles of windows whose sides are to the north and east."""
    east, south = (window_m / 2 - anchor_offset_m(draw, window_m) for draw in (draw_x, draw_y))
    middle_lat = lat - np.degrees(south / EARTH_RADIUS_M)
    return wrap_longitude(lon + np.degrees(east / EARTH_RADIUS_M / np.cos(np.radians(lat)))), middle_lat
