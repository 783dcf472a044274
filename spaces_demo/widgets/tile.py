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
"""A tile under its similarity maps: three pictures drawn by tile.js, as a Gradio component."""

import gradio as gr

from serving.pictures import LAYERS
from widgets.assets import HEAD, read_asset
from widgets.legend import PALETTES, RAMP, UNIT

_PANEL = """
  <figure data-reading="READING"><div class="gair-tile-frame">
    <img alt="">
    <canvas data-part="map" hidden></canvas>
    <canvas data-part="marks" tabindex="0" role="application" aria-label="TITLE. Arrow keys move a cursor, Enter makes its point the query."></canvas>
  </div><figcaption><span><b>TITLE</b> NOTE</span><span data-part="read"></span></figcaption></figure>"""
_PANELS = (
    ("nili", "NILI", "embeds any point"),
    ("bilinear", "Bilinear", "blends patches"),
    ("mean", "Tile mean", "one value"),
)
_LAYER_BUTTONS = "".join(
    f'<button type="button" data-layer aria-pressed="{str(not number).lower()}" title="{", ".join(bands)} as red, green, blue">{name}</button>'
    for number, (name, bands) in enumerate(LAYERS.items())
)
_FIGURES = "".join(
    _PANEL.replace("READING", reading).replace("TITLE", title).replace("NOTE", note) for reading, title, note in _PANELS
)
# Gradio rewrites the DOM when a template's output changes, so the template is constant: tile.js fills in the rest.
_TEMPLATE = f"""
<div class="gair-map gair-tile">
  <div class="gair-map-tools" role="group" aria-label="Bands shown">
    {_LAYER_BUTTONS}
    <label>Map opacity <input type="range" data-part="opacity" min="0" max="100" value="70"><output data-part="seen"></output></label>
  </div>
  <div class="gair-tile-panels">
    {_FIGURES}
  </div>
  <output class="gair-tile-hover" data-part="hover"></output>
  <div data-part="legend" hidden>
    <div class="gair-map-legend">
      {RAMP}
      <span>{UNIT}<br><span data-part="called"></span></span>
    </div>
    <div class="gair-map-controls">
      {PALETTES}
      <label>Scale <select data-part="scale"><option value="fixed">fixed for this model</option><option value="stretch">stretched to this tile</option><option value="full">full, −1 to 1</option></select></label>
      <span>★ query · ring: highest by NILI · 1–4: photos</span>
    </div>
    <div class="gair-map-tools" role="group" aria-label="Save the map">
      Save <button type="button" data-save="tif">GeoTIFF</button><button type="button" data-save="png">PNG</button><button type="button" data-save="csv">CSV</button>
    </div>
  </div>
</div>
"""
_ON_LOAD = """
const events = ["pick", "save"];
gairTile(element, props, watch, (name, data) => events.includes(name) && trigger(name, data));
"""
_ON_FILE = "watch('value', () => gairSave(props.value.file));"


def tile_panels(elem_id: str) -> gr.HTML:
    """
    A tile to click on.

    Its events are `pick` (x, y in [0, 1]) and `save` (format); its value comes from `tile_maps.tile_value`.
    """
    return gr.HTML(
        {},
        html_template=_TEMPLATE,
        js_on_load=_ON_LOAD,
        css_template=read_asset("tile.css"),
        apply_default_css=False,
        elem_id=elem_id,
        head=HEAD,
    )


def download(elem_id: str) -> gr.HTML:
    """
    Downloads its value `{"file": {"name", "content" in base64}}` whenever it changes.

    The content is part of the answer, so that no file stays on the server.
    """
    return gr.HTML({}, html_template="<div></div>", js_on_load=_ON_FILE, elem_id=elem_id, head=HEAD)
