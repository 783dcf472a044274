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
"""Galleries of the Space: the bundled one, folders of pairs, and the cache of embeddings."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import serving.gallery as gallery
from serving.encoded_tile import standing
from serving.gallery import load_gallery, uploaded_tile
from serving.model import ServedModel
from serving.pictures import LAYERS, data_uri, published_picture
from serving.released_photos import read_photos, write_photos
from training.common.schema import FEATURES
from training.world.ground import COVERS


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A new cache for each test, and no gallery selected by the environment."""
    monkeypatch.setattr(gallery.constants, "HF_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GAIR_GALLERY", raising=False)
    return tmp_path / "cache" / "gair" / "space" / "gallery"


@pytest.fixture(scope="session")
def rows():
    return pq.read_table(gallery.BUNDLED_GALLERY / "gallery.parquet").slice(0, 2).to_pylist()


def offered(address):
    """The picture that is offered under an address."""
    return published_picture(address.removeprefix("pictures/"))


def written(folder, rows):
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema), folder / "part.parquet")
    return str(folder)


def test_the_bundled_gallery_is_the_default(bundled_gallery):
    found = bundled_gallery
    assert "sample world" in found.name
    assert len(found.tiles) == 24 and len(found.photos) == 96 and found.photo_embeds.shape == (96, 96)
    assert found.photos_of(3) == [12, 13, 14, 15]
    np.testing.assert_allclose(np.linalg.norm(found.photo_embeds, axis=1), 1, rtol=1e-5)
    for tile in found.tiles:
        assert set(tile.layers) == set(LAYERS)
        assert all(offered(picture).startswith(b"\xff\xd8") for picture in (*tile.layers.values(), tile.small))
    for photo in found.photos:
        assert all(0 <= axis <= 1 for axis in photo.point) and offered(photo.picture) == photo.jpeg
        # The sample world's pictures are small already.
        assert photo.small == photo.picture and photo.label in COVERS
    assert all(tile.small == tile.layers["True colour"] for tile in found.tiles)


def test_a_standing_is_that_of_the_true_place(bundled_gallery):
    for position in (0, 17, 60):
        photo = bundled_gallery.photos[position]
        cosines = bundled_gallery.tiles[photo.tile].encoded.similarity(bundled_gallery.photo_embeds[position])
        assert photo.standing == pytest.approx(standing(cosines, *photo.point), abs=1e-3)
    # 0.5 by chance.
    assert np.median([photo.standing for photo in bundled_gallery.photos]) > 0.8


def test_a_folder_of_pairs_is_a_gallery(served_model, rows, tmp_path, monkeypatch):
    folder = written(tmp_path / "mine", rows)
    monkeypatch.setenv("GAIR_GALLERY", folder)
    found = load_gallery(None, served_model)
    assert found.name == "mine" and [tile.name for tile in found.tiles] == [row["id"] for row in rows]
    assert found.tiles[0].crs == rows[0]["crs"] and list(found.tiles[0].bounds) == rows[0]["bounds"]
    photo, original = found.photos[5], rows[1]["photos"][1]
    assert (photo.lon, photo.lat, photo.tile) == (original["lon"], original["lat"], 1)


def test_embeddings_come_from_the_cache(served_model, rows, tmp_path, cache, monkeypatch):
    folder = written(tmp_path / "mine", rows)
    first = load_gallery(folder, served_model)
    _assert_mapped(first)
    assert [path.suffix for path in cache.iterdir()] == [".npy"] * 2
    monkeypatch.setattr(ServedModel, "encoded_row", lambda *_: pytest.fail("the gallery was embedded again"))
    second = load_gallery(folder, served_model)
    _assert_mapped(second)
    np.testing.assert_array_equal(first.photo_embeds, second.photo_embeds)
    np.testing.assert_array_equal(first.tiles[1].encoded.tokens, second.tiles[1].encoded.tokens)


def _assert_mapped(found):
    """Everything large of the tiles stays in files."""
    for tile in found.tiles:
        assert all(not array.flags.owndata for array in tile.encoded.arrays().values() if array.nbytes > 1000)


def test_a_cache_that_can_only_be_read_is_read(served_model, rows, tmp_path, cache, monkeypatch):
    folder = written(tmp_path / "mine", rows)
    first = load_gallery(folder, served_model)
    for path in (*cache.iterdir(), cache):
        path.chmod(0o500)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    # Root may write in any case.
    monkeypatch.setattr("serving.files.NamedTemporaryFile", refuse)
    monkeypatch.setattr(ServedModel, "encoded_row", lambda *_: pytest.fail("the gallery was embedded again"))
    second = load_gallery(folder, served_model)
    np.testing.assert_array_equal(first.tiles[1].encoded.tokens, second.tiles[1].encoded.tokens)
    cache.chmod(0o700)


def test_a_row_is_embedded_once_for_each_model(served_model, rows, tmp_path, cache):
    load_gallery(written(tmp_path / "two", rows), served_model)
    load_gallery(written(tmp_path / "one", rows[:1]), served_model)
    assert len(list(cache.iterdir())) == 2
    load_gallery(str(tmp_path / "one"), replace(served_model, fingerprint="another"))
    assert len(list(cache.iterdir())) == 3


def test_a_damaged_cache_is_replaced(served_model, rows, tmp_path, cache):
    folder = written(tmp_path / "mine", rows)
    first = load_gallery(folder, served_model)
    cached = next(cache.iterdir())
    whole = cached.read_bytes()
    cached.write_bytes(whole[:1000])
    second = load_gallery(folder, served_model)
    np.testing.assert_array_equal(first.photo_embeds, second.photo_embeds)
    assert len(cached.read_bytes()) == len(whole)


def test_photos_that_were_released_with_the_model_are_not_embedded(served_model, rows, tmp_path, monkeypatch):
    released = [photo["jpeg"] for photo in rows[0]["photos"]]
    write_photos(tmp_path, served_model.fingerprint, released, served_model.photo)
    known = read_photos(tmp_path, served_model.fingerprint, 96)
    embedded = []
    photo_of = ServedModel.photo
    monkeypatch.setattr(ServedModel, "photo", lambda self, jpeg: embedded.append(jpeg) or photo_of(self, jpeg))
    found = load_gallery(written(tmp_path / "mine", rows), replace(served_model, released_photos=known))
    assert embedded == [photo["jpeg"] for photo in rows[1]["photos"]]
    own = [photo_of(served_model, photo["jpeg"]) for row in rows for photo in row["photos"]]
    np.testing.assert_allclose(found.photo_embeds, own, atol=1e-3)


def test_the_number_of_tiles_and_photos_is_limited(served_model, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "MAX_TILES", 1)
    monkeypatch.setattr(gallery, "MAX_PHOTOS_PER_TILE", 2)
    found = load_gallery(written(tmp_path / "mine", rows), served_model)
    assert len(found.tiles) == 1 and len(found.photos) == 2


def test_tiles_without_photos_are_a_gallery(served_model, rows, tmp_path):
    found = load_gallery(written(tmp_path / "mine", [{**row, "photos": []} for row in rows]), served_model)
    assert found.photos == [] and found.photo_embeds.shape == (0, 96)


def test_invalid_galleries_are_rejected(served_model, rows, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no rows"):
        load_gallery(str(tmp_path / "empty"), served_model)
    (tmp_path / "other").mkdir()
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "other" / "part.parquet")
    with pytest.raises(ValueError, match="lacks the columns tile, tile_shape"):
        load_gallery(str(tmp_path / "other"), served_model)
    with pytest.raises(ValueError, match="bytes and the shape"):
        load_gallery(written(tmp_path / "cut", [{**rows[0], "tile": rows[0]["tile"][:-2]}]), served_model)


def test_an_upload_is_encoded_like_a_tile_of_the_gallery(served_model, bundled_gallery, rows):
    row = rows[0]
    read = gallery._read(row, served_model)
    tile, own = uploaded_tile(read, served_model), bundled_gallery.tiles[0]
    query = bundled_gallery.photo_embeds[0]
    ours, theirs = (shown.encoded.similarity(query) for shown in (tile, own))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for layer, picture in tile.layers.items():
        # Visitors' pictures are not offered to others.
        assert picture == data_uri(offered(own.layers[layer]))


def test_rows_and_files_that_cannot_be_read_are_left_out(served_model, rows, tmp_path, capsys):
    good, other = rows
    bad = [
        {**good, "tile": good["tile"][:-2]},
        {**good, "bounds": None},
        {**good, "photos": [{**good["photos"][0], "jpeg": b"no photo"}]},
        {**good, "photos": [{**good["photos"][0], "lon": 0.0}]},
        {**good, "crs": "EPSG:0"},
    ]
    folder = written(tmp_path / "mine", [*bad[:2], good, *bad[2:], {**other, "photos": None, "id": None}])
    (tmp_path / "mine" / "cut.parquet").write_bytes((tmp_path / "mine" / "part.parquet").read_bytes()[:1000])
    found = load_gallery(folder, served_model)
    assert [tile.name for tile in found.tiles] == [good["id"], "tile 2"]
    assert {photo.tile for photo in found.photos} == {0} and len(found.photo_embeds) == len(found.photos)
    assert "The first of 6 problems: cut.parquet cannot be read" in capsys.readouterr().out


def test_a_cache_that_cannot_be_written_is_done_without(served_model, rows, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr(gallery.constants, "HF_HOME", str(tmp_path / "file"))
    assert len(load_gallery(written(tmp_path / "mine", rows), served_model).tiles) == 2
    told = capsys.readouterr().out
    assert told.count("which costs memory, and time") == 1 and "Not a directory" in told
