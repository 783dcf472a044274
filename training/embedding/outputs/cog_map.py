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
"""Dense maps as cloud-optimised GeoTIFFs, one a block."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS

from training.common.files import written_whole
from training.embedding.maps.plan import MapPlan
from training.embedding.outputs.map_values import NO_DATA_INT8, affine_of, stored_block

FOLDER = "map"
# Bands of one pixel lie together, or since GDAL 3.11 those of one tile: with hundreds of bands, larger tiles would be slow to read.
TILE = 64
_TILES_INTERLEAVED_SINCE = "3.11"


def cog_name(plan: MapPlan, rank: int) -> str:
    """The name of a block's file, from its first row and column of cells."""
    top, left, _, _ = plan.block_at(rank)
    return f"{top:06d}_{left:06d}.tif"


def scales_name(plan: MapPlan, rank: int) -> str:
    """The name of the file with the scales of a block of int8, since all bands of a GeoTIFF have one type."""
    return f"{Path(cog_name(plan, rank)).stem}_scales.tif"


def check_cog_dtype(dtype: str) -> None:
    """
    Raises:
        ValueError: no GeoTIFFs are written of it.
    """
    if dtype == "float16":
        raise ValueError(
            "dtype is 'float16', of which no GeoTIFFs are written, expected float32 or int8; or write Zarr, which holds it."
        )


def write_cog_block(folder: Path, plan: MapPlan, rank: int, values: np.ndarray, dtype: str) -> None:
    """
    Writes a block of a map; a block without any data is not written.

    Args:
        folder (`Path`): where, such as `OUT/map`.
        plan ([`MapPlan`]): the map.
        rank (`int`): the block.
        values (`np.ndarray` of shape `(height, width, D)`): its embeddings, float32; NaN without data.
        dtype (`str`): `"float32"` or `"int8"`, whose scales are written to a second file.

    Raises:
        ValueError: an embedding is infinite, or the dtype is not one of these.
    """
    check_cog_dtype(dtype)
    if np.isnan(values).all():
        return
    folder.mkdir(parents=True, exist_ok=True)
    stored = stored_block(values, dtype)
    no_data = NO_DATA_INT8 if dtype == "int8" else np.nan
    names = [f"embedding {number}" for number in range(plan.dimension)]
    _write(folder / cog_name(plan, rank), plan, rank, stored.values, no_data, names)
    if stored.scales is not None:
        _write(folder / scales_name(plan, rank), plan, rank, stored.scales[None], np.nan, ["scale"])


def expected_interleaving(bands: int) -> str:
    """How GDAL stores the bands of a COG: `"pixel"`, since version 3.11 `"tile"`; of a single one, `"band"`."""
    if bands == 1:
        return "band"
    recent = _version(rasterio.__gdal_version__) >= _version(_TILES_INTERLEAVED_SINCE)
    return "tile" if recent else "pixel"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _write(path: Path, plan: MapPlan, rank: int, bands: np.ndarray, no_data: float, names: list[str]) -> None:
    top, left, _, _ = plan.block_at(rank)
    count, height, width = bands.shape
    interleaving = expected_interleaving(count)
    layout: dict[str, Any] = {"interleave": "tile"} if interleaving == "tile" else {}
    with written_whole(path) as temporary:
        with rasterio.open(
            temporary,
            "w",
            driver="COG",
            count=count,
            height=height,
            width=width,
            dtype=bands.dtype,
            crs=CRS.from_user_input(plan.grid.crs),
            transform=rasterio.Affine(*affine_of(plan, top, left)),
            nodata=no_data,
            compress="zstd",
            predictor="yes",
            blocksize=TILE,
            # Means of embeddings at coarser scales would not be the embeddings of a coarser map.
            overviews="none",
            bigtiff="if_safer",
            **layout,
        ) as dataset:
            dataset.write(bands)
            dataset.descriptions = names
        with rasterio.open(temporary) as dataset:
            got = dataset.profile.get("interleave")
        if got != interleaving:
            raise RuntimeError(
                f"GDAL {rasterio.__gdal_version__} interleaves {path} by {got}, expected {interleaving}."
            )
