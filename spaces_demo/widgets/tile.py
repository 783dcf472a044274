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
"""A tile under its similarity maps: pictures drawn by tile.js, as a Gradio component."""

from collections.abc import Sequence

import gradio as gr

from serving.encoded_tile import PIXELS
from serving.pictures import LAYERS
from widgets.assets import HEAD, read_asset
from widgets.legend import PALETTES, RAMP

_PANEL = """
  <figure data-reading="READING" data-title="TITLE"><div class="gair-tile-frame">
    <img alt="" decoding="async">
    <canvas data-part="map" hidden></canvas>
    <canvas data-part="marks" tabindex="0" role="application" aria-label="TITLE. Arrow keys move a cursor, Enter makes its point the query."></canvas>
  </div><figcaption><span><b>TITLE</b> NOTE</span><span data-part="read"></span></figcaption>
  <p data-part="rank" data-text="RANK"></p>
  RAMP</figure>"""
_READINGS = (
    (PIXELS, "With pixels", "NILI and the nearest pixels"),
    ("nili", "NILI", "continues between patches"),
    ("bilinear", "Bilinear", "blends four patches"),
    ("bicubic", "Bicubic", "blends sixteen patches"),
    ("mean", "Mean", "one value for the tile"),
)
_LAYER_BUTTONS = "".join(
    f'<button type="button" data-layer aria-pressed="{str(not number).lower()}" title="{", ".join(bands)} as red, green, blue">{name}</button>'
    for number, (name, bands) in enumerate(LAYERS.items())
)
_OPACITY = '<label>Opacity <input type="range" data-part="opacity" min="0" max="100" value="60" aria-label="Opacity of the colours"><output data-part="seen"></output></label>'
_SAVE = """<div class="gair-map-tools" role="group" aria-label="Save the map" data-with-map hidden>
    Save <button type="button" data-save="png">PNG</button><button type="button" data-save="tif">GeoTIFF</button><button type="button" data-save="csv">CSV</button><button type="button" data-save="geojson">GeoJSON</button>
  </div>"""
_PANELS = f"""
<div class="gair-map gair-tile">
  <div class="gair-map-tools">
    <span role="group" aria-label="Bands shown">{_LAYER_BUTTONS}</span>
    {_OPACITY}
  </div>
  <div class="gair-tile-panels">FIGURES</div>
  <output class="gair-tile-hover" data-part="hover"></output>
  <div class="gair-map-controls" data-with-map hidden>
    {PALETTES}
    <label>Colours from <select data-part="scale"><option value="each">each panel's own range</option><option value="one">one range for all panels</option><option value="fixed">this model's usual range</option><option value="full">−1 to 1</option></select></label>
    <span>★ photo · ● your point · ring: most similar point · 1–4: photos of the gallery</span>
  </div>
  {_SAVE}
</div>
"""
_CARD = f"""
<div class="gair-map gair-tile gair-tile-card">
  FIGURES
  <div class="gair-map-tools" data-with-map hidden>{_OPACITY}</div>
  <output class="gair-tile-hover" data-part="hover"></output>
  <details data-with-map hidden><summary>Bands, colours, files</summary>
    <div class="gair-map-tools"><span role="group" aria-label="Bands shown">{_LAYER_BUTTONS}</span></div>
    <div class="gair-map-controls">{PALETTES}</div>
    {_SAVE}
  </details>
</div>
"""
_ON_LOAD = """
const events = ["pick", "save"];
gairTile(element, props, watch, (name, data) => events.includes(name) && trigger(name, data));
"""
_ON_FILE = "watch('value', () => gairSave(props.value.file));"


def tile_panels(elem_id: str) -> gr.HTML:
    """
    A tile to click on, once for each way to read it.

    Its events are `pick` (x, y in [0, 1]) and `save` (format); its value comes from `tile_maps.tile_value`.
    """
    return _tile(elem_id, _PANELS, _READINGS)


def tile_card(elem_id: str) -> gr.HTML:
    """A tile to click on as [`tile_panels`], once: as the model reads it."""
    return _tile(elem_id, _CARD, (("own", "Similarity", "blue: low, yellow: high"),))


def _tile(elem_id: str, template: str, readings: Sequence[tuple[str, str, str]]) -> gr.HTML:
    figures = "".join(
        _PANEL.replace("READING", name)
        .replace("TITLE", title)
        .replace("NOTE", note)
        .replace("RANK", "true place: above SHARE% of the tile")
        .replace("RAMP", RAMP)
        for name, title, note in readings
    )
    return gr.HTML(
        {},
        html_template=template.replace("FIGURES", figures),
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
