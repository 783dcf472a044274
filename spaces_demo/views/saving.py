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
"""Files of a tile's maps, as the page downloads them."""

import base64
import time
from collections.abc import Iterable
from typing import Any

import gradio as gr

from serving.exports import WRITERS as LAYER_WRITERS
from serving.gallery import Tile
from serving.layers import Layer
from serving.model import ServedModel
from serving.tile_files import WRITERS
from serving.tile_maps import TileQuery


def format_of(event: gr.EventData, formats: Any) -> str:
    """
    The format that the browser asks for.

    Raises:
        ValueError: if it is none of `formats`.
    """
    wanted = str(event._data.get("format")) if isinstance(event._data, dict) else ""
    if wanted not in formats:
        raise ValueError(f"The format is {wanted!r:.20}, expected one of {', '.join(formats)}; choose another.")
    return wanted


def file_value(name: str, content: bytes) -> dict[str, Any]:
    """The value of `widgets.tile.download`. The time makes it differ from the last one, so that a file can be saved twice."""
    return {"file": {"name": name, "content": base64.b64encode(content).decode(), "moment": time.time_ns()}}


def save_layer(event: gr.EventData, layers: Iterable[Layer]) -> dict[str, Any]:
    """
    The last of the layers of a world map in the format that the browser asks for.

    Raises:
        ValueError: if the layer cannot be saved so.
    """
    wanted = format_of(event, LAYER_WRITERS)
    *_, layer = layers
    return file_value(f"gair-world.{wanted}", LAYER_WRITERS[wanted](layer))


def save_tile(event: gr.EventData, served: ServedModel, tile: Tile | None, query: TileQuery | None) -> dict[str, Any]:
    """
    The maps of a tile in the format that the browser asks for.

    Raises:
        ValueError: if there is no map, or the tile is not georeferenced.
    """
    wanted = format_of(event, WRITERS)
    if tile is None or query is None:
        raise ValueError("There is no map to save; click a point in the tile or choose a photo first.")
    return file_value(f"gair-tile.{wanted}", WRITERS[wanted](served, tile, query))
