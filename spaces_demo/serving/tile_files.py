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
"""The similarity maps of a tile as files: GeoTIFF, CSV and GeoJSON."""

import csv
import io
import json
from typing import Any

import numpy as np
import rasterio

from serving.encoded_tile import SIDE
from serving.gallery import Tile
from serving.model import ServedModel
from serving.tile_maps import TileQuery, centres, tile_places


def geotiff(served: ServedModel, tile: Tile, query: TileQuery) -> bytes:
    """
    The maps as a GeoTIFF in the CRS of the tile: a float32 band for each of the tile's readings, NaN for no data.

    Raises:
        ValueError: if the tile is not georeferenced.
    """
    readings, place = tile.encoded.readings, _place(served, tile)
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            nodata=np.nan,
            compress="deflate",
            predictor=3,
            count=len(readings),
            dtype="float32",
            **place,
        ) as dataset:
            for band, reading in enumerate(readings, start=1):
                dataset.write(tile.encoded.similarity(query.embedding, reading), band)
                dataset.set_band_description(band, reading)
            dataset.update_tags(DESCRIPTION=f"Cosine similarity of {query.text}, from -1 to 1")
        return memory.read()


def csv_table(served: ServedModel, tile: Tile, query: TileQuery) -> bytes:
    """
    The maps as CSV, one row a point, with the columns `lon, lat, similarity`, by the first of the tile's readings, and one for
    each of the others, such as `similarity_bilinear`.

    Raises:
        ValueError: if the tile is not georeferenced.
    """
    lon, lat = tile_places(served, tile, *centres())
    own, *others = tile.encoded.readings
    columns = [tile.encoded.similarity(query.embedding, reading).ravel() for reading in (own, *others)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["lon", "lat", "similarity", *(f"similarity_{reading}" for reading in others)])
    writer.writerows(
        (f"{x:.7f}", f"{y:.7f}", *(f"{cosine:.5f}" for cosine in cosines)) for x, y, *cosines in zip(lon, lat, *columns)
    )
    return text.getvalue().encode()


def geojson(served: ServedModel, tile: Tile, query: TileQuery) -> bytes:
    """
    The outline of the tile, the most similar point by each of its readings, and the query's own point, if it lies in the tile.

    Raises:
        ValueError: if the tile is not georeferenced.
    """
    corners = np.array([[0, 0, 1, 1, 0], [1, 0, 0, 1, 1]], float)
    outline = _unbroken(served, tile, *corners)
    features = [_feature("Polygon", [outline], {"name": tile.name, "query": query.text})]
    for reading in tile.encoded.readings:
        x, y, cosine = tile.encoded.best_point(tile.encoded.similarity(query.embedding, reading))
        (place,) = _unbroken(served, tile, np.array([x]), np.array([y]))
        features.append(_feature("Point", place, {"reading": reading, "cosine": round(cosine, 5)}))
    if query.point is not None:
        (place,) = _unbroken(served, tile, *np.array([query.point]).T)
        features.append(_feature("Point", place, {"query": query.text}))
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def colours_geotiff(served: ServedModel, tile: Tile, colours: np.ndarray) -> bytes:
    """
    Colours `(SIDE, SIDE, 3)`, uint8, as a GeoTIFF in the CRS of the tile.

    Raises:
        ValueError: if the tile is not georeferenced.
    """
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff", photometric="RGB", compress="deflate", dtype="uint8", count=3, **_place(served, tile)
        ) as dataset:
            dataset.write(colours.transpose(2, 0, 1))
            dataset.update_tags(
                DESCRIPTION=f"Main directions of the embeddings of {tile.name}; a colour has no meaning"
            )
        return memory.read()


def colours_csv(served: ServedModel, tile: Tile, colours: np.ndarray) -> bytes:
    """
    Colours `(SIDE, SIDE, 3)` as CSV, one row a point: `lon, lat, red, green, blue`, colours from 0 to 255.

    Raises:
        ValueError: if the tile is not georeferenced.
    """
    lon, lat = tile_places(served, tile, *centres())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["lon", "lat", "red", "green", "blue"])
    writer.writerows(
        (f"{x:.7f}", f"{y:.7f}", *colour) for x, y, colour in zip(lon, lat, colours.reshape(-1, 3).tolist())
    )
    return text.getvalue().encode()


# The formats that the page offers, by file extension.
WRITERS = {"tif": geotiff, "csv": csv_table, "geojson": geojson}
COLOUR_WRITERS = {"tif": colours_geotiff, "csv": colours_csv}


def _place(served: ServedModel, tile: Tile) -> dict[str, Any]:
    """Size, transform and CRS of a map of a tile."""
    west, south, east, north = _known_bounds(served, tile)
    transform = rasterio.Affine((east - west) / SIDE, 0, west, 0, (south - north) / SIDE, north)
    return {"width": SIDE, "height": SIDE, "transform": transform, "crs": tile.crs}


def _feature(kind: str, coordinates: Any, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def _unbroken(served: ServedModel, tile: Tile, x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """Places as lon, lat; a tile across the antimeridian continues beyond 180, so that its outline is one ring."""
    lon, lat = tile_places(served, tile, np.append(x, 0.0), np.append(y, 0.0))
    lon = lon[-1] + served.coordinates.wrap_longitude(lon - lon[-1])
    return np.round(np.stack([lon, lat], axis=-1)[:-1], 7).tolist()


def _known_bounds(served: ServedModel, tile: Tile) -> tuple[float, float, float, float]:
    # Raises for a tile without georeference.
    tile_places(served, tile, np.zeros(1), np.zeros(1))
    assert tile.bounds is not None
    west, south, east, north = tile.bounds
    # A tile in degrees that crosses the antimeridian has west > east.
    return west, south, east + 360.0 * (west > east), north
