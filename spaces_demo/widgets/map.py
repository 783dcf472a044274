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
"""The map of the world, moved by Leaflet and drawn by map.js, as Gradio components."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr

from widgets.assets import HEAD
from widgets.events import at_the_end
from widgets.legend import PALETTES, RAMP

# Gradio rewrites the DOM when a template's output changes, so the template is constant: map.js fills in the rest.
_TEMPLATE = f"""
<div class="gair-map">
  <div class="gair-map-tools">
    <div class="gair-map-search">
      <input type="search" data-part="search" role="combobox" aria-label="Find a place by name" placeholder="Find a place" autocomplete="off"
        aria-autocomplete="list" aria-expanded="false" aria-controls="ID-found" maxlength="60">
      <ul data-part="found" id="ID-found" role="listbox" aria-label="Places" hidden></ul>
    </div>
    TOOLS
  </div>
  <div class="gair-map-frame">
    <div class="gair-map-area" data-part="area" tabindex="0" role="application" aria-label="LABEL" aria-describedby="ID-hover">
      <canvas data-part="canvas" aria-hidden="true"></canvas>
    </div>
    <div class="gair-map-zoom">
      <button type="button" data-part="in" aria-label="Zoom in" title="Zoom in">+</button>
      <button type="button" data-part="out" aria-label="Zoom out" title="Zoom out">−</button>
      <button type="button" data-part="whole" aria-label="Whole world" title="Whole world">↺</button>
    </div>
    <output class="gair-map-hover" data-part="hover" id="ID-hover"></output>
    <span class="gair-map-busy" data-part="busy" role="status" hidden>computing…</span>
  </div>
  <p class="gair-map-title" data-part="title"></p>
  <div data-part="legend" hidden>
    <div class="gair-map-legend" data-for="cells">
      {RAMP}
      <span><b data-part="unit"></b><br><span data-part="scale"></span></span>
      <span><span class="gair-map-swatch"></span>no data, or below the threshold</span>
    </div>
    <ul class="gair-map-legend" data-for="classes" data-part="classes"></ul>
    <p class="gair-map-legend" data-for="colours">Similar colours: similar embeddings. A colour alone has no meaning.</p>
    <div class="gair-map-controls">
      <span data-for="cells">{PALETTES}</span>
      <label data-for="cells">Show from <input type="range" data-part="threshold" min="0" max="254" value="0"><output data-part="least"></output></label>
      <label>Opacity <input type="range" data-part="opacity" min="0" max="100" value="100"><output data-part="seen"></output></label>
    </div>
  </div>
  <div class="gair-map-tools">
    <button type="button" data-part="link">Copy link</button>
    <span class="gair-map-saves" role="group" aria-label="Save the map">Save
      <button type="button" data-part="png" aria-label="Save picture (PNG)">picture (PNG)</button>
      SAVES
    </span>
    <span role="status" data-part="done"></span>
  </div>
</div>
"""
_PIN_TOOLS = '<label HIDDEN><input type="checkbox" data-part="adding"> A click adds a pin</label>'
_BOX_TOOLS = """<div class="gair-map-dragging" role="group" aria-label="Dragging">
      <button type="button" data-draw="" aria-pressed="true">Move the map</button>
      BUTTONS
    </div>"""
_PIN_KEYS = "Arrow keys move a cursor, Enter selects its place, Page Down goes to the next mark, plus and minus zoom."
_BOX_KEYS = (
    "Arrow keys move a cursor, plus and minus zoom; while a box is drawn, Enter sets its first and its second corner."
)
# Kinds of files, by their extensions.
FORMATS = {"tif": "GeoTIFF", "geojson": "GeoJSON", "csv": "CSV"}
# What a visitor wants who has done nothing yet; see `events.Wanted`.
_NOTHING: dict[str, Any] = {
    "view": [-180, -90, 180, 90],
    "pins": [],
    "placed": False,
    "boxes": {},
    "opened": None,
    "turn": 0,
}


@dataclass(frozen=True)
class WorldMap:
    """
    A map of the world.

    Attributes:
        map (`gr.HTML`): an output; its value is what is drawn.
        asked (`gr.HTML`): a hidden input; its value is all that the visitor wants, to be read by `events.wanted`. Its
            event `ask` says that something new is wanted. Gradio repeats such an event or drops it while another one is
            answered (`trigger_mode="always_last"`), which loses nothing, because the value is read when the handler starts.
    """

    map: gr.HTML
    asked: gr.HTML


def world_map(
    elem_id: str,
    *,
    drawing: Sequence[str] = (),
    adding: bool = True,
    label: str = "World map",
    linked: str | None = None,
    formats: Sequence[str] = (),
) -> WorldMap:
    """
    A map of the world: to set pins on, or to draw boxes on.

    Its value, a `dict`, says what is drawn. All of it may be left out:

    - `west, south, east, north` in degrees (east may lie beyond 180), `columns, rows`: the region of the cells, and one of
      `cells` (base64, one byte each, row by row from the north-west; 255 is no data) with `low, high, scale` and, unless they
      are similarities, `unit`;
      `colours` (base64, four bytes each: red, green, blue, opacity);
      `classes` (base64, one byte each; 255 is none) with `names` and `palette` ("#rrggbb").
    - `title`: what is shown; `pins` and `places`: lists of `{lon, lat}`, where places are numbered; `boxes`: name to west,
      south, east, north; `marks`: a list of `{id, lon, lat, kind, label, colour}`, where kind is "tile", "photo", "plus",
      "minus" or "class" and the colour is optional. A mark, or a place with an `id`, can be chosen: `Wanted.opened`.
    - `view`: west, south, east, north to move to; `drawn_for`: the view of the answer; `turn`: `Wanted.turn` of what is
      answered; `key`: equal for equal queries, so that the world stays under finer cells; `coarse`: true while a finer
      answer follows; `link`: the query string for the address of the page; `unlinked`: why it does not lead to all that is shown, so
      that it is not to be copied.
    - `picking`: what a click sets: "pins" (by default), "labels", of which none replaces another, or "none".

    Args:
        elem_id (`str`): the id of the map's element.
        drawing (`Sequence[str]`): names of the boxes that can be drawn, such as "A" and "B"; without any, a click sets a pin.
        adding (`bool`): whether the map offers to add pins; otherwise a click moves the only one.
        label (`str`): what a screen reader calls the map.
        linked (`str`, *optional*): maps with the same name here move together.
        formats (`Sequence[str]`): of `FORMATS`, in which the map offers to save what it shows, beside a picture: its event `save` says
            which. Colours have no features, so GeoJSON is not offered while they are shown.
    """
    buttons = "".join(
        f'<button type="button" data-draw="{name}" aria-pressed="false">Draw box {name}</button>' for name in drawing
    )
    tools = (
        _BOX_TOOLS.replace("BUTTONS", buttons) if drawing else _PIN_TOOLS.replace("HIDDEN", "" if adding else "hidden")
    )
    keys = _BOX_KEYS if drawing else _PIN_KEYS
    saves = "".join(
        f'<button type="button" data-save="{name}" aria-label="Save {FORMATS[name]}">{FORMATS[name]}</button>'
        for name in formats
    )
    template = (
        _TEMPLATE.replace("SAVES", saves)
        .replace("TOOLS", tools)
        .replace("LABEL", f"{label}. {keys}")
        .replace("ID", elem_id)
    )
    drawn = gr.HTML(
        {},
        html_template=template,
        js_on_load=(
            f'gairMap(element, props, watch, gairAsked("{elem_id}"), {json.dumps(linked)}, (format) => trigger("save", {{ format }}));'
        ),
        elem_id=elem_id,
        apply_default_css=False,
        head=HEAD,
    )
    asked: Any = gr.HTML(
        _NOTHING,
        html_template="<div></div>",
        js_on_load=f'gairAsked("{elem_id}").connect(props, () => trigger("ask"));',
        elem_id=f"{elem_id}-asked",
        visible="hidden",
        head=HEAD,
    )
    asked.ask = _telling_the_end(asked.ask, elem_id)
    return WorldMap(drawn, asked)


def _telling_the_end(ask: Callable, elem_id: str) -> Callable:
    """The event `ask`, at whose end, also after a refusal, the map is told that nothing is under way."""

    @wraps(ask)
    def listen(*arguments: Any, **settings: Any) -> Any:
        answered = ask(*arguments, **settings)
        at_the_end(answered, f'gairAsked("{elem_id}").answered()')
        return answered

    return listen
