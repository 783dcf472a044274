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
"""Links: what an address asks for, and addresses that cannot be used."""

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
import gradio as gr

from serving.turns import Asking, Superseded
from tests.helpers.space import request
from views import link
from views.link import BOXES, COMPARE, EXPLORE, FIND, START, TABS, Link, address


def asked(**parts):
    return link.read(request(**parts))


def test_a_link_says_what_it_was_made_of():
    made = address(tab=START, tile=3, point=(0.25, 0.5), photo=None)
    assert made == "tab=Start&tile=3&point=0.25,0.5"
    read = asked(tab="Start", tile="3", point="0.25,0.5")
    assert read.tab == START and read.position("tile", 24) == 3 and read.numbers("point", 2) == [0.25, 0.5]
    assert read.position("photo", 96) is None and read.numbers("place", 2) is None


def test_links_of_earlier_versions_open_their_views():
    assert asked(at="13.4,52.5").tab == EXPLORE and asked(a="1,2,3,4").tab == BOXES and asked().tab == START


@pytest.mark.parametrize("text", ["24", "-1", "1.5", "x", "", "9" * 50, "0" * 20 + "24", "٣"])
def test_positions_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="there are 24"):
        Link(FIND, {"tile": text}).position("tile", 24)


@pytest.mark.parametrize("text", ["1", "1,2,3", "a,b", "nan,1", "inf,1", "1e9,1", ""])
def test_numbers_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="expected 2 numbers"):
        Link(FIND, {"point": text}).numbers("point", 2)


def test_a_link_that_cannot_be_used_shows_the_view_from_the_beginning_and_says_so(monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", lambda text, duration: said.append(text))

    def view(found):
        return found.position("tile", 24) or 0, {"drawn": True, "link": "tab=Compare"}

    # What a link opens keeps its address.
    shown = {"drawn": True, "opened": COMPARE}
    assert list(link._answers(view, Link(COMPARE, {"tile": "3"}))) == [(3, shown)] and not said
    assert list(link._answers(view, Link(COMPARE, {"tile": "<b>"}))) == [(0, shown)]
    assert len(said) == 1 and "from the beginning" in said[0] and "<b>" not in said[0]
    assert list(link._answers(view, Link(COMPARE, {"tile": "3", "more": 5000 * "x"}))) == [(0, shown)]
    assert "more than 4000 characters" in said[1]


@pytest.mark.parametrize("tab", ["<Nowhere>", "Yours"])
def test_a_view_that_the_page_lacks_is_said_and_the_first_one_shown(monkeypatch, tab):
    said, asks = [], request(7, tab=tab)
    monkeypatch.setattr(gr, "Warning", lambda text, duration: said.append(text))
    with gr.Blocks():
        links = link.Links(TABS[:-1])
    found = link.read(asks, TABS[:-1])
    assert list(links._opened(lambda opened: (opened.asking,), found, asks)) == [(Asking("a visitor", 7),)]
    assert found.tab == START and len(said) == 1 and "has no view" in said[0] and "<" not in said[0]
    asks = request(8, tab=BOXES)
    assert list(links._opened(lambda opened: (opened.tab,), link.read(asks), asks)) == [(BOXES,)] and len(said) == 1


def test_a_view_may_answer_several_times_until_something_else_is_wanted():
    def steps(found):
        yield 1, {"link": ""}
        yield 2, {"link": ""}
        raise Superseded

    # Gradio sends the last answer once more, when newer answers may be there already.
    opened = {"opened": START}
    assert list(link._answers(steps, Link(START))) == [(1, opened), (2, opened), gr.skip()]


@pytest.mark.parametrize("text", ["1", "13", "-2", "2.0", "", "9" * 5000, "0" * 20 + "2"])
def test_whole_numbers_out_of_range_are_refused(text):
    assert Link(FIND, {"count": "2"}).whole("count", 5, 2, 12) == 2 and Link(FIND).whole("count", 5, 2, 12) == 5
    with pytest.raises(ValueError, match="expected 2 to 12"):
        Link(FIND, {"count": text}).whole("count", 5, 2, 12)


def test_a_choice_is_one_that_the_view_knows_and_a_view_is_a_part_of_the_world():
    found = Link(EXPLORE, {"scale": "magic", "sea": "1", "view": "0,0,20,10"})
    assert found.one_of("sea", ("0", "1"), "0") == "1" and found.one_of("show", ("a", "b"), "a") == "a"
    assert found.view() == [0, 0, 20, 10] and Link(EXPLORE).view() == [-180, -90, 180, 90]
    with pytest.raises(ValueError, match="“scale” is 'magic', expected one of fixed, full"):
        found.one_of("scale", ("fixed", "full"), "fixed")
    with pytest.raises(ValueError, match="expected a view"):
        Link(EXPLORE, {"view": "0,0,20"}).view()
