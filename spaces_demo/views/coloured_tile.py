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
"""A tile in the colours of its embeddings, below the map of Explore."""

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gradio as gr
import numpy as np

from serving.gallery import Gallery, Tile, uploaded_tile
from serving.model import ServedModel
from serving.tile_colours import png_of, tile_colours
from serving.tile_files import COLOUR_WRITERS
from serving.uploads import read_tile
from views.saving import file_value, format_of
from widgets.coloured import coloured_tile
from widgets.picker import picker, tile_choices
from widgets.tile import download
from widgets.upload_fields import band_order_field, caution_note, tile_field

_SESSION_S = 1800
_SAID = "Similar colours: similar embeddings within this tile. A colour alone has no meaning. The three colours hold {:.0%} of the variance."


@dataclass(frozen=True)
class ColouredParts:
    """The components; `tile` and its `position` in the gallery are a visitor's state."""

    group: gr.Column
    tile: gr.State
    position: gr.State
    tiles: gr.HTML
    file: gr.File
    band_order: gr.Dropdown
    card: gr.HTML
    saved: gr.HTML

    @property
    def answer(self) -> list[Any]:
        """What shows a tile, in this order."""
        return [self.tile, self.position, self.tiles, self.card]


def lay_out(served: ServedModel, gallery: Gallery) -> ColouredParts:
    """The components, hidden until colours are shown."""
    tile, position = gr.State(None, time_to_live=_SESSION_S), gr.State(None)
    with gr.Column(visible=False) as group:
        gr.Markdown("### A tile as colours")
        tiles = picker(tile_choices(gallery), "Choose a tile", "explore-tiles")
        card = coloured_tile("explore-coloured")
        with gr.Accordion("Your own tile", open=False):
            caution_note(served)
            band_order, file = band_order_field(), tile_field()
        saved = download("explore-coloured-saved")
    return ColouredParts(group, tile, position, tiles, file, band_order, card, saved)


class ColouredTiles:
    """Values of `ColouredParts.answer`, and files."""

    def __init__(self, served: ServedModel, gallery: Gallery):
        self._served, self._gallery = served, gallery
        self._drawn = lru_cache(len(gallery.tiles))(lambda position: self._draw(gallery.tiles[position]))

    def shown(self, position: int, **more: Any) -> tuple:
        """A tile of the gallery; `more` is added to the value of the card."""
        tile = self._gallery.tiles[position]
        return tile, position, tile_choices(self._gallery, position), self._card(tile, *self._drawn(position)) | more

    def uploaded(self, path: str, band_order: str) -> tuple:
        """A visitor's own tile. Raises a `ValueError` if it cannot be read."""
        read = read_tile(path, self._served.processor.image_processor, band_order or None)
        tile = uploaded_tile(read, self._served)
        return tile, None, tile_choices(self._gallery), self._card(tile, *self._draw(tile))

    def save(self, event: gr.EventData, tile: Tile | None) -> dict[str, Any]:
        """The colours of a tile as a file."""
        wanted = format_of(event, COLOUR_WRITERS)
        if tile is None:
            raise ValueError("There is no tile to save; choose one first.")
        colours, _ = self._draw(tile)
        return file_value(f"gair-tile-colours.{wanted}", COLOUR_WRITERS[wanted](self._served, tile, colours))

    def _draw(self, tile: Tile) -> tuple[np.ndarray, float]:
        with self._served.grids.turns.turn(0):
            return tile_colours(tile.encoded)

    def _card(self, tile: Tile, colours: np.ndarray, explained: float) -> dict[str, Any]:
        picture, *_ = tile.layers.values()
        address = "data:image/png;base64," + base64.b64encode(png_of(colours)).decode()
        return {"name": tile.name, "picture": picture, "colours": address, "said": _SAID.format(explained)}
