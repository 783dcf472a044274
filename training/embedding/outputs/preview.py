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
"""A picture of a job: where its embeddings lie, coloured by what they have in common."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.common.files import written_whole
from training.common.land import land
from training.embedding.job import Job
from training.embedding.outputs.colours import COMPONENTS, colours_of
from training.embedding.outputs.extent import Extent
from training.embedding.outputs.rows import read_vectors

_MOST_POINTS = 20_000
_GROUPS_PER_FILE = 2
_WIDTH_IN, _DPI = 9.0, 120
_LEAST_DEGREES = 0.02


def draw_preview(path: Path, files: Sequence[Path], extents: Sequence[Extent], job: Job) -> bool:
    """
    Draws up to 20,000 embeddings at their places, in red, green and blue by their first three principal components after
    normalisation, so that similar ones have similar colours.

    Args:
        path (`Path`): the PNG.
        files (`Sequence[Path]`), extents (`Sequence[Extent]`): the files and what they cover.
        job ([`Job`]): the job.

    Returns:
        Whether there was anything to draw.
    """
    tables = _sample(files, extents)
    rows = sum(len(table) for table in tables)
    if rows <= COMPONENTS:
        return False
    lon, lat = (np.concatenate([table[axis].to_numpy() for table in tables]) for axis in ("lon", "lat"))
    colours = colours_of(np.concatenate([read_vectors(table) for table in tables]))
    _draw(
        path,
        lon,
        lat,
        colours,
        f"{job.input}: {rows:,} of {sum(extent.rows for extent in extents):,} embeddings by {job.model}",
    )
    return True


def _sample(files: Sequence[Path], extents: Sequence[Extent]) -> list[pa.Table]:
    """Rows at equal distances in all files, of at most two row groups of each."""
    total = sum(extent.rows for extent in extents)
    step = max(1, -(-total // _MOST_POINTS))
    tables: list[pa.Table] = []
    for path, extent in zip(files, extents):
        if not extent.rows or len(tables) * _GROUPS_PER_FILE > _MOST_POINTS:
            continue
        with pq.ParquetFile(path) as file:
            columns = [
                name for name in ("lon", "lat", "embedding", "embedding_scale") if name in file.schema_arrow.names
            ]
            for group in range(min(file.num_row_groups, _GROUPS_PER_FILE)):
                table = file.read_row_group(group, columns=columns)
                tables.append(table.take(pa.array(np.arange(0, len(table), step))))
    return tables


def _draw(path: Path, lon: np.ndarray, lat: np.ndarray, colours: np.ndarray, title: str) -> None:
    from matplotlib.figure import Figure

    west, east, south, north = lon.min(), lon.max(), lat.min(), lat.max()
    margin = max(0.03 * max(east - west, north - south), _LEAST_DEGREES)
    aspect = 1 / max(0.2, np.cos(np.radians((south + north) / 2)))
    height = (north - south + 2 * margin) / (east - west + 2 * margin) * aspect
    figure = Figure(figsize=(_WIDTH_IN, float(np.clip(_WIDTH_IN * height, 3, 12)) + 0.8), layout="constrained")
    axis = figure.subplots()
    land().boundary.plot(ax=axis, color="0.6", linewidth=0.6, aspect=None)
    size = float(np.clip(40_000 / len(lon), 1, 40))
    axis.scatter(lon, lat, s=size, c=colours, linewidths=0)
    axis.set(
        xlim=(west - margin, east + margin),
        ylim=(south - margin, north + margin),
        xlabel="longitude",
        ylabel="latitude",
    )
    axis.set_aspect(aspect)
    axis.set_title(title, fontsize="medium")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
