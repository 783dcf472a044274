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
"""
Links: the address of the page says what it shows, and opening an address shows it again.

A link is a query string such as `tab=Start&photo=12`: the name of a tab, and what its view needs. The browser sends the present
address with every event, so a handler that takes a `gr.Request` can read it at any time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from serving.grids import WORLD
from serving.turns import Asking, Superseded
from serving.visitors import for_visitors
from serving.world_maps import parse_view
from widgets.address import BOXES, COMPARE, EXPLORE, FIND, MODELS, START, TABS, YOURS, address, address_bar
from widgets.events import QUIET, asking_of, at_the_end, numbered, superseded, warn

__all__ = [
    "BOXES",
    "COMPARE",
    "EXPLORE",
    "FIND",
    "MODELS",
    "START",
    "TABS",
    "YOURS",
    "Link",
    "Links",
    "address",
    "read",
]
# Characters of a part. Browsers and chats shorten addresses that are much longer.
LONGEST = 4000


@dataclass(frozen=True)
class Link:
    """
    What an address asks for.

    Attributes:
        tab (`str`): one of `TABS`.
        parts (`Mapping[str, str]`): everything else, as text that is not to be trusted.
        asking ([`Asking`], *optional*): which request of which visitor it is.
    """

    tab: str = START
    parts: Mapping[str, str] = field(default_factory=dict)
    asking: Asking | None = None

    def position(self, name: str, count: int) -> int | None:
        """
        A position, from 0, among `count` things; None if the link does not say.

        Raises:
            ValueError: if it is none of them.
        """
        if name not in self.parts:
            return None
        number = _whole_number(self.parts[name])
        if number is None or number >= count:
            raise ValueError(f"the {name} is {self.parts[name][:20]!r}, and there are {count}")
        return number

    def whole(self, name: str, otherwise: int, least: int, most: int) -> int:
        """
        A whole number from `least` to `most`; `otherwise` if the link does not say.

        Raises:
            ValueError: if it is none.
        """
        text = self.parts.get(name, str(otherwise))
        number = _whole_number(text)
        if number is None or not least <= number <= most:
            raise ValueError(f"“{name}” is {text[:20]!r}, expected {least} to {most}")
        return number

    def one_of(self, name: str, known: Iterable[str], otherwise: str) -> str:
        """
        One of the texts that a view knows; `otherwise` if the link does not say.

        Raises:
            ValueError: if it is none.
        """
        text = self.parts.get(name, otherwise)
        if text not in known:
            raise ValueError(f"“{name}” is {text[:20]!r}, expected one of {', '.join(known)}")
        return text

    def view(self) -> list[float]:
        """
        The part of the world that a map shows: west, south, east, north in degrees; the whole world if the link does not say.

        Raises:
            ValueError: as in `parse_view`.
        """
        return parse_view(self.parts["view"]) if "view" in self.parts else list(WORLD)

    def numbers(self, name: str, count: int) -> list[float] | None:
        """
        Numbers separated by commas; None if the link does not say.

        Raises:
            ValueError: if they are not `count` finite numbers of at most 1000.
        """
        if name not in self.parts:
            return None
        try:
            values = [float(part) for part in self.parts[name].split(",")]
        except ValueError:
            values = []
        if len(values) != count or not all(abs(value) <= 1000 for value in values):
            raise ValueError(f"the {name} is {self.parts[name][:40]!r}, expected {count} numbers")
        return values


def _whole_number(text: str) -> int | None:
    """A whole number of up to nine digits, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def read(request: gr.Request, tabs: Sequence[str] = TABS) -> Link:
    """The present address of a page with these tabs. An unknown tab is that of a view that reads such parts, or else the first."""
    parts = dict(request.query_params)
    tab = parts.pop("tab", "")
    if tab not in tabs:
        # Links without a tab come from earlier versions of the page.
        tab = EXPLORE if "at" in parts else BOXES if "a" in parts else START
    return Link(tab, parts, asking_of(request))


class Links:
    """
    Opens links in one page: when it is loaded, when the visitor goes back or forward, when a link in it is followed, and when a tab
    is shown for the first time.
    """

    def __init__(self, tabs: Sequence[str] = TABS):
        self._tabs, self._bar = tabs, address_bar(tabs)

    def opens(self, tab: str, handler: Callable[[Link], Any], outputs: Sequence[Any], **runs: Any) -> None:
        """
        Registers the view of a tab.

        Args:
            tab (`str`): one of the page's.
            handler (`Callable`): returns the values of the outputs for a [`Link`], or yields them several times; a `ValueError` says
                what is wrong with the link.
            outputs (`Sequence`): Gradio components.
            runs: further arguments of the event.
        """

        def opened(request: gr.Request) -> Iterator[Any]:
            asked = read(request, self._tabs)
            # The visitor may be elsewhere already.
            yield from self._opened(handler, asked, request) if asked.tab == tab else [gr.skip()]

        event = getattr(self._bar, tab)(opened, None, outputs, trigger_mode="multiple", **QUIET, **runs)
        at_the_end(event, f"gairEnded('{tab}')")

    def selects(self, tabs: gr.Tabs, compared: gr.Tabs) -> None:
        """Registers the tabs of the page and those in Compare, of which a link opens one."""
        self._bar.show(None, None, [tabs, compared], js="gairSelected", trigger_mode="multiple", **QUIET)

    def _opened(self, handler: Callable[[Link], Any], link: Link, request: gr.Request) -> Iterator[Any]:
        unknown = request.query_params.get("tab", link.tab)
        if unknown not in self._tabs:
            warn(f"The page has no view “{unknown[:20]}”; it shows its first one.")
        yield from _answers(handler, link)


def _answers(handler: Callable[[Link], Any], link: Link) -> Iterator[Any]:
    """
    The answers to a link, one or several after each other; or those to a link that says nothing but the tab, with a message, if
    this one cannot be used.
    """
    try:
        if any(len(part) > LONGEST for part in link.parts.values()):
            raise ValueError(f"a part of it has more than {LONGEST} characters")
        yield from (numbered(_opened_by(link, answer), link.asking) for answer in _in_steps(handler(link)))
    except Superseded:
        yield superseded()
    except ValueError as error:
        if not link.parts:
            raise
        said = for_visitors(str(error)).rstrip(".")
        warn(f"The link cannot be opened as it is: {said}. Its view is shown from the beginning.")
        yield from _answers(handler, Link(link.tab, asking=link.asking))


def _in_steps(answer: Any) -> Iterator[tuple]:
    return iter([answer]) if isinstance(answer, tuple) else answer


def _opened_by(link: Link, answer: tuple) -> tuple:
    """What a link opens leaves the address as it is, otherwise nobody could go back beyond it, and says which tab shows it."""
    return tuple(
        _with_tab(value, link.tab) if isinstance(value, dict) and "link" in value else value for value in answer
    )


def _with_tab(value: dict[str, Any], tab: str) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name != "link"} | {"opened": tab}
