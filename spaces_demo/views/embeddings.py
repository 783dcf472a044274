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
"""Embeddings of one's own: the rows most similar to a place, a photo or a tile, on a map."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from serving.embedded_rows import EmbeddedRows
from serving.model import ServedModel, on_gpu
from serving.result_files import RESULT_WRITERS, ResultRow
from serving.text import number_text, numbers_text, typed_numbers
from serving.uploads import read_photo, read_tile
from views.link import YOURS, Link, address
from views.saving import file_value, format_of
from views.site import Site
from widgets.events import QUIET, TURNS, for_programs, wanted, warned
from widgets.map import WorldMap, world_map
from widgets.tile import download
from widgets.upload_fields import band_order_field, caution_note, photo_field, tile_field

MAX_FOUND = 100
_FIRST_COUNT = 20
_SESSION_S = 1800


@dataclass(frozen=True)
class _Parts:
    """The components of the tab."""

    world: WorldMap
    place: gr.Textbox
    photo: gr.File
    tile: gr.File
    band_order: gr.Dropdown
    count: gr.Slider
    found: gr.Markdown
    rows: gr.State
    saved: gr.HTML

    @property
    def answer(self) -> list[Any]:
        """What every handler returns, in this order."""
        return [self.place, self.world.map, self.found, self.rows]


def add_tab(site: Site, rows: EmbeddedRows) -> None:
    """
    Builds the tab inside `gr.Blocks`.

    Args:
        site ([`Site`]): the page, whose model embeds queries.
        rows ([`EmbeddedRows`]): what is searched.
    """
    handlers = _Handlers(site.served, rows)
    _connect(site, _lay_out(site, rows), handlers)
    gr.api(_endpoint(handlers), api_name="search_embeddings", **TURNS)


def _lay_out(site: Site, rows: EmbeddedRows) -> _Parts:
    gr.Markdown(
        "Click on the map, or upload a photo or a tile, to find the rows of your embeddings that are most similar to it. A click on a "
        f"number searches by its row. {rows.note}"
    )
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            world = world_map("embeddings-map", adding=False, formats=tuple(RESULT_WRITERS))
        with gr.Column(scale=1, min_width=280):
            place = gr.Textbox(
                label="Place (longitude, latitude in degrees)",
                max_length=100,
                submit_btn="Find",
                elem_id="embeddings-place",
            )
            caution_note(site.served)
            photo, band_order, tile = photo_field(), band_order_field(), tile_field("Sentinel-2 tile (GeoTIFF)")
            count = gr.Slider(1, MAX_FOUND, value=_FIRST_COUNT, step=1, label="Number of rows")
    found, listed = gr.Markdown(elem_id="embeddings-found"), gr.State([], time_to_live=_SESSION_S)
    return _Parts(world, place, photo, tile, band_order, count, found, listed, download("embeddings-saved"))


def _connect(site: Site, parts: _Parts, handlers: "_Handlers") -> None:
    answer, last = parts.answer, {**QUIET, **TURNS, "trigger_mode": "always_last"}
    site.links.opens(YOURS, handlers.open, [parts.count, *answer], **TURNS)
    parts.world.asked.ask(warned(handlers.answer), [parts.world.asked, parts.count], answer, **last)
    parts.world.map.save(warned(handlers.save), parts.rows, parts.saved, **QUIET)
    parts.place.submit(warned(handlers.by_place), [parts.place, parts.count], answer, **last)
    parts.photo.upload(warned(handlers.by_photo), [parts.photo, parts.count], answer, **last)
    # Another order of bands reads the file again.
    given = [parts.tile.upload, parts.band_order.input]
    gr.on(given, warned(handlers.by_tile), [parts.tile, parts.band_order, parts.count], answer, **last)


class _Handlers:
    """Answers to events, as `_Parts.answer` lists them: the place, a value for the map, the rows in Markdown and as files have them."""

    def __init__(self, served: ServedModel, rows: EmbeddedRows):
        self._served, self._rows = served, rows

    def answer(self, asked: Any, count: int) -> tuple:
        """The visitor has set a pin, or chosen a row on the map."""
        want = wanted(asked)
        if want.opened is not None:
            place, value, *others = self.by_row(want.opened, count)
        elif want.pins:
            place, value, *others = self.by_place(numbers_text(want.pins[-1]), count)
        else:
            raise ValueError("There is no pin on the map, expected a place; click on the map.")
        return place, value | {"turn": want.turn}, *others

    def open(self, link: Link) -> tuple:
        count, view = link.whole("count", _FIRST_COUNT, 1, MAX_FOUND), link.view()
        place, value, *others = "", {}, "", []
        if "row" in link.parts:
            place, value, *others = self.by_row(link.parts["row"], count)
        elif "at" in link.parts:
            place, value, *others = self.by_place(link.parts["at"], count)
        return count, place, value | {"view": view}, *others

    def by_place(self, place: str, count: int) -> tuple:
        lon, lat = self.place_of(place)
        pins = [{"lon": lon, "lat": lat}]
        return self._answer(self.embedded_place(lon, lat), count, place=numbers_text((lon, lat)), pins=pins)

    def by_row(self, id_: str, count: int) -> tuple:
        return self._answer(self._rows.vector(id_), count, row=id_)

    def by_photo(self, path: str, count: int) -> tuple:
        return self._answer(on_gpu(self._served.photo)(read_photo(path)), count)

    def by_tile(self, path: str | None, band_order: str, count: int) -> tuple:
        if path is None:
            return gr.skip()
        read = read_tile(path, self._served.processor.image_processor, band_order or None)
        return self._answer(on_gpu(self._served.tile)(read), count)

    def save(self, event: gr.EventData, rows: list[ResultRow]) -> dict[str, Any]:
        wanted = format_of(event, RESULT_WRITERS)
        if not rows:
            raise ValueError("There are no rows to save; click on the map first.")
        return file_value(f"gair-rows.{wanted}", RESULT_WRITERS[wanted](rows))

    def place_of(self, text: str) -> tuple[float, float]:
        place = typed_numbers(text, 2, "longitude and latitude in degrees, such as 13.40, 52.52")
        ((lon, lat),) = self._served.coordinates.check(*np.array([place]).T)
        return float(lon), float(lat)

    def embedded_place(self, lon: float, lat: float) -> np.ndarray:
        return on_gpu(self._served.places)(np.array([lon]), np.array([lat]))[0]

    def find(self, query: np.ndarray, count: int) -> list[dict[str, Any]]:
        if not (isinstance(count, (int, float)) and 1 <= count <= MAX_FOUND):
            raise ValueError(f"The number of rows is {count!r:.40}, expected 1 to {MAX_FOUND}; move the slider.")
        return self._rows.find(query, int(count))

    def _answer(
        self,
        query: np.ndarray,
        count: int,
        place: str = "",
        row: str | None = None,
        pins: Sequence[dict[str, float]] = (),
    ) -> tuple:
        found = self.find(query, count)
        link = address(tab=YOURS, at=place or None, row=row, count=None if count == _FIRST_COUNT else int(count))
        # On the map, a row is chosen by its id.
        value = {
            "pins": list(pins),
            "places": [one | {"label": one["id"][:80]} for one in found],
            "link": link,
            "unlinked": "" if place or row else "A link cannot hold a file of your own; save the rows instead.",
        }
        rows = [
            ResultRow(one["modality"], rank, one["id"], one["similarity"], one["lon"], one["lat"])
            for rank, one in enumerate(found, start=1)
        ]
        return place, value, found_table(found), rows


def found_table(found: list[dict[str, Any]]) -> str:
    """Rows as a table in Markdown; names are shown as they are written."""
    lines = [
        f"| {number} | {_plain(row['id'])} | {_plain(row['modality'])} | {number_text(row['lon'], 4)} | {number_text(row['lat'], 4)} | {number_text(row['similarity'], 4)} |"
        for number, row in enumerate(found, start=1)
    ]
    return "\n".join(["| # | id | modality | lon | lat | cosine similarity |", "|--:|---|---|--:|--:|--:|", *lines])


def _plain(text: str) -> str:
    """Text without meaning in Markdown or HTML."""
    escaped = html.escape(text[:80].replace("\n", " "))
    return "".join(f"&#{ord(sign)};" if sign in r"\`*_{}[]()#+-.!|~" else sign for sign in escaped)


def _endpoint(handlers: _Handlers) -> Callable:
    def search_embeddings(place: str, count: int = _FIRST_COUNT) -> list[dict]:
        return handlers.find(handlers.embedded_place(*handlers.place_of(place)), count)

    return for_programs(search_embeddings)
