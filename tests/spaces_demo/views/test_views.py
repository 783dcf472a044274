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
"""The tabs: each is built, and results are described in plain words."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
import gradio as gr

from serving.distributions import DistributionComparison
from serving.embedded_rows import EmbeddedRows
from serving.gallery import Gallery
from views import embeddings, place_to_place, retrieval, tile_view
from views.place_to_place import sentence


@pytest.mark.parametrize("tab", [place_to_place, retrieval, tile_view])
def test_a_tab_is_built_with_and_without_photos(served_model, bundled_gallery, tab):
    bare = Gallery("bare", bundled_gallery.tiles[:1], [], np.zeros((0, 96), np.float32))
    few = replace(bundled_gallery, photos=bundled_gallery.photos[:4], photo_embeds=bundled_gallery.photo_embeds[:4])
    for gallery in (few, bare):
        with gr.Blocks() as page:
            tab.add_tab(served_model, gallery)
        assert any(isinstance(block, gr.HTML) for block in page.blocks.values())


def test_a_difference_by_chance_is_not_called_a_difference():
    assert "do not show" in sentence(DistributionComparison(0.3, 0.4, 1, 1, 1))
    assert "very different" in sentence(DistributionComparison(0.6, 0.005, 1, 1, 0))


def test_embeddings_are_found_by_place_and_listed_as_plain_text(served_model):
    lon, lat = np.array([13.4, -60.0]), np.array([52.5, -3.1])
    vectors = served_model.places(lon, lat).astype(np.float16)
    rows = EmbeddedRows(["a|b <i>", "c"], ["location"] * 2, lon, lat, vectors, "Two rows.")
    with gr.Blocks() as page:
        embeddings.add_tab(served_model, rows)
    assert any(isinstance(block, gr.HTML) for block in page.blocks.values())
    value, text = embeddings._Handlers(served_model, rows).by_place("13.4, 52.5", 2)
    assert value["pins"] == [{"lon": 13.4, "lat": 52.5}] and [row["id"] for row in value["places"]] == ["a|b <i>", "c"]
    first = text.splitlines()[2]
    assert "<i>" not in first and first.count("|") == 7 and "| 13.4000 | 52.5000 | 1.0" in first
    with pytest.raises(ValueError, match="expected 1 to 100"):
        embeddings._Handlers(served_model, rows).by_place("13.4, 52.5", 1000)
