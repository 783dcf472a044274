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
"""
The GAIR demo page: maps of embedding similarity.

    python spaces_demo/app.py

The environment variable `GAIR_MODEL` selects another model (a directory or a repository on the Hub), `GAIR_GALLERY`
another gallery, and `GAIR_EMBEDDINGS` a folder of embeddings to search.
"""

from typing import Any

import gradio as gr

import views.embeddings as embeddings
import views.place_to_place as place_to_place
import views.retrieval as retrieval
import views.tile_view as tile_view
import views.world_map as world_map
from serving.embedded_rows import load_embedded_rows
from serving.gallery import load_gallery
from serving.model import ServedModel, load_model
from widgets.assets import CSS_PATHS

# The arguments of `launch`; the tests start the page with the same ones.
LAUNCH: dict[str, Any] = {
    # System fonts, so that none is downloaded; greys with enough contrast on white.
    "theme": gr.themes.Base(
        primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    ).set(body_text_color_subdued="*neutral_600", block_info_text_color="*neutral_600"),
    "css_paths": CSS_PATHS,
    # For any upload; `serving/uploads.py` has stricter limits by kind.
    "max_file_size": "32mb",
    "enable_monitoring": False,
    "run_history": False,
    "footer_links": ["gradio"],
    "pwa": False,
    "ssr_mode": False,
    "show_error": False,
}
# How often uploads are checked, and the age at which they are deleted, in seconds.
_DELETE_AFTER = 3600
_TABS = {"World map": world_map, "Tile view": tile_view, "Retrieval": retrieval, "Place to place": place_to_place}


def build(served: ServedModel) -> gr.Blocks:
    """Builds the page of a model, with the gallery and the embeddings that the environment selects."""
    gallery, rows = load_gallery(None, served), load_embedded_rows(served)
    with gr.Blocks(
        title="GAIR: maps of similarity", analytics_enabled=False, delete_cache=(_DELETE_AFTER, _DELETE_AFTER)
    ) as page:
        gr.Markdown(f"# GAIR: one space for tiles, street views and places\nModel: **{served.name}**. {served.note}")
        with gr.Tabs() as tabs:
            for name, module in _TABS.items():
                with gr.Tab(name, id=name):
                    module.add_tab(served, gallery)
            if rows is not None:
                with gr.Tab("Embeddings", id="Embeddings"):
                    embeddings.add_tab(served, rows)
        page.load(_tab_of_link, None, tabs, api_visibility="private")
    # Calls are short; visitors wait for their turn.
    return page.queue(default_concurrency_limit=2, max_size=64)


def _tab_of_link(request: gr.Request) -> Any:
    """A link to two boxes opens their tab. Otherwise nothing changes: the visitor may have chosen a tab already."""
    return gr.Tabs(selected="Place to place") if "a" in request.query_params else gr.skip()


demo = build(load_model())

if __name__ == "__main__":
    demo.launch(**LAUNCH)
