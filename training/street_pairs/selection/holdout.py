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

from modeling_gair.geo_gair import EARTH_RADIUS_M
from training.common.sphere import points_on_sphere
from training.street_pairs.selection.order import draws

TRAIN, TEST = "train", "test"
# Diagonals between anchors, with a hundredth for the difference between sphere and ellipsoid.
APART = 3.03


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
    drawn = [names[position] for position in np.argsort(draws(names, seed, "holdout"), kind="stable")[:count]]
    return np.isin(sites.astype(str), drawn)


def too_near(lon: np.ndarray, lat: np.ndarray, held_out: np.ndarray, window_m: float) -> np.ndarray:
    """
    Whether each tile that is trained on may come nearer than a tile's diagonal to a held-out one.

    Windows lie around their anchors in any way, so that all of a window is within its diagonal d of the anchor: footprints are d or more
    apart where anchors are 3 d apart.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): the tiles' anchors in degrees.
        held_out (`np.ndarray` of shape `(N,)`): which are held out.
        window_m (`float`): a tile's side in metres.
    """
    near = np.zeros(len(lon), bool)
    if not held_out.any() or held_out.all():
        return near
    points = points_on_sphere(np.radians(lon), np.radians(lat))
    chord = 2 * math.sin(min(APART * math.sqrt(2) * window_m / EARTH_RADIUS_M / 2, math.pi / 2))
    nearest, _ = KDTree(points[held_out]).query(points[~held_out], k=1)
    near[~held_out] = nearest[:, 0] < chord
    return near
