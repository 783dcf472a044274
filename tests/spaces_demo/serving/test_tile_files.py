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
"""The files in which the page saves the maps of a tile."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
import rasterio

from modeling_gair.crs_gair import project
from serving.encoded_tile import SIDE
from serving.tile_files import csv_table, geojson, geotiff
from serving.tile_maps import centres, tile_places


def test_the_geotiff_has_the_georeference_of_the_tile(unnamed_model, tile, photo_query):
    with rasterio.MemoryFile(geotiff(unnamed_model, tile, photo_query)) as memory, memory.open() as dataset:
        assert dataset.crs.to_epsg() == 32633 and tuple(dataset.bounds) == tile.bounds
        assert np.isnan(dataset.nodata) and dataset.descriptions == ("pixels", "nili", "bilinear")
        for band, reading in enumerate(dataset.descriptions, start=1):
            np.testing.assert_array_equal(dataset.read(band), tile.encoded.similarity(photo_query.embedding, reading))
        x, y, greatest = tile.encoded.best_point(tile.encoded.similarity(photo_query.embedding))
        lon, lat = tile_places(unnamed_model, tile, np.array([x]), np.array([y]))
        (sampled,) = dataset.sample([np.concatenate(project(lon, lat, "EPSG:32633"))])
        assert sampled[0] == pytest.approx(greatest)


def test_the_table_has_a_row_for_each_point(unnamed_model, tile, photo_query):
    rows = list(csv.DictReader(io.StringIO(csv_table(unnamed_model, tile, photo_query).decode())))
    columns = ["lon", "lat", "similarity", "similarity_nili", "similarity_bilinear"]
    assert list(rows[0]) == columns and len(rows) == SIDE * SIDE
    lon, lat = tile_places(unnamed_model, tile, *centres())
    cosines = tile.encoded.similarity(photo_query.embedding).ravel()
    for number in (0, 127, 9000):
        row = {name: float(cell) for name, cell in rows[number].items()}
        assert row["lon"] == pytest.approx(lon[number], abs=1e-6)
        assert row["lat"] == pytest.approx(lat[number], abs=1e-6)
        assert row["similarity"] == pytest.approx(float(cosines[number]), abs=1e-5)


def test_a_model_without_pixels_has_the_columns_of_nili_and_bilinear(tile_without_pixels, unnamed_model, photo_query):
    table = csv_table(unnamed_model, tile_without_pixels, photo_query).decode()
    assert table.splitlines()[0] == "lon,lat,similarity,similarity_bilinear"


def test_the_geojson_has_the_outline_and_the_best_points(unnamed_model, tile, photo_query):
    asked = replace(photo_query, point=(0.25, 0.5))
    outline, *points, own = json.loads(geojson(unnamed_model, tile, asked))["features"]
    ring = np.array(outline["geometry"]["coordinates"][0])
    corners = tile_places(unnamed_model, tile, np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose([ring[0], ring[2]], np.stack(corners, axis=-1), atol=1e-6)
    assert ring[0].tolist() == ring[-1].tolist()
    for point, reading in zip(points, ("pixels", "nili", "bilinear"), strict=True):
        x, y, cosine = tile.encoded.best_point(tile.encoded.similarity(photo_query.embedding, reading))
        lon, lat = tile_places(unnamed_model, tile, np.array([x]), np.array([y]))
        np.testing.assert_allclose(point["geometry"]["coordinates"], [lon[0], lat[0]], atol=1e-6)
        assert point["properties"] == {"reading": reading, "cosine": round(cosine, 5)}
    lon, lat = tile_places(unnamed_model, tile, np.array([0.25]), np.array([0.5]))
    np.testing.assert_allclose(own["geometry"]["coordinates"], [lon[0], lat[0]], atol=1e-6)


def test_the_outline_of_a_tile_across_the_antimeridian_is_one_ring(unnamed_model, tile, photo_query):
    across = replace(tile, bounds=(179.99, -17.01, -179.99, -16.99), crs="EPSG:4326")
    ring = json.loads(geojson(unnamed_model, across, photo_query))["features"][0]["geometry"]["coordinates"][0]
    assert {round(lon, 4) for lon, _ in ring} == {179.99, 180.01}


@pytest.mark.parametrize("write", [geotiff, csv_table, geojson])
def test_a_tile_without_georeference_cannot_be_saved_with_coordinates(unnamed_model, tile, photo_query, write):
    with pytest.raises(ValueError, match="not georeferenced"):
        write(unnamed_model, replace(tile, bounds=None, crs=None), photo_query)
