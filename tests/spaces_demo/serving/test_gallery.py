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
"""Galleries of the Space: the bundled one, folders in the schema of pairs, and the cache of embeddings."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import serving.gallery as gallery
from serving.gallery import LAYERS, load_gallery, show
from training.common.schema import FEATURES


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test, and no gallery chosen from outside."""
    monkeypatch.setattr(gallery.constants, "HF_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GAIR_GALLERY", raising=False)
    return tmp_path / "cache" / "gair" / "space" / "gallery"


@pytest.fixture(scope="session")
def rows():
    return pq.read_table(gallery.BUNDLED / "gallery.parquet").slice(0, 2).to_pylist()


def written(folder, rows):
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema), folder / "part.parquet")
    return str(folder)


def test_the_bundled_gallery_is_the_default(space_loaded):
    found = load_gallery(None, space_loaded)
    assert "sample world" in found.name
    assert len(found.tiles) == 24 and len(found.photos) == 96 and found.photo_embeds.shape == (96, 96)
    assert found.photos_of(3) == [12, 13, 14, 15]
    np.testing.assert_allclose(np.linalg.norm(found.photo_embeds, axis=1), 1, rtol=1e-5)
    for tile in found.tiles:
        assert set(tile.layers) == set(LAYERS)
        assert all(picture.startswith("data:image/jpeg;base64,") for picture in tile.layers.values())
    assert all(0 <= axis <= 1 for photo in found.photos for axis in photo.point)


def test_a_folder_of_pairs_is_a_gallery(space_loaded, rows, tmp_path, monkeypatch):
    folder = written(tmp_path / "mine", rows)
    monkeypatch.setenv("GAIR_GALLERY", folder)
    found = load_gallery(None, space_loaded)
    assert found.name == "mine" and [tile.name for tile in found.tiles] == [row["id"] for row in rows]
    assert found.tiles[0].crs == rows[0]["crs"] and list(found.tiles[0].bounds) == rows[0]["bounds"]
    photo, original = found.photos[5], rows[1]["photos"][1]
    assert (photo.lon, photo.lat, photo.tile) == (original["lon"], original["lat"], 1)


def test_embeddings_come_from_the_cache(space_loaded, rows, tmp_path, cache, monkeypatch):
    folder = written(tmp_path / "mine", rows)
    first = load_gallery(folder, space_loaded)
    assert [path.suffix for path in cache.iterdir()] == [".npz"] * 2
    monkeypatch.setattr(gallery, "_embed", lambda *_: pytest.fail("the gallery was embedded again"))
    second = load_gallery(folder, space_loaded)
    np.testing.assert_array_equal(first.photo_embeds, second.photo_embeds)
    np.testing.assert_array_equal(first.tiles[1].encoded.grids, second.tiles[1].encoded.grids)


def test_a_row_is_embedded_once_for_each_model(space_loaded, rows, tmp_path, cache):
    load_gallery(written(tmp_path / "two", rows), space_loaded)
    load_gallery(written(tmp_path / "one", rows[:1]), space_loaded)
    assert len(list(cache.iterdir())) == 2
    load_gallery(str(tmp_path / "one"), replace(space_loaded, fingerprint="another"))
    assert len(list(cache.iterdir())) == 3


def test_a_damaged_cache_is_written_again(space_loaded, rows, tmp_path, cache):
    folder = written(tmp_path / "mine", rows)
    first = load_gallery(folder, space_loaded)
    kept = next(cache.iterdir())
    whole = kept.read_bytes()
    kept.write_bytes(whole[:1000])
    second = load_gallery(folder, space_loaded)
    np.testing.assert_array_equal(first.photo_embeds, second.photo_embeds)
    assert len(kept.read_bytes()) == len(whole)


def test_a_gallery_holds_no_more_than_the_memory_allows(space_loaded, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "MAX_TILES", 1)
    monkeypatch.setattr(gallery, "MAX_PHOTOS_PER_TILE", 2)
    found = load_gallery(written(tmp_path / "mine", rows), space_loaded)
    assert len(found.tiles) == 1 and len(found.photos) == 2


def test_tiles_without_photos_are_a_gallery(space_loaded, rows, tmp_path):
    found = load_gallery(written(tmp_path / "mine", [{**row, "photos": []} for row in rows]), space_loaded)
    assert found.photos == [] and found.photo_embeds.shape == (0, 96)


def test_what_is_no_gallery_is_refused(space_loaded, rows, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no rows"):
        load_gallery(str(tmp_path / "empty"), space_loaded)
    (tmp_path / "other").mkdir()
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "other" / "part.parquet")
    with pytest.raises(ValueError, match="lacks the columns tile, tile_shape"):
        load_gallery(str(tmp_path / "other"), space_loaded)
    with pytest.raises(ValueError, match="bytes and the shape"):
        load_gallery(written(tmp_path / "cut", [{**rows[0], "tile": rows[0]["tile"][:-2]}]), space_loaded)


def test_an_upload_is_shown_as_a_tile_of_the_gallery(space_loaded, rows):
    row = rows[0]
    read = gallery._read(row, space_loaded)
    tile, kept = show("mine.tif", read, space_loaded), load_gallery(None, space_loaded)
    query = kept.photo_embeds[0]
    ours, theirs = (own.encoded.similarity(query) for own in (tile, kept.tiles[0]))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert json.dumps(tile.layers) == json.dumps(kept.tiles[0].layers)
