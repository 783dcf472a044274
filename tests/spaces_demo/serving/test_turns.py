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
"""Turns: one piece of work at a time, urgent ones first, and of each visitor only the newest request."""

import threading

import pytest

from serving.turns import Asking, Newest, Superseded, Turns, while_current


def test_an_answer_that_is_ready_after_a_newer_request_is_not_given():
    newer = threading.Event()

    def answers():
        yield "coarse"
        newer.set()
        yield "fine"

    given = while_current(answers(), lambda: not newer.is_set())
    assert next(given) == "coarse"
    with pytest.raises(Superseded):
        next(given)
    newer.clear()
    # The last answer is sent once more at the end.
    given = while_current(["only"], lambda: not newer.is_set())
    assert next(given) == "only"
    newer.set()
    with pytest.raises(Superseded):
        next(given)


def test_lower_ranks_go_first_and_equals_in_their_order():
    turns, done, threads = Turns(), [], []

    def work(name: str, rank: int) -> None:
        with turns.turn(rank):
            done.append(name)

    with turns.turn(1):
        for number, (name, rank) in enumerate([("fine", 1), ("second fine", 1), ("coarse", 0)], start=1):
            threads.append(threading.Thread(target=work, args=(name, rank)))
            threads[-1].start()
            # Until it waits; then the next one comes later for sure.
            while len(turns._waiting) < number:
                pass
        assert not done
    for thread in threads:
        thread.join(60)
    assert done == ["coarse", "fine", "second fine"]


def test_work_that_fails_lets_the_next_one_run():
    turns = Turns()
    with pytest.raises(KeyError), turns.turn(0):
        raise KeyError
    with turns.turn(0):
        pass


def test_a_request_is_current_until_the_same_visitor_asks_again():
    newest = Newest()
    first, other = newest.begin(Asking("a", 1)), newest.begin(Asking("b", 1))
    assert first() and other()
    second = newest.begin(Asking("a", 2))
    # Before the second has been asked, it may still be refused.
    assert first() and second() and not first() and other()
    # The order in which the visitor asked counts, not that in which the server begins to answer.
    quick, slow = newest.begin(Asking("a", 4)), newest.begin(Asking("a", 3))
    assert quick() and not slow() and not second() and quick()


def test_requests_of_programs_do_not_supersede_each_other():
    newest = Newest()
    requests = [newest.begin(None) for _ in range(3)]
    assert all(current() for current in requests)


def test_only_recent_visitors_are_remembered():
    newest = Newest()
    forgotten = newest.begin(Asking("first", 1))
    for number in range(3000):
        newest.begin(Asking(str(number), 1))()
    assert forgotten() and len(newest._newest) <= 1000
