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
"""The map of the page: a canvas with map.js, as a component of Gradio."""

import html
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

_HERE = Path(__file__).parent
CSS = _HERE / "map.css"
_SCRIPT = f"<script>const GAIR_LAND = {(_HERE / 'land.json').read_text(encoding='utf-8')};\n{(_HERE / 'map.js').read_text(encoding='utf-8')}</script>"  # fmt: skip

# Gradio rewrites what a changed template yields, so nothing in it may vary: map.js fills in the rest.
_TEMPLATE = """
<div class="gair-map">
  TOOLS
  <div class="gair-map-frame">
    <canvas data-part="canvas" tabindex="0" role="application" aria-label="LABEL"></canvas>
    <div class="gair-map-zoom">
      <button type="button" data-part="in" aria-label="Zoom in" title="Zoom in">+</button>
      <button type="button" data-part="out" aria-label="Zoom out" title="Zoom out">−</button>
      <button type="button" data-part="whole" aria-label="Whole world" title="Whole world">↺</button>
    </div>
    <output class="gair-map-hover" data-part="hover"></output>
  </div>
  <div data-part="legend" hidden>
    <div class="gair-map-legend">
      <div class="gair-map-ramp"><canvas data-part="ramp" width="255" height="1" aria-hidden="true"></canvas><div data-part="ticks"></div></div>
      <span><b>cosine similarity</b> (no unit; 1 = same direction)<br><span data-part="scale"></span></span>
      <span><span class="gair-map-swatch"></span>no data, or under the threshold</span>
    </div>
    <div class="gair-map-controls">
      <label>Colours <select data-part="palette"><option value="cividis">cividis</option><option value="viridis">viridis</option><option value="PuOr">purple–orange (only −1 to 1)</option></select></label>
      <label>Show from <input type="range" data-part="threshold" min="0" max="254" value="0"><output data-part="least"></output></label>
      <label>Opacity <input type="range" data-part="opacity" min="0" max="100" value="100"><output data-part="seen"></output></label>
    </div>
  </div>
  <div class="gair-map-tools"><button type="button" data-part="link">Copy link to this view</button><span role="status" data-part="copied"></span></div>
</div>
"""
# How the handlers of all maps run: two at a time, whoever asked first; programs have endpoints of their own.
TURNS = {"concurrency_id": "maps", "concurrency_limit": 2}
HANDLER = {"api_visibility": "private", "show_progress": "hidden", **TURNS}
# Degrees; a longer number is a mischief.
_FARTHEST = 1000
_PICK_LABEL = "Map of the world. Arrow keys move a cursor, Enter picks its place, plus and minus zoom."
_BOX_LABEL = "Map of the world with two boxes. Arrow keys move a cursor, plus and minus zoom; boxes can be typed below."
_BOX_TOOLS = """<div class="gair-map-tools" role="group" aria-label="What a drag does">
    <button type="button" data-draw="" aria-pressed="true">Move the map</button>
    <button type="button" data-draw="A" aria-pressed="false">Draw box A</button>
    <button type="button" data-draw="B" aria-pressed="false">Draw box B</button>
  </div>"""


def similarity_map(elem_id: str) -> gr.HTML:
    """
    A map to click on. Its events `pick` (lon, lat) and `view` (west, south, east, north) come with [`numbers`]; its value
    is what [`world_map`] sends.
    """
    template = _TEMPLATE.replace("TOOLS", "").replace("LABEL", _PICK_LABEL)
    return _map(elem_id, template, 'const events = ["pick", "view"];')


def box_map(elem_id: str) -> gr.HTML:
    """A map to draw boxes A and B on. Its event `box` has `which` beside the bounds."""
    template = _TEMPLATE.replace("TOOLS", _BOX_TOOLS).replace("LABEL", _BOX_LABEL)
    return _map(elem_id, template, 'const events = ["box"];')


def _map(elem_id: str, template: str, events: str) -> gr.HTML:
    script = f"{events}\ngairMap(element, props, watch, (name, data) => events.includes(name) && trigger(name, data));"
    return gr.HTML(
        {}, html_template=template, js_on_load=script, head=_SCRIPT, elem_id=elem_id, apply_default_css=False
    )


def numbers(event: gr.EventData, *names: str) -> list[float]:
    """
    Numbers that the browser sent with an event.

    Raises:
        ValueError: one of them is missing, or no number.
    """
    data = event._data if isinstance(event._data, dict) else {}
    values = [
        float(value) for value in map(data.get, names) if isinstance(value, (int, float)) and abs(value) <= _FARTHEST
    ]
    if len(values) < len(names):
        raise ValueError(f"The page sent {data!s:.80}, expected numbers for {', '.join(names)}; load it again.")
    return values


def typed_numbers(text: str, count: int, expected: str) -> list[float]:
    """
    Numbers that a visitor typed, separated by commas.

    Raises:
        ValueError: not so many, or one that is none.
    """
    parts = text.replace("−", "-").split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"{text.strip()[:60]!r} came, expected {expected}; correct it.")
    return values


def warned(function: Callable) -> Callable:
    """A handler that tells the visitor what a `ValueError` says, and leaves the page as it is."""

    @wraps(function)
    def run(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ValueError as error:
            gr.Warning(html.escape(str(error)), title="That did not work")
            return gr.skip()

    return run
