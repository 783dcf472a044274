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
"""Files of maps: what GeoTIFF, GeoJSON and CSV hold, at which places."""

import base64
import csv
import io
import json
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.exports import WRITERS, csv_table, geojson, geotiff
from serving.grids import CELLS, Region
from serving.layers import Classes, Layer
from serving.similarity import NO_DATA, Scale

# Two blocks across the antimeridian, at a quarter of a degree.
REGION = Region(level=2, first_column=95, first_row=20, columns=2, rows=1)
SHAPE = (CELLS, 2 * CELLS)


def layer(drawn_as, values, **parts):
    return Layer(REGION, values.astype(np.float32), drawn_as, "A title", (176, 0, 180, 5), "key", False, **parts)


@pytest.fixture
def similarity():
    values = np.linspace(-0.5, 1, CELLS * 2 * CELLS).reshape(SHAPE)
    values[0, :3] = np.nan
    places = [{"lon": -179.9, "lat": 12.0, "similarity": 0.9}]
    return layer(Scale(-0.5, 1, "fixed"), values, pins=[(179.0, 13.0)], places=places)


@pytest.fixture
def classes():
    values = np.zeros(SHAPE)
    values[:, CELLS:] = 1
    values[2:4, 2:4] = np.nan
    marks = [{"id": "label 1", "lon": 178.0, "lat": 13.0, "kind": "class", "label": "sand", "colour": "#CC6677"}]
    return layer(Classes(("sand", "wood")), values, marks=marks)


@pytest.fixture
def colours():
    values = np.random.default_rng(0).random((*SHAPE, 3))
    values[0, 0] = np.nan
    return layer(None, values)


@contextmanager
def opened(content):
    with rasterio.MemoryFile(content) as memory, memory.open() as file:
        yield file


def rows_of(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_similarities_are_written_at_their_places(similarity):
    with opened(geotiff(similarity)) as file:
        assert (file.crs.to_epsg(), file.dtypes, file.tags()["DESCRIPTION"]) == (4326, ("float32",), "A title")
        assert tuple(file.bounds) == similarity.region.bounds == (176.25, 11.25, 183.75, 15)
        np.testing.assert_array_equal(file.read(1), similarity.values)
    rows = rows_of(csv_table(similarity))
    assert len(rows) == similarity.values.size - 3 and list(rows[0]) == ["lon", "lat", "similarity"]
    assert rows[0] == {"lon": "177.125", "lat": "14.875", "similarity": f"{similarity.values[0, 3]:.5f}"}
    assert min(float(row["lon"]) for row in rows) < -179 and max(float(row["lon"]) for row in rows) < 180


def test_points_of_the_query_and_of_similar_places_are_geojson(similarity):
    query, place = json.loads(geojson(similarity))["features"]
    assert query["geometry"] == {"type": "Point", "coordinates": [179.0, 13.0]} and query["properties"] == {
        "kind": "query"
    }
    assert place["properties"] == {"kind": "similar", "rank": 1, "similarity": 0.9}


def test_classes_are_written_with_names_and_colours(classes):
    with opened(geotiff(classes)) as file:
        assert file.nodata == NO_DATA and file.colormap(1)[0][:3] == (0xCC, 0x66, 0x77)
        assert file.tags(1)["CLASS_1"] == "wood"
        assert np.array_equal(np.unique(file.read(1)), [0, 1, NO_DATA])
    rows = rows_of(csv_table(classes))
    assert [row["class"] for row in rows].count("wood") == CELLS**2 and len(rows) == 2 * CELLS**2 - 4
    label, *areas = json.loads(geojson(classes))["features"]
    assert label["properties"] == {"kind": "label", "class": "sand"}
    assert {area["properties"]["class"] for area in areas} == {"sand", "wood"}
    (wood,) = [area for area in areas if area["properties"]["class"] == "wood"]
    lon, lat = np.array(wood["geometry"]["coordinates"][0]).T
    assert (lon.min(), lon.max(), lat.min(), lat.max()) == (180, 183.75, 11.25, 15)


def test_colours_are_written_with_their_opacity(colours):
    with opened(geotiff(colours)) as file:
        red, green, blue, opacity = file.read()
        assert opacity[0, 0] == 0 and (opacity.ravel()[1:] == 255).all()
        np.testing.assert_allclose(np.stack([red, green, blue], axis=-1)[1:] / 255, colours.values[1:], atol=0.003)
    rows = rows_of(csv_table(colours))
    assert list(rows[0]) == ["lon", "lat", "red", "green", "blue"] and len(rows) == colours.values.size // 3 - 1


def test_every_kind_of_map_has_its_formats(similarity, classes, colours):
    assert all(len(write(one)) > 30 for write in WRITERS.values() for one in (similarity, classes))
    assert len(geotiff(colours)) > 30 < len(csv_table(colours))
    with pytest.raises(ValueError, match="Colours have no outlines, expected GeoTIFF or CSV"):
        geojson(colours)


def test_the_page_draws_what_the_layer_holds(similarity, classes, colours):
    value = similarity.value()
    cells = np.frombuffer(base64.b64decode(value["cells"]), np.uint8).reshape(value["rows"], value["columns"])
    assert cells[0, 0] == NO_DATA and (cells[-1, -1], value["low"], value["unit"]) == (254, -0.5, "cosine similarity")
    assert value["pins"] == [{"lon": 179.0, "lat": 13.0}] and value["title"] == "A title" and not value["coarse"]
    value = classes.value()
    numbers = np.frombuffer(base64.b64decode(value["classes"]), np.uint8)
    assert (
        set(numbers.tolist()) == {0, 1, NO_DATA} and value["names"] == ["sand", "wood"] and len(value["palette"]) == 2
    )
    value = colours.value()
    rgba = np.frombuffer(base64.b64decode(value["colours"]), np.uint8).reshape(*SHAPE, 4)
    assert rgba[0, 0].tolist() == [0, 0, 0, 0] and (rgba[1:, :, 3] == 255).all()
