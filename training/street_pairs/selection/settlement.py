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
The settlement class of places, to balance a selection by: from a raster of GHS-SMOD (degrees of urbanisation), or else from how many
photos there are around.
"""

from pathlib import Path

import numpy as np

from training.street_pairs.selection.cells import cells_of

# Codes of GHS-SMOD, level 2 (Schiavina et al., 2023, GHS-SMOD R2023A).
CLASSES = {
    30: "urban centre",
    23: "dense urban cluster",
    22: "semi-dense urban cluster",
    21: "suburban",
    13: "rural cluster",
    12: "low density rural",
    11: "very low density rural",
    10: "water",
}
UNKNOWN = "unknown"
# Photos in a cell of 1 km from which on it counts as such.
_DENSITIES = ((100, "many photos"), (10, "some photos"), (0, "few photos"))
_DENSITY_CELL_M = 1000.0


def settlement_of(lon: np.ndarray, lat: np.ndarray, raster: Path | None) -> tuple[np.ndarray, str]:
    """
    The class of each place.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees on WGS 84.
        raster (`Path`, *optional*): GHS-SMOD in any CRS.

    Returns:
        `np.ndarray` of shape `(N,)` of text; and a sentence on where it comes from.

    Raises:
        ValueError: the raster cannot be read.
    """
    if raster is None:
        about = "Settlement classes are the density of the photos in cells of 1 km: many (100 and more), some (10 and more) or few."
        return _by_density(lon, lat), about
    return _by_raster(lon, lat, raster), f"Settlement classes are those of {raster.name} (GHS-SMOD)."


def _by_density(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    _, cell, counts = np.unique(cells_of(lon, lat, _DENSITY_CELL_M), return_inverse=True, return_counts=True)
    here = counts[cell]
    names = np.array([name for _, name in _DENSITIES], object)
    return names[np.argmax([here >= least for least, _ in _DENSITIES], axis=0)]


def _by_raster(lon: np.ndarray, lat: np.ndarray, raster: Path) -> np.ndarray:
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    try:
        with rasterio.open(raster) as source:
            if source.crs is None:
                raise ValueError(f"--settlement_raster {raster.name!r} has no CRS; georeference it.")
            x, y = transform("EPSG:4326", source.crs, lon.tolist(), lat.tolist())
            # In order of the raster's rows, of which it decodes each block once.
            order = np.lexsort((x, -np.asarray(y)))
            codes = np.empty(len(lon), np.int64)
            codes[order] = [value[0] for value in source.sample(((x[i], y[i]) for i in order), indexes=1)]
    except RasterioError as error:
        raise ValueError(f"--settlement_raster {str(raster)!r} cannot be read, expected a GeoTIFF: {error}.") from error
    return np.array([CLASSES.get(int(code), UNKNOWN) for code in codes], object)
