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
"""Addresses of the page: a query string says what a view shows, so that a link opens it again."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from widgets.assets import HEAD

# Compare holds three views: the readings of a tile, which has its name, two models, and two boxes.
TABS = ("Start", "Find", "Explore", "Compare", "Models", "Boxes", "Yours")
START, FIND, EXPLORE, COMPARE, MODELS, BOXES, YOURS = TABS


def address(**parts: Any) -> str:
    """The query string of a link, without "?"; parts that are None are left out, and numbers are joined by commas."""
    return urlencode({name: _text(value) for name, value in parts.items() if value is not None}, safe=",")


def address_bar(tabs: Sequence[str]) -> gr.HTML:
    """
    A hidden component, whose event `show` says that the address has changed, and whose events with the names of the tabs say that
    their views are to show what the address says.
    """
    return gr.HTML(
        html_template="<div></div>",
        # Gradio knows the events by their names in this text.
        js_on_load=f'/* "show" */ gairAddress({json.dumps(tabs)}, (event) => trigger(event));',
        visible="hidden",
        elem_id="address",
        head=HEAD,
    )


def _text(value: Any) -> str:
    return ",".join(f"{number:.7g}" for number in value) if isinstance(value, (list, tuple)) else str(value)
