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
"""Whether the location encoder groups places by their climate, far beyond their neighbourhood."""

import numpy as np
from sklearn.metrics import roc_auc_score

from modeling_gair import GairModel, GairProcessor
from modeling_gair.geo_gair import great_circle_distance_m
from training.measuring.world_figure import embed_places
from training.world.earth.earth import load_earth, read_grid
from training.world.earth.koppen import CLIMATE_ZONES, zone_of
from training.world.places import split_of
from training.world.settings import WorldSettings

_PLACES = 8_000
# 20 degrees. Closer places are similar because they are neighbours.
_APART_M = 20 * 111_195.0
# Ice sheets would be most of the places in the south.
_SOUTH = -60


def climate_auc(
    model: GairModel, processor: GairProcessor, world: WorldSettings, places: int = _PLACES, seed: int = 0
) -> dict[str, float]:
    """
    How well the cosine similarity of location embeddings tells pairs of places of the same Köppen main group from other pairs. Pairs
    are a place on land in a held-out block of a sample world, and one on any land more than 20 degrees away.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the model, in evaluation mode, and its processor.
        world (`WorldSettings`): decides which blocks are held out.
        places (`int`): number of places drawn, uniformly on the sphere north of 60° S; those at sea are dropped.
        seed (`int`): of the draw.

    Returns:
        `dict[str, float]`: area under the ROC curve, from 0 to 1 and 0.5 by chance, of `all` pairs, and of those whose held-out
        place is in each of `CLIMATE_ZONES`; a zone without both kinds of pairs is left out.
    """
    lon, lat, zone = _land(places, seed)
    held_out = np.array([split_of(world, *place) == "test" for place in zip(lon, lat)])
    embedded = embed_places(model, processor, lon, lat)
    cosines = embedded[held_out] @ embedded.T
    far = great_circle_distance_m(lon[held_out, None], lat[held_out, None], lon, lat) > _APART_M
    same = zone[held_out, None] == zone
    own = np.broadcast_to(zone[held_out, None], same.shape)
    found = {"all": roc_auc_score(same[far], cosines[far])}
    for number, name in enumerate(CLIMATE_ZONES):
        chosen = far & (own == number)
        if 0 < same[chosen].sum() < chosen.sum():
            found[name] = roc_auc_score(same[chosen], cosines[chosen])
    return {name: float(value) for name, value in found.items()}


def _land(places: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """lon, lat in degrees and the main group (index into `CLIMATE_ZONES`) of those of random places that are on land."""
    draw = np.random.default_rng(seed)
    # Uniform on the sphere: the sine of the latitude is uniform.
    lon, lat = (
        draw.uniform(-180, 180, places),
        np.degrees(np.arcsin(draw.uniform(np.sin(np.radians(_SOUTH)), 1, places))),
    )
    earth = load_earth()
    land = read_grid(earth.land[None], lon, lat)[0] > 0.5
    lon, lat = lon[land], lat[land]
    return lon, lat, zone_of(earth.koppen[(90 - lat).astype(int).clip(0, 179), (lon + 180).astype(int).clip(0, 359)])
