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
A page with world maps alone, whose answers are made up and slow, to try the maps in a browser:

    with map_page() as url, visit(chromium, url, ready=READY) as page:
        ...
"""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import numpy as np

from widgets.assets import CSS_PATHS, ROUTES
from widgets.events import QUIET, wanted, warned
from widgets.map import world_map

# Each answer takes so long that whatever the test does next comes during it.
_ANSWER_S = 0.3
_NORTHMOST = 85
COLUMNS, ROWS = 36, 18
_WORLD = {"west": -180, "south": -90, "east": 180, "north": 90, "columns": COLUMNS, "rows": ROWS}
PALETTE = {"forest": "#1b7837", "desert": "#dfc27d"}
MARKS = [
    {"id": "t1", "lon": 40.0, "lat": 20.0, "kind": "tile", "label": "Tile 1"},
    {"id": "t2", "lon": 178.0, "lat": -20.0, "kind": "photo", "label": "Photo 2"},
]
READY = "['pins', 'classes', 'colours'].every((id) => document.querySelector(`#${id} canvas[data-part=canvas]`)?.dataset.drawn)"


def levels(pins: int) -> np.ndarray:
    """The levels (rows, columns) of a map with so many pins: all 40 for each pin, and no data in the north."""
    cells = np.full((ROWS, COLUMNS), min(40 * pins, 254), np.uint8)
    cells[0] = 255
    return cells


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _similarity(asked: Any) -> tuple[dict[str, Any], str]:
    want = wanted(asked)
    time.sleep(_ANSWER_S)
    if any(lat > _NORTHMOST for _, lat in want.pins):
        raise ValueError(f"A pin lies north of {_NORTHMOST}, expected one further south; click there.")
    value = _drawn(len(want.pins)) | {
        "pins": [{"lon": lon, "lat": lat} for lon, lat in want.pins],
        "drawn_for": list(want.view),
        "turn": want.turn,
        "link": f"pins={len(want.pins)}&west={want.view[0]}",
    }
    return value, json.dumps(asked)


def _drawn(pins: int) -> dict[str, Any]:
    return _WORLD | {
        "cells": _base64(levels(pins)), "low": 0.0, "high": 1.0, "scale": "fixed", "title": f"Similarity to {pins} pins",
        "key": f"{pins} pins", "marks": MARKS,
    }  # fmt: skip


def _boxes(asked: Any) -> tuple[dict[str, Any], str]:
    want = wanted(asked)
    return {"boxes": {name: list(edges) for name, edges in want.boxes.items()}, "turn": want.turn}, json.dumps(asked)


def _classes() -> dict[str, Any]:
    halves = np.repeat(np.array([[0, 1]], np.uint8), COLUMNS // 2, axis=1).repeat(ROWS, axis=0)
    return _WORLD | {
        "classes": _base64(halves), "names": list(PALETTE), "palette": list(PALETTE.values()), "key": "classes", "title": "Classes",
    }  # fmt: skip


def _colours() -> dict[str, Any]:
    red = np.zeros((ROWS, COLUMNS, 4), np.uint8)
    red[..., 0], red[..., 3] = 200, 255
    return _WORLD | {"colours": _base64(red), "key": "colours", "title": "Colours"}


def _page() -> gr.Blocks:
    last: dict[str, Any] = {**QUIET, "trigger_mode": "always_last"}
    with gr.Blocks(title="Maps", analytics_enabled=False) as page:
        gr.Markdown("# Maps")
        with gr.Tabs():
            with gr.Tab("First"):
                said = gr.Textbox(label="Wanted of the pins", elem_id="said")
                pins = world_map("pins")
                typed = gr.Number(0, label="Pins", elem_id="typed")
                boxes = world_map("boxes", drawing=("A", "B"), label="Boxes")
                drawn = gr.Textbox(label="Wanted of the boxes", elem_id="drawn")
                with gr.Row():
                    classes = world_map("classes", adding=False, label="Classes", linked="pair")
                    colours = world_map("colours", adding=False, label="Colours", linked="pair")
            with gr.Tab("Second"):
                later = world_map("later")
        pins.asked.ask(warned(_similarity), pins.asked, [pins.map, said], **last)
        boxes.asked.ask(warned(_boxes), boxes.asked, [boxes.map, drawn], **last)
        typed.submit(_drawn, typed, pins.map, **QUIET)
        first = _drawn(0), _classes(), _colours(), _drawn(1) | {"view": [0, 40, 20, 50]}
        page.load(lambda: first, None, [pins.map, classes.map, colours.map, later.map], **QUIET)
    return page


@contextmanager
def map_page() -> Iterator[str]:
    """The address of the page, served by a thread."""
    page = _page()
    own = {"css_paths": CSS_PATHS, "app_kwargs": {"routes": ROUTES}}
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, pwa=False, **own)
    try:
        yield url
    finally:
        page.close()
