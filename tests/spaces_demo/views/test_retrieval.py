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
"""Retrieval in the gallery: rankings, and the pages that show them."""

import re
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

import views.retrieval as retrieval
from serving.encoded_tile import best_point
from serving.gallery import Gallery, load_gallery, show
from views.retrieval import (
    Found,
    add_tab,
    find_photos,
    find_photos_of,
    find_tiles,
    photo_page,
    place_page,
    rank_of,
    tile_page,
    usual,
)


@pytest.fixture(scope="module")
def gallery(space_loaded, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.gallery.constants.HF_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("GAIR_GALLERY", raising=False)
        return load_gallery(None, space_loaded)


def captions(page):
    return re.findall(r"<figcaption>(.*?)</figcaption>", page)


def test_tiles_are_ranked_by_their_best_point(gallery):
    query = gallery.photo_embeds[5]
    found = find_tiles(gallery, query)
    assert sorted(one.position for one in found) == list(range(24))
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    for one in found[:3]:
        tile = gallery.tiles[one.position]
        assert (*one.point, one.similarity) == best_point(tile.encoded.similarity(query))
        assert float(tile.encoded.at(*one.point) @ query) == pytest.approx(one.similarity, abs=1e-5)


def test_photos_are_ranked_by_cosine(gallery):
    found = find_photos(gallery, gallery.photo_embeds[7])
    assert found[0].position == 7 and found[0].similarity == pytest.approx(1, abs=1e-5)
    cosines = gallery.photo_embeds @ gallery.photo_embeds[7]
    assert [one.position for one in found] == np.argsort(-cosines, kind="stable").tolist()


def test_photos_for_a_tile_agree_with_tiles_for_a_photo(gallery):
    by_tile = {one.position: one for one in find_photos_of(gallery, gallery.tiles[4])}
    (by_photo,) = [one for one in find_tiles(gallery, gallery.photo_embeds[9]) if one.position == 4]
    assert by_tile[9].similarity == by_photo.similarity and by_tile[9].point == by_photo.point


def test_the_bundled_model_finds_better_than_chance(gallery):
    one_a_tile = list(zip(gallery.photo_embeds, gallery.photos))[::4]
    ranks = [rank_of(find_tiles(gallery, embedding), [photo.tile]) for embedding, photo in one_a_tile]
    # By guessing 12.5.
    assert np.mean(ranks) < 8


def test_rank_of_the_first():
    found = [Found(3, 0.9), Found(1, 0.8), Found(2, 0.7)]
    assert rank_of(found, [2, 1]) == 2 and rank_of(found, [5]) is None and rank_of(found, []) is None


def test_usual_cosines_are_told_where_they_are_known(space_loaded):
    assert usual({}, "sv_localized") == ""
    pair = space_loaded.similarity_ranges["pairs"]["sv_localized"]
    assert f"{pair['matched'][1]:.2f} to {pair['matched'][5]:.2f}" in usual(
        space_loaded.similarity_ranges, "sv_localized"
    )


def test_the_page_of_a_photo_marks_its_own_tile(space_loaded, gallery):
    own = gallery.photos[0].tile
    page = photo_page(space_loaded, gallery, "data:,", gallery.photo_embeds[0], own)
    rank = rank_of(find_tiles(gallery, gallery.photo_embeds[0]), [own])
    assert f"number <b>{rank}</b> of 24" in page
    found = captions(page)
    assert len(found) == 1 + retrieval.MAX_SHOWN and page.count(">★</span>") == retrieval.MAX_SHOWN
    assert ["its own" in caption for caption in found].count(True) == (rank <= retrieval.MAX_SHOWN)
    assert "number <b>" not in photo_page(space_loaded, gallery, "data:,", gallery.photo_embeds[0], None)


def test_the_page_of_a_tile_marks_where_each_photo_fits(space_loaded, gallery):
    page = tile_page(space_loaded, gallery, gallery.tiles[2], gallery.photos_of(2))
    for number, one in enumerate(find_photos_of(gallery, gallery.tiles[2])[: retrieval.MAX_SHOWN], start=1):
        x, y = one.point
        assert f'style="left:{100 * x:.2f}%;top:{100 * y:.2f}%">{number}</span>' in page
    assert "GAIR sample world" in captions(page)[1]


def test_an_uploaded_tile_finds_photos(space_loaded, gallery):
    pixels = np.random.default_rng(0).integers(0, 4000, (10, 96, 96)).astype(np.uint16)
    read = space_loaded.processor.image_processor.read(pixels, bands="gair_10")
    page = tile_page(space_loaded, gallery, show("Your tile", read, space_loaded), [])
    assert len(captions(page)) == 1 + retrieval.MAX_SHOWN and "its own" not in page


def test_the_page_of_a_place_has_tiles_and_photos(space_loaded, gallery):
    page = place_page(space_loaded, gallery, 144.63, -35.97)
    assert len(captions(page)) == 2 * retrieval.MAX_SHOWN and page.count(">★</span>") == retrieval.MAX_SHOWN
    assert "144.6300° E, 35.9700° S" in page


@pytest.mark.parametrize("place", [(13.4, None), (13.4, 91.0), (float("nan"), 0.0), (float("inf"), 0.0)])
def test_what_is_no_place_is_refused(space_loaded, gallery, place):
    with pytest.raises(ValueError, match="expected"):
        place_page(space_loaded, gallery, *place)


def test_names_from_a_gallery_are_no_html(space_loaded, gallery):
    photos = [replace(photo, attribution="<script>alert(1)</script>") for photo in gallery.photos]
    page = tile_page(space_loaded, replace(gallery, photos=photos), gallery.tiles[0], [])
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_the_tab_is_built_with_and_without_photos(space_loaded, gallery):
    bare = Gallery("bare", gallery.tiles[:1], [], np.zeros((0, 96), np.float32))
    for kept in (gallery, bare):
        with gr.Blocks() as page:
            add_tab(space_loaded, kept)
        assert page.blocks
    assert captions(tile_page(space_loaded, bare, bare.tiles[0], []))[1:] == []
