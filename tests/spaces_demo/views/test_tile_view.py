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
"""The tile view: similarity maps without the model, what the page is sent, and what it saves."""

import base64
import csv
import io
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
import rasterio
import torch
from PIL import Image

from modeling_gair import GairCoordinateProcessor
from modeling_gair.raster_gair import project
from serving.encoded_tile import READINGS, SIDE, best_point, encode
from serving.gallery import Gallery, Photo, Tile, data_uri, jpeg_of
from views.tile_view import (
    Query,
    add_tab,
    cell_places,
    centres,
    fixed_range,
    gallery_query,
    geotiff,
    place_text,
    point_query,
    summary,
    table,
    tile_value,
    upload_query,
)

UTM = (500000.0, 4998800.0, 501920.0, 5000720.0)


@pytest.fixture(scope="module")
def pixels():
    torch.manual_seed(0)
    return torch.rand(1, 10, 96, 96)


@pytest.fixture(scope="module")
def encoded(tiny_model, pixels):
    return encode(tiny_model, pixels)


@pytest.fixture
def tile(encoded):
    return Tile("made", {"True colour": "data:image/jpeg;base64,"}, UTM, "EPSG:32633", 1.0, encoded)


@pytest.fixture(scope="module")
def query():
    direction = np.random.default_rng(0).standard_normal(96).astype(np.float32)
    return Query(direction / np.linalg.norm(direction), "photo", "a photo")


@pytest.mark.parametrize("reading", READINGS)
def test_similarity_is_the_cosine_of_the_models_embeddings(tiny_model, pixels, encoded, query, reading):
    with torch.no_grad():
        points = tiny_model.get_rs_feature_map(pixels, (SIDE, SIDE), reading)[0]
    expected = torch.cosine_similarity(points, torch.from_numpy(query.embedding)[:, None, None], dim=0)
    np.testing.assert_allclose(encoded.similarity(query.embedding, reading), expected, atol=2e-6)


def test_a_point_is_read_as_by_the_model(tiny_model, pixels, encoded):
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5), (0.013, 0.71), (0.96, 0.3)]
    with torch.no_grad():
        expected = tiny_model.get_localized_rs_features(pixels, torch.tensor([corners]))[0]
    expected = torch.nn.functional.normalize(expected, dim=-1).numpy()
    np.testing.assert_allclose(np.stack([encoded.at(x, y) for x, y in corners]), expected, atol=2e-6)


def test_the_mean_is_the_models(tiny_model, pixels, encoded):
    with torch.no_grad():
        expected = torch.nn.functional.normalize(tiny_model.get_rs_features(pixels), dim=-1)[0]
    np.testing.assert_allclose(encoded.mean, expected, atol=2e-6)


def test_the_best_point_is_the_centre_of_the_highest_cell():
    cosines = np.zeros((SIDE, SIDE), np.float32)
    cosines[3, 100] = 0.5
    assert best_point(cosines) == (100.5 / SIDE, 3.5 / SIDE, 0.5)


def test_a_point_is_most_like_itself(tile):
    query = point_query(tile, 0.3, 0.8)
    x, y, greatest = best_point(tile.encoded.similarity(query.embedding))
    assert abs(x - 0.3) < 1 / SIDE and abs(y - 0.8) < 1 / SIDE and greatest > 0.999


@pytest.mark.parametrize("point", [(-0.01, 0.5), (0.5, 1.01), (float("nan"), 0.5), (float("inf"), 0.5)])
def test_points_outside_the_tile_are_refused(tile, point):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        point_query(tile, *point)


def test_places_of_the_map_are_those_that_the_processor_locates(tile):
    x, y = centres()
    lon, lat = cell_places(tile, x, y)
    points = GairCoordinateProcessor().locate(lon, lat, UTM, "EPSG:32633")
    np.testing.assert_allclose(points, np.stack([x, y], axis=-1), atol=1e-6)


def test_places_cross_the_antimeridian(tile):
    across = replace(tile, bounds=(179.99, -17.01, -179.99, -16.99), crs="EPSG:4326")
    lon, _ = cell_places(across, np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(lon, [179.995, -179.995])
    assert place_text(across, 0.75, 0.5) == "179.9950° W, 17.0000° S"
    corners = tile_value_of(across, None)["corners"]
    assert corners[1][0] - corners[0][0] == pytest.approx(0.02)


def tile_value_of(tile, query, ranges=None):
    return tile_value(type("Loaded", (), {"similarity_ranges": ranges or {}}), tile, query, [])


def test_the_page_is_sent_the_maps(tile, query):
    value = tile_value_of(tile, query)
    assert set(value["maps"]) == set(READINGS) and value["fixed"] is None
    for reading, packed in value["maps"].items():
        sent = np.frombuffer(base64.b64decode(packed), "<i2").reshape(SIDE, SIDE) * value["unit"]
        expected = tile.encoded.similarity(query.embedding, reading)
        np.testing.assert_allclose(sent, expected, atol=value["unit"])
    assert value["mean"] == pytest.approx(float(tile.encoded.mean @ query.embedding))
    assert value["best"] == best_point(tile.encoded.similarity(query.embedding))[:2]


def test_without_a_query_there_is_no_map(tile):
    assert set(tile_value_of(tile, None)) == {"layers", "corners", "photos", "side"}
    assert tile_value_of(replace(tile, bounds=None, crs=None), None)["corners"] is None


def test_the_fixed_range_is_the_models():
    ranges = {
        "percentiles": [1, 50, 99],
        "pairs": {
            "sv_localized": {"matched": [0.1, 0.5, 0.8], "others": [-0.4, 0.0, 0.4]},
            "localized_rs": {"matched": [0.1, 0.5, 0.9], "others": [-0.3, 0.0, 0.4]},
        },
    }
    assert fixed_range("photo", ranges) == (-0.4, 0.8)
    assert fixed_range("point", ranges) == (-0.3, 1.0)
    assert fixed_range("photo", {}) is None


def test_the_bundled_model_states_its_ranges(space_loaded):
    for kind in ("photo", "point"):
        low, high = fixed_range(kind, space_loaded.similarity_ranges)
        assert -1 <= low < 0.5 < high <= 1


def test_the_geotiff_lies_where_the_tile_lies(tile, query):
    with rasterio.MemoryFile(geotiff(tile, query)) as memory, memory.open() as dataset:
        assert dataset.crs.to_epsg() == 32633 and tuple(dataset.bounds) == UTM
        assert np.isnan(dataset.nodata) and dataset.descriptions == READINGS
        np.testing.assert_array_equal(dataset.read(1), tile.encoded.similarity(query.embedding, "nili"))
        np.testing.assert_array_equal(dataset.read(2), tile.encoded.similarity(query.embedding, "bilinear"))
        x, y, greatest = best_point(tile.encoded.similarity(query.embedding))
        lon, lat = cell_places(tile, np.array([x]), np.array([y]))
        (sampled,) = dataset.sample([np.concatenate(project(lon, lat, "EPSG:32633"))])
        assert sampled[0] == pytest.approx(greatest)


def test_the_table_names_every_point(tile, query):
    rows = list(csv.DictReader(io.StringIO(table(tile, query).decode())))
    assert list(rows[0]) == ["lon", "lat", "similarity", "similarity_bilinear"] and len(rows) == SIDE * SIDE
    lon, lat = cell_places(tile, *centres())
    cosines = tile.encoded.similarity(query.embedding).ravel()
    for number in (0, 127, 9000):
        row = {name: float(cell) for name, cell in rows[number].items()}
        assert row["lon"] == pytest.approx(lon[number], abs=1e-6)
        assert row["lat"] == pytest.approx(lat[number], abs=1e-6)
        assert row["similarity"] == pytest.approx(float(cosines[number]), abs=1e-5)


@pytest.mark.parametrize("write", [geotiff, table])
def test_a_tile_without_coordinates_has_no_file_with_them(tile, query, write):
    with pytest.raises(ValueError, match="does not say where it lies"):
        write(replace(tile, bounds=None, crs=None), query)


def test_the_summary_tells_what_the_map_shows(space_loaded, tile, query):
    text = summary(space_loaded, tile, query)
    cosines = tile.encoded.similarity(query.embedding)
    assert f"**{cosines.max():.3f}**" in text and f"{cosines.min():.3f}" in text
    assert "bundled tiny model" in text and "no data" not in text
    assert "25% of the tile's pixels hold no data" in summary(space_loaded, replace(tile, valid_fraction=0.75), query)
    assert "Click a point" in summary(space_loaded, tile, None)


def test_a_photo_of_the_gallery_is_asked_as_it_was_embedded(space_loaded, tile):
    image = Image.new("RGB", (64, 48), "green")
    jpeg = jpeg_of(image, 64)
    embeds = np.eye(96, dtype=np.float32)[:1]
    kept = Gallery("made", [tile], [Photo("p", jpeg, 15.01, 45.14, 0, (0.4, 0.6), "")], embeds)
    query = gallery_query(kept, 0)
    assert query.point == (0.4, 0.6) and query.picture == data_uri(jpeg)
    np.testing.assert_array_equal(query.embedding, embeds[0])
    assert "where it was taken" in summary(space_loaded, tile, query)


def test_an_uploaded_photo_is_embedded(space_loaded, tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    image.save(tmp_path / "photo.png")
    query = upload_query(space_loaded, str(tmp_path / "photo.png"))
    np.testing.assert_array_equal(query.embedding, space_loaded.photo(image))
    with pytest.raises(ValueError, match="no photo"):
        (tmp_path / "text.jpg").write_text("no photo")
        upload_query(space_loaded, str(tmp_path / "text.jpg"))


def test_the_tab_is_built(space_loaded, tile):
    with gr.Blocks() as page:
        add_tab(space_loaded, Gallery("made", [replace(tile, layers=LAYERS)], [], np.zeros((0, 96), np.float32)))
    assert any(isinstance(block, gr.HTML) for block in page.blocks.values())


LAYERS = {"True colour": data_uri(jpeg_of(Image.new("RGB", (8, 8)), 8))}
