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
"""A picture of a dense map, by what its embeddings have in common."""

from pathlib import Path

import numpy as np

from training.common.files import written_whole
from training.embedding.job import Job
from training.embedding.maps.plan import MapPlan
from training.embedding.maps.run import thumbnail_file, thumbnail_step
from training.embedding.outputs.colours import COMPONENTS, colours_of
from training.embedding.outputs.map_values import bounds_of

_WIDTH_IN, _DPI = 9.0, 120


def draw_map(path: Path, output: Path, job: Job, plan: MapPlan) -> bool:
    """
    Draws a map in red, green and blue by the first three principal components of its embeddings after normalisation, so that
    similar places have similar colours. Large maps are drawn from every so manieth cell.

    Args:
        path (`Path`): the PNG.
        output (`Path`), job ([`Job`]), plan ([`MapPlan`]): the folder of the job, and what it is.

    Returns:
        Whether there was anything to draw.
    """
    vectors = _thumbnail(output, plan)
    present = np.isfinite(vectors).all(axis=2)
    if present.sum() <= COMPONENTS:
        return False
    picture = np.ones((*present.shape, 4))
    picture[present, :3] = colours_of(vectors[present])
    picture[~present] = (0.5, 0.5, 0.5, 0)
    _draw(path, picture, plan, f"{job.input}: a map of embeddings by {job.model}")
    return True


def _thumbnail(output: Path, plan: MapPlan) -> np.ndarray:
    """The map at every so manieth row and column, from what its tasks left."""
    step = thumbnail_step(plan.shape)
    rows, columns = (-(-side // step) for side in plan.shape)
    whole = np.full((rows, columns, plan.dimension), np.nan, np.float32)
    for rank in range(plan.tasks):
        part = np.load(thumbnail_file(output, rank))
        top, left, _, _ = plan.block_at(rank)
        row, column = -(-top // step), -(-left // step)
        whole[row : row + part.shape[0], column : column + part.shape[1]] = part
    return whole


def _draw(path: Path, picture: np.ndarray, plan: MapPlan, title: str) -> None:
    from matplotlib.figure import Figure

    west, south, east, north = bounds_of(plan)
    rows, columns = plan.shape
    height = _WIDTH_IN * rows / columns
    # Cells are square on the ground, also where they are not in the units of the CRS.
    aspect = (east - west) / columns / ((north - south) / rows)
    figure = Figure(figsize=(_WIDTH_IN, float(np.clip(height, 3, 14)) + 0.8), layout="constrained")
    axis = figure.subplots()
    axis.imshow(picture, extent=(west, east, south, north), aspect=aspect, interpolation="nearest")
    axis.set(xlabel=f"x ({plan.grid.crs.split(chr(10))[0][:30]})", ylabel="y")
    axis.ticklabel_format(useOffset=False, style="plain")
    axis.set_title(title, fontsize="medium")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, bbox_inches="tight")
