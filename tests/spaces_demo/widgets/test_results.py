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
"""Results of a retrieval as HTML."""

import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.gallery import Gallery, uploaded_tile
from serving.search import find_photos_of, find_tiles, rank_of
from widgets.results import MAX_SHOWN, photo_page, place_page, tile_page


def captions(page):
    return re.findall(r"<figcaption>(.*?)</figcaption>", page)


def test_the_page_of_a_photo_marks_its_own_tile(served_model, bundled_gallery):
    own = bundled_gallery.photos[0].tile
    page = photo_page(served_model, bundled_gallery, "data:,", bundled_gallery.photo_embeds[0], own)
    rank = rank_of(find_tiles(bundled_gallery, bundled_gallery.photo_embeds[0]), [own])
    assert f"ranks <b>{rank}</b> of 24" in page
    found = captions(page)
    assert len(found) == 1 + MAX_SHOWN and page.count(">★</span>") == MAX_SHOWN
    assert ["photo taken here" in caption for caption in found].count(True) == (rank <= MAX_SHOWN)
    assert "ranks <b>" not in photo_page(served_model, bundled_gallery, "data:,", bundled_gallery.photo_embeds[0], None)


def test_the_page_of_a_tile_marks_the_best_point_of_each_photo(served_model, bundled_gallery):
    page = tile_page(served_model, bundled_gallery, bundled_gallery.tiles[2], bundled_gallery.photos_of(2))
    for number, one in enumerate(find_photos_of(bundled_gallery, bundled_gallery.tiles[2])[:MAX_SHOWN], start=1):
        x, y = one.point
        assert f'style="left:{100 * x:.2f}%;top:{100 * y:.2f}%">{number}</span>' in page
    assert "GAIR sample world" in captions(page)[1]


def test_an_uploaded_tile_finds_photos(served_model, bundled_gallery):
    pixels = np.random.default_rng(0).integers(0, 4000, (10, 96, 96)).astype(np.uint16)
    read = served_model.processor.image_processor.read(pixels, bands="gair_10")
    page = tile_page(served_model, bundled_gallery, uploaded_tile(read, served_model), [])
    assert len(captions(page)) == 1 + MAX_SHOWN and "taken in this tile" not in page


def test_the_page_of_a_place_has_tiles_and_photos(served_model, bundled_gallery):
    page = place_page(served_model, bundled_gallery, 144.63, -35.97)
    assert len(captions(page)) == 2 * MAX_SHOWN and page.count(">★</span>") == MAX_SHOWN
    assert "144.6300° E, 35.9700° S" in page


@pytest.mark.parametrize("place", [(13.4, None), (13.4, 91.0), (float("nan"), 0.0), (float("inf"), 0.0)])
def test_an_incomplete_or_impossible_place_is_rejected(served_model, bundled_gallery, place):
    with pytest.raises(ValueError, match="expected"):
        place_page(served_model, bundled_gallery, *place)


def test_names_in_a_gallery_are_escaped(served_model, bundled_gallery):
    photos = [replace(photo, attribution="<script>alert(1)</script>") for photo in bundled_gallery.photos]
    page = tile_page(served_model, replace(bundled_gallery, photos=photos), bundled_gallery.tiles[0], [])
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_a_gallery_without_photos_finds_none(served_model, bundled_gallery):
    bare = Gallery("bare", bundled_gallery.tiles[:1], [], np.zeros((0, 96), np.float32))
    assert captions(tile_page(served_model, bare, bare.tiles[0], []))[1:] == []
