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
"""Reads the tiles from their scenes. A unit is some tiles, scene by scene and in the order in which blocks of pixels lie in the files."""

import json
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modeling_gair.bands_gair import GAIR_BANDS
from training.common.inputs import even_shares
from training.common.jobs import TaskProgress
from training.common.schema import pack_tile
from training.street_pairs.errors import Unusable
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.scenes.offset import reflectance
from training.street_pairs.scenes.providers import provider_of
from training.street_pairs.scenes.reader import SceneReader, scene_reader
from training.street_pairs.stages import choose
from training.street_pairs.units import Failure, unit_file, write_unit
from training.street_pairs.windows import PIXEL_M, PixelWindow, SceneGrid

_PLAN_FILE = Path("tiles", "plan.parquet")
_TILES_PER_UNIT = 64
# Pixels a side of blocks of the files, about: windows are read row of blocks by row of blocks.
_BLOCK = 1024
_SCHEMA = pa.schema(
    [
        ("tile_id", pa.string()),
        ("tile", pa.binary()),
        ("tile_shape", pa.list_(pa.int32())),
        ("bands", pa.list_(pa.string())),
        ("bounds", pa.list_(pa.float64())),
        ("crs", pa.string()),
        ("tile_time", pa.string()),
        ("product_id", pa.string()),
        ("baseline", pa.string()),
        ("offset_removed", pa.bool_()),
        ("offset_evidence", pa.string()),
        ("clear_fraction", pa.float32()),
        ("valid_fraction", pa.float32()),
    ]
)
_KEPT = (
    "tile_id",
    "crs",
    "product_id",
    "baseline",
    "offset_removed",
    "offset_evidence",
    "clear_fraction",
)


def plan(options: StreetPairsOptions, output: Path) -> list[int]:
    """Divides the tiles of each unit of the choice, in order of scenes and blocks, into units."""
    planned: list[pa.Table] = []
    sizes: list[int] = []
    for rank, units in enumerate(units_by_choice(choose.plan(options, output))):
        chosen = pq.read_table(unit_file(output, "choose", rank)).replace_schema_metadata(None)
        chosen = chosen.append_column("block", pc.divide(chosen["row"], _BLOCK))
        chosen = chosen.sort_by([(name, "ascending") for name in ("scene", "block", "column", "row", "tile_id")])
        counts = even_shares(len(chosen), len(units))
        planned.append(chosen.append_column("unit", pa.array(np.repeat(units, counts), pa.int32())))
        sizes += counts
    write_unit(output / _PLAN_FILE, pa.concat_tables(planned))
    return sizes


def units_by_choice(sizes: Sequence[int]) -> list[range]:
    """
    The units that are made of each unit of the choice. They do not depend on what was chosen, so that those of others stay when a unit of
    the choice is done again.

    Args:
        sizes (`Sequence[int]`): numbers of tiles for which a scene was looked for, of the units of the choice.
    """
    ends = np.cumsum([0, *(-(-size // _TILES_PER_UNIT) for size in sizes)]).tolist()
    return [range(start, end) for start, end in pairwise(ends)]


def run(options: StreetPairsOptions, output: Path, rank: int) -> None:
    """Reads the tiles of a unit."""
    rows: list[dict[str, Any]] = []
    failures: list[Failure] = []
    side = options.window_m // PIXEL_M
    progress = TaskProgress(output / "tiles" / "logs", rank)
    planned = pq.read_table(output / _PLAN_FILE, filters=[("unit", "=", rank)]).to_pylist()
    provider = provider_of(options.provider, options.stac_url)
    with scene_reader(provider, options.requests_per_second) as reader:
        for _, tiles in groupby(planned, key=lambda row: row["scene"]):
            for chosen in tiles:
                try:
                    rows.append(_tile(chosen, side, options.max_nodata, reader))
                except Unusable as refusal:
                    failures.append(refusal.failure(chosen["tile_id"]))
                progress.add(1)
            # Nothing else is read from the scene.
            reader.close()
    write_unit(unit_file(output, "tiles", rank), pa.Table.from_pylist(rows, _SCHEMA), failures)


def _tile(chosen: dict[str, Any], side: int, max_nodata: float, reader: SceneReader) -> dict[str, Any]:
    """The bands of a tile, as reflectance x 10,000 without offset."""
    assets = json.loads(chosen["assets"])
    grid = SceneGrid(*(chosen[name] for name in ("crs", "west", "north", "width", "height")))
    window = PixelWindow(chosen["column"], chosen["row"], side)
    pixels = np.stack(
        [
            reflectance(reader.window(assets[band], grid, window), subtract)
            for band, subtract in zip(GAIR_BANDS, chosen["subtract"])
        ]
    )
    valid = float(pixels.any(axis=0).mean())
    if 1 - valid > max_nodata:
        raise Unusable("nodata", f"{1 - valid:.1%} of the window in {chosen['item_id']} is without data.")
    return {
        **{name: chosen[name] for name in _KEPT},
        **pack_tile(pixels),
        "bands": list(GAIR_BANDS),
        "bounds": list(window.bounds(grid)),
        "tile_time": chosen["datetime"].isoformat(),
        "valid_fraction": valid,
    }
