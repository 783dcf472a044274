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
"""Classes of the cells of a dense map from a few labelled places, as a GeoTIFF."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from tqdm import tqdm

from training.common.files import written_whole
from training.searching.dense_map import DenseMap
from training.searching.labels import Labels
from training.searching.map_figure import class_colours
from training.searching.regression import Classifier, fit_scaler

# Numbers of classes are bytes, and the last one marks cells without data.
NO_DATA = 255
_TILE = 256
_DRAWN_SIDE = 1200
_DEGREES = "OGC:CRS84"


def fit_to_map(dense: DenseMap, labels: Labels) -> Classifier:
    """
    Fits a regression to the cells in which the labels lie.

    Raises:
        ValueError: labels lie outside the map or in cells without data, or there are too many classes.
    """
    if len(labels.names) > NO_DATA:
        raise ValueError(f"There are {len(labels.names)} classes, expected at most {NO_DATA} in a raster; merge some.")
    columns, rows = _cells_of(dense, labels.lon_lat)
    height, width = dense.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    _require(inside, labels, "outside the map")
    vectors = dense.vectors_at(rows, columns)
    _require(np.isfinite(vectors).all(axis=1), labels, "in cells without data")
    return Classifier(fit_scaler(tqdm(dense.sampled(), desc="Standardising", unit=" shards")), vectors, labels)


def write_class_raster(path: Path, dense: DenseMap, classifier: Classifier, names: tuple[str, ...]) -> None:
    """
    Writes the class of each cell as one band of bytes, 255 without data, with a colour for each class and their names as tags
    `CLASS_0`, `CLASS_1`, …
    """
    import rasterio

    colours = {
        number: (*(int(255 * part) for part in colour), 255) for number, colour in enumerate(class_colours(len(names)))
    }
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "height": dense.shape[0],
        "width": dense.shape[1],
        "crs": dense.crs,
        "transform": rasterio.Affine(*dense.transform),
        "nodata": NO_DATA,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
    }
    with written_whole(path) as temporary, rasterio.open(temporary, "w", **profile) as raster:
        raster.write_colormap(1, colours)
        raster.set_band_description(1, "predicted_class")
        raster.update_tags(1, **{f"CLASS_{number}": name for number, name in enumerate(names)})
        for row, column, block in tqdm(dense.blocks(), desc="Classifying", unit=" shards"):
            classes = _classes(block, classifier)
            raster.write(classes, 1, window=rasterio.windows.Window(column, row, *classes.shape[::-1]))


def draw_class_raster(path: Path, raster_path: Path, labels: Labels) -> None:
    """Draws the raster in the colours of its classes, and the labels as rings, as a PNG in the raster's coordinates."""
    import rasterio
    from pyproj import Transformer

    with rasterio.open(raster_path) as raster:
        step = max(raster.height, raster.width) / _DRAWN_SIDE
        shape = tuple(max(round(side / max(step, 1)), 1) for side in raster.shape)
        classes = np.ma.masked_equal(raster.read(1, out_shape=shape), NO_DATA)
        west, south, east, north = raster.bounds
        to_map = Transformer.from_crs(_DEGREES, raster.crs, always_xy=True)
    colours = class_colours(len(labels.names))
    figure, axis = plt.subplots(figsize=(9, 7), layout="constrained")
    palette: Any = ListedColormap(colours)
    axis.imshow(
        classes,
        cmap=palette,
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        extent=(west, east, south, north),
        interpolation="nearest",
    )
    x, y = to_map.transform(*labels.lon_lat.T)
    axis.scatter(x, y, c=colours[labels.classes], s=46, edgecolors="black", linewidths=1.3)
    for colour, name in zip(colours, labels.names):
        axis.scatter([], [], c=[colour], s=46, label=name)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    axis.set_title("Classes; rings: labels", fontsize=10)
    axis.ticklabel_format(useOffset=False, style="plain")
    axis.tick_params(labelsize=8)
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _classes(block: np.ndarray, classifier: Classifier) -> np.ndarray:
    """The class of each cell `(height, width)`, uint8, of embeddings `(height, width, D)`."""
    known = np.isfinite(block).all(axis=-1)
    classes = np.full(known.shape, NO_DATA, np.uint8)
    if known.any():
        classes[known] = classifier.probabilities(block[known]).argmax(axis=1)
    return classes


def _cells_of(dense: DenseMap, lon_lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the cells in which places lie; -1 where the CRS does not reach."""
    from affine import Affine
    from pyproj import Transformer

    x, y = Transformer.from_crs(_DEGREES, dense.crs, always_xy=True).transform(*lon_lat.T)
    x, y = np.asarray(x), np.asarray(y)
    inverse = ~Affine(*dense.transform)
    columns = inverse.a * x + inverse.b * y + inverse.c
    rows = inverse.d * x + inverse.e * y + inverse.f
    reached = np.isfinite(columns) & np.isfinite(rows)
    return np.where(reached, np.floor(columns), -1).astype(int), np.where(reached, np.floor(rows), -1).astype(int)


def _require(good: np.ndarray, labels: Labels, where: str) -> None:
    if not good.all():
        lon, lat = labels.lon_lat[int(np.flatnonzero(~good)[0])]
        raise ValueError(
            f"{int((~good).sum())} of {len(good)} labels lie {where}, first lon, lat {lon:.5f}, {lat:.5f}; move or delete them."
        )
