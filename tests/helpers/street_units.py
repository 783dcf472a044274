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
"""Units of street pairs as the stages before the last one write them, made up."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modeling_gair.crs_gair import unproject
from tests.helpers.embedding import jpeg
from training.common.schema import pack_tile
from training.street_pairs.units import Failure, unit_file, write_unit

BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
TIME = datetime(2021, 6, 1, 10, 20, 30, tzinfo=UTC)
SIDE_M, CRS = 1920, "EPSG:32633"


def write_units(output: Path, tiles: int = 6, photos: int = 2, tiles_per_unit: int = 2, pixels: int = 8) -> None:
    """
    Writes the units of `tiles` tiles side by side, of which every third is held out, with `photos` photos each. Photo 0 of tile 1 lies
    outside, and all photos of tile 2 are gone.
    """
    rng = np.random.default_rng(0)
    rows, selected, made = [], [], []
    for number in range(tiles):
        west, south = 390_000 + SIDE_M * number, 5_820_000
        name = f"tile{number}"
        rows.append(
            {
                "tile_id": name,
                **pack_tile(rng.integers(1, 4000, (10, pixels, pixels), np.uint16)),
                "bands": BANDS,
                "bounds": [float(west), float(south), float(west + SIDE_M), float(south + SIDE_M)],
                "crs": CRS,
                "tile_time": TIME.isoformat(),
                "product_id": "S2A_MADE",
                "baseline": "05.10",
                "offset_removed": True,
                "offset_evidence": "tag",
                "clear_fraction": 0.9,
                "valid_fraction": 1.0,
            }
        )
        for photo in range(photos):
            outside = number == 1 and photo == 0
            x, y = west + SIDE_M * (1.5 if outside else 0.2 + 0.5 * photo / photos), south + 300.0
            lon, lat = (float(part) for part in unproject(x, y, CRS))
            ids = {"photo_id": f"photo{number}-{photo}", "tile_id": name}
            source = {"source": "mapillary", "licence": "CC BY-SA 4.0", "creator": f"anna{number % 2}"}
            selected.append({**ids, "lon": lon, "lat": lat, **source, "sequence": f"s{number}"})
            made.append(
                {
                    **selected[-1],
                    "jpeg": jpeg(lon, lat, seed=10 * number + photo),
                    "time": TIME + timedelta(days=3 * photo),
                    "heading": 90.0,
                    "url": "https://example.org/1",
                    "camera": "perspective",
                    "position": "computed",
                }
            )
    labels = [
        {"tile_id": row["tile_id"], "site": f"site{number // 3}", "cell": number // 3, "settlement": "urban centre"}
        | {"split": "test" if number % 3 == 2 else "train"}
        for number, row in enumerate(rows)
    ]
    (output / "select").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(selected), output / "select" / "photos.parquet")
    pq.write_table(pa.Table.from_pylist(labels), output / "select" / "tiles.parquet")
    rules = [{"rule": "licence", "of": "photos", "before": 100, "after": len(selected)}]
    (output / "select" / "counts.json").write_text(json.dumps(rules), encoding="utf-8")
    (output / "select" / "remarks.json").write_text(json.dumps(["Settlement classes are made up."]), encoding="utf-8")
    for rank in range(0, tiles, tiles_per_unit):
        here = slice(rank, rank + tiles_per_unit)
        write_unit(unit_file(output, "tiles", rank // tiles_per_unit), pa.Table.from_pylist(rows[here]))
        names = {row["tile_id"] for row in rows[here]}
        gone = [photo for photo in made if photo["tile_id"] in names and photo["tile_id"] == "tile2"]
        there = [photo for photo in made if photo["tile_id"] in names and photo not in gone]
        failures = [Failure(photo["photo_id"], "gone", True, "HTTP 404.") for photo in gone]
        write_unit(unit_file(output, "photos", rank // tiles_per_unit), pa.Table.from_pylist(there), failures)
