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
"""A tile in true colour beside its embeddings as colours."""

import gradio as gr

from widgets.assets import HEAD, read_asset

_FIGURE = """
  <figure><div class="gair-tile-frame"><img data-part="PART" alt="ALT" decoding="async"></div>
    <figcaption><b>TITLE</b></figcaption></figure>"""
_FIGURES = "".join(
    _FIGURE.replace("PART", part).replace("TITLE", title).replace("ALT", alt)
    for part, title, alt in (
        ("picture", "True colour", "The tile from above"),
        ("colours", "Embeddings as colours", "The tile in the colours of its embeddings"),
    )
)
_TEMPLATE = f"""
<div class="gair-map gair-tile gair-coloured">
  <div class="gair-tile-panels">{_FIGURES}</div>
  <p data-part="said"></p>
  <div class="gair-map-tools" role="group" aria-label="Save the colours">
    Save <button type="button" data-save="png">PNG</button><button type="button" data-save="tif">GeoTIFF</button><button type="button" data-save="csv">CSV</button>
  </div>
</div>
"""
_ON_LOAD = 'gairColoured(element, props, watch, (format) => trigger("save", { format }));'


def coloured_tile(elem_id: str) -> gr.HTML:
    """
    Its value is `{"name", "picture", "colours", "said"}`, where the second and third are addresses of pictures, and perhaps `link`,
    the query string for the address of the page. Its event `save` says in which format: "tif" or "csv".
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
