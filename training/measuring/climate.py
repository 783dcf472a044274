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

# Cells drawn at random, by area.
_CELLS = 8_000
# Places closer than this are similar as neighbours.
_APART_M = 20 * 111_195.0


def climate_auc(
    model: GairModel, processor: GairProcessor, world: WorldSettings, cells: int = _CELLS, seed: int = 0
) -> dict[str, float]:
    """
    Tells places of one Köppen main group from others by the cosine similarity of location embeddings: between land in the
    held-out blocks of a sample world and all other land more than 20 degrees away.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the model, in evaluation mode, and its processor.
        world (`WorldSettings`): decides which blocks are held out.
        cells (`int`): places drawn, uniform on the sphere; a quarter is land.
        seed (`int`): of the draw.

    Returns:
        `dict[str, float]`: `all`, and each name of `CLIMATE_ZONES` → area under the ROC curve, 0.5 by chance.
    """
    lon, lat, zone = _land(cells, seed)
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


def _land(cells: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """lon, lat in degrees and the main group of random places on land, the Antarctic left out."""
    draw = np.random.default_rng(seed)
    lon, lat = draw.uniform(-180, 180, cells), np.degrees(np.arcsin(draw.uniform(np.sin(np.radians(-60)), 1, cells)))
    earth = load_earth()
    land = read_grid(earth.land[None], lon, lat)[0] > 0.5
    lon, lat = lon[land], lat[land]
    return lon, lat, zone_of(earth.koppen[(90 - lat).astype(int).clip(0, 179), (lon + 180).astype(int).clip(0, 359)])
