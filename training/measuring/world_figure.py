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
"""A picture of what the location encoder has learned: maps of how similar every place on land is to a few cities."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from modeling_gair import GairModel, GairProcessor
from training.common.figures import PANEL_IN
from training.world.earth.earth import load_earth

# lon, lat of cities in different climates. Regions with the climate of a city should be bright.
CITIES = {
    "Lisbon": (-9.14, 38.72),
    "Manaus": (-60.02, -3.10),
    "Ulaanbaatar": (106.91, 47.92),
    "Phoenix": (-112.07, 33.45),
}
_STEP_DEGREES = 2
_SOUTH, _NORTH = -60, 84
_BATCH = 4096


def draw_world_map(model: GairModel, processor: GairProcessor, path: Path, title: str) -> None:
    """
    Draws the cosine similarity of each place on land, between 60° S and 84° N, with each of `CITIES`.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the model, in evaluation mode, and its processor.
        path (`Path`): the PNG to write.
        title (`str`): of the figure.
    """
    lon, lat, land = _land_cells()
    places = embed_places(model, processor, lon[land], lat[land])
    cities = embed_places(model, processor, *np.array(list(CITIES.values())).T)
    figure, axes = plt.subplots(2, 2, figsize=(4.4 * PANEL_IN, 2.1 * PANEL_IN), layout="constrained")
    for axis, name, city in zip(axes.flat, CITIES, cities):
        picture = np.full(land.shape, np.nan)
        picture[land] = places @ city
        axis.imshow(picture, cmap="cividis", extent=(-180, 180, _SOUTH, _NORTH), interpolation="nearest")
        axis.plot(*CITIES[name], marker="*", markersize=11, color="crimson", markeredgecolor="white")
        axis.set_title(name, fontsize=9)
        axis.set_axis_off()
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=90)
    plt.close(figure)


@torch.no_grad()
def embed_places(model: GairModel, processor: GairProcessor, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """L2-normalised location embeddings `(n, D)`, float32, at lon, lat in degrees, each `(n,)` with n at least 1."""
    parts = []
    for start in range(0, len(lon), _BATCH):
        part = slice(start, start + _BATCH)
        coordinates = processor(lon=lon[part], lat=lat[part], return_tensors="pt")["coordinates"].to(model.device)
        parts.append(torch.nn.functional.normalize(model.get_location_features(coordinates).float(), dim=-1).cpu())
    return torch.cat(parts).numpy()


def _land_cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """lon, lat in degrees and whether it is land, each `(h, w)`, of the centres of cells, row 0 in the north."""
    lon, lat = np.meshgrid(
        np.arange(-180 + _STEP_DEGREES / 2, 180, _STEP_DEGREES),
        np.arange(_NORTH - _STEP_DEGREES / 2, _SOUTH, -_STEP_DEGREES),
    )
    row, column = ((90 - lat) * 2).astype(int), ((lon + 180) * 2).astype(int)
    return lon, lat, load_earth().land[row, column] > 0.5
