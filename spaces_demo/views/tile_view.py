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
"""Tile view: how similar each point of a tile is to a point or a photo, by NILI, bilinear interpolation and the mean."""

import base64
import html
import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from serving.gallery import Gallery, Tile, uploaded_tile
from serving.model import ServedModel
from serving.tile_files import WRITERS
from serving.tile_maps import TileQuery, gallery_query, point_query, summary, tile_value, upload_query
from serving.uploads import read_tile
from widgets.events import QUIET, event_numbers, warned
from widgets.picker import choice, chosen, photo_choices, picker, tile_choices
from widgets.tile import download, tile_panels
from widgets.upload_fields import band_order_field, photo_field, tile_field

# A visitor's tile and query are dropped after so many seconds without use.
_SESSION_S = 1800


@dataclass(frozen=True)
class _Parts:
    """The components of the tab; `tile`, `position` (in the gallery) and `query` are a visitor's state."""

    tile: gr.State
    position: gr.State
    query: gr.State
    tiles: gr.HTML
    photos: gr.HTML
    panels: gr.HTML
    status: gr.Markdown
    photo_file: gr.File
    band_order: gr.Dropdown
    tile_file: gr.File
    saved: gr.HTML


def add_tab(served: ServedModel, gallery: Gallery) -> None:
    """
    Builds the tab inside `gr.Blocks`.

    Args:
        served ([`ServedModel`]): the model.
        gallery ([`Gallery`]): tiles and photos to choose from.
    """
    _connect(_lay_out(gallery), _Handlers(served, gallery))


def _lay_out(gallery: Gallery) -> _Parts:
    tile, query = gr.State(gallery.tiles[0], time_to_live=_SESSION_S), gr.State(None, time_to_live=_SESSION_S)
    position = gr.State(0)
    gr.Markdown(
        "Click a point in the tile or choose a photo: the colours show how similar each point of the tile is to it. NILI "
        "(Neural Implicit Local Interpolation) embeds any point of the tile; bilinear interpolation of its patches and the "
        "mean of the tile are shown for comparison."
    )
    tiles = picker(tile_choices(gallery, 0), f"Tiles of {html.escape(gallery.name)}", "tile-tiles")
    photos = picker(
        [], "Photos taken in this tile: choose one as the query, or click a point in the tile", "tile-photos"
    )
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            panels = tile_panels("tile-view")
        with gr.Column(scale=1, min_width=280):
            status = gr.Markdown(elem_id="tile-status")
            with gr.Accordion("Your own photo or tile", open=False):
                photo_file = photo_field()
                band_order = band_order_field()
                tile_file = tile_field()
    saved = download("tile-saved")
    return _Parts(tile, position, query, tiles, photos, panels, status, photo_file, band_order, tile_file, saved)


def _connect(parts: _Parts, handlers: "_Handlers") -> None:
    shown = [parts.tile, parts.position]
    answer = [parts.query, parts.photos, parts.panels, parts.status]
    gr.on(None, warned(lambda: handlers.open_tile(0)), None, [*shown, *answer], **QUIET)
    parts.tiles.choose(warned(handlers.choose_tile), None, [*shown, *answer], **QUIET)
    parts.photos.choose(warned(handlers.choose_photo), shown, answer, **QUIET)
    parts.panels.pick(warned(handlers.pick_point), shown, answer, trigger_mode="always_last", **QUIET)
    parts.photo_file.upload(warned(handlers.upload_photo), [parts.photo_file, *shown], answer, **QUIET)
    parts.tile_file.upload(
        warned(handlers.upload_tile), [parts.tile_file, parts.band_order], [*shown, *answer], **QUIET
    )
    parts.panels.save(warned(handlers.save), [parts.tile, parts.query], parts.saved, **QUIET)


class _Handlers:
    """
    Answers to events. `position` is that of the tile in the gallery, None for a visitor's own tile.

    The handlers return values for query, photos, panels and status; those that open a tile return tile and position first.
    """

    def __init__(self, served: ServedModel, gallery: Gallery):
        self._served, self._gallery = served, gallery

    def open_tile(self, position: int) -> tuple:
        tile, own = self._gallery.tiles[position], self._photos_of(position)
        query = gallery_query(self._gallery, own[0]) if own else None
        choices = photo_choices(self._gallery, own, 0)
        return tile, position, query, choices, *self._draw(tile, position, query)

    def choose_tile(self, event: gr.EventData) -> tuple:
        return self.open_tile(chosen(event, len(self._gallery.tiles)))

    def choose_photo(self, event: gr.EventData, tile: Tile, position: int | None) -> tuple:
        own = self._photos_of(position)
        # The visitor's own photo follows those of the gallery; when it is shown, it already is the query.
        number = chosen(event, len(own) + 1)
        if number == len(own):
            return gr.skip()
        query = gallery_query(self._gallery, own[number])
        return query, photo_choices(self._gallery, own, number), *self._draw(tile, position, query)

    def pick_point(self, event: gr.EventData, tile: Tile, position: int | None) -> tuple:
        query = point_query(self._served, tile, *event_numbers(event, "x", "y"))
        choices = photo_choices(self._gallery, self._photos_of(position))
        return query, choices, *self._draw(tile, position, query)

    def upload_photo(self, path: str, tile: Tile, position: int | None) -> tuple:
        query = upload_query(self._served, path)
        choices = photo_choices(self._gallery, self._photos_of(position))
        choices.append(choice(query.picture, "Your photo", "yours", True))
        return query, choices, *self._draw(tile, position, query)

    def upload_tile(self, path: str, band_order: str) -> tuple:
        tile = uploaded_tile(read_tile(path, self._served.processor.image_processor, band_order or None), self._served)
        return tile, None, None, [], *self._draw(tile, None, None)

    def save(self, event: gr.EventData, tile: Tile, query: TileQuery | None) -> dict[str, Any]:
        wanted = str(event._data.get("format")) if isinstance(event._data, dict) else ""
        if query is None or wanted not in WRITERS:
            raise ValueError(
                f"There is no map to save as {wanted!r:.20}, expected a query; click a point in the tile first."
            )
        content = base64.b64encode(WRITERS[wanted](self._served, tile, query)).decode()
        # The time makes the value differ from the last one, so that the same file can be saved twice.
        return {"file": {"name": f"similarity.{wanted}", "content": content, "moment": time.time_ns()}}

    def _photos_of(self, position: int | None) -> list[int]:
        return [] if position is None else self._gallery.photos_of(position)

    def _draw(self, tile: Tile, position: int | None, query: TileQuery | None) -> tuple:
        points = [self._gallery.photos[number].point for number in self._photos_of(position)]
        return tile_value(self._served, tile, query, points), summary(self._served, tile, query)
