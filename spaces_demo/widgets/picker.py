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
"""A strip of pictures to choose from: buttons, so that keys and screen readers reach them, and no file on the server."""

from collections.abc import Sequence

import gradio as gr

from serving.gallery import Gallery, data_uri, thumbnail
from widgets.maps import numbers

_TEMPLATE = """
<p class="gair-picker-label" id="ID-label">LABEL</p>
<div class="gair-picker" role="group" aria-labelledby="ID-label">
  {{#each value}}<button type="button" data-number="{{@index}}" aria-pressed="{{this.chosen}}" title="{{this.title}}"><img src="{{this.picture}}" alt="{{this.title}}"><span>{{this.badge}}</span></button>{{/each}}
</div>
"""
_CSS = """
.gair-picker-label { margin: 0 0 4px; font-size: 14px; font-weight: 600; color: var(--body-text-color); }
.gair-picker { display: flex; gap: 8px; overflow-x: auto; padding: 4px; scrollbar-width: thin; }
.gair-picker button { position: relative; flex: none; padding: 0; border: 2px solid transparent; border-radius: 8px; background: none; cursor: pointer; outline-offset: 1px; }
.gair-picker button:hover { border-color: var(--border-color-primary); }
.gair-picker button:focus-visible { outline: 3px solid var(--color-accent); }
.gair-picker button[aria-pressed="true"] { border-color: #c2410c; }
.gair-picker img { display: block; height: 72px; min-width: 72px; margin: 0; border-radius: 5px; object-fit: cover; }
.gair-picker span { position: absolute; left: 4px; bottom: 4px; min-width: 18px; padding: 0 5px; border-radius: 9px; background: #334155; color: #fff; font-size: 12px; line-height: 18px; }
.gair-picker span:empty { display: none; }
"""
_ON_LOAD = """
element.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-number]");
  if (!chosen) return;
  element.querySelectorAll("[data-number]").forEach((other) => other.setAttribute("aria-pressed", String(other === chosen)));
  trigger("choose", { number: Number(chosen.dataset.number) });
});
"""


def picker(value: Sequence[dict[str, str]], label: str, elem_id: str) -> gr.HTML:
    """
    A strip of pictures. Its event `choose` comes with [`chosen`].

    Args:
        value (`Sequence[dict]`): of [`tile_choices`] or [`photo_choices`].
        label (`str`): what stands above.
        elem_id (`str`): of the component.

    Returns:
        `gr.HTML`
    """
    template = _TEMPLATE.replace("LABEL", label).replace("ID", elem_id)
    return gr.HTML(
        list(value), html_template=template, css_template=_CSS, js_on_load=_ON_LOAD, apply_default_css=False, elem_id=elem_id
    )  # fmt: skip


def tile_choices(gallery: Gallery, first: int | None = None) -> list[dict[str, str]]:
    """All tiles of a gallery in true colour; `first` is marked as chosen."""
    return [
        choice(tile.layers["True colour"], f"Tile {number + 1}: {tile.name}", "", number == first)
        for number, tile in enumerate(gallery.tiles)
    ]


def photo_choices(gallery: Gallery, positions: Sequence[int], first: int | None = None) -> list[dict[str, str]]:
    """Photos of a gallery, numbered from 1; the one at `first` of them is marked as chosen."""
    return [
        choice(data_uri(gallery.photos[position].jpeg), f"Photo {number + 1}", str(number + 1), number == first)
        for number, position in enumerate(positions)
    ]


def chosen(event: gr.EventData, count: int) -> int:
    """
    Which of `count` pictures was chosen.

    Raises:
        ValueError: the page cannot have sent this.
    """
    (number,) = numbers(event, "number")
    if number not in range(count):
        raise ValueError(f"Picture {number:g} of {count} came, expected one that is shown; choose it again.")
    return int(number)


def choice(uri: str, title: str, badge: str, is_chosen: bool) -> dict[str, str]:
    """One picture of a strip: a data URI, what it is, what stands on it, and whether it is marked as chosen."""
    return {"picture": thumbnail(uri), "title": title, "badge": badge, "chosen": str(is_chosen).lower()}
