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
"""Tile view without a browser: queries, the values and the summary that the page gets."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.encoded_tile import SIDE, standing
from serving.gallery import Gallery, Photo
from serving.pictures import jpeg_of
from serving.tile_maps import (
    centres,
    distance_text,
    fixed_range,
    gallery_query,
    near_point_text,
    place_text,
    point_query,
    standings,
    summary,
    tile_places,
    tile_value,
    upload_query,
)


def test_a_point_is_most_similar_to_itself(unnamed_model, tile):
    point = 38.5 / SIDE, 102.5 / SIDE
    query = point_query(unnamed_model, tile, *point)
    x, y, greatest = tile.encoded.best_point(tile.encoded.similarity(query.embedding))
    assert (x, y) == point and greatest > 0.999


@pytest.mark.parametrize("point", [(-0.01, 0.5), (0.5, 1.01), (float("nan"), 0.5), (float("inf"), 0.5)])
def test_points_outside_the_tile_are_rejected(unnamed_model, tile, point):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        point_query(unnamed_model, tile, *point)


def test_the_processor_locates_the_places_of_the_map_at_its_points(unnamed_model, tile):
    x, y = centres()
    lon, lat = tile_places(unnamed_model, tile, x, y)
    points = unnamed_model.coordinates.locate(lon, lat, tile.bounds, tile.crs)
    np.testing.assert_allclose(points, np.stack([x, y], axis=-1), atol=1e-6)


def test_places_cross_the_antimeridian(unnamed_model, tile):
    across = replace(tile, bounds=(179.99, -17.01, -179.99, -16.99), crs="EPSG:4326")
    lon, _ = tile_places(unnamed_model, across, np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(lon, [179.995, -179.995])
    assert place_text(unnamed_model, across, 0.75, 0.5) == "179.9950° W, 17.0000° S"
    corners = tile_value(unnamed_model, across, None, [])["corners"]
    assert corners[1][0] - corners[0][0] == pytest.approx(0.02)


def test_a_point_is_named_after_the_nearest_town(unnamed_model, tile):
    berlin = replace(tile, bounds=(13.0, 52.2, 13.8, 52.8), crs="EPSG:4326")
    assert near_point_text(unnamed_model, berlin, 0.5, 0.5).endswith(", Germany")
    nowhere = replace(tile, bounds=None, crs=None)
    assert near_point_text(unnamed_model, nowhere, 0.25, 0.5) == "25% from the west and 50% from the north"


def test_the_page_receives_the_maps(unnamed_model, tile, photo_query):
    value = tile_value(unnamed_model, tile, photo_query, [])
    assert list(value["maps"]) == ["pixels", "nili", "bilinear"] and value["own"] == "pixels" and value["fixed"] is None
    for reading, packed in value["maps"].items():
        sent = np.frombuffer(base64.b64decode(packed), "<i2").reshape(SIDE, SIDE) * value["unit"]
        expected = tile.encoded.similarity(photo_query.embedding, reading)
        np.testing.assert_allclose(sent, expected, atol=value["unit"])
    assert value["mean"] == pytest.approx(float(tile.encoded.mean @ photo_query.embedding))
    for reading, found in value["best"].items():
        assert found == tile.encoded.best_point(tile.encoded.similarity(photo_query.embedding, reading))[:2]
    # It is not known where this photo was taken.
    assert list(value["best"]) == list(value["maps"]) and value["standings"] == {}


def test_without_pixels_the_page_receives_nili_and_bilinear(unnamed_model, tile_without_pixels, photo_query):
    shown = tile_without_pixels
    value = tile_value(unnamed_model, shown, photo_query, [])
    assert list(value["maps"]) == ["nili", "bilinear"] and value["own"] == "nili"
    best = shown.encoded.best_point(shown.encoded.similarity(photo_query.embedding, "nili"))
    assert value["best"]["nili"] == best[:2]


def test_distances_are_in_metres_where_they_are_known(unnamed_model, tile):
    # The tile has 1,920 m a side; the sphere is not the ellipsoid.
    assert distance_text(unnamed_model, tile, (0.25, 0.5), (0.75, 0.5)) == "958 m"
    assert distance_text(unnamed_model, replace(tile, bounds=None, crs=None), (0.0, 0.5), (0.5, 0.5)) == "50% of a side"


def test_without_a_query_there_is_no_map(unnamed_model, tile):
    assert set(tile_value(unnamed_model, tile, None, [])) == {"layers", "corners", "photos", "side"}
    assert tile_value(unnamed_model, replace(tile, bounds=None, crs=None), None, [])["corners"] is None


def test_the_fixed_range_comes_from_the_model():
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


def test_the_bundled_model_states_its_ranges(served_model):
    for kind in ("photo", "point", "place"):
        low, high = fixed_range(kind, served_model.similarity_ranges)
        assert -1 <= low < 0.5 < high <= 1


def test_the_summary_describes_the_map(served_model, tile, photo_query):
    text = summary(served_model, tile, photo_query)
    cosines = tile.encoded.similarity(photo_query.embedding)
    x, y, cosine = tile.encoded.best_point(cosines)
    assert f"Most similar point: {place_text(served_model, tile, x, y)}, cosine {cosine:.3f}" in text
    assert "true place" not in text and "no data" not in text
    known = replace(photo_query, point=(0.4, 0.6))
    own = standings(tile, known)
    assert own["pixels"] == standing(cosines, 0.4, 0.6) and own["mean"] == 0.5
    assert f"more similar to it than **{own['pixels']:.0%}** of the tile; chance gives 50%" in summary(
        served_model, tile, known
    )
    assert "25% of the tile's pixels have no data" in summary(
        served_model, replace(tile, valid_fraction=0.75), photo_query
    )
    assert "Click a point" in summary(served_model, tile, None)


def test_a_photo_of_the_gallery_is_a_query_with_its_embedding(served_model, tile):
    image = Image.new("RGB", (64, 48), "green")
    jpeg = jpeg_of(image, 64)
    embeds = np.eye(96, dtype=np.float32)[:1]
    kept = Gallery("made", [tile], [Photo("p", jpeg, 15.01, 45.14, 0, (0.4, 0.6), "", "pictures/p.jpg")], embeds)
    query = gallery_query(served_model, kept, 0)
    assert query.point == (0.4, 0.6) and query.picture == "pictures/p.jpg"
    # In another tile it was taken nowhere.
    assert gallery_query(served_model, kept, 0, 1).point is None and gallery_query(served_model, kept, 0, 0).point == (
        0.4,
        0.6,
    )
    np.testing.assert_array_equal(query.embedding, embeds[0])
    assert "The photo was taken" in summary(served_model, tile, query)


def test_an_uploaded_photo_is_embedded(served_model, tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    image.save(tmp_path / "photo.png")
    query = upload_query(served_model, str(tmp_path / "photo.png"))
    np.testing.assert_array_equal(query.embedding, served_model.photo(image))
    with pytest.raises(ValueError, match="not a readable photo"):
        (tmp_path / "text.jpg").write_text("no photo")
        upload_query(served_model, str(tmp_path / "text.jpg"))
