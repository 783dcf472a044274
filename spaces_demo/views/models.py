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
"""Two models: what each makes of the world, on maps that move together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import gradio as gr

from serving.colours import Colours
from serving.layers import Layer
from serving.model import ServedModel
from serving.text import numbers_text
from serving.turns import SHARED, Asking, Newest, always, while_current
from serving.world_maps import FIXED, WorldMaps
from views.link import MODELS, Link, address
from views.saving import save_layer
from views.site import Site
from widgets.events import QUIET, asking_of, wanted, warned, warned_steps
from widgets.map import FORMATS, WorldMap, world_map
from widgets.tile import download

SIMILARITY, COLOURS = "similarity", "colours"
_SHOWN = {"Similar places": SIMILARITY, "Embeddings as colours": COLOURS}
_FIRST = "13.40, 52.52"
_LISTED = 5


@dataclass(frozen=True)
class _Parts:
    """The components of the tab; `worlds` and `notes` are those of the first and of the second model."""

    shown: gr.Radio
    place: gr.Textbox
    worlds: list[WorldMap]
    notes: list[gr.Markdown]
    saved: gr.HTML


class _Drawn:
    """The maps of one model."""

    def __init__(self, served: ServedModel, maps: WorldMaps):
        self.note = f"**{served.name[0].upper()}{served.name[1:]}**. {served.note}"
        self._maps, self._colours = maps, Colours(served.grids)

    def layers(self, shown: str, place: str, view: Sequence[float], current: Callable[[], bool]) -> Iterator[Layer]:
        """The layers of what is shown, with the place as a pin: coarse cells first, if fine ones take time."""
        query = self._maps.query(place)
        if shown == SIMILARITY:
            yield from self._maps.layers(query, view, FIXED, _LISTED, current=current)
        else:
            for layer in self._colours.draw(view, current=current):
                yield replace(layer, pins=query.places)


def add_tab(site: Site) -> None:
    """Builds the view inside its `gr.Tab`."""
    parts, handlers = _lay_out(), _Handlers(site)
    asked = [parts.shown, parts.place]
    answer = [parts.place, *(world.map for world in parts.worlds), *parts.notes]
    # A new request is sent at once, so that the server can stop computing the one before.
    runs = {**QUIET, **SHARED, "trigger_mode": "multiple"}
    site.links.opens(MODELS, handlers.open, [parts.shown, *answer], **SHARED)
    for number, world in enumerate(parts.worlds):
        world.asked.ask(warned_steps(handlers.answers_of(number)), [world.asked, *asked], answer, **runs)
        world.map.save(warned(handlers.save_of(number)), [world.asked, *asked], parts.saved, **QUIET, **SHARED)
    worlds = [world.asked for world in parts.worlds]
    parts.shown.input(warned_steps(handlers.redraw), [*worlds, *asked], answer, **runs)
    parts.place.submit(warned_steps(handlers.draw), [worlds[0], *asked], answer, **runs)


def _lay_out() -> _Parts:
    gr.Markdown(
        "One place, two models: click on either map. The maps move together. Each has the colours of its own model, and cells only as "
        "fine as that model tells places apart. An untrained model shows what comes from the encoding of coordinates alone."
    )
    with gr.Row():
        shown = gr.Radio(list(_SHOWN.items()), value=SIMILARITY, label="Show", min_width=300, elem_id="models-shown")
        place = gr.Textbox(
            label="Place (longitude, latitude in degrees)",
            max_length=100,
            submit_btn="Show",
            min_width=300,
            elem_id="models-place",
        )
    worlds, notes = [], []
    with gr.Row():
        for name in ("first", "second"):
            with gr.Column(min_width=320):
                notes.append(gr.Markdown(elem_id=f"models-{name}-note"))
                worlds.append(
                    world_map(
                        f"models-{name}",
                        adding=False,
                        label=f"World map of the {name} model",
                        linked="models",
                        formats=tuple(FORMATS),
                    )
                )
    return _Parts(shown, place, worlds, notes, download("models-saved"))


class _Handlers:
    """Answers to events: the place, a value for each map, and what is said of each model."""

    def __init__(self, site: Site):
        self._first = _Drawn(site.served, site.maps)
        self._other, self._newest = site.other, Newest()
        self._made: _Drawn | None = None
        self._making = Lock()

    @property
    def _second(self) -> _Drawn:
        """Made once, when it is first needed: it takes memory and time that not every visitor asks for."""
        with self._making:
            if self._made is None:
                other = self._other()
                self._made = _Drawn(other, WorldMaps(other))
            return self._made

    def answers_of(self, number: int) -> Callable:
        """The handler of what one map asks for: its pin is the place of both."""

        def answer(request: gr.Request, asked: Any, shown: str, place: str) -> Iterator[tuple]:
            want = wanted(asked)
            place = numbers_text(want.pins[-1]) if want.pins else place
            for said, *values, first, second in self._drawn(asking_of(request), shown, place, want.view):
                values[number] = _with(values[number], turn=want.turn)
                # What the visitor types stays unless a pin was set.
                yield said if want.placed else gr.skip(), *values, first, second

        return answer

    def save_of(self, number: int) -> Callable:
        """The handler that gives one map as a file."""

        def save(event: gr.EventData, asked: Any, shown: str, place: str) -> dict[str, Any]:
            model = self._second if number else self._first
            return save_layer(event, model.layers(shown, place, wanted(asked).view, always))

        return save

    def redraw(self, request: gr.Request, first: Any, second: Any, shown: str, place: str) -> Iterator[tuple]:
        """What is to be shown, of a click on one of the maps if it is not answered yet."""
        clicked = [want.pins[-1] for want in (wanted(first), wanted(second)) if want.placed and want.pins]
        yield from self.draw(request, first, shown, numbers_text(clicked[0]) if clicked else place)

    def draw(self, request: gr.Request, asked: Any, shown: str, place: str) -> Iterator[tuple]:
        """What the controls ask for."""
        yield from self._drawn(asking_of(request), shown, place, wanted(asked).view)

    def open(self, link: Link) -> Iterator[tuple]:
        """What a link says."""
        shown = link.one_of("show", _SHOWN.values(), SIMILARITY)
        view = link.view()
        for said, *values, first, second in self._drawn(link.asking, shown, link.parts.get("at", _FIRST), view):
            yield shown, said, *(_with(value, view=view) for value in values), first, second

    def _drawn(self, asking: Asking | None, shown: str, place: str, view: Sequence[float]) -> Iterator[tuple]:
        current = self._newest.begin(asking)
        link = address(tab=MODELS, show=None if shown == SIMILARITY else shown, at=place, view=tuple(view))
        # Every answer has all that is known: browsers may lose a map whose answer is followed by one without it.
        values, notes = [gr.skip(), gr.skip()], [gr.skip(), gr.skip()]
        for number in range(2):
            # The second may have to be made, for which the first does not wait.
            model = self._second if number else self._first
            for value in while_current((layer.value() for layer in model.layers(shown, place, view, current)), current):
                values[number], notes[number] = value | {"link": link}, model.note
                yield place, *values, *notes


def _with(value: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The value of a map with more parts, unless it is not known yet."""
    return value if value == gr.skip() else value | more
