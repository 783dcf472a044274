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
"""Retrieval: a photo finds tiles, a tile finds photos, and a place finds both, in the gallery."""

from dataclasses import dataclass

import gradio as gr

from serving.gallery import Gallery, uploaded_tile
from serving.model import ServedModel, on_gpu
from serving.pictures import data_uri, photo_jpeg
from serving.uploads import read_photo, read_tile
from widgets.events import QUIET, warned
from widgets.picker import chosen, photo_choices, picker, tile_choices
from widgets.results import photo_page, place_page, results, tile_page
from widgets.upload_fields import band_order_field, photo_field, tile_field

_PLACES = [[144.63, -35.97], [13.40, 52.52], [-60.02, -3.10]]


@dataclass(frozen=True)
class _Parts:
    """The components of the tab."""

    photos: gr.HTML
    photo_file: gr.File
    tiles: gr.HTML
    band_order: gr.Dropdown
    tile_file: gr.File
    lon: gr.Number
    lat: gr.Number
    find: gr.Button
    found: gr.HTML


def add_tab(served: ServedModel, gallery: Gallery) -> None:
    """
    Builds the tab inside `gr.Blocks`.

    Args:
        served ([`ServedModel`]): the model.
        gallery ([`Gallery`]): what is searched, and offered as queries.
    """
    _connect(_lay_out(gallery), _Handlers(served, gallery), show_first=bool(gallery.photos))


def _lay_out(gallery: Gallery) -> _Parts:
    gr.Markdown(
        "Photos, tiles and places share one embedding space: a photo finds tiles and the best point in each, a tile finds "
        f"photos, a place finds both. The search covers {len(gallery.tiles)} tiles and {len(gallery.photos)} photos of "
        f"{gallery.name}."
    )
    with gr.Tabs():
        with gr.Tab("By photo"):
            choices = photo_choices(gallery, range(len(gallery.photos)), 0)
            photos = picker(choices, "A street-view photo", "retrieval-photos")
            with gr.Accordion("Your own photo", open=False):
                photo_file = photo_field()
        with gr.Tab("By tile"):
            tiles = picker(tile_choices(gallery), "A Sentinel-2 tile", "retrieval-tiles")
            with gr.Accordion("Your own tile", open=False):
                band_order = band_order_field()
                tile_file = tile_field()
        with gr.Tab("By place"):
            with gr.Row():
                lon = gr.Number(_PLACES[0][0], label="lon, degrees", elem_id="retrieval-lon")
                lat = gr.Number(_PLACES[0][1], label="lat, degrees", elem_id="retrieval-lat")
                find = gr.Button("Find", variant="primary")
            gr.Examples(_PLACES, [lon, lat], label="Places to try")
    return _Parts(photos, photo_file, tiles, band_order, tile_file, lon, lat, find, results("retrieval-results"))


def _connect(parts: _Parts, handlers: "_Handlers", show_first: bool) -> None:
    if show_first:
        gr.on(None, lambda: handlers.by_photo(0), None, parts.found, **QUIET)
    parts.photos.choose(warned(handlers.choose_photo), None, parts.found, **QUIET)
    parts.photo_file.upload(warned(handlers.upload_photo), parts.photo_file, parts.found, **QUIET)
    parts.tiles.choose(warned(handlers.choose_tile), None, parts.found, **QUIET)
    parts.tile_file.upload(warned(handlers.upload_tile), [parts.tile_file, parts.band_order], parts.found, **QUIET)
    asked = [parts.find.click, parts.lon.submit, parts.lat.submit]
    gr.on(asked, warned(handlers.by_place), [parts.lon, parts.lat], parts.found, **QUIET)


class _Handlers:
    """Answers to events: results as HTML."""

    def __init__(self, served: ServedModel, gallery: Gallery):
        self._served, self._gallery = served, gallery

    def by_photo(self, position: int) -> str:
        photo, embedding = self._gallery.photos[position], self._gallery.photo_embeds[position]
        return photo_page(self._served, self._gallery, data_uri(photo.jpeg), embedding, photo.tile)

    def choose_photo(self, event: gr.EventData) -> str:
        return self.by_photo(chosen(event, len(self._gallery.photos)))

    def upload_photo(self, path: str) -> str:
        image = read_photo(path)
        picture = data_uri(photo_jpeg(image, self._served))
        return photo_page(self._served, self._gallery, picture, on_gpu(self._served.photo)(image), None)

    def choose_tile(self, event: gr.EventData) -> str:
        position = chosen(event, len(self._gallery.tiles))
        return tile_page(self._served, self._gallery, self._gallery.tiles[position], self._gallery.photos_of(position))

    def upload_tile(self, path: str, band_order: str) -> str:
        read = read_tile(path, self._served.processor.image_processor, band_order or None)
        return tile_page(self._served, self._gallery, uploaded_tile(read, self._served), [])

    def by_place(self, lon: float | None, lat: float | None) -> str:
        return place_page(self._served, self._gallery, lon, lat)
