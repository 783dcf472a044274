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
"""
Schema of the rows of a data set: one Sentinel-2 tile with the photos taken in it. Training, evaluation and all writers of
data use this schema; further columns are labels.
"""

from typing import Any

import numpy as np
from datasets import Features, List, Value

PHOTO_FEATURES = {
    "id": Value("string"),
    "jpeg": Value("binary"),
    "lon": Value("float64"),
    "lat": Value("float64"),
    "heading": Value("float32"),
    "time": Value("string"),
    "source": Value("string"),
    "licence": Value("string"),
    "attribution": Value("string"),
}
FEATURES = Features(
    {
        "id": Value("string"),
        "tile": Value("binary"),
        "tile_shape": List(Value("int32")),
        "bands": List(Value("string")),
        "bounds": List(Value("float64")),
        "crs": Value("string"),
        "tile_time": Value("string"),
        "product_id": Value("string"),
        "photos": List(PHOTO_FEATURES),
        "split": Value("string"),
    }
)
# A pairs CSV holds the same with one photo per line and file names instead of bytes.
CSV_COLUMNS = ("id", "rs", "sv", "lon", "lat")
_TILE_DTYPE = np.dtype("<u2")


def pack_tile(pixels: np.ndarray) -> dict[str, Any]:
    """
    Encode a tile as the columns `tile` and `tile_shape`.

    Args:
        pixels (`np.ndarray` of shape `(C, H, W)`): uint16, row 0 in the north.

    Raises:
        ValueError: wrong dtype or number of dimensions.
    """
    if pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise ValueError(f"The tile has dtype {pixels.dtype} and shape {pixels.shape}; expected uint16 (C, H, W).")
    return {"tile": pixels.astype(_TILE_DTYPE).tobytes(), "tile_shape": list(pixels.shape)}


def unpack_tile(row: dict[str, Any]) -> np.ndarray:
    """
    The pixels `(C, H, W)`, uint16, of a row: a read-only view of its bytes.

    Raises:
        ValueError: the number of bytes does not match the shape.
    """
    shape = tuple(row["tile_shape"])
    expected = int(np.prod(shape)) * _TILE_DTYPE.itemsize
    if len(shape) != 3 or len(row["tile"]) != expected:
        raise ValueError(
            f"The tile holds {len(row['tile'])} bytes and tile_shape is {shape}; expected (C, H, W) and "
            f"{expected} bytes of little-endian uint16."
        )
    return np.frombuffer(row["tile"], _TILE_DTYPE).reshape(shape)
