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
"""Scenes: whatever is chosen, the others follow."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.gallery import Gallery
from serving.scenes import photo_scene, place_scene, point_scene, tile_scene, upload_scene
from serving.search import find_tiles


def test_a_photo_is_shown_in_its_tile(served_model, bundled_gallery):
    scene, photo = photo_scene(served_model, bundled_gallery, 13), bundled_gallery.photos[13]
    assert (scene.photo, scene.tile, scene.place) == (13, 3, (photo.lon, photo.lat))
    assert scene.query.point == photo.point and scene.world_query.places == []
    np.testing.assert_array_equal(scene.world_query.embedding, bundled_gallery.photo_embeds[13])


def test_a_point_finds_a_photo_and_has_a_place(served_model, bundled_gallery):
    scene = point_scene(served_model, bundled_gallery, 5, 0.25, 0.5)
    cosines = bundled_gallery.photo_embeds @ scene.query.embedding
    assert (scene.tile, scene.photo) == (5, int(cosines.argmax())) and scene.cosine == pytest.approx(cosines.max())
    tile = bundled_gallery.tiles[5]
    located = served_model.coordinates.locate(*scene.place, tile.bounds, tile.crs)
    np.testing.assert_allclose(located, (0.25, 0.5), atol=1e-6)
    adrift = replace(bundled_gallery, tiles=[replace(tile, bounds=None, crs=None)])
    assert point_scene(served_model, adrift, 0, 0.25, 0.5).place is None


def test_a_place_finds_a_tile_and_a_photo_and_has_a_pin(served_model, bundled_gallery):
    scene = place_scene(served_model, bundled_gallery, 24.0, -23.0)
    assert scene.tile == find_tiles(bundled_gallery, scene.query.embedding)[0].position
    assert scene.world_query.places == [(24.0, -23.0)] and scene.photo is not None
    with pytest.raises(ValueError, match="expected"):
        place_scene(served_model, bundled_gallery, 24.0, 95.0)


def test_a_tile_is_shown_with_its_first_photo_or_its_middle(served_model, bundled_gallery):
    assert tile_scene(served_model, bundled_gallery, 4).photo == 16
    bare = Gallery("bare", bundled_gallery.tiles[:2], [], np.zeros((0, 96), np.float32))
    scene = tile_scene(served_model, bare, 1)
    assert scene.query.point == (0.5, 0.5) and scene.photo is None and scene.cosine is None


def test_an_upload_finds_a_tile(served_model, bundled_gallery, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(bundled_gallery.photos[8].jpeg)
    scene = upload_scene(served_model, bundled_gallery, str(tmp_path / "photo.jpg"))
    assert scene.tile == find_tiles(bundled_gallery, scene.query.embedding)[0].position
    assert scene.photo is None and scene.place is None and scene.query.picture.startswith("data:image/jpeg")
