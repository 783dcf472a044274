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
"""World map: where places embed similarly to a place, a photo or a tile, or to several of them together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr

from serving.gallery import Gallery
from serving.grids import WORLD
from serving.model import ServedModel
from serving.text import numbers_text
from serving.turns import SHARED, Newest
from serving.world_maps import FIXED, FULL, MAX_LISTED, STRETCHED, WorldMaps, apart_km, parse_view
from views.link import EXPLORE, Link, address
from views.site import Site
from widgets.events import QUIET, for_programs, wanted, warned_steps
from widgets.map import WorldMap, world_map
from widgets.upload_fields import photo_field, tile_field

_SCALES = [("fixed for this model", FIXED), ("stretched to this view", STRETCHED), ("full, −1 to 1", FULL)]
_FIRST_COUNT = 5
_FIRST = "13.40, 52.52"
# Places whose climates a geographer finds elsewhere: the Mediterranean, rain forest, steppe, desert.
_EXAMPLES = {
    "Lisbon": "-9.14, 38.72",
    "Manaus": "-60.02, -3.10",
    "Ulaanbaatar": "106.91, 47.92",
    "Phoenix": "-112.07, 33.45",
    "Berlin and Paris together": "13.40, 52.52; 2.35, 48.86",
    "Fiji, near the date line": "178.44, -18.14",
}
_PHOTO_EXAMPLES = 2


@dataclass(frozen=True)
class _Parts:
    """The components of the tab."""

    world: WorldMap
    places: gr.Textbox
    photo: gr.File
    tile: gr.File
    scale: gr.Radio
    count: gr.Slider
    sea: gr.Checkbox
    examples: Any
    status: gr.Markdown


def add_tab(site: Site) -> None:
    """Builds the view inside its `gr.Tab`."""
    _connect(site, _lay_out(site.gallery), _Handlers(site.served, site.maps))
    gr.api(_endpoint(site.maps), api_name="similarity_map", **SHARED)


def _lay_out(gallery: Gallery) -> _Parts:
    gr.Markdown("Click anywhere: the colours show how similar the model considers every other place on Earth.")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            world = world_map("world-map")
        with gr.Column(scale=1, min_width=280):
            places = gr.Textbox(
                label="Places (lon, lat in degrees)", info="Separate several places with semicolons.", max_length=1000, submit_btn="Show", elem_id="places",
            )  # fmt: skip
            with gr.Accordion("Photo, tile", open=False):
                photo, tile = photo_field(), tile_field("Sentinel-2 tile (GeoTIFF)")
                gr.Markdown("For pins, a photo and a tile together, the map shows their mean direction.")
            scale = gr.Radio(_SCALES, value=FIXED, label="Colour scale")
            count = gr.Slider(0, MAX_LISTED, value=_FIRST_COUNT, step=1, label="Number of most similar places")
            sea = gr.Checkbox(label="Show the sea", info="The model was trained on land alone.")
    examples = _examples(gallery, places, photo)
    status = gr.Markdown(elem_id="world-status")
    return _Parts(world, places, photo, tile, scale, count, sea, examples, status)


def _examples(gallery: Gallery, places: gr.Textbox, photo: gr.File) -> Any:
    """Places and some photos of the gallery, each a click away."""
    folder = Path(mkdtemp(prefix="gair-examples-"))
    rows: dict[str, list[str | None]] = {name: [text, None] for name, text in _EXAMPLES.items()}
    for number, found in enumerate(gallery.photos[:: max(len(gallery.photos) // _PHOTO_EXAMPLES, 1)][:_PHOTO_EXAMPLES]):
        path = folder / f"photo-{number + 1}.jpg"
        path.write_bytes(found.jpeg)
        rows[f"Photo {number + 1} of the gallery"] = ["", str(path)]
    return gr.Examples(
        list(rows.values()), [places, photo], example_labels=list(rows), label="Try", api_visibility="private"
    )


def _connect(site: Site, parts: _Parts, handlers: "_Handlers") -> None:
    world, rest = parts.world, [parts.photo, parts.tile, parts.scale, parts.count, parts.sea]
    asked = [world.asked, parts.places, *rest]
    answer = [world.map, parts.status]
    # A new request is sent at once, so that the server can stop computing the one before.
    runs = {**QUIET, **SHARED, "trigger_mode": "multiple"}
    restored = [parts.places, parts.scale, parts.sea, *answer]
    site.links.opens(EXPLORE, handlers.open, restored, **SHARED)
    world.asked.ask(warned_steps(handlers.answer), [world.asked, *rest], [parts.places, *answer], **runs)
    changed = [parts.places.submit, parts.scale.input, parts.count.release, parts.sea.input]
    changed += [parts.photo.upload, parts.photo.clear, parts.tile.upload, parts.tile.clear]
    gr.on(changed, warned_steps(handlers.draw), asked, answer, **runs)
    parts.examples.load_input_event.then(warned_steps(handlers.draw), asked, answer, **runs)


class _Handlers:
    """Answers to events, a coarse one first: a value for the map and its description, after the inputs that change."""

    def __init__(self, served: ServedModel, maps: WorldMaps):
        self._served, self._maps = served, maps
        self._newest = Newest()

    def draw(self, request: gr.Request, asked: Any, places: str, *rest: Any) -> Iterator[tuple]:
        """The map of the places that were typed."""
        yield from self._drawn(request.session_hash, places, wanted(asked).view, *rest)

    def answer(self, request: gr.Request, asked: Any, *rest: Any) -> Iterator[tuple]:
        """The map of the pins and of the view that are wanted."""
        want = wanted(asked)
        places = "; ".join(map(numbers_text, want.pins))
        for value, status in self._drawn(request.session_hash, places, want.view, *rest):
            yield places, value | {"turn": want.turn}, status

    def open(self, link: Link) -> Iterator[tuple]:
        """What a link says."""
        asked = link.parts
        places, scale, sea = asked.get("at", _FIRST), asked.get("scale", FIXED), asked.get("sea") == "1"
        view = parse_view(asked.get("view", numbers_text(WORLD)))
        for value, status in self._drawn(link.visitor, places, view, None, None, scale, _FIRST_COUNT, sea):
            yield places, scale, sea, value | {"view": view}, status

    def _drawn(
        self, visitor: str | None, places: str, view: Sequence[float], photo: str | None, tile: str | None, scale: str,
        count: int, sea: bool,
    ) -> Iterator[tuple]:  # fmt: skip
        current = self._newest.begin(visitor)
        link = address(tab=EXPLORE, at=places, view=tuple(view), scale=scale, sea=1 if sea else None)
        query = self._maps.query(places, photo, tile)
        for value in self._maps.steps(query, view, scale, int(count), sea, current):
            yield value | {"link": link}, described(value, photo, tile, self._served)


def described(value: dict[str, Any], photo: str | None, tile: str | None, served: ServedModel) -> str:
    """What the map shows, with a table of the most similar places, in Markdown."""
    names = [f"lon, lat {pin['lon']:.2f}, {pin['lat']:.2f}" for pin in value["pins"]]
    names += ["your photo"] * bool(photo) + ["your tile"] * bool(tile)
    together = "the mean direction of " if len(names) > 1 else ""
    rows = [
        f"| {number} | {place['lon']:.3f} | {place['lat']:.3f} | {place['similarity']:.4f} |"
        for number, place in enumerate(value["places"], start=1)
    ]
    return "\n".join(
        [
            f"Cosine similarity of {together}{' + '.join(names)} to the location embedding of each place, by "
            f"**{served.name}**. {served.note}\n\nThe most similar places in this view, at least "
            f"{apart_km(value['drawn_for']):,.0f} km from each other and from the pins:\n",
            "| # | lon | lat | cosine similarity |",
            "|--:|--:|--:|--:|",
            *rows,
        ]
    )


def _endpoint(maps: WorldMaps) -> Callable:
    def similarity_map(
        places: str, view: str = numbers_text(WORLD), scale: str = FIXED, count: int = _FIRST_COUNT, sea: bool = False
    ) -> dict:
        return maps.draw(maps.query(places), parse_view(view), scale, count, sea)

    return for_programs(similarity_map)
