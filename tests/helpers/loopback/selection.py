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
"""Tiles as the selection leaves them, drawn around the sites of a made world."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modeling_gair.geo_gair import wrap_longitude
from tests.helpers.loopback.world import FIRST_DAY, SITES, Site

_METRES_PER_DEGREE = 111_195.0


def write_selection(
    output: Path, sites: Sequence[Site] = SITES[:3], tiles: int = 4, day: float | None = None, days: float = 30
) -> None:
    """
    Writes `select/tiles.parquet` and `select/photos.parquet`.

    Args:
        output (`Path`): the folder of a job.
        sites (`Sequence[Site]`): around which anchors are drawn, within 300 m.
        tiles (`int`): number of tiles of a site, with two photos each.
        day (`float`, *optional*): when all photos were taken, since the first day of the world; drawn by default.
        days (`float`): that a scene may lie before or after.
    """
    random = np.random.default_rng(0)
    rows, photos = [], []
    for site in sites:
        for number in range(tiles):
            east, north, draw_x, draw_y, drawn = random.uniform((-300, -300, 0, 0, 0), (300, 300, 1, 1, 20))
            time = FIRST_DAY + timedelta(days=float(drawn) if day is None else day)
            name = f"{site.name}-{number}"
            rows.append(
                {
                    "tile_id": name,
                    "site": site.name,
                    "lon": float(wrap_longitude(site.lon + east / _METRES_PER_DEGREE / np.cos(np.radians(site.lat)))),
                    "lat": site.lat + north / _METRES_PER_DEGREE,
                    "draw_x": draw_x,
                    "draw_y": draw_y,
                    "time_start": time - timedelta(days=days),
                    "time_end": time + timedelta(days=days),
                }
            )
            photos += [{"photo_id": f"{name}-{one}", "tile_id": name, "time": time} for one in range(2)]
    (output / "select").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), output / "select" / "tiles.parquet")
    pq.write_table(pa.Table.from_pylist(photos), output / "select" / "photos.parquet")
