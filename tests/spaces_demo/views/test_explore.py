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
"""Explore without a browser: what each choice shows, labels by clicks and their undoing, links and files."""

from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.labels import MINUS, PLUS
from serving.world_maps import WorldMaps
from views.explore import CLUSTERS, COLOURS, TEACH, _Choices, _Handlers
from views.link import Link

VISITOR = SimpleNamespace(session_hash="a visitor")
TAUGHT = f"5, 25, {PLUS}\n-60, -5, {MINUS}"


@pytest.fixture(scope="module")
def handlers(served_model):
    return _Handlers(SimpleNamespace(served=served_model, maps=WorldMaps(served_model)))


def asked(*pins, turn=1):
    return {"view": [-180, -90, 180, 90], "pins": list(pins), "boxes": {}, "opened": None, "turn": turn}


def last(steps):
    return list(steps)[-1]


def test_a_click_is_a_place_of_the_query(handlers):
    places, labels, value, status = last(
        handlers.answer(VISITOR, asked([13.4, 52.5], turn=7), *vars(_Choices()).values())
    )
    assert (places, labels, value["turn"]) == ("13.4, 52.5", "", 7) and value["pins"] == [{"lon": 13.4, "lat": 52.5}]
    assert len(value["places"]) == 5 and status.count("\n|") == 7 and "at=13.4" in value["link"]


def test_a_click_is_a_label_where_labels_are_taught(handlers):
    choices = _Choices(TEACH, labels=f"5, 25, {PLUS}", marks=MINUS)
    _, labels, value, status = last(handlers.answer(VISITOR, asked([-60, -5]), *vars(choices).values()))
    assert labels == TAUGHT and [mark["kind"] for mark in value["marks"]] == ["plus", "minus"] and not value["pins"]
    assert "probability" in value["unit"] and "cannot be measured with these 2 labels" in status
    _, labels, value, status = last(handlers.undo(VISITOR, asked(), *vars(_Choices(TEACH, labels=TAUGHT)).values()))
    assert (
        labels == f"5, 25, {PLUS}"
        and len(value["marks"]) == 1
        and "cells" not in value
        and "choose another class" in status
    )


@pytest.mark.parametrize(("shown", "part"), [(COLOURS, "colours"), (CLUSTERS, "classes")])
def test_the_world_is_drawn_without_a_query(handlers, shown, part):
    *_, value, status = last(handlers.draw(VISITOR, asked(), *vars(_Choices(shown)).values()))
    assert part in value and f"show={shown}" in value["link"] and handlers._served.name in status


def test_a_link_says_what_is_shown(handlers):
    shown, *_, value, _ = last(handlers.open(Link("Explore", {"show": CLUSTERS, "view": "-10,30,30,50"})))
    assert shown == CLUSTERS and "classes" in value and value["view"] == [-10, 30, 30, 50]
    with pytest.raises(ValueError, match="does not know"):
        last(handlers.open(Link("Explore", {"show": "x"})))


@pytest.mark.parametrize("kind", ["tif", "geojson", "csv"])
def test_what_is_shown_can_be_saved(handlers, kind):
    file = handlers.saved_as(kind)(asked(), *vars(_Choices(TEACH, labels=TAUGHT)).values())["file"]
    assert file["name"] == f"gair-world.{kind}" and len(file["content"]) > 100
