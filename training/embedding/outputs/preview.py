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

from training.common.base_map import base_map, save_map
from training.embedding.job import Job
from training.embedding.outputs.colours import COMPONENTS, colours_of
from training.embedding.outputs.extent import Extent
from training.embedding.outputs.rows import read_vectors

_MOST_POINTS = 20_000
_GROUPS_PER_FILE = 2


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
    total = sum(extent.rows for extent in extents)
    figure, axis = base_map(
        np.stack([lon, lat], axis=1), f"{job.input}: {rows:,} of {total:,} embeddings by {job.model}"
    )
    axis.scatter(lon, lat, s=float(np.clip(40_000 / rows, 1, 40)), c=colours, linewidths=0, zorder=3)
    save_map(figure, path)
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
