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
"""Results of a retrieval: the query beside cards of tiles and photos, each a link that opens its tile."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import gradio as gr
import numpy as np

from serving.gallery import Gallery, Tile
from serving.model import ServedModel, on_gpu
from serving.pictures import TRUE_COLOUR
from serving.place_names import near_text
from serving.ranges import usual_cosines
from serving.result_files import ResultRow
from serving.search import Found, find_photos, find_photos_of, find_tiles, rank_of
from serving.text import degrees_text, number_text
from serving.tile_maps import near_point_text, tile_places
from widgets.address import COMPARE, START, address
from widgets.assets import HEAD, read_asset

MAX_SHOWN = 8
_SAVE = (
    '<div class="gair-found-save"><span role="group" aria-label="Save all results">Save all results '
    '<button type="button" data-save="csv">CSV</button><button type="button" data-save="geojson">GeoJSON</button></span> '
    '<span>Save what is shown <button type="button" data-save="png" aria-label="Save what is shown as a picture (PNG)">picture (PNG)</button></span></div>'
)


@dataclass(frozen=True)
class Results:
    """
    What a query found.

    Attributes:
        html (`str`): the query and the first results.
        rows (`list[ResultRow]`): all results, for files.
    """

    html: str
    rows: list[ResultRow] = field(default_factory=list)


def results(elem_id: str) -> gr.HTML:
    """The component. Its value is `{"html", "link"}`; its event `save` has a format; the browser makes the picture."""
    return gr.HTML(
        {"html": ""},
        html_template="${value.html}",
        css_template=read_asset("results.css"),
        js_on_load='gairResults(element, props, watch, (format) => trigger("save", { format }));',
        apply_default_css=False,
        elem_id=elem_id,
        head=HEAD,
    )


def of_photo(
    served: ServedModel, gallery: Gallery, picture: str, embedding: np.ndarray, photo: int | None = None
) -> Results:
    """
    The tiles that a photo finds.

    Args:
        served ([`ServedModel`]): the model.
        gallery ([`Gallery`]): what is searched.
        picture (`str`): the address of the photo.
        embedding (`np.ndarray` of shape `(D,)`): of length 1.
        photo (`int`, *optional*): its position, if it is one of the gallery.

    Returns:
        [`Results`]
    """
    found = find_tiles(gallery, embedding)
    own = None if photo is None else gallery.photos[photo].tile
    own_rank = rank_of(found, [] if own is None else [own])
    note = f"The tile in which it was taken ranks <b>{own_rank}</b> of {len(found)}. " if own_rank else ""
    query = {"photo": photo}
    cards = [_tile_card(served, gallery, rank, one, query, one.position == own) for rank, one in _shown(found)]
    caption = (
        "Your photo" if photo is None else f"Photo {photo + 1} of the gallery, taken {_taken(served, gallery, photo)}"
    )
    return Results(
        _page(
            _card("photo", picture, [caption], link=None if photo is None else address(tab=START, photo=photo)),
            _section(
                "Tiles, ranked by their point that is most similar to the photo (○)",
                note + _usual(served, "sv_localized"),
                cards,
            ),
        ),
        _tile_rows(served, gallery, found),
    )


def of_tile(served: ServedModel, gallery: Gallery, tile: Tile, position: int | None = None) -> Results:
    """The photos that a tile finds; `position` is that of the tile, if it is one of the gallery."""
    found = find_photos_of(gallery, tile)
    own = [] if position is None else gallery.photos_of(position)
    own_rank = rank_of(found, own)
    note = f"The first photo taken in it ranks <b>{own_rank}</b> of {len(found)}. " if own_rank else ""
    marks = [(str(rank), one.point) for rank, one in _shown(found) if one.point is not None]
    cards = [_photo_card(served, gallery, rank, one, one.position in own) for rank, one in _shown(found)]
    caption = f"{_called(position)}; the numbers are the points most similar to each photo"
    link = None if position is None else address(tab=COMPARE, tile=position)
    return Results(
        _page(
            _card("tile", tile.layers[TRUE_COLOUR], [html.escape(caption)], marks, link=link),
            _section(
                "Photos, ranked by the point of the tile that is most similar to each",
                note + _usual(served, "sv_localized"),
                cards,
            ),
        ),
        _photo_rows(gallery, found),
    )


def of_place(served: ServedModel, gallery: Gallery, lon: float | None, lat: float | None) -> Results:
    """
    The tiles and photos that a place finds.

    Raises:
        ValueError: if a number is missing or out of range.
    """
    if lon is None or lat is None:
        raise ValueError("A number is missing, expected a longitude and a latitude in degrees; type both.")
    ((lon, lat),) = served.coordinates.check([lon], [lat])
    (embedding,) = on_gpu(served.places)(np.array([lon]), np.array([lat]))
    tiles, photos = find_tiles(gallery, embedding), find_photos(gallery, embedding)
    query = {"place": (float(lon), float(lat))}
    return Results(
        _page(
            f"<p>The place {degrees_text(lon, lat)}, {html.escape(near_text(served, lon, lat))}</p>",
            _section(
                "Tiles, ranked by their point that is most similar to the place (○)",
                _usual(served, "localized_location"),
                [_tile_card(served, gallery, rank, one, query) for rank, one in _shown(tiles)],
            ),
            _section(
                "Photos most similar to the place",
                _usual(served, "sv_location"),
                [_photo_card(served, gallery, rank, one) for rank, one in _shown(photos)],
            ),
        ),
        [*_tile_rows(served, gallery, tiles), *_photo_rows(gallery, photos)],
    )


# Cards ---------------------------------------------------------------------------------------------------------------


def _shown(found: Sequence[Found]) -> list[tuple[int, Found]]:
    """The results that are shown, with their ranks from 1."""
    return list(enumerate(found[:MAX_SHOWN], start=1))


def _usual(served: ServedModel, pair: str) -> str:
    return html.escape(usual_cosines(served.similarity_ranges, pair))


def _called(position: int | None) -> str:
    return "Your tile" if position is None else f"Tile {position + 1} of the gallery"


def _taken(served: ServedModel, gallery: Gallery, photo: int) -> str:
    """Where a photo was taken, as HTML."""
    return html.escape(near_text(served, gallery.photos[photo].lon, gallery.photos[photo].lat))


def _tile_card(
    served: ServedModel, gallery: Gallery, rank: int, one: Found, query: Mapping[str, object], own: bool = False
) -> str:
    tile = gallery.tiles[one.position]
    assert one.point is not None
    lines = [_rank_line(rank, one), f"○ {html.escape(near_point_text(served, tile, *one.point))}"]
    link = address(tab=COMPARE, tile=one.position, **query)
    marks = [("○", one.point)]
    return _card("tile", tile.layers[TRUE_COLOUR], lines, marks, "the photo was taken here" if own else "", link)


def _photo_card(served: ServedModel, gallery: Gallery, rank: int, one: Found, own: bool = False) -> str:
    photo = gallery.photos[one.position]
    lines = [_rank_line(rank, one), f"taken {_taken(served, gallery, one.position)}"]
    lines += [html.escape(photo.attribution)] * bool(photo.attribution)
    link = address(tab=START, photo=one.position)
    return _card("photo", photo.picture, lines, own="taken in this tile" if own else "", link=link)


def _rank_line(rank: int, one: Found) -> str:
    return f"<b>{rank}</b> · cosine <b>{number_text(one.similarity, 3)}</b>"


def _card(
    kind: str,
    picture: str,
    lines: Sequence[str],
    marks: Sequence[tuple[str, tuple[float, float]]] = (),
    own: str = "",
    link: str | None = None,
) -> str:
    """
    A picture with marks at x, y in [0, 1], above a caption whose lines are HTML; `own` highlights it and says why, `link` is
    the query string that it opens.
    """
    spots = "".join(
        f'<span class="gair-found-mark" style="left:{100 * x:.2f}%;top:{100 * y:.2f}%">{text}</span>'
        for text, (x, y) in marks
    )
    caption = "<br>".join([*lines, *[f"<b>{own}</b>"] * bool(own)])
    classes = f"gair-found-picture gair-found-{kind}{' gair-found-own' * bool(own)}"
    shown = f'<img src="{picture}" alt="{kind}" loading="lazy" decoding="async">{spots}'
    if link is None:
        frame = f'<div class="{classes}">{shown}</div>'
    else:
        says = "Open this tile" if kind == "tile" else "Open this photo in its tile"
        frame = f'<a class="{classes}" href="?{html.escape(link)}" title="{says}">{shown}</a>'
    return f"<figure>{frame}<figcaption>{caption}</figcaption></figure>"


def _page(query: str, *sections: str) -> str:
    """The query beside what it found."""
    return (
        f'<div class="gair-found-page"><div class="gair-found-asked"><h3>Query</h3>{query}</div>'
        f"<div>{''.join(sections)}{_SAVE}</div></div>"
    )


def _section(head: str, note: str, cards: Sequence[str]) -> str:
    return f'<h3>{html.escape(head)}</h3><p>{note}</p><div class="gair-found">{"".join(cards)}</div>'


# Rows of files -------------------------------------------------------------------------------------------------------


def _tile_rows(served: ServedModel, gallery: Gallery, found: Sequence[Found]) -> list[ResultRow]:
    rows = []
    for rank, one in enumerate(found, start=1):
        tile, lon, lat = gallery.tiles[one.position], None, None
        if tile.bounds is not None and one.point is not None:
            places = tile_places(served, tile, *np.array([one.point]).T)
            lon, lat = (round(float(axis[0]), 7) for axis in places)
        rows.append(ResultRow("tile", rank, tile.name, round(one.similarity, 5), lon, lat))
    return rows


def _photo_rows(gallery: Gallery, found: Sequence[Found]) -> list[ResultRow]:
    photos = [(rank, one, gallery.photos[one.position]) for rank, one in enumerate(found, start=1)]
    return [
        ResultRow("photo", rank, photo.name, round(one.similarity, 5), photo.lon, photo.lat)
        for rank, one, photo in photos
    ]
