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
"""A strip of pictures to choose from. They are buttons, which keyboards and screen readers reach."""

from collections.abc import Sequence

import gradio as gr

from serving.gallery import Gallery
from widgets.assets import read_asset
from widgets.events import event_numbers

_TEMPLATE = """
<p class="gair-picker-label" id="ID-label">LABEL</p>
<div class="gair-picker" role="group" aria-labelledby="ID-label">
  {{#each value}}<button type="button" data-number="{{@index}}" aria-pressed="{{this.chosen}}" title="{{this.title}}"><img src="{{this.picture}}" alt="{{this.title}}" loading="lazy" decoding="async"><span>{{this.badge}}</span><small>{{this.text}}</small></button>{{/each}}
</div>
"""


def picker(choices: Sequence[dict[str, str]], label: str, elem_id: str) -> gr.HTML:
    """
    A strip of pictures. Its event `choose` is read by [`chosen`].

    Args:
        choices (`Sequence[dict]`): from [`tile_choices`] or [`photo_choices`].
        label (`str`): the label above; HTML.
        elem_id (`str`): of the component.

    Returns:
        `gr.HTML`
    """
    return gr.HTML(
        list(choices),
        html_template=_TEMPLATE.replace("LABEL", label).replace("ID", elem_id),
        css_template=read_asset("picker.css"),
        js_on_load=read_asset("picker.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def tile_choices(gallery: Gallery, first: int | None = None) -> list[dict[str, str]]:
    """All tiles of a gallery in true colour; tile `first` is marked as chosen."""
    return [
        choice(tile.small, f"Tile {number + 1}: {tile.name}", is_chosen=number == first)
        for number, tile in enumerate(gallery.tiles)
    ]


def photo_choices(gallery: Gallery, positions: Sequence[int], first: int | None = None) -> list[dict[str, str]]:
    """Photos of a gallery, numbered from 1; the one at index `first` of `positions` is marked as chosen."""
    return [
        choice(gallery.photos[position].small, f"Photo {number + 1}", str(number + 1), is_chosen=number == first)
        for number, position in enumerate(positions)
    ]


def choice(picture: str, title: str, badge: str = "", text: str = "", *, is_chosen: bool) -> dict[str, str]:
    """One picture of a strip: its address, its title, the badge on it, the text below it, and whether it is marked as chosen."""
    return {"picture": picture, "title": title, "badge": badge, "text": text, "chosen": str(is_chosen).lower()}


def chosen(event: gr.EventData, count: int) -> int:
    """
    The position of the chosen picture, out of `count`.

    Raises:
        ValueError: if there is no such picture.
    """
    (number,) = event_numbers(event, "number")
    if number not in range(count):
        raise ValueError(f"The choice is picture {number:g} of {count}, expected one that is shown; choose again.")
    return int(number)
