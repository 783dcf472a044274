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
"""Maps of the world as files: GeoTIFF, GeoJSON and CSV."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import rasterio
from rasterio.features import shapes

from serving.layers import Classes, Layer

_CRS = "EPSG:4326"
_COLOURS = ("red", "green", "blue")
_NO_CLASS = 255


def geotiff(layer: Layer) -> bytes:
    """
    The cells as a GeoTIFF in degrees: a band of float32 values, NaN without data; of classes, a byte with their colours and 255
    without data; or red, green, blue and opacity.
    """
    rows, columns = layer.region.shape
    bands: np.ndarray
    if isinstance(layer.drawn_as, Classes):
        bands = _numbers(layer)[None]
        options: dict[str, Any] = {"nodata": _NO_CLASS}
    elif layer.drawn_as is None:
        opaque = np.isfinite(layer.values).all(axis=-1, keepdims=True)
        cells = np.concatenate([np.where(opaque, layer.values, 0), opaque], axis=-1)
        bands = np.rint(255 * cells).astype(np.uint8).transpose(2, 0, 1)
        options = {"photometric": "RGB"}
    else:
        bands = layer.values[None].astype(np.float32)
        options = {"nodata": np.nan, "predictor": 3}
    shape = {"width": columns, "height": rows, "count": len(bands), "dtype": bands.dtype}
    place = {"crs": _CRS, "transform": _transform(layer)}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", compress="deflate", **shape, **place, **options) as dataset:
            dataset.write(bands)
            dataset.update_tags(DESCRIPTION=layer.title)
            if isinstance(layer.drawn_as, Classes):
                dataset.write_colormap(
                    1, {number: _rgb(colour) for number, colour in enumerate(layer.drawn_as.palette)}
                )
                dataset.update_tags(1, **{f"CLASS_{number}": name for number, name in enumerate(layer.drawn_as.names)})
        return memory.read()


def csv_table(layer: Layer) -> bytes:
    """
    The cells with data as CSV, one row a cell: lon, lat of its centre in degrees and its value, class, or red, green and blue from
    0 to 1.
    """
    lon, lat = layer.region.centers()
    lon = (lon + 180) % 360 - 180
    values = layer.values.reshape(len(lon), -1)
    known = np.isfinite(values).all(axis=1)
    if isinstance(layer.drawn_as, Classes):
        names = layer.drawn_as.names
        head, cells = ["class"], [[names[int(number)]] for number in values[known, 0]]
    else:
        head = list(_COLOURS) if layer.drawn_as is None else [_column(layer.drawn_as.unit)]
        cells = [[f"{number:.5f}" for number in row] for row in values[known]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["lon", "lat", *head])
    writer.writerows((f"{x:.7g}", f"{y:.7g}", *row) for x, y, row in zip(lon[known], lat[known], cells))
    return text.getvalue().encode()


def geojson(layer: Layer) -> bytes:
    """
    What the map shows beside its cells, as points: the places of the query, the most similar places, and labels, whose column
    `class` can be taught again; and, of classes, their outlines.

    Raises:
        ValueError: of colours, which are neither.
    """
    if layer.drawn_as is None:
        raise ValueError("Colours have no outlines, expected GeoTIFF or CSV for their cells; choose one of these.")
    found = [_point(lon, lat, {"kind": "query"}) for lon, lat in layer.pins]
    found += [
        _point(place["lon"], place["lat"], {"kind": "similar", "rank": rank, "similarity": place["similarity"]})
        for rank, place in enumerate(layer.places, start=1)
    ]
    found += [_point(mark["lon"], mark["lat"], {"kind": "label", "class": mark["label"]}) for mark in layer.marks]
    if isinstance(layer.drawn_as, Classes):
        names, numbers = layer.drawn_as.names, _numbers(layer)
        outlines = shapes(numbers, mask=numbers != _NO_CLASS, transform=_transform(layer))
        found += [_feature(outline, {"kind": "area", "class": names[int(number)]}) for outline, number in outlines]
    return json.dumps({"type": "FeatureCollection", "features": found}).encode()


# The formats that the page offers, by file extension.
WRITERS: dict[str, Callable[[Layer], bytes]] = {"tif": geotiff, "geojson": geojson, "csv": csv_table}


def _transform(layer: Layer) -> Any:
    west, _, _, north = layer.region.bounds
    return rasterio.Affine(layer.region.cell, 0, west, 0, -layer.region.cell, north)


def _numbers(layer: Layer) -> np.ndarray:
    """The numbers of the classes, uint8."""
    return np.where(np.isfinite(layer.values), layer.values, _NO_CLASS).astype(np.uint8)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _column(unit: str) -> str:
    """The name of a column of values."""
    return "similarity" if "similarity" in unit else "probability"


def _point(lon: float, lat: float, properties: dict[str, Any]) -> dict[str, Any]:
    return _feature({"type": "Point", "coordinates": [lon, lat]}, properties)


def _feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}
