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
"""The readings of a tile: how similar each of its points is to a point, a photo or a place, by each way to read the tile."""

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr

from serving.gallery import Tile, uploaded_tile
from serving.scenes import place_scene
from serving.tile_maps import TileQuery, gallery_query, point_query, summary, tile_value, upload_query
from serving.uploads import read_tile
from views.link import COMPARE, Link, address
from views.saving import save_tile
from views.site import Site
from widgets.events import QUIET, TURNS, event_numbers, warned
from widgets.picker import choice, chosen, photo_choices, picker, tile_choices
from widgets.tile import download, tile_panels
from widgets.upload_fields import band_order_field, caution_note, photo_field, tile_field

_SESSION_S = 1800
_EXPLAINED = (
    "Four ways to read the same tile at any point: **with pixels** around the point, as the model was trained; by **NILI** (Neural "
    "Implicit Local Interpolation) or **bilinear** blending of the tile's patches alone; and as their **mean**, one value for the "
    "whole tile. Click a point, or choose a photo: a good reading ranks its true place (★) high; chance is 50%."
)


@dataclass(frozen=True)
class _Parts:
    """The components of the view; `tile`, `position` (in the gallery) and `query` are a visitor's state."""

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

    @property
    def answer(self) -> list[Any]:
        """What every handler returns, in this order."""
        return [self.tile, self.position, self.query, self.tiles, self.photos, self.panels, self.status]


def add_tab(site: Site) -> None:
    """Builds the view inside its `gr.Tab`."""
    _connect(site, _lay_out(site), _Handlers(site))


def _lay_out(site: Site) -> _Parts:
    tile, query = gr.State(None, time_to_live=_SESSION_S), gr.State(None, time_to_live=_SESSION_S)
    position = gr.State(None)
    gr.Markdown(_EXPLAINED)
    with gr.Row(elem_id="tile-choice"):
        tiles = picker(tile_choices(site.gallery), f"Tiles of {html.escape(site.gallery.name)}", "tile-tiles")
        photos = picker([], "Photos taken in this tile", "tile-photos")
    status = gr.Markdown(elem_id="tile-status")
    panels = tile_panels("tile-view")
    with gr.Accordion("Your own photo or tile", open=False):
        caution_note(site.served)
        with gr.Row():
            photo_file = photo_field()
            with gr.Column():
                band_order = band_order_field()
                tile_file = tile_field()
    saved = download("tile-saved")
    return _Parts(tile, position, query, tiles, photos, panels, status, photo_file, band_order, tile_file, saved)


def _connect(site: Site, parts: _Parts, handlers: "_Handlers") -> None:
    shown = [parts.tile, parts.position]
    # Gradio would drop a click while the one before is answered.
    runs = {**QUIET, **TURNS, "trigger_mode": "multiple"}
    site.links.opens(COMPARE, handlers.open, parts.answer, **TURNS)
    parts.tiles.choose(warned(handlers.choose_tile), None, parts.answer, **runs)
    parts.photos.choose(warned(handlers.choose_photo), shown, parts.answer, **runs)
    parts.panels.pick(warned(handlers.pick_point), shown, parts.answer, **runs)
    parts.photo_file.upload(warned(handlers.upload_photo), [parts.photo_file, *shown], parts.answer, **runs)
    # Another order of bands reads the file again.
    gr.on(
        [parts.tile_file.upload, parts.band_order.input],
        warned(handlers.upload_tile),
        [parts.tile_file, parts.band_order],
        parts.answer,
        **runs,
    )
    parts.panels.save(warned(handlers.save), [parts.tile, parts.query], parts.saved, **QUIET)


class _Handlers:
    """Answers to events, as `_Parts.answer` lists them. `position` is that in the gallery, None for a visitor's own tile."""

    def __init__(self, site: Site):
        self._served, self._gallery = site.served, site.gallery

    def open(self, link: Link) -> tuple:
        gallery = self._gallery
        photo = link.position("photo", len(gallery.photos))
        tile = link.position("tile", len(gallery.tiles))
        point, place = link.numbers("point", 2), link.numbers("place", 2)
        position = tile if tile is not None else gallery.photos[photo].tile if photo is not None else 0
        if point is not None:
            return self._point(gallery.tiles[position], position, *point)
        if place is not None:
            query = place_scene(self._served, gallery, *place).query
            return self._answer(
                gallery.tiles[position], position, query, address(tab=COMPARE, tile=position, place=place)
            )
        return self._photo(position, photo)

    def choose_tile(self, event: gr.EventData) -> tuple:
        return self._photo(chosen(event, len(self._gallery.tiles)), None)

    def choose_photo(self, event: gr.EventData, tile: Tile, position: int | None) -> tuple:
        own = self._photos_of(position)
        # Photos from elsewhere follow those of the tile; when one is shown, it already is the query.
        number = chosen(event, len(own) + 1)
        return gr.skip() if number == len(own) or position is None else self._photo(position, own[number])

    def pick_point(self, event: gr.EventData, tile: Tile | None, position: int | None) -> tuple:
        return self._point(_known(tile), position, *event_numbers(event, "x", "y"))

    def upload_photo(self, path: str, tile: Tile | None, position: int | None) -> tuple:
        return self._answer(
            _known(tile), position, upload_query(self._served, path), address(tab=COMPARE, tile=position)
        )

    def upload_tile(self, path: str | None, band_order: str) -> tuple:
        if path is None:
            return gr.skip()
        read = read_tile(path, self._served.processor.image_processor, band_order or None)
        return self._answer(uploaded_tile(read, self._served), None, None, address(tab=COMPARE))

    def save(self, event: gr.EventData, tile: Tile | None, query: TileQuery | None) -> dict[str, Any]:
        return save_tile(event, self._served, tile, query)

    def _photos_of(self, position: int | None) -> list[int]:
        return [] if position is None else self._gallery.photos_of(position)

    def _photo(self, position: int, photo: int | None) -> tuple:
        """A tile of the gallery under a photo, by default the first taken in it."""
        own = self._photos_of(position)
        photo = photo if photo is not None or not own else own[0]
        query = None if photo is None else gallery_query(self._served, self._gallery, photo, position)
        link = address(tab=COMPARE, tile=position, photo=photo)
        return self._answer(self._gallery.tiles[position], position, query, link, photo)

    def _point(self, tile: Tile, position: int | None, x: float, y: float) -> tuple:
        query = point_query(self._served, tile, x, y)
        return self._answer(
            tile, position, query, address(tab=COMPARE, tile=position, point=None if position is None else (x, y))
        )

    def _answer(
        self, tile: Tile, position: int | None, query: TileQuery | None, link: str, photo: int | None = None
    ) -> tuple:
        own = self._photos_of(position)
        choices = photo_choices(self._gallery, own, own.index(photo) if photo in own else None)
        if query is not None and query.picture and photo not in own:
            # The query is always to be seen.
            choices.append(choice(query.picture, query.text.capitalize(), "the query", is_chosen=True))
        points = [self._gallery.photos[number].point for number in own]
        value = tile_value(self._served, tile, query, points) | {"link": link}
        text = summary(self._served, tile, query)
        return tile, position, query, tile_choices(self._gallery, position), choices, value, text


def _known(tile: Tile | None) -> Tile:
    """The tile that a page shows, which the server keeps for half an hour, and for the most recent pages."""
    if tile is None:
        raise ValueError("The server has forgotten the tile that this page shows; choose a tile again.")
    return tile
