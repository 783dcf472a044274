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
"""Results of a retrieval as HTML: the query beside cards of tiles and photos."""

import html
from collections.abc import Sequence

import gradio as gr
import numpy as np

from serving.gallery import Gallery, Tile
from serving.model import ServedModel, on_gpu
from serving.pictures import TRUE_COLOUR, data_uri
from serving.ranges import usual_cosines
from serving.search import Found, find_photos, find_photos_of, find_tiles, rank_of
from serving.text import degrees_text
from serving.tile_maps import place_text
from widgets.assets import read_asset

MAX_SHOWN = 8


def results(elem_id: str) -> gr.HTML:
    """The component; its value comes from [`photo_page`], [`tile_page`] or [`place_page`]."""
    return gr.HTML(css_template=read_asset("results.css"), apply_default_css=False, elem_id=elem_id)


def photo_page(served: ServedModel, gallery: Gallery, picture: str, embedding: np.ndarray, own_tile: int | None) -> str:
    """
    The tiles that a photo finds.

    Args:
        served ([`ServedModel`]): the model.
        gallery ([`Gallery`]): what is searched.
        picture (`str`): the photo as a data URI.
        embedding (`np.ndarray` of shape `(D,)`): of length 1.
        own_tile (`int`, *optional*): position of the tile in which the photo was taken, if the gallery has it.

    Returns:
        `str`: HTML.
    """
    found = find_tiles(gallery, embedding)
    own_rank = rank_of(found, [] if own_tile is None else [own_tile])
    note = f"The tile it was taken in ranks <b>{own_rank}</b> of {len(found)}. " if own_rank else ""
    cards = [_tile_card(served, gallery, rank, one, one.position == own_tile) for rank, one in _shown(found)]
    return _page(
        _card("photo", picture, ["a photo"]),
        _section("Tiles, by their point most similar to the photo (★)", note + _usual(served, "sv_localized"), cards),
    )


def tile_page(served: ServedModel, gallery: Gallery, tile: Tile, own_photos: Sequence[int]) -> str:
    """The photos that a tile finds, as HTML; `own_photos` are the positions of those taken in it."""
    found = find_photos_of(gallery, tile)
    own_rank = rank_of(found, own_photos)
    note = f"The first photo taken in it ranks <b>{own_rank}</b> of {len(found)}. " if own_rank else ""
    marks = [(str(rank), one.point) for rank, one in _shown(found) if one.point is not None]
    cards = [_photo_card(gallery, rank, one, one.position in own_photos) for rank, one in _shown(found)]
    return _page(
        _card("tile", tile.layers[TRUE_COLOUR], ["a tile; numbers: the best point for each photo"], marks),
        _section("Photos, by the point of the tile most similar to each", note + _usual(served, "sv_localized"), cards),
    )


def place_page(served: ServedModel, gallery: Gallery, lon: float | None, lat: float | None) -> str:
    """
    The tiles and photos that a place finds, as HTML.

    Raises:
        ValueError: if a number is missing or out of range.
    """
    if lon is None or lat is None:
        raise ValueError("A number is missing, expected lon and lat in degrees; type both.")
    ((lon, lat),) = served.coordinates.check([lon], [lat])
    (query,) = on_gpu(served.places)(np.array([lon]), np.array([lat]))
    tiles = [_tile_card(served, gallery, rank, one) for rank, one in _shown(find_tiles(gallery, query))]
    photos = [_photo_card(gallery, rank, one) for rank, one in _shown(find_photos(gallery, query))]
    return _page(
        f"<p>a place: {degrees_text(lon, lat)}</p>",
        _section("Tiles, by their point most similar to the place (★)", _usual(served, "localized_location"), tiles),
        _section("Photos most similar to the place", _usual(served, "sv_location"), photos),
    )


def _shown(found: Sequence[Found]) -> list[tuple[int, Found]]:
    """The results that are shown, with their ranks from 1."""
    return list(enumerate(found[:MAX_SHOWN], start=1))


def _usual(served: ServedModel, pair: str) -> str:
    return html.escape(usual_cosines(served.similarity_ranges, pair))


def _tile_card(served: ServedModel, gallery: Gallery, rank: int, one: Found, own: bool = False) -> str:
    tile = gallery.tiles[one.position]
    assert one.point is not None
    lines = [_rank_line(rank, one), f"★ {html.escape(place_text(served, tile, *one.point))}"]
    return _card("tile", tile.layers[TRUE_COLOUR], lines, [("★", one.point)], own="photo taken here" if own else "")


def _photo_card(gallery: Gallery, rank: int, one: Found, own: bool = False) -> str:
    photo = gallery.photos[one.position]
    lines = [_rank_line(rank, one), f"taken at {degrees_text(photo.lon, photo.lat)}"]
    lines += [html.escape(photo.attribution)] * bool(photo.attribution)
    return _card("photo", data_uri(photo.jpeg), lines, own="taken in this tile" if own else "")


def _rank_line(rank: int, one: Found) -> str:
    return f"<b>{rank}</b> · cosine <b>{one.similarity:.3f}</b>"


def _card(
    kind: str,
    picture: str,
    lines: Sequence[str],
    marks: Sequence[tuple[str, tuple[float, float]]] = (),
    own: str = "",
) -> str:
    """A picture with marks at x, y in [0, 1], above a caption whose lines are HTML; `own` highlights it and says why."""
    spots = "".join(
        f'<span class="gair-found-mark" style="left:{100 * x:.2f}%;top:{100 * y:.2f}%">{text}</span>'
        for text, (x, y) in marks
    )
    caption = "<br>".join([*lines, *[f"<b>{own}</b>"] * bool(own)])
    return (
        f'<figure><div class="gair-found-picture gair-found-{kind}{" gair-found-own" * bool(own)}"><img src="{picture}" alt="{kind}">'
        f"{spots}</div><figcaption>{caption}</figcaption></figure>"
    )


def _page(query: str, *sections: str) -> str:
    """The query beside what it found."""
    return f'<div class="gair-found-page"><div class="gair-found-asked"><h3>Query</h3>{query}</div><div>{"".join(sections)}</div></div>'


def _section(head: str, note: str, cards: Sequence[str]) -> str:
    return f'<h3>{html.escape(head)}</h3><p>{note}</p><div class="gair-found">{"".join(cards)}</div>'
