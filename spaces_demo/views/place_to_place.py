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
"""Place to place: two boxes, compared by the distributions of their places' embeddings."""

from typing import Any
from urllib.parse import urlencode

import gradio as gr

from serving.gallery import Gallery
from serving.loaded import Loaded, on_gpu
from serving.similarity import Comparison, compare_distributions, spread_in_box
from widgets.maps import HANDLER, TURNS, box_map, numbers, typed_numbers, warned

_PLACES = 256
_SHUFFLES = 199
Box = tuple[float, float, float, float]
_FIRST = {"A": "-10, 36, 30, 60", "B": "-75, -20, -45, 5"}
_EXAMPLES = {
    "Europe and the Amazon": list(_FIRST.values()),
    "Two halves of one region": ["0, 45, 10, 55", "10, 45, 20, 55"],
    "Across the date line": ["170, -25, -170, -10", "150, -25, 170, -10"],
}
_EXPLAINED = (
    "The difference is the energy coefficient of the two sets of embeddings: 0 when they have one distribution, 1 when each "
    "box is all alike and the two have nothing in common. It sees what means hide: a box of two extremes is not like a box of their middle. "
    "*p* is the share of random regroupings of all these places that differ as much; neighbours are alike, so take it as a lower bound."
)


def parse_box(text: str, name: str) -> Box:
    """
    Bounds that a visitor typed or drew: west, south, east, north in degrees; west > east across the antimeridian.

    Raises:
        ValueError: no such box.
    """
    west, south, east, north = typed_numbers(text, 4, f"box {name} as west, south, east, north, as in {_FIRST['A']}")
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
        raise ValueError(
            f"Box {name} is {text[:60]!r}, expected longitudes in −180 to 180, and south under north in −90 to 90; correct it."
        )
    return west, south, east, north


class BoxComparison:
    """Compares boxes by one model."""

    def __init__(self, loaded: Loaded):
        self._places = on_gpu(loaded.places)

    def compare(self, first: str, second: str) -> tuple[dict[str, Box], Comparison]:
        """
        Embeds about 256 places in each of two boxes, and compares them.

        Args:
            first, second (`str`): west, south, east, north in degrees.

        Returns:
            `tuple` of the boxes by name, and the [`Comparison`].

        Raises:
            ValueError: no such box.
        """
        boxes = {"A": parse_box(first, "A"), "B": parse_box(second, "B")}
        first_embeds, second_embeds = (self._places(*spread_in_box(*box, _PLACES)) for box in boxes.values())
        return boxes, compare_distributions(first_embeds, second_embeds, _SHUFFLES)


def sentence(found: Comparison) -> str:
    """What the numbers mean, for anybody."""
    if found.p_value > 0.05:
        judged = "these places do not show a difference"
    elif found.difference < 0.1:
        judged = "a small difference, though hardly chance"
    elif found.difference < 0.4:
        judged = "clearly different mixes of places"
    else:
        judged = "very different mixes of places"
    return (
        f"## Difference {found.difference:.2f}: {judged}\n\n"
        f"*p* = {found.p_value:.3f}, of {_SHUFFLES} regroupings; 0 is the same mix, 1 nothing in common.\n\n"
        "| places | mean cosine |\n|---|--:|\n"
        f"| within A | {found.cosine_within_first:.3f} |\n"
        f"| within B | {found.cosine_within_second:.3f} |\n"
        f"| between A and B | {found.cosine_between:.3f} |"
    )


def add_tab(loaded: Loaded, gallery: Gallery) -> None:
    """
    Builds the tab, inside `gr.Blocks`.

    Args:
        loaded ([`Loaded`]): the model.
        gallery ([`Gallery`]): not needed here; tabs are built alike.
    """
    comparison = BoxComparison(loaded)
    gr.Markdown("Draw two boxes: how different are the places in them, by the model's embeddings of each?")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            drawn = box_map("box-map")
        with gr.Column(scale=1, min_width=280):
            boxes = [
                gr.Textbox(
                    _FIRST[name],
                    label=f"Box {name} (west, south, east, north in degrees)",
                    max_length=100,
                    submit_btn="Compare",
                    elem_id=f"box-{name.lower()}",
                )
                for name in "AB"
            ]
            result = gr.Markdown(elem_id="comparison")
    gr.Markdown(f"{_EXPLAINED} About {_PLACES} places a box, by **{loaded.name}**. {loaded.note}")

    def compare(first: str, second: str) -> tuple:
        found_boxes, found = comparison.compare(first, second)
        value = {"boxes": found_boxes, "link": urlencode({"a": first.replace(" ", ""), "b": second.replace(" ", "")})}
        return value, sentence(found)

    def draw(event: gr.EventData, first: str, second: str) -> tuple:
        bounds = ", ".join(f"{edge:.2f}" for edge in numbers(event, "west", "south", "east", "north"))
        first, second = (bounds, second) if event._data.get("which") == "A" else (first, bounds)
        return first, second, *compare(first, second)

    def restore(request: gr.Request) -> tuple:
        asked = dict(request.query_params)
        first, second = asked.get("a", _FIRST["A"]), asked.get("b", _FIRST["B"])
        value, said = compare(first, second)
        # The address stays as it came until the visitor asks for something else.
        return first, second, {"boxes": value["boxes"]}, said

    outputs = [drawn, result]
    gr.on(None, warned(restore), None, [*boxes, *outputs], **HANDLER)
    drawn.box(warned(draw), boxes, [*boxes, *outputs], trigger_mode="always_last", **HANDLER)
    gr.on([box.submit for box in boxes], warned(compare), boxes, outputs, trigger_mode="always_last", **HANDLER)
    examples = gr.Examples(
        list(_EXAMPLES.values()), boxes, example_labels=list(_EXAMPLES), label="Try", api_visibility="private"
    )
    examples.load_input_event.then(warned(compare), boxes, outputs, **HANDLER)
    gr.api(_api(comparison), api_name="compare_boxes", **TURNS)


def _api(comparison: BoxComparison) -> Any:
    """The comparison for programs, as `gradio_client` calls it."""

    def compare_boxes(first: str, second: str) -> dict:
        try:
            _, found = comparison.compare(first, second)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return vars(found)

    return compare_boxes
