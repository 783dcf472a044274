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
from widgets.results import MAX_SHOWN, of_photo, of_place, of_tile


def captions(page):
    return re.findall(r"<figcaption>(.*?)</figcaption>", page)


def test_the_page_of_a_photo_marks_its_own_tile(served_model, bundled_gallery):
    own, embedding = bundled_gallery.photos[0].tile, bundled_gallery.photo_embeds[0]
    found_by_it = of_photo(served_model, bundled_gallery, "data:,", embedding, 0)
    page = found_by_it.html
    rank = rank_of(find_tiles(bundled_gallery, bundled_gallery.photo_embeds[0]), [own])
    assert f"ranks <b>{rank}</b> of 24" in page
    found = captions(page)
    assert len(found) == 1 + MAX_SHOWN and page.count(">○</span>") == MAX_SHOWN
    assert ["taken here" in caption for caption in found].count(True) == (rank <= MAX_SHOWN)
    assert [row.rank for row in found_by_it.rows] == list(range(1, 25))
    assert "ranks <b>" not in of_photo(served_model, bundled_gallery, "data:,", embedding).html


def test_every_card_opens_its_tile(served_model, bundled_gallery):
    page = of_photo(served_model, bundled_gallery, "data:,", bundled_gallery.photo_embeds[0], 0).html
    found = find_tiles(bundled_gallery, bundled_gallery.photo_embeds[0])[:MAX_SHOWN]
    links = re.findall(r'href="\?([^"]*)"', page)
    assert links == ["tab=Start&amp;photo=0", *(f"tab=Compare&amp;tile={one.position}&amp;photo=0" for one in found)]
    page = of_place(served_model, bundled_gallery, 144.63, -35.97).html
    links = re.findall(r'href="\?([^"]*)"', page)
    assert len(links) == 2 * MAX_SHOWN and links[0].endswith("&amp;place=144.63,-35.97")
    assert all(re.fullmatch(r"tab=Start&amp;photo=\d+", link) for link in links[MAX_SHOWN:])


def test_the_page_of_a_tile_marks_the_best_point_of_each_photo(served_model, bundled_gallery):
    page = of_tile(served_model, bundled_gallery, bundled_gallery.tiles[2], 2).html
    for number, one in enumerate(find_photos_of(bundled_gallery, bundled_gallery.tiles[2])[:MAX_SHOWN], start=1):
        x, y = one.point
        assert f'style="left:{100 * x:.2f}%;top:{100 * y:.2f}%">{number}</span>' in page
    assert "GAIR sample world" in captions(page)[1]


def test_an_uploaded_tile_finds_photos(served_model, bundled_gallery):
    pixels = np.random.default_rng(0).integers(0, 4000, (10, 96, 96)).astype(np.uint16)
    read = served_model.processor.image_processor.read(pixels, bands="gair_10")
    page = of_tile(served_model, bundled_gallery, uploaded_tile(read, served_model)).html
    assert len(captions(page)) == 1 + MAX_SHOWN and "taken in this tile" not in page


def test_the_page_of_a_place_has_tiles_and_photos(served_model, bundled_gallery):
    page = of_place(served_model, bundled_gallery, 144.63, -35.97).html
    assert len(captions(page)) == 2 * MAX_SHOWN and page.count(">○</span>") == MAX_SHOWN
    assert "144.6300° E, 35.9700° S" in page


@pytest.mark.parametrize("place", [(13.4, None), (13.4, 91.0), (float("nan"), 0.0), (float("inf"), 0.0)])
def test_an_incomplete_or_impossible_place_is_rejected(served_model, bundled_gallery, place):
    with pytest.raises(ValueError, match="expected"):
        of_place(served_model, bundled_gallery, *place)


def test_names_in_a_gallery_are_escaped(served_model, bundled_gallery):
    photos = [replace(photo, attribution="<script>alert(1)</script>") for photo in bundled_gallery.photos]
    page = of_tile(served_model, replace(bundled_gallery, photos=photos), bundled_gallery.tiles[0]).html
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_a_gallery_without_photos_finds_none(served_model, bundled_gallery):
    bare = Gallery("bare", bundled_gallery.tiles[:1], [], np.zeros((0, 96), np.float32))
    assert captions(of_tile(served_model, bare, bare.tiles[0], 0).html)[1:] == []
