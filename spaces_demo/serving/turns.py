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
"""Whose turn it is to compute: one piece of work at a time, small pieces of urgent requests before others."""

import heapq
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

# Events of maps run beside each other, since they take turns for each piece of work.
SHARED: dict[str, Any] = {"concurrency_id": "shared", "concurrency_limit": 16}
# Visitors whose newest request is remembered; of one who is forgotten, older requests run to their end.
_MAX_VISITORS = 1000


Answer = TypeVar("Answer")


class Superseded(Exception):
    """The visitor has asked for something else meanwhile, so that nobody waits for this answer."""


def always() -> bool:
    """That a request is current: of programs, whose requests are all answered."""
    return True


class Turns:
    """
    Lets one piece of work run at a time, which therefore has all cores. Whoever has several pieces waits anew for each, so that
    those of several visitors alternate.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._numbers = itertools.count()
        self._busy = False

    @contextmanager
    def turn(self, rank: int) -> Iterator[None]:
        """Waits until nothing else runs, no lower rank waits, and nobody of the same rank has waited longer."""
        place = rank, next(self._numbers)
        with self._changed:
            heapq.heappush(self._waiting, place)
            self._changed.wait_for(lambda: not self._busy and self._waiting[0] == place)
            heapq.heappop(self._waiting)
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()


def while_current(answers: Iterable[Answer], current: Callable[[], bool]) -> Iterator[Answer]:
    """
    The answers to a request as long as they are wanted, which is asked once each is ready: meanwhile, a newer request may have been
    answered. It is also asked after the last one, which Gradio sends once more.

    Raises:
        Superseded: if they are not wanted any more.
    """
    for answer in answers:
        if not current():
            raise Superseded
        yield answer
    if not current():
        raise Superseded


class Asking(NamedTuple):
    """Which request of which visitor this is; numbers grow in the order in which the visitor made them."""

    visitor: str
    number: int


class Newest:
    """Which request of each visitor is the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: OrderedDict[str, int] = OrderedDict()

    def begin(self, asking: Asking | None) -> Callable[[], bool]:
        """
        Begins to answer a request.

        Args:
            asking ([`Asking`] or None): the request; None for a program, whose requests do not supersede each other.

        Returns:
            `Callable`: whether it is still the visitor's newest. A request counts from the first time that this is asked, so that one
                that is refused before stops no other.
        """
        if asking is None:
            return always
        visitor, number = asking

        def current() -> bool:
            with self._lock:
                newest = max(number, self._newest.get(visitor, number))
                self._newest[visitor] = newest
                self._newest.move_to_end(visitor)
                while len(self._newest) > _MAX_VISITORS:
                    self._newest.popitem(last=False)
            return newest == number

        return current
