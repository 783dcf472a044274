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
"""Boxes: two regions, compared by the distributions of the location embeddings in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from serving.box_files import BOX_WRITERS
from serving.boxes import PLACES_PER_BOX, SHUFFLES, BoxComparison
from serving.distributions import DistributionComparison
from serving.text import number_text
from views.link import BOXES, Link, address
from views.saving import file_value, format_of
from views.site import Site
from widgets.events import QUIET, TURNS, for_programs, wanted, warned
from widgets.map import WorldMap, world_map
from widgets.tile import download

_FIRST = {"A": "-10, 36, 30, 60", "B": "-75, -20, -45, 5"}
_EXAMPLES = {
    "Europe and the Amazon": list(_FIRST.values()),
    "Two halves of one region": ["0, 45, 10, 55", "10, 45, 20, 55"],
    "Across the date line": ["170, -25, -170, -10", "150, -25, 170, -10"],
}
_EXPLAINED = (
    "The difference is the energy coefficient of the two sets of embeddings: 0 if both have the same distribution, 1 if the "
    "places within each box are identical and the boxes have nothing in common. It reveals what means hide: a box with two "
    "extremes differs from a box with their average. *p* is the fraction of random regroupings of all these places that "
    "differ at least as much; neighbouring places are similar, so the true value is higher."
)


@dataclass(frozen=True)
class _Parts:
    """The components of the tab; `boxes` are A and B."""

    world: WorldMap
    boxes: list[gr.Textbox]
    result: gr.Markdown
    examples: Any
    saved: gr.HTML


def add_tab(site: Site) -> None:
    """Builds the view inside its `gr.Tab`."""
    comparison = BoxComparison(site.served)
    _connect(site, _lay_out(), _Handlers(comparison))
    gr.api(_endpoint(comparison), api_name="compare_boxes", **TURNS)


def _lay_out() -> _Parts:
    gr.Markdown(
        "Draw two boxes: how different are the places in them, by the model's location embeddings? Choose “Draw box A” or “Draw box B”, "
        "then drag from corner to corner on the map, with the mouse or a finger."
    )
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            drawn = world_map(
                "box-map", drawing=list(_FIRST), label="World map with two boxes", formats=tuple(BOX_WRITERS)
            )
        with gr.Column(scale=1, min_width=280):
            boxes = [
                gr.Textbox(
                    first,
                    label=f"Box {name} (west, south, east, north in degrees)",
                    max_length=100,
                    submit_btn="Compare",
                    elem_id=f"box-{name.lower()}",
                )
                for name, first in _FIRST.items()
            ]
            result = gr.Markdown(elem_id="comparison")
    gr.Markdown(f"{_EXPLAINED} About {PLACES_PER_BOX} places in each box are compared.")
    examples = gr.Examples(
        list(_EXAMPLES.values()), boxes, example_labels=list(_EXAMPLES), label="Try", api_visibility="private"
    )
    return _Parts(drawn, boxes, result, examples, download("boxes-saved"))


def _connect(site: Site, parts: _Parts, handlers: "_Handlers") -> None:
    answer = [parts.world.map, parts.result]
    drawn = [*parts.boxes, *answer]
    runs = {**QUIET, **TURNS}
    site.links.opens(BOXES, handlers.open, drawn, **TURNS)
    parts.world.asked.ask(warned(handlers.answer), parts.world.asked, drawn, trigger_mode="always_last", **runs)
    parts.world.map.save(warned(handlers.save), parts.boxes, parts.saved, **QUIET, **TURNS)
    submitted = [box.submit for box in parts.boxes]
    gr.on(submitted, warned(handlers.compare), parts.boxes, answer, trigger_mode="always_last", **runs)
    parts.examples.load_input_event.then(warned(handlers.compare), parts.boxes, answer, **runs)


class _Handlers:
    """Answers to events: a value for the map and the result in Markdown, after the boxes if they change."""

    def __init__(self, comparison: BoxComparison):
        self._comparison = comparison

    def compare(self, first: str, second: str) -> tuple:
        boxes, found = self._comparison.compare(first, second)
        link = address(tab=BOXES, a=first.replace(" ", ""), b=second.replace(" ", ""))
        return {"boxes": boxes, "link": link}, sentence(found)

    def answer(self, asked: Any) -> tuple:
        want = wanted(asked)
        if set(want.boxes) != set(_FIRST):
            raise ValueError(f"The boxes are {', '.join(want.boxes) or 'none'}, expected A and B; draw both.")
        first, second = (", ".join(f"{edge:.2f}" for edge in want.boxes[name]) for name in _FIRST)
        value, result = self.compare(first, second)
        return first, second, value | {"turn": want.turn}, result

    def save(self, event: gr.EventData, first: str, second: str) -> dict[str, Any]:
        wanted = format_of(event, BOX_WRITERS)
        return file_value(f"gair-boxes.{wanted}", BOX_WRITERS[wanted](*self._comparison.compare(first, second)))

    def open(self, link: Link) -> tuple:
        first, second = link.parts.get("a", _FIRST["A"]), link.parts.get("b", _FIRST["B"])
        value, result = self.compare(first, second)
        return first, second, value | {"view": link.view()}, result


def sentence(found: DistributionComparison) -> str:
    """The result of a comparison in plain words, as Markdown."""
    if found.p_value > 0.05:
        judged = "these places do not show a difference"
    elif found.difference < 0.1:
        judged = "a small difference, though unlikely to be chance"
    elif found.difference < 0.4:
        judged = "clearly different mixes of places"
    else:
        judged = "very different mixes of places"
    return (
        f"## Difference {found.difference:.2f}: {judged}\n\n"
        f"*p* = {found.p_value:.3f}, from {SHUFFLES} regroupings; 0 is the same mix, 1 nothing in common.\n\n"
        "| places | mean cosine |\n|---|--:|\n"
        f"| within A | {number_text(found.cosine_within_first, 3)} |\n"
        f"| within B | {number_text(found.cosine_within_second, 3)} |\n"
        f"| between A and B | {number_text(found.cosine_between, 3)} |"
    )


def _endpoint(comparison: BoxComparison) -> Callable:
    def compare_boxes(first: str, second: str) -> dict:
        _, found = comparison.compare(first, second)
        return vars(found)

    return for_programs(compare_boxes)
