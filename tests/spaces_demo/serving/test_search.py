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
"""Retrieval in the gallery: rankings."""

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.gallery import Gallery
from serving.search import Found, find_photos, find_photos_of, find_tiles, rank_of, retrieval_totals


def test_tiles_are_ranked_by_their_best_point(bundled_gallery):
    query = bundled_gallery.photo_embeds[5]
    found = find_tiles(bundled_gallery, query)
    assert sorted(one.position for one in found) == list(range(24))
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    for one in found[:3]:
        tile = bundled_gallery.tiles[one.position]
        assert (*one.point, one.similarity) == tile.encoded.best_point(tile.encoded.similarity(query))
        # A point in float32 is off by some 10⁻⁵ of a pixel, and neighbouring pixels may differ by much.
        assert float(tile.encoded.at(*one.point) @ query) == pytest.approx(one.similarity, abs=1e-4)


def test_photos_are_ranked_by_cosine(bundled_gallery):
    found = find_photos(bundled_gallery, bundled_gallery.photo_embeds[7])
    assert found[0].position == 7 and found[0].similarity == pytest.approx(1, abs=1e-5)
    cosines = bundled_gallery.photo_embeds @ bundled_gallery.photo_embeds[7]
    assert [one.position for one in found] == np.argsort(-cosines, kind="stable").tolist()


def test_photos_for_a_tile_agree_with_tiles_for_a_photo(bundled_gallery):
    by_tile = {one.position: one for one in find_photos_of(bundled_gallery, bundled_gallery.tiles[4])}
    (by_photo,) = [one for one in find_tiles(bundled_gallery, bundled_gallery.photo_embeds[9]) if one.position == 4]
    assert by_tile[9].similarity == pytest.approx(by_photo.similarity, abs=1e-6) and by_tile[9].point == by_photo.point


def test_totals_are_those_of_the_rankings(bundled_gallery, monkeypatch):
    monkeypatch.setattr("serving.search.MAX_COUNTED", 24)
    counted = list(zip(bundled_gallery.photo_embeds, bundled_gallery.photos))[::4]
    ranks = [rank_of(find_tiles(bundled_gallery, embedding), [photo.tile]) for embedding, photo in counted]
    totals = retrieval_totals(bundled_gallery)
    assert (totals.photos, totals.tiles) == (24, 24)
    assert totals.first == np.mean(np.array(ranks) == 1) and totals.median_rank == np.median(ranks)


def test_the_bundled_model_retrieves_better_than_chance(bundled_gallery):
    totals = retrieval_totals(bundled_gallery)
    # By chance, 1 / 24 and 12.5.
    assert totals.photos == 96 and totals.first > 2 / 24 and totals.median_rank < 8
    bare = Gallery("bare", bundled_gallery.tiles[:1], [], np.zeros((0, 96), np.float32))
    assert retrieval_totals(bare) is None


def test_rank_of_is_that_of_the_first():
    found = [Found(3, 0.9), Found(1, 0.8), Found(2, 0.7)]
    assert rank_of(found, [2, 1]) == 2 and rank_of(found, [5]) is None and rank_of(found, []) is None
