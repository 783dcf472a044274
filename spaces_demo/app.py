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
The GAIR demo page: street photos, satellite tiles and places of the world.

    python spaces_demo/app.py

The environment variable `GAIR_MODEL` selects another model (a directory or a repository on the Hub; after a comma, a second one
to compare it with), `GAIR_GALLERY` another gallery, and `GAIR_EMBEDDINGS` a folder of embeddings to search.
"""

import ctypes
import html
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import gradio as gr

import serving.picture_route as picture_route
import views.boxes as boxes
import views.embeddings as embeddings
import views.explore as explore
import views.find as find
import views.models as models
import views.readings as readings
import views.start as start
import widgets.assets as assets
from serving.embedded_rows import load_embedded_rows
from serving.gallery import load_gallery
from serving.model import ServedModel, load_models
from serving.turns import always
from serving.world_maps import WorldMaps
from views.link import BOXES, COMPARE, EXPLORE, FIND, MODELS, START, TABS, YOURS, Links
from views.site import Site

# Of the theme, in proportion to the size of text that the visitor has chosen in the browser.
_TEXT_SIZES = gr.themes.Size(*(f"{pixels / 16}rem" for pixels in (9, 10, 12, 14, 16, 22, 26)))
LAUNCH: dict[str, Any] = {
    # System fonts, so that none is downloaded; greys with enough contrast on white, and a teal with enough contrast to white.
    "theme": gr.themes.Base(
        primary_hue="teal",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        text_size=_TEXT_SIZES,
    ).set(
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
    ),
    "css_paths": assets.CSS_PATHS,
    "app_kwargs": {"routes": [*picture_route.ROUTES, *assets.ROUTES]},
    # For any upload; `serving/uploads.py` has stricter limits by kind.
    "max_file_size": "32mb",
    "enable_monitoring": False,
    "run_history": False,
    "footer_links": ["gradio"],
    "pwa": False,
    "ssr_mode": False,
    # What these most recent pages have chosen is kept: about 1 MB each.
    "state_session_capacity": 32,
    "show_error": False,
}
# How often uploads are checked, and the age at which they are deleted, in seconds.
_DELETE_AFTER = 3600
# The parameter of glibc's `mallopt`.
_M_ARENA_MAX = -8
# How often free memory is returned to the system, in seconds.
RETURN_AFTER = 10
# Of all that computes.
_LAST = 2
_TITLE = "Find where a street photo was taken inside a satellite tile, and places like it"
_WORDS = {
    "Tile": "a Sentinel-2 satellite image, about 2 km wide.",
    "Embedding": "the numbers by which the model describes a photo, a point of a tile, or a place on Earth.",
    "Cosine similarity": "how alike two embeddings are: 1 if they point in the same direction, 0 if they have nothing in common, negative if they "
    "point apart. Each model has its own usual range, so compare within one model.",
    "Reading": "a way to get the embedding of a point from a tile: from its patches (NILI, bilinear), from the pixels about the point as well, or "
    "as one average of the tile.",
    "Rank": "where the right answer stands when all are sorted by similarity. A median rank of 5 means that half of the photos find theirs among the "
    "first five.",
    "Chance": "what guessing would give.",
    "Held out": "kept away from training or teaching, so that it shows how the model does on what it has not seen.",
}


def build(served: ServedModel, other: Callable[[], ServedModel]) -> gr.Blocks:
    """
    Builds the page of a model, with the gallery and the embeddings that the environment selects. `other` gives the model that it
    is compared with, once somebody asks for it.
    """
    gallery, rows = load_gallery(None, served), load_embedded_rows(served)
    # Beside what the first visitors ask for, which comes first.
    Thread(target=served.grids.open_world, args=(always, _LAST), daemon=True).start()
    with gr.Blocks(
        title=f"GAIR: {_TITLE[0].lower()}{_TITLE[1:]}",
        analytics_enabled=False,
        delete_cache=(_DELETE_AFTER, _DELETE_AFTER),
    ) as page:
        gr.HTML(_head(served), elem_id="page-head", apply_default_css=False)
        site = Site(served, gallery, WorldMaps(served), Links(TABS if rows is not None else TABS[:-1]), other)
        with gr.Tabs() as tabs:
            for name, module in ((START, start), (FIND, find), (EXPLORE, explore)):
                with gr.Tab(name, id=name, elem_classes=f"gair-of-{name}"):
                    module.add_tab(site)
            with gr.Tab(COMPARE, id=COMPARE), gr.Tabs() as compared:
                for name, title, module in (
                    (COMPARE, "Readings", readings),
                    (MODELS, "Models", models),
                    (BOXES, "Boxes", boxes),
                ):
                    with gr.Tab(title, id=f"{name}-view", elem_classes=f"gair-of-{name}"):
                        module.add_tab(site)
            if rows is not None:
                with gr.Tab(YOURS, id=YOURS):
                    embeddings.add_tab(site, rows)
        gr.HTML(_words(), elem_id="page-words", apply_default_css=False)
        site.links.selects(tabs, compared)
    # Calls are short; visitors wait for their turn.
    return page.queue(default_concurrency_limit=2, max_size=64)


def _head(served: ServedModel) -> str:
    """What the page does, and by which model, as HTML."""
    return (
        f"<h1>{_TITLE}</h1><p>GAIR compares photos, tiles and places. Model: <b>{html.escape(served.name)}</b>. "
        f"{html.escape(served.note)}</p>"
    )


def _words() -> str:
    """What the words on the page mean, as HTML that is folded up."""
    words = "".join(f"<dt>{word}</dt><dd>{meaning}</dd>" for word, meaning in _WORDS.items())
    return f"<details><summary>What do the words on this page mean?</summary><dl>{words}</dl></details>"


def _share_memory() -> None:
    """
    glibc gives each thread that allocates a pool of its own, up to eight a core, of which little is ever returned. Computations take
    turns here, so two pools are enough, and what is free in them is returned now and then.
    """
    # Other C libraries have no such pools.
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        Thread(target=_return_memory, args=(libc.malloc_trim,), daemon=True).start()


def _return_memory(trim: Callable[[int], int]) -> None:
    while True:
        time.sleep(RETURN_AFTER)
        trim(0)


_share_memory()
demo = build(*load_models())

if __name__ == "__main__":
    demo.launch(**LAUNCH)
