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
"""Find: a photo finds tiles, a tile finds photos, and a place finds both, in the gallery."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import gradio as gr

from serving.gallery import Gallery, uploaded_tile
from serving.model import on_gpu
from serving.pictures import data_uri, photo_jpeg
from serving.result_files import RESULT_WRITERS, ResultRow
from serving.search import Totals, retrieval_totals
from serving.uploads import read_photo, read_tile
from views.link import FIND, Link, address
from views.saving import file_value, format_of
from views.site import Site
from widgets.events import QUIET, TURNS, warned
from widgets.picker import chosen, photo_choices, picker, tile_choices
from widgets.results import Results, of_photo, of_place, of_tile, results
from widgets.tile import download
from widgets.upload_fields import band_order_field, caution_note, photo_field, tile_field

_PLACES = {"North of Melbourne": (144.63, -35.97), "Berlin": (13.40, 52.52), "Manaus": (-60.02, -3.10)}
_FIRST = _PLACES["North of Melbourne"]
_BY_PHOTO, _BY_TILE, _BY_PLACE = "photo", "tile", "place"
_SESSION_S = 1800


@dataclass(frozen=True)
class _Parts:
    """The components of the view; `rows` is a visitor's state."""

    totals: gr.Markdown
    queries: gr.Tabs
    photos: gr.HTML
    photo_file: gr.File
    tiles: gr.HTML
    band_order: gr.Dropdown
    tile_file: gr.File
    lon: gr.Number
    lat: gr.Number
    find: gr.Button
    examples: Any
    found: gr.HTML
    rows: gr.State
    saved: gr.HTML

    @property
    def answer(self) -> list[Any]:
        """What every handler returns, in this order: what is chosen is always what is shown."""
        return [self.photos, self.tiles, self.found, self.rows]


def add_tab(site: Site) -> None:
    """Builds the view inside its `gr.Tab`."""
    _connect(site, _lay_out(site), _Handlers(site))


def _lay_out(site: Site) -> _Parts:
    gallery = site.gallery
    gr.Markdown(
        "Choose a photo, a tile or a place, and see what the model finds for it in the gallery: "
        f"{len(gallery.tiles)} tiles and {len(gallery.photos)} photos ({gallery.name})."
    )
    totals = gr.Markdown(elem_id="find-totals")
    with gr.Tabs() as queries:
        with gr.Tab("By photo", id=_BY_PHOTO):
            choices = photo_choices(gallery, range(len(gallery.photos)))
            photos = picker(choices, "A street photo of the gallery", "find-photos")
            with gr.Accordion("Your own photo", open=False):
                caution_note(site.served)
                photo_file = photo_field()
        with gr.Tab("By tile", id=_BY_TILE):
            tiles = picker(tile_choices(gallery), "A Sentinel-2 tile of the gallery", "find-tiles")
            with gr.Accordion("Your own tile", open=False):
                caution_note(site.served)
                band_order = band_order_field()
                tile_file = tile_field()
        with gr.Tab("By place", id=_BY_PLACE):
            with gr.Row(elem_id="find-place"):
                lon = gr.Number(_FIRST[0], label="Longitude, degrees east", elem_id="find-lon")
                lat = gr.Number(_FIRST[1], label="Latitude, degrees north", elem_id="find-lat")
                find = gr.Button("Find", variant="primary")
            examples = gr.Examples(
                [list(place) for place in _PLACES.values()], [lon, lat], example_labels=list(_PLACES), label="Try", api_visibility="private"
            )  # fmt: skip
    found, rows, saved = results("find-results"), gr.State([], time_to_live=_SESSION_S), download("find-saved")
    return _Parts(
        totals, queries, photos, photo_file, tiles, band_order, tile_file, lon, lat, find, examples, found, rows, saved
    )


def _connect(site: Site, parts: _Parts, handlers: "_Handlers") -> None:
    # Gradio would drop a click while the one before is answered.
    runs = {**QUIET, **TURNS, "trigger_mode": "multiple"}
    site.links.opens(FIND, handlers.open, [parts.totals, parts.queries, parts.lon, parts.lat, *parts.answer], **TURNS)
    parts.photos.choose(warned(handlers.choose_photo), None, parts.answer, **runs)
    parts.photo_file.upload(warned(handlers.upload_photo), parts.photo_file, parts.answer, **runs)
    parts.tiles.choose(warned(handlers.choose_tile), None, parts.answer, **runs)
    # Another order of bands reads the file again.
    gr.on(
        [parts.tile_file.upload, parts.band_order.input],
        warned(handlers.upload_tile),
        [parts.tile_file, parts.band_order],
        parts.answer,
        **runs,
    )
    asked = [parts.find.click, parts.lon.submit, parts.lat.submit]
    gr.on(asked, warned(handlers.by_place), [parts.lon, parts.lat], parts.answer, **runs)
    parts.examples.load_input_event.then(warned(handlers.by_place), [parts.lon, parts.lat], parts.answer, **runs)
    parts.found.save(warned(handlers.save), parts.rows, parts.saved, **QUIET)


class _Handlers:
    """Answers to events, as `_Parts.answer` lists them."""

    def __init__(self, site: Site):
        self._served, self._gallery = site.served, site.gallery
        self._totals = cache(lambda: totals_text(retrieval_totals(site.gallery)))

    def open(self, link: Link) -> tuple:
        photo = link.position("photo", len(self._gallery.photos))
        tile, place = link.position("tile", len(self._gallery.tiles)), link.numbers("place", 2)
        lon, lat = place or _FIRST
        if place is not None:
            by, answer = _BY_PLACE, self.by_place(lon, lat)
        elif tile is not None or not self._gallery.photos:
            by, answer = _BY_TILE, self._by_tile(tile or 0)
        else:
            by, answer = _BY_PHOTO, self._by_photo(photo or 0)
        return self._totals(), gr.Tabs(selected=by), lon, lat, *answer

    def choose_photo(self, event: gr.EventData) -> tuple:
        return self._by_photo(chosen(event, len(self._gallery.photos)))

    def choose_tile(self, event: gr.EventData) -> tuple:
        return self._by_tile(chosen(event, len(self._gallery.tiles)))

    def upload_photo(self, path: str) -> tuple:
        image = read_photo(path)
        picture, embedding = data_uri(photo_jpeg(image, self._served)), on_gpu(self._served.photo)(image)
        return self._answer(of_photo(self._served, self._gallery, picture, embedding), address(tab=FIND))

    def upload_tile(self, path: str | None, band_order: str) -> tuple:
        if path is None:
            return gr.skip()
        tile = uploaded_tile(read_tile(path, self._served.processor.image_processor, band_order or None), self._served)
        return self._answer(of_tile(self._served, self._gallery, tile), address(tab=FIND))

    def by_place(self, lon: float | None, lat: float | None) -> tuple:
        return self._answer(of_place(self._served, self._gallery, lon, lat), address(tab=FIND, place=(lon, lat)))

    def save(self, event: gr.EventData, rows: list[ResultRow]) -> dict[str, Any]:
        wanted = format_of(event, RESULT_WRITERS)
        if not rows:
            raise ValueError("The server has forgotten these results; search again.")
        return file_value(f"gair-results.{wanted}", RESULT_WRITERS[wanted](rows))

    def _by_photo(self, position: int) -> tuple:
        photo, embedding = self._gallery.photos[position], self._gallery.photo_embeds[position]
        found = of_photo(self._served, self._gallery, photo.picture, embedding, position)
        return self._answer(found, address(tab=FIND, photo=position), photo=position)

    def _by_tile(self, position: int) -> tuple:
        found = of_tile(self._served, self._gallery, self._gallery.tiles[position], position)
        return self._answer(found, address(tab=FIND, tile=position), tile=position)

    def _answer(self, found: Results, link: str, photo: int | None = None, tile: int | None = None) -> tuple:
        gallery: Gallery = self._gallery
        photos = photo_choices(gallery, range(len(gallery.photos)), photo)
        return photos, tile_choices(gallery, tile), {"html": found.html, "link": link}, found.rows


def totals_text(totals: Totals | None) -> str:
    """How well photos find their tiles, beside chance, as Markdown."""
    if totals is None:
        return "The gallery has no photos, so how well the model searches cannot be said."
    return (
        f"**How well does it search?** Of {totals.photos} photos, {totals.first:.0%} find their own tile first among "
        f"{totals.tiles} (chance: {1 / totals.tiles:.0%}). Their own tile has a median rank of **{totals.median_rank:g}** "
        f"(chance: {(totals.tiles + 1) / 2:g})."
    )
