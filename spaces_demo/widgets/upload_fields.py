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
"""Fields for files that visitors upload."""

import gradio as gr

from serving.model import ServedModel
from serving.uploads import caution
from serving.visitors import BANDS_FIELD

PHOTO_TYPES = [".jpg", ".jpeg", ".png", ".webp"]
_TILE_TYPES = [".tif", ".tiff"]
_BAND_ORDERS = [
    ("named in the file", ""),
    ("10: B02 … B08, B8A, B11, B12", "gair_10"),
    ("12: B01 … B12, Level-2A", "sentinel2_l2a_12"),
    ("13: B01 … B12, Level-1C", "sentinel2_l1c_13"),
]


def caution_note(served: ServedModel) -> gr.Markdown:
    """What to expect of a visitor's own files, where that has to be said."""
    return gr.Markdown(caution(served), visible=bool(caution(served)))


def photo_field() -> gr.File:
    """A field for a street-view photo."""
    return gr.File(label="Street-view photo", file_types=PHOTO_TYPES, height=110, elem_classes="gair-file")


def tile_field(label: str = "Sentinel-2 tile (GeoTIFF, 0.5 to 5 km)") -> gr.File:
    """A field for a GeoTIFF."""
    return gr.File(label=label, file_types=_TILE_TYPES, height=110, elem_classes="gair-file")


def band_order_field() -> gr.Dropdown:
    """A choice of the band order of an uploaded tile; its value is empty if the file names its bands."""
    return gr.Dropdown(_BAND_ORDERS, value="", label=BANDS_FIELD, info="Needed if the file does not name its bands.")
