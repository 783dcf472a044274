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
"""The values of dense maps as they are stored, and where their cells lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj

from modeling_gair.crs_gair import is_geographic
from training.embedding.maps.ground import pixel_size_m
from training.embedding.maps.plan import MapPlan
from training.embedding.outputs.rows import stored_vectors

# Stands for no data in int8 maps, whose values go from -127 to 127.
NO_DATA_INT8 = -128


@dataclass(frozen=True)
class StoredBlock:
    """
    Attributes:
        values (`np.ndarray` of shape `(D, height, width)`): of the map's dtype; NaN or -128 without data.
        scales (`np.ndarray` of shape `(height, width)`, *optional*): of int8 maps, float32: embedding = value × scale; NaN
            without data.
    """

    values: np.ndarray
    scales: np.ndarray | None


def stored_block(values: np.ndarray, dtype: str) -> StoredBlock:
    """
    A part of a map as it is stored.

    Args:
        values (`np.ndarray` of shape `(height, width, D)`): float32; NaN without data.
        dtype (`str`): `"float32"`, `"float16"`, or `"int8"`, then with a scale a cell.

    Raises:
        ValueError: an embedding is infinite, or too large for float16.
    """
    height, width, dimension = values.shape
    vectors = values.reshape(-1, dimension)
    present = ~np.isnan(vectors).all(axis=1)
    kept = stored_vectors(vectors[present], dtype)
    filler: float = NO_DATA_INT8 if dtype == "int8" else np.nan
    stored = np.full((dimension, height * width), filler, dtype)
    stored[:, present] = kept["embedding"].T
    scales = None
    if dtype == "int8":
        scales = np.full(height * width, np.nan, np.float32)
        scales[present] = kept["embedding_scale"]
        scales = scales.reshape(height, width)
    return StoredBlock(stored.reshape(dimension, height, width), scales)


def affine_of(plan: MapPlan, top: int = 0, left: int = 0) -> tuple[float, float, float, float, float, float]:
    """The six numbers (a, b, c, d, e, f) that turn columns and rows of cells into x and y: x = a column + c, y = e row + f."""
    cells = plan.cells
    return cells.step_x, 0.0, cells.west + left * cells.step_x, 0.0, -cells.step_y, cells.north - top * cells.step_y


def bounds_of(plan: MapPlan) -> tuple[float, float, float, float]:
    """West, south, east, north of the map in units of its CRS."""
    return plan.cells.bounds(0, 0, *plan.shape)


def cell_size_m(plan: MapPlan) -> float:
    """Side of a cell on the ground in metres at the raster's centre: the geometric mean of width and height."""
    width, height = pixel_size_m(plan.grid, plan.height, plan.width)
    return float(np.sqrt(width * plan.cell[0] * height * plan.cell[1]))


def crs_attributes(crs: str) -> dict[str, Any]:
    """A CRS by the Zarr convention `proj:`."""
    definition = pyproj.CRS.from_user_input(crs)
    authority = definition.to_authority()
    code = {} if authority is None else {"proj:code": ":".join(authority)}
    return {**code, "proj:wkt2": definition.to_wkt()}


def axis_attributes(crs: str) -> tuple[dict[str, str], dict[str, str]]:
    """Attributes of the coordinates x and y by the CF conventions."""
    if is_geographic(crs):
        return (
            {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
            {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
        )
    unit = pyproj.CRS.from_user_input(crs).axis_info[0].unit_name
    return (
        {"standard_name": "projection_x_coordinate", "units": unit, "axis": "X"},
        {"standard_name": "projection_y_coordinate", "units": unit, "axis": "Y"},
    )
