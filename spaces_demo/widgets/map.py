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
"""The map of the world: a canvas drawn by map.js, as a Gradio component."""

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from widgets.legend import PALETTES, RAMP, UNIT

# Gradio rewrites the DOM when a template's output changes, so the template is constant: map.js fills in the rest.
_TEMPLATE = f"""
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
      {RAMP}
      <span>{UNIT}<br><span data-part="scale"></span></span>
      <span><span class="gair-map-swatch"></span>no data, or below the threshold</span>
    </div>
    <div class="gair-map-controls">
      {PALETTES}
      <label>Show from <input type="range" data-part="threshold" min="0" max="254" value="0"><output data-part="least"></output></label>
      <label>Opacity <input type="range" data-part="opacity" min="0" max="100" value="100"><output data-part="seen"></output></label>
    </div>
  </div>
  <div class="gair-map-tools"><button type="button" data-part="link">Copy link to this view</button><span role="status" data-part="copied"></span></div>
</div>
"""
_BOX_TOOLS = """<div class="gair-map-tools" role="group" aria-label="Dragging">
    <button type="button" data-draw="" aria-pressed="true">Move the map</button>
    BUTTONS
  </div>"""
_PIN_TOOLS = '<div class="gair-map-tools"HIDDEN><label><input type="checkbox" data-part="adding"> A click adds a pin</label></div>'
_KEYS = "Arrow keys move a cursor, Enter selects its place, plus and minus zoom."
_BOX_KEYS = "Arrow keys move a cursor, plus and minus zoom; boxes can also be typed."
# What a visitor wants who has done nothing yet; see `events.Wanted`.
_NOTHING = {"view": [-180, -90, 180, 90], "pins": [], "boxes": {}, "opened": None, "turn": 0}


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


def world_map(elem_id: str, *, drawing: Sequence[str] = (), adding: bool = True, label: str = "World map") -> WorldMap:
    """
    A map of the world: to set pins on, or to draw boxes on.

    Args:
        elem_id (`str`): the id of the map's element.
        drawing (`Sequence[str]`): names of the boxes that can be drawn, such as "A" and "B"; without any, a click sets a pin.
        adding (`bool`): whether the map offers to add pins; otherwise a click moves the only one.
        label (`str`): what a screen reader calls the map.
    """
    buttons = "".join(
        f'<button type="button" data-draw="{name}" aria-pressed="false">Draw box {name}</button>' for name in drawing
    )
    tools = (
        _BOX_TOOLS.replace("BUTTONS", buttons) if drawing else _PIN_TOOLS.replace("HIDDEN", "" if adding else " hidden")
    )
    keys = _BOX_KEYS if drawing else _KEYS
    drawn = gr.HTML(
        {},
        html_template=_TEMPLATE.replace("TOOLS", tools).replace("LABEL", f"{label}. {keys}"),
        js_on_load=f'gairMap(element, props, watch, gairAsked("{elem_id}"));',
        elem_id=elem_id,
        apply_default_css=False,
    )
    asked = gr.HTML(
        _NOTHING,
        html_template="<div></div>",
        js_on_load=f'gairAsked("{elem_id}").connect(props, () => trigger("ask"));',
        elem_id=f"{elem_id}-asked",
        visible="hidden",
    )
    return WorldMap(drawn, asked)
