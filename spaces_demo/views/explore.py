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
"""Explore: the world by similarity to a query, in colours, in clusters, or as a visitor teaches it by clicks."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from serving.clusters import MOST_CLUSTERS, Clusters
from serving.colours import Colours
from serving.grids import WORLD
from serving.labels import MINUS, PLUS, parse_labels, with_labels, without_last
from serving.layers import Layer
from serving.model import ServedModel
from serving.place_names import near_text
from serving.teaching import Teaching, accuracy_text
from serving.text import degrees_text, number_text, numbers_text
from serving.turns import SHARED, Asking, Newest, always, while_current
from serving.world_maps import FIXED, FULL, MAX_LISTED, STRETCHED, apart_km, parse_view
from views.coloured_tile import ColouredParts, ColouredTiles, lay_out
from views.explored import (
    CLUSTERS,
    COLOURS,
    FIRST_CLUSTERS,
    FIRST_COUNT,
    SHOWN,
    SIMILARITY,
    TEACH,
    Choices,
    GalleryFiles,
    choices_of,
    link_of,
)
from views.link import EXPLORE, Link
from views.saving import save_layer
from views.site import Site
from widgets.events import QUIET, TURNS, Wanted, asking_of, for_programs, wanted, warned, warned_steps
from widgets.map import FORMATS, WorldMap, world_map
from widgets.picker import chosen
from widgets.tile import download
from widgets.upload_fields import band_order_field, caution_note, photo_field, tile_field

_SCALES = [("fixed for this model", FIXED), ("stretched to this view", STRETCHED), ("full, −1 to 1", FULL)]
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
# What a click on the map sets; see `world_map`.
_PICKING = {SIMILARITY: "pins", TEACH: "labels"}
_COLOURS_SAY = (
    "No query is needed: the three directions in which the embeddings of land differ most are drawn as red, green and blue. Places "
    "of similar colours have similar embeddings; a colour alone means nothing."
)
_CLUSTERS_SAY = "The land in groups of similar embeddings, found by k-means without any label. The legend says which share of the land each has."
_TEACH_SAY = (
    f"Click some places of the kind that you look for. Then choose “{MINUS}” below and click places of other kinds; or type classes "
    "of your own there. The map shows where the rest of the world belongs, and its title how often it is right for labels held out, which it was not taught."
)

# What each of `_Parts.groups` belongs to; the examples are of similar places. The same as in `_groups_shown`, for the browser.
_GROUPS = (*SHOWN.values(), SIMILARITY, COLOURS)
_GROUPS_SHOWN = f'(shown) => {json.dumps(_GROUPS)}.map((name) => ({{ __type__: "update", visible: name === shown }}))'


@dataclass(frozen=True)
class _Asked:
    """The components that say what is wanted, in the order in which handlers receive them, after the map's own."""

    shown: gr.Radio
    places: gr.Textbox
    photo: gr.File
    tile: gr.File
    scale: gr.Radio
    count: gr.Slider
    clusters: gr.Slider
    marks: gr.Dropdown
    labels: gr.Textbox
    sea: gr.Checkbox
    position: gr.State
    band_order: gr.Dropdown


@dataclass(frozen=True)
class _Parts:
    """The components of the tab."""

    world: WorldMap
    asked: _Asked
    groups: list[gr.Column]
    undo: gr.Button
    examples: Any
    coloured: ColouredParts
    file: gr.HTML
    status: gr.Markdown


def add_tab(site: Site) -> None:
    """Builds the view inside its `gr.Tab`."""
    handlers = _Handlers(site)
    _connect(site, _lay_out(site, handlers.files), handlers)
    for endpoint in _endpoints(site, handlers):
        gr.api(for_programs(endpoint), api_name=endpoint.__name__, **SHARED)


def _lay_out(site: Site, files: GalleryFiles) -> _Parts:
    shown = gr.Radio(list(SHOWN.items()), value=SIMILARITY, label="Show", elem_id="explore-shown")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            world = world_map("world-map", formats=tuple(FORMATS))
        with gr.Column(scale=1, min_width=280):
            with gr.Column() as of_similarity:
                gr.Markdown("Click a place: the colours show how similar the rest of the world is to it.")
                places = gr.Textbox(
                    label="Places (longitude, latitude in degrees)", info="Separate several places with semicolons.", max_length=1000, submit_btn="Show", elem_id="places",
                )  # fmt: skip
                with gr.Accordion("Ask with a photo or a tile", open=False):
                    caution_note(site.served)
                    photo, band_order, tile = photo_field(), band_order_field(), tile_field("Sentinel-2 tile (GeoTIFF)")
                    gr.Markdown("For pins, a photo and a tile together, the map shows their mean direction.")
                scale = gr.Radio(_SCALES, value=FIXED, label="Colour scale")
                count = gr.Slider(0, MAX_LISTED, value=FIRST_COUNT, step=1, label="Number of most similar places")
            with gr.Column(visible=False) as of_colours:
                gr.Markdown(_COLOURS_SAY)
            with gr.Column(visible=False) as of_clusters:
                gr.Markdown(_CLUSTERS_SAY)
                clusters = gr.Slider(2, MOST_CLUSTERS, value=FIRST_CLUSTERS, step=1, label="Number of clusters")
            with gr.Column(visible=False) as of_teaching:
                gr.Markdown(_TEACH_SAY)
                marks = gr.Dropdown(
                    [PLUS, MINUS], value=PLUS, label="A click marks a place as", allow_custom_value=True, elem_id="explore-marks",
                )  # fmt: skip
                labels = gr.Textbox(
                    label="Labels (longitude, latitude, class in each line)", lines=5, max_lines=12, max_length=40_000, elem_id="explore-labels",
                )  # fmt: skip
                undo = gr.Button("Undo the last label", size="sm")
            sea = gr.Checkbox(label="Show the sea", info="The model was trained on land alone.")
    with gr.Column() as to_try:
        examples = _examples(files, places, photo)
    status, coloured = gr.Markdown(elem_id="world-status"), lay_out(site.served, site.gallery)
    groups = [of_similarity, of_colours, of_clusters, of_teaching, to_try, coloured.group]
    asked = _Asked(
        shown, places, photo, tile, scale, count, clusters, marks, labels, sea, coloured.position, band_order
    )
    return _Parts(world, asked, groups, undo, examples, coloured, download("explore-saved"), status)


def _examples(files: GalleryFiles, places: gr.Textbox, photo: gr.File) -> Any:
    """Places and some photos of the gallery, each a click away."""
    rows: dict[str, list[str | None]] = {name: [text, None] for name, text in _EXAMPLES.items()}
    for number in range(0, len(files), max(len(files) // _PHOTO_EXAMPLES, 1))[:_PHOTO_EXAMPLES]:
        rows[f"Photo {number + 1} of the gallery"] = ["", files.path(number)]
    return gr.Examples(
        list(rows.values()), [places, photo], example_labels=list(rows), label="Try", api_visibility="private"
    )


def _connect(site: Site, parts: _Parts, handlers: "_Handlers") -> None:
    own = parts.asked
    asked = [parts.world.asked, *vars(own).values()]
    answer = [own.places, own.labels, parts.world.map, parts.status]
    # A new request is sent at once, so that the server can stop computing the one before.
    runs = {**QUIET, **SHARED, "trigger_mode": "multiple"}
    coloured = parts.coloured
    opened = [
        own.shown,
        own.photo,
        own.scale,
        own.count,
        own.clusters,
        own.sea,
        *parts.groups,
        *coloured.answer,
        *answer,
    ]
    site.links.opens(EXPLORE, handlers.open, opened, **SHARED)
    parts.world.asked.ask(warned_steps(handlers.answer), asked, answer, **runs)
    # Before what needs the server: Gradio answers an event's handlers one after the other.
    own.shown.input(None, own.shown, parts.groups, js=_GROUPS_SHOWN, **QUIET)
    gr.on([own.shown.input, own.places.submit], warned_steps(handlers.draw), asked, answer, **runs)
    changed = [own.scale.input, own.count.release, own.sea.input, own.clusters.release, own.labels.blur]
    changed += [own.photo.upload, own.photo.clear, own.tile.upload, own.tile.clear]
    # Another order of bands reads the file again.
    changed += [own.band_order.input]
    gr.on(changed, warned_steps(handlers.redraw), asked, answer, **runs)
    parts.undo.click(warned_steps(handlers.undo), asked, answer, **runs)
    parts.examples.load_input_event.then(warned_steps(handlers.draw), asked, answer, **runs)
    parts.world.map.save(warned(handlers.save), asked, parts.file, **QUIET, **SHARED)
    # One after the other: a click that comes while the one before is answered counts.
    tiles = {**QUIET, **TURNS, "trigger_mode": "multiple"}
    own.shown.input(warned(handlers.first_tile), [own.shown, own.position], coloured.answer, **tiles)
    coloured.tiles.choose(warned(handlers.choose_tile), asked, coloured.answer, **tiles)
    # Another order of bands reads the file again.
    given = [coloured.file.upload, coloured.band_order.input]
    uploaded = [coloured.file, coloured.band_order]
    gr.on(given, warned(handlers.upload_tile), uploaded, coloured.answer, **tiles)
    coloured.card.save(warned(handlers.coloured.save), coloured.tile, coloured.saved, **QUIET, **SHARED)


def _groups_shown(shown: str) -> list[Any]:
    """The controls of what is shown, and no others, as `_Parts.groups`."""
    return [gr.Column(visible=name == shown) for name in _GROUPS]


class _Handlers:
    """
    Answers to events, a coarse one first: the places and labels as they are now, a value for the map, and its description.
    """

    def __init__(self, site: Site):
        self._served, self._maps = site.served, site.maps
        self._colours, self._clusters = Colours(site.served.grids), Clusters(site.served.grids)
        self._teaching = Teaching(site.served)
        self._newest, self._tiles = Newest(), Newest()
        self._gallery = site.gallery
        self.files, self.coloured = GalleryFiles(site.gallery), ColouredTiles(site.served, site.gallery)

    def answer(self, request: gr.Request, asked: Any, *values: Any) -> Iterator[tuple]:
        """What the map asks for: its pins are places of the query, or labels. What the visitor types stays unless a pin was set."""
        want = wanted(asked)
        for places, labels, value, status in self._drawn(
            asking_of(request), want.view, _clicked(want, Choices(*values))
        ):
            typed = (places, labels) if want.placed else (gr.skip(), gr.skip())
            yield *typed, value | {"turn": want.turn}, status

    def redraw(self, request: gr.Request, asked: Any, *values: Any) -> Iterator[tuple]:
        """What the controls ask for, and a click on the map that is not answered yet."""
        want = wanted(asked)
        yield from self.answer(request, asked, *values) if want.placed else self.draw(request, asked, *values)

    def draw(self, request: gr.Request, asked: Any, *values: Any) -> Iterator[tuple]:
        """What the controls ask for; what the visitor types meanwhile stays."""
        for _, _, value, status in self._drawn(asking_of(request), wanted(asked).view, Choices(*values)):
            yield gr.skip(), gr.skip(), value, status

    def undo(self, request: gr.Request, asked: Any, *values: Any) -> Iterator[tuple]:
        """The same without the last label."""
        want, choices = wanted(asked), Choices(*values)
        if want.placed:
            choices = _clicked(want, choices)
        fewer = replace(choices, labels=without_last(choices.labels))
        yield from self._drawn(asking_of(request), want.view, fewer)

    def save(self, event: gr.EventData, asked: Any, *values: Any) -> dict[str, Any]:
        """The map as a file."""
        layers, _ = self.layers(wanted(asked).view, Choices(*values))
        return save_layer(event, layers)

    def first_tile(self, shown: str, position: int | None) -> tuple:
        """The first tile as colours, once colours are shown."""
        return self.coloured.shown(0) if shown == COLOURS and position is None else 4 * (gr.skip(),)

    def choose_tile(self, event: gr.EventData, request: gr.Request, asked: Any, *values: Any) -> tuple:
        """A tile of the gallery as colours."""
        current = self._tiles.begin(asking_of(request))
        choices = replace(Choices(*values), position=chosen(event, len(self._gallery.tiles)))
        link = link_of(choices, wanted(asked).view, self.files, self._served.coordinates)
        answer = self.coloured.shown(choices.position or 0, link=link["link"])
        # The visitor may have gone back meanwhile.
        return answer if current() else 4 * (gr.skip(),)

    def upload_tile(self, path: str | None, band_order: str) -> tuple:
        """A visitor's own tile as colours."""
        return 4 * (gr.skip(),) if path is None else self.coloured.uploaded(path, band_order)

    def _choices(self, link: Link) -> Choices:
        return choices_of(link, self.files, len(self._gallery.tiles))

    def open(self, link: Link) -> Iterator[tuple]:
        """What a link says."""
        view, choices = link.view(), self._choices(link)
        own = (choices.shown, choices.photo, choices.scale, choices.count, choices.clusters, choices.sea)
        newest = self._tiles.begin(link.asking)()
        tile = self.coloured.shown(choices.position or 0) if choices.shown == COLOURS and newest else 4 * (gr.skip(),)
        for now, labels, value, status in self._drawn(link.asking, view, choices):
            yield *own, *_groups_shown(choices.shown), *tile, now, labels, value | {"view": view}, status

    def _drawn(self, asking: Asking | None, view: Sequence[float], choices: Choices) -> Iterator[tuple]:
        current = self._newest.begin(asking)
        more = {"picking": _PICKING.get(choices.shown, "none")} | link_of(
            choices, view, self.files, self._served.coordinates
        )
        known = (choices.places, choices.labels)
        if choices.shown == TEACH and (few := self._too_few(choices.labels)):
            marks = parse_labels(choices.labels, self._served.coordinates).marks()
            # Below the map, where it is seen at once.
            value = {"marks": marks, "key": f"marks {len(marks)}", "title": few} | more
            yield from while_current([(*known, value, "")], current)
            return
        layers, status = self.layers(view, choices, current)
        yield from while_current(((*known, layer.value() | more, status(layer)) for layer in layers), current)

    def layers(
        self, view: Sequence[float], choices: Choices, current: Callable[[], bool] = always
    ) -> tuple[Iterator[Layer], Callable[[Layer], str]]:
        """What is shown, and what describes a layer of it in Markdown."""
        sea = choices.sea
        if choices.shown == COLOURS:
            return self._colours.draw(view, sea, current), lambda layer: ""
        if choices.shown == CLUSTERS:
            return self._clusters.draw(int(choices.clusters), view, sea, current), lambda layer: ""
        if choices.shown == TEACH:
            labels = parse_labels(choices.labels, self._served.coordinates)
            held_out, layers = self._teaching.draw(labels, view, sea, current)
            return layers, lambda layer: accuracy_text(held_out, labels)
        query = self._maps.query(choices.places, choices.photo, choices.tile, choices.band_order)
        layers = self._maps.layers(query, view, choices.scale, int(choices.count), sea, current)
        return layers, lambda layer: _places_table(self._served, layer)

    def _too_few(self, labels: str) -> str:
        """What is missing before labels can be learned; empty if nothing is."""
        names = parse_labels(labels, self._served.coordinates).names
        if len(names) >= 2:
            return ""
        if not names:
            return "There are no labels yet: click a place on the map."
        return f"All labels are “{names[0]}”: choose another class under “A click marks a place as”, then click places of it."


def _clicked(want: Wanted, choices: Choices) -> Choices:
    """The choices with what was clicked on the map: its pins are places of the query, or labels."""
    if choices.shown == SIMILARITY:
        return replace(choices, places="; ".join(map(numbers_text, want.pins)))
    if choices.shown == TEACH:
        return replace(choices, labels=with_labels(choices.labels, want.pins, choices.marks))
    return choices


def _places_table(served: ServedModel, layer: Layer) -> str:
    """The most similar places, in Markdown."""
    rows = [
        f"| {number} | {degrees_text(lon, lat, 2)}, {near_text(served, lon, lat)} | {number_text(place['similarity'], 3)} |"
        for number, place in enumerate(layer.places, start=1)
        for lon, lat in [(place["lon"], place["lat"])]
    ]
    # A narrow screen cuts off parts of the whole world.
    where = "of the world" if layer.view[2] - layer.view[0] >= 360 else "in this view"
    return "\n".join(
        [
            f"The most similar places {where}, at least {apart_km(layer.view):,.0f} km from each other and from the query. "
            "Similarity is the cosine of the embeddings of the query and of a place’s longitude and latitude.\n",
            "| # | place | cosine |",
            "|--:|---|--:|",
            *rows,
        ]
    )


def _endpoints(site: Site, handlers: _Handlers) -> list[Callable]:
    """What programs can call."""
    world = numbers_text(WORLD)

    def last(view: str, choices: Choices) -> dict:
        layers, _ = handlers.layers(parse_view(view), choices)
        *_, layer = layers
        return layer.value()

    def similarity_map(
        places: str, view: str = world, scale: str = FIXED, count: int = FIRST_COUNT, sea: bool = False
    ) -> dict:
        return site.maps.draw(site.maps.query(places), parse_view(view), scale, count, sea)

    def colour_map(view: str = world, sea: bool = False) -> dict:
        return last(view, Choices(COLOURS, sea=sea))

    def cluster_map(clusters: int = FIRST_CLUSTERS, view: str = world, sea: bool = False) -> dict:
        return last(view, Choices(CLUSTERS, clusters=clusters, sea=sea))

    def taught_map(labels: str, view: str = world, sea: bool = False) -> dict:
        return last(view, Choices(TEACH, labels=labels, sea=sea))

    return [similarity_map, colour_map, cluster_map, taught_map]
