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
"""Event handlers: what the browser sends, how handlers run, and how errors reach visitors and programs."""

import html
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from serving.turns import Asking, Superseded
from serving.visitors import for_visitors

# Handlers that only the page calls.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# What is computed in one piece: one request after the other, so that the answer to a visitor's last one comes last.
TURNS: dict[str, Any] = {"concurrency_id": "turns", "concurrency_limit": 1}
# No widget sends larger numbers; its unit is degrees.
_LARGEST = 1000
# What a page with one map can hold: nobody sets more pins or draws more boxes by hand.
_MOST = 200
_LONGEST_ID = 200
# How long a message stays unless it is closed, in seconds.
_READ_S = 20
_KINDS = {str: "a text", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Wanted:
    """
    Everything that a visitor wants of a map, as of the moment at which a handler starts.

    Attributes:
        view (west, south, east, north): what is visible, in degrees; west is in [-180, 180), east may lie beyond 180.
        pins (`tuple` of lon, lat): in degrees, in the order in which they were set.
        placed (`bool`): whether the visitor has set a pin that no answer has shown yet; else only the view may have changed.
        boxes (`dict[str, tuple]`): name to west, south, east, north in degrees; west > east crosses the date line.
        opened (`str`, *optional*): the id of the mark that was chosen last.
        turn (`int`): how many things the visitor has done. A handler returns it in the map's value (`"turn"`), so that
            the map knows what was answered; a value without it is new for the map, pins and boxes included.
    """

    view: tuple[float, float, float, float]
    pins: tuple[tuple[float, float], ...]
    placed: bool
    boxes: dict[str, tuple[float, float, float, float]]
    opened: str | None
    turn: int


def wanted(value: Any) -> Wanted:
    """
    Reads the value of `WorldMap.asked`, which the browser sends and is not to be trusted.

    Raises:
        ValueError: if a part is missing, of another kind, or out of range.
    """
    try:
        view, turn, opened = _numbers(value["view"], 4), value["turn"], value["opened"]
        placed = value["placed"]
        pins = tuple(_place(*_numbers(pin, 2)) for pin in _few(value["pins"], list))
        boxes = {
            str(name)[:_LONGEST_ID]: _box(*_numbers(edges, 4)) for name, edges in _few(value["boxes"], dict).items()
        }
        west, south, east, north = view
        if not (-180 <= west <= 180 and 0 < east - west <= 360.001 and -90 <= south < north <= 90):
            raise ValueError("a view outside the world")
        if not (type(turn) is int and 0 <= turn < 2**53):
            raise ValueError("a turn that is no count")
        if type(placed) is not bool:
            raise ValueError("neither true nor false")
        if not (opened is None or (isinstance(opened, str) and len(opened) <= _LONGEST_ID)):
            raise ValueError("an id that is no short text")
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise ValueError(
            f"The map sent {value!s:.80} ({error!s:.60}), expected a view, pins and boxes; reload the page."
        ) from error
    return Wanted(view, pins, placed, boxes, opened, turn)


def _few(found: Any, kind: type) -> Any:
    few = isinstance(found, (list, dict)) and len(found) <= _MOST
    if not (few and isinstance(found, kind)):
        raise ValueError(f"no {kind.__name__} of at most {_MOST}")
    return found


def _numbers(found: Any, count: int) -> Any:
    numbers = [float(number) for number in found if isinstance(number, (int, float))] if isinstance(found, list) else []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"no {count} finite numbers")
    return tuple(numbers)


def _place(lon: float, lat: float) -> tuple[float, float]:
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError("a place outside the world")
    return lon, lat


def _box(west: float, south: float, east: float, north: float) -> tuple[float, float, float, float]:
    _place(west, south), _place(east, north)
    if south >= north:
        raise ValueError("a box that is empty")
    return west, south, east, north


def event_numbers(event: gr.EventData, *names: str) -> list[float]:
    """
    The numbers that the browser sent with an event.

    Raises:
        ValueError: if one of them is missing or not a finite number.
    """
    data = event._data if isinstance(event._data, dict) else {}
    values = [
        float(value) for value in map(data.get, names) if isinstance(value, (int, float)) and abs(value) <= _LARGEST
    ]
    if len(values) < len(names):
        raise ValueError(f"The page sent {data!s:.80}, expected numbers for {', '.join(names)}; reload the page.")
    return values


def asking_of(request: gr.Request) -> Asking | None:
    """Which request this is, as `requests.js` counts them; None if a program sent it."""
    number = request.headers.get("x-gair-request", "")
    counted = number.isascii() and number.isdigit() and len(number) < 10
    return Asking(request.session_hash, int(number)) if counted and request.session_hash else None


def _present() -> Asking | None:
    request = LocalContext.request.get(None)
    return asking_of(request) if request else None


def numbered(answer: Any, asking: Asking | None) -> Any:
    """An answer whose parts that change the address or move a map have the number of the request, so that the page knows their order."""
    if asking is None or not isinstance(answer, tuple):
        return answer
    return tuple(
        part | {"request": asking.number}
        if isinstance(part, dict) and part.keys() & {"link", "opened", "view"}
        else part
        for part in answer
    )


def at_the_end(event: Any, script: str) -> None:
    """Runs JavaScript in the page at the end of an event, also if it fails."""
    for ended in (event.then, event.failure):
        ended(None, js=f"() => {script}", **QUIET)


def warn(message: str) -> None:
    """Shows a message to the visitor, for long enough to do what it says."""
    gr.Warning(html.escape(message), duration=_READ_S)


def warned(handler: Callable) -> Callable:
    """A handler that shows the message of a `ValueError` to the visitor and leaves the page unchanged."""

    @wraps(handler)
    def run(*arguments: Any) -> Any:
        try:
            return numbered(handler(*arguments), _present())
        except ValueError as error:
            warn(for_visitors(str(error)))
            return gr.skip()

    return run


def warned_steps(handler: Callable) -> Callable:
    """As [`warned`], for a handler that yields one answer after another; it ends when the visitor wants something else."""

    @wraps(handler)
    def run(*arguments: Any) -> Iterator[Any]:
        try:
            yield from (numbered(answer, _present()) for answer in handler(*arguments))
        except Superseded:
            yield superseded()
        except ValueError as error:
            warn(for_visitors(str(error)))
            yield gr.skip()

    return run


def superseded() -> Any:
    """
    The last answer to a request that nobody waits for any more. At the end of a generator, Gradio sends the last answer once more, which would
    undo the answers to newer requests. An answer that is wanted must not be followed by a skip: browsers apply the
    difference between both to the value that they may not have shown yet, and a map's value, a `dict`, is then lost.
    """
    return gr.skip()


def for_programs(endpoint: Callable) -> Callable:
    """
    An endpoint for `gradio_client`, whose parameters are annotated as `str`, `int` or `bool`. A program receives an argument of another
    type, and the message of a `ValueError`, as an error without a traceback.
    """
    kinds = {name: parameter.annotation for name, parameter in signature(endpoint).parameters.items()}

    @wraps(endpoint)
    def run(*arguments: Any) -> Any:
        try:
            for (name, kind), argument in zip(kinds.items(), arguments):
                if type(argument) is not kind:
                    raise ValueError(f"{name} is {argument!r:.60}, expected {_KINDS[kind]}; pass one.")
            return endpoint(*arguments)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return run
