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
"""What the browser sends, and how errors reach visitors and programs."""

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
import gradio as gr

from serving.turns import Asking, Superseded
from widgets.events import Wanted, event_numbers, for_programs, numbered, wanted, warned, warned_steps
from widgets.map import world_map


@pytest.mark.parametrize(
    "data",
    [None, "x", {}, {"lon": 1}, {"lon": "1", "lat": 2}, {"lon": 10**400, "lat": 0}, {"lon": float("nan"), "lat": 0}],
)
def test_what_the_browser_sends_is_checked(data):
    with pytest.raises(ValueError, match="expected numbers"):
        event_numbers(gr.EventData(None, data), "lon", "lat")


def test_what_a_map_wants_is_read():
    value = {
        "view": [170, -10, 200.5, 10],
        "pins": [[1, 2], [-180, 90]],
        "placed": True,
        "boxes": {"A": [170, 0, -170, 5]},
        "opened": "t1",
        "turn": 3,
    }
    assert wanted(value) == Wanted((170, -10, 200.5, 10), ((1, 2), (-180, 90)), True, {"A": (170, 0, -170, 5)}, "t1", 3)


def test_a_map_wants_nothing_before_the_visitor_does():
    with gr.Blocks():
        first = wanted(world_map("a-map").asked.value)
    assert first == Wanted((-180, -90, 180, 90), (), False, {}, None, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"view": [0, 0, 0, 1]},
        {"view": [0, 0, 500, 1]},
        {"view": [0, float("nan"), 1, 1]},
        {"view": "0123"},
        {"pins": [[1]]},
        {"pins": [[181, 0]]},
        {"pins": [[0, "1"]]},
        {"pins": [[0, 10**400]]},
        {"pins": [[0, 0]] * 201},
        {"placed": 1},
        {"boxes": [[0, 0, 1, 1]]},
        {"boxes": {"A": [0, 1, 1, 0]}},
        {"opened": ["x"]},
        {"opened": "x" * 1000},
        {"turn": "1"},
        {"turn": -1},
        {"turn": None},
    ],
)
def test_what_a_map_wants_is_checked(changed):
    value = {"view": [0, 0, 1, 1], "pins": [], "boxes": {}, "opened": None, "placed": True, "turn": 0}
    for sent in (value | changed, {name: part for name, part in value.items() if name not in changed}, None, "x"):
        with pytest.raises(ValueError, match="expected a view, pins and boxes; reload the page"):
            wanted(sent)


def test_visitors_see_an_error_as_an_escaped_warning(monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", lambda text, duration: said.append(text))

    def refuse():
        raise ValueError("'<img src=x>' came")

    assert warned(refuse)() == gr.skip() and said == ["&#x27;&lt;img src=x&gt;&#x27; came"]


def test_only_a_request_that_nobody_waits_for_ends_with_a_skip(monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", lambda text, duration: said.append(text))

    def steps(error):
        yield {"drawn": 1}
        if error:
            raise error

    # A skip that follows a value at once makes browsers lose that value.
    assert list(warned_steps(steps)(None)) == [{"drawn": 1}]
    assert list(warned_steps(steps)(Superseded())) == [{"drawn": 1}, gr.skip()] and not said
    assert list(warned_steps(steps)(ValueError("no such place"))) == [{"drawn": 1}, gr.skip()] and said == [
        "no such place"
    ]


def test_what_changes_the_address_or_moves_a_map_says_which_request_it_answers():
    answer = ("typed", {"link": "tab=Start"}, {"view": [0, 0, 1, 1]}, gr.skip(), {"title": "of a card"})
    assert numbered(answer, None) == answer
    place, link, view, *others = numbered(answer, Asking("a visitor", 7))
    assert (place, *others) == (answer[0], *answer[3:]) and link["request"] == view["request"] == 7


def test_programs_get_an_error_with_the_message():
    def refuse(text: str):
        raise ValueError(f"{text} is wrong")

    with pytest.raises(gr.Error, match="this is wrong"):
        for_programs(refuse)("this")


@pytest.mark.parametrize(
    "arguments", [(None,), (5,), ("x", "5"), ("x", 5.0), ("x", True), ("x", 5, 1), ("x", 5, "yes")]
)
def test_programs_are_told_which_argument_has_another_type(arguments):
    def draw(place: str, count: int = 5, sea: bool = False):
        return place, count, sea

    assert for_programs(draw)("x", 5, True) == ("x", 5, True)
    with pytest.raises(gr.Error, match=r"(place|count|sea) is .*, expected (a text|a whole number|true or false)"):
        for_programs(draw)(*arguments)
