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
"""Dense maps as Zarr v3: one store a map, written block by block, each shard by one task."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from training.common.files import flush_to_disk
from training.embedding.maps.plan import SHARD, MapPlan
from training.embedding.outputs.map_values import (
    NO_DATA_INT8,
    affine_of,
    axis_attributes,
    bounds_of,
    cell_size_m,
    crs_attributes,
    stored_block,
)

STORE = "map.zarr"
EMBEDDINGS, SCALES, CRS = "embeddings", "scales", "spatial_ref"
# Cells per side of a chunk, the least that is read.
CHUNK = 32

# The conventions, all of them proposals, by what identifies them.
_SCHEMAS = "https://raw.githubusercontent.com"
_CONVENTIONS = (
    {
        "uuid": "61c12cc5-0e28-4056-999a-480cf3fb7e4c",
        "name": "geoemb:",
        "description": "Geospatial embeddings",
        "schema_url": f"{_SCHEMAS}/geo-embeddings/embeddings-zarr-convention/refs/tags/v1/schema.json",
        "spec_url": "https://github.com/geo-embeddings/embeddings-zarr-convention/blob/v1/README.md",
    },
    {
        "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "name": "proj:",
        "description": "Coordinate reference system information for geospatial data",
        "schema_url": f"{_SCHEMAS}/zarr-conventions/geo-proj/refs/tags/v0.1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/geo-proj/blob/v0.1/README.md",
    },
    {
        "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "name": "spatial:",
        "description": "Spatial coordinate information",
        "schema_url": f"{_SCHEMAS}/zarr-conventions/spatial/refs/tags/v0.1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/spatial/blob/v0.1/README.md",
    },
)


def create_zarr(path: Path, plan: MapPlan, dtype: str, model: str, source_data: list[str]) -> None:
    """
    Creates the store of a map without its values. The store appears under its name when it is whole; one that exists is kept, since
    a job is resumed only if it is the same.

    Args:
        path (`Path`): the store, such as `OUT/map.zarr`.
        plan ([`MapPlan`]): the map.
        dtype (`str`): `"float32"`, `"float16"` or `"int8"`.
        model (`str`): the model's address.
        source_data (`list[str]`): addresses or names of what the raster was made from.
    """
    if path.exists():
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    rmtree(unfinished, ignore_errors=True)
    group = zarr.create_group(unfinished, attributes=_attributes(plan, dtype, model, source_data))
    _create_coordinates(group, plan)
    _create_values(group, plan, dtype)
    for file in unfinished.rglob("*"):
        flush_to_disk(file)
    unfinished.rename(path)


def write_zarr_block(path: Path, plan: MapPlan, rank: int, values: np.ndarray, dtype: str) -> None:
    """
    Writes a block of a map, shard by shard, each under another name first.

    Args:
        path (`Path`): the store.
        plan ([`MapPlan`]): the map.
        rank (`int`): the block.
        values (`np.ndarray` of shape `(height, width, D)`): its embeddings, float32; NaN without data.
        dtype (`str`): of the store.

    Raises:
        ValueError: an embedding is infinite, or too large for float16.
    """
    group = zarr.open_group(path, mode="r+")
    top, left, height, width = plan.block_at(rank)
    for row, column in shards_of(height, width):
        part = values[row : row + SHARD, column : column + SHARD]
        place = np.s_[top + row : top + row + part.shape[0], left + column : left + column + part.shape[1]]
        stored = stored_block(part, dtype)
        index = (top + row) // SHARD, (left + column) // SHARD
        _replace(group, EMBEDDINGS, (0, *index), (slice(None), *place), stored.values)
        if stored.scales is not None:
            _replace(group, SCALES, index, place, stored.scales)


def shards_of(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The first row and column of each shard in a block, counted from the block's own."""
    yield from ((row, column) for row in range(0, height, SHARD) for column in range(0, width, SHARD))


def stored_shards(path: Path, plan: MapPlan, rank: int) -> int:
    """How many shards of a block are stored; those without data are not."""
    top, left, height, width = plan.block_at(rank)
    folder = path / EMBEDDINGS / "c" / "0"
    names = (((top + row) // SHARD, (left + column) // SHARD) for row, column in shards_of(height, width))
    return sum((folder / str(row) / str(column)).is_file() for row, column in names)


def _replace(group: zarr.Group, name: str, index: tuple[int, ...], place: Any, values: np.ndarray) -> None:
    """Writes a shard, and removes what an interrupted attempt left beside it. A shard without data is not stored."""
    shard = Path(str(group.store.root)) / name / "c" / "/".join(map(str, index))  # type: ignore[attr-defined]
    for left_over in shard.parent.glob(f"{shard.name}.*.partial"):
        left_over.unlink()
    array = group[name]
    assert isinstance(array, zarr.Array)
    array[place] = values
    if shard.exists():
        flush_to_disk(shard)


def _attributes(plan: MapPlan, dtype: str, model: str, source_data: list[str]) -> dict[str, Any]:
    quantization: Mapping[str, Any] = {}
    if dtype == "int8":
        scale = {"type": "array", "array_name": SCALES, "nodata": NO_DATA_INT8}
        method = {"method": "per_pixel_scale", "original_dtype": "float32", "quantized_dtype": "int8", "scale": scale}
        quantization = {"geoemb:quantization": method}
    return {
        "zarr_conventions": list(_CONVENTIONS),
        "geoemb:type": "pixel",
        "geoemb:dimensions": plan.dimension,
        "geoemb:model": model,
        "geoemb:source_data": source_data,
        "geoemb:data_type": dtype,
        "geoemb:gsd": cell_size_m(plan),
        **quantization,
        **crs_attributes(plan.grid.crs),
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": list(affine_of(plan)),
        "spatial:shape": list(plan.shape),
        "spatial:bbox": list(bounds_of(plan)),
        "spatial:registration": "pixel",
        "normalised": False,
    }


def _create_coordinates(group: zarr.Group, plan: MapPlan) -> None:
    cells, (height, width) = plan.cells, plan.shape
    x, y = axis_attributes(plan.grid.crs)
    centres: dict[str, tuple[np.ndarray, Any]] = {
        "x": (cells.west + (np.arange(width) + 0.5) * cells.step_x, x),
        "y": (cells.north - (np.arange(height) + 0.5) * cells.step_y, y),
        "embedding": (np.arange(plan.dimension, dtype=np.int32), {"long_name": "dimension of the embedding"}),
    }
    for name, (values, attributes) in centres.items():
        group.create_array(name, data=values, dimension_names=(name,), attributes=attributes)
    definition: dict[str, Any] = {"crs_wkt": crs_attributes(plan.grid.crs)["proj:wkt2"]}
    # The transform as GDAL writes it: x of the corner, width, rotation, y of the corner, rotation, height.
    a, b, c, d, e, f = affine_of(plan)
    definition["GeoTransform"] = " ".join(map(repr, (c, a, b, f, d, e)))
    group.create_array(CRS, data=np.zeros((), np.int32), dimension_names=(), attributes=definition)


def _create_values(group: zarr.Group, plan: MapPlan, dtype: str) -> None:
    floating = dtype != "int8"
    # Readers by the CF conventions take this as no data; NaN speaks for itself.
    no_data = {} if floating else {"_FillValue": NO_DATA_INT8}
    compressor = BloscCodec(cname="zstd", clevel=5, shuffle="shuffle" if floating else "bitshuffle")
    group.create_array(
        EMBEDDINGS,
        shape=(plan.dimension, *plan.shape),
        dtype=dtype,
        chunks=(plan.dimension, CHUNK, CHUNK),
        shards=(plan.dimension, SHARD, SHARD),
        fill_value=np.nan if floating else NO_DATA_INT8,
        compressors=compressor,
        dimension_names=("embedding", "y", "x"),
        attributes={"grid_mapping": CRS, "long_name": "embedding, not normalised", **no_data},
    )
    if not floating:
        group.create_array(
            SCALES,
            shape=plan.shape,
            dtype="float32",
            chunks=(CHUNK, CHUNK),
            shards=(SHARD, SHARD),
            fill_value=np.nan,
            compressors=BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"),
            dimension_names=("y", "x"),
            attributes={"grid_mapping": CRS, "long_name": f"{EMBEDDINGS} × {SCALES} are the embeddings"},
        )
