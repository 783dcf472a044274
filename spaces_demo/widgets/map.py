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
_PICK_LABEL = "World map. Arrow keys move a cursor, Enter selects its place, plus and minus zoom."
_BOX_LABEL = "World map with two boxes. Arrow keys move a cursor, plus and minus zoom; boxes can also be typed."
_BOX_TOOLS = """<div class="gair-map-tools" role="group" aria-label="Dragging">
    <button type="button" data-draw="" aria-pressed="true">Move the map</button>
    <button type="button" data-draw="A" aria-pressed="false">Draw box A</button>
    <button type="button" data-draw="B" aria-pressed="false">Draw box B</button>
  </div>"""


def pick_map(elem_id: str) -> gr.HTML:
    """
    A map to click on.

    Its events are `pick` (lon, lat) and `view` (west, south, east, north), to be read by `events.event_numbers`; its value
    comes from `world_maps.WorldMaps.draw`.
    """
    template = _TEMPLATE.replace("TOOLS", "").replace("LABEL", _PICK_LABEL)
    return _map(elem_id, template, 'const events = ["pick", "view"];')


def box_map(elem_id: str) -> gr.HTML:
    """A map on which to draw boxes A and B. Its event `box` holds `which` and the bounds."""
    template = _TEMPLATE.replace("TOOLS", _BOX_TOOLS).replace("LABEL", _BOX_LABEL)
    return _map(elem_id, template, 'const events = ["box"];')


def _map(elem_id: str, template: str, events: str) -> gr.HTML:
    script = f"{events}\ngairMap(element, props, watch, (name, data) => events.includes(name) && trigger(name, data));"
    return gr.HTML({}, html_template=template, js_on_load=script, elem_id=elem_id, apply_default_css=False)
