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
"""The cards of the first screen: a numbered heading with a sentence, and a photo."""

import html
from collections.abc import Mapping

import gradio as gr

_HEAD = '<h3><span class="gair-step">${value.number}</span> ${value.title}</h3><p>${value.text}</p>'
_PHOTO = '<img class="gair-photo" src="${value.picture}" alt="The photo">${value.more}'


def card_head(elem_id: str) -> gr.HTML:
    """A heading; its value is `{"number", "title", "text"}`, of which all is HTML."""
    value = {"number": "", "title": "", "text": ""}
    return gr.HTML(value, html_template=_HEAD, apply_default_css=False, elem_id=elem_id, elem_classes="gair-head")


def photo_card(elem_id: str) -> gr.HTML:
    """A photo above links; its value is `{"picture", "more"}`: an address, and HTML from [`more_links`]."""
    return gr.HTML({"picture": "", "more": ""}, html_template=_PHOTO, apply_default_css=False, elem_id=elem_id)


def more_links(links: Mapping[str, str]) -> str:
    """Links inside the page as HTML: what they are called, and their query strings."""
    items = "".join(f'<li><a href="?{html.escape(link)}">{html.escape(name)}</a></li>' for name, link in links.items())
    return f'<ul class="gair-more">{items}</ul>'
