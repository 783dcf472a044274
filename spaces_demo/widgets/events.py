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
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

# Handlers that only the page calls.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# All maps share two turns, first come, first served; programs have their own endpoints.
TURNS: dict[str, Any] = {"concurrency_id": "maps", "concurrency_limit": 2}
# No widget sends larger numbers; its unit is degrees.
_LARGEST = 1000


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


def warned(handler: Callable) -> Callable:
    """A handler that shows the message of a `ValueError` to the visitor and leaves the page unchanged."""

    @wraps(handler)
    def run(*arguments: Any) -> Any:
        try:
            return handler(*arguments)
        except ValueError as error:
            gr.Warning(html.escape(str(error)), title="That did not work")
            return gr.skip()

    return run


def for_programs(endpoint: Callable) -> Callable:
    """An endpoint for `gradio_client`, which receives the message of a `ValueError` as an error without a traceback."""

    @wraps(endpoint)
    def run(*arguments: Any) -> Any:
        try:
            return endpoint(*arguments)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return run
