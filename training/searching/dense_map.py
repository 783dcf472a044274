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
"""A dense map of embeddings, `OUT/map.zarr`, read shard by shard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from training.common.errors import reason

STORE = "map.zarr"
# Of int8 maps, cells without data.
_NO_DATA = -128
# Cells that means and deviations are taken from, about.
_SAMPLED = 200_000


class DenseMap:
    """
    The embeddings of a map's cells.

    Args:
        folder (`Path`): the folder that `training/embed.py` wrote.

    Attributes:
        shape (`tuple[int, int]`): height and width in cells.
        dimension (`int`): D.
        crs (`str`): the coordinate reference system, WKT.
        transform (`tuple[float, ...]`): a, b, c, d, e, f: column, row → x = a column + b row + c, y = d column + e row + f, of
            corners; row 0 in the north.

    Raises:
        ValueError: there is no map, or it cannot be read.
    """

    def __init__(self, folder: Path):
        import zarr

        try:
            group = zarr.open_group(folder / STORE, mode="r")
            values: Any = group["embeddings"]
            scales: Any = group.get("scales")
            self._values, self._scales = values, scales
            dimension, height, width = map(int, values.shape)
            self.dimension, self.shape = dimension, (height, width)
            attributes: Any = group.attrs
            self.crs, self.transform = attributes["proj:wkt2"], tuple(map(float, attributes["spatial:transform"][:6]))
        # Zarr and its codecs raise errors of many kinds.
        except Exception as error:
            raise ValueError(
                f"{str(folder / STORE)!r} is not a dense map of embeddings ({reason(error)}); make one by training/embed.py, or name an "
                "output that ends in .parquet to classify rows."
            ) from error

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """The first row and column of each shard, and its embeddings `(height, width, D)`, float32; NaN without data."""
        _, high, wide = self._values.shards or self._values.chunks
        for row in range(0, self.shape[0], high):
            for column in range(0, self.shape[1], wide):
                yield row, column, self._read(slice(row, row + high), slice(column, column + wide))

    def sampled(self) -> Iterator[np.ndarray]:
        """Embeddings `(n, D)` of cells with data, evenly spread over the map, some at a time."""
        step = max(round((self.shape[0] * self.shape[1] / _SAMPLED) ** 0.5), 1)
        for _, _, block in self.blocks():
            vectors = block[::step, ::step].reshape(-1, self.dimension)
            yield vectors[np.isfinite(vectors).all(axis=1)]

    def vectors_at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The embeddings `(n, D)` of some cells; NaN without data."""
        cells = [self._read(slice(row, row + 1), slice(column, column + 1)) for row, column in zip(rows, columns)]
        return np.concatenate(cells).reshape(len(rows), self.dimension)

    def _read(self, rows: slice, columns: slice) -> np.ndarray:
        values = np.moveaxis(np.asarray(self._values[:, rows, columns]), 0, -1)
        vectors = values.astype(np.float32)
        if self._scales is not None:
            vectors *= np.asarray(self._scales[rows, columns])[..., None]
            vectors[(values == _NO_DATA).all(axis=-1)] = np.nan
        return vectors
