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
"""Retrieval: a photo finds tiles, a tile finds photos, and a place finds both, in the gallery."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from serving.encoded_tile import best_point
from serving.gallery import MAX_PICTURE_SIDE, Gallery, Tile, data_uri, jpeg_of, show
from serving.loaded import Loaded, on_gpu
from serving.uploads import read_photo, read_tile
from views.tile_view import BAND_ORDERS, PHOTO_TYPES, degrees_text, place_text
from widgets.maps import warned
from widgets.picker import chosen, photo_choices, picker, tile_choices

MAX_SHOWN = 8
_PLACES = [[144.63, -35.97], [13.40, 52.52], [-60.02, -3.10]]
# Percentiles of `similarity_ranges` that most pairs lie between.
_USUAL = (5, 95)


# What is computed ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """
    A tile or a photo of the gallery, found by a query.

    Attributes:
        position (`int`): in the gallery's tiles or photos.
        similarity (`float`): the cosine, in [-1, 1].
        point (`tuple[float, float]`, *optional*): where in the tile it is greatest: x eastwards, y southwards, in [0, 1].
    """

    position: int
    similarity: float
    point: tuple[float, float] | None = None


def find_tiles(gallery: Gallery, query: np.ndarray) -> list[Found]:
    """
    All tiles of a gallery, ranked by the cosine of a query to the best of their points, read by NILI.

    Args:
        gallery ([`Gallery`]): T tiles.
        query (`np.ndarray` of shape `(D,)`): an embedding of length 1.

    Returns:
        `list[Found]`: T of them, the most similar first, with `point`.
    """
    best = [best_point(tile.encoded.similarity(query)) for tile in gallery.tiles]
    return _ranked([Found(position, cosine, (x, y)) for position, (x, y, cosine) in enumerate(best)])


def find_photos(gallery: Gallery, query: np.ndarray) -> list[Found]:
    """All photos of a gallery, ranked by their cosine to an embedding `(D,)` of length 1."""
    return _ranked([Found(position, float(cosine)) for position, cosine in enumerate(gallery.photo_embeds @ query)])


def find_photos_of(gallery: Gallery, tile: Tile) -> list[Found]:
    """All photos of a gallery, ranked by their cosine to the point of a tile that is most like each, with that point."""
    best = [best_point(tile.encoded.similarity(embedding)) for embedding in gallery.photo_embeds]
    return _ranked([Found(position, cosine, (x, y)) for position, (x, y, cosine) in enumerate(best)])


def rank_of(found: Sequence[Found], positions: Sequence[int]) -> int | None:
    """From 1, where the first of some positions was found; None where there is none of them."""
    return next((rank for rank, one in enumerate(found, start=1) if one.position in positions), None)


def usual(ranges: dict[str, Any], pair: str) -> str:
    """How high cosines of two modalities come out, as a sentence; empty where the model does not state it."""
    values = ranges.get("pairs", {}).get(pair)
    if values is None:
        return ""
    low, high = (ranges["percentiles"].index(percentile) for percentile in _USUAL)
    matched, others = values["matched"], values["others"]
    return (
        f"Pairs that belong together usually have {matched[low]:.2f} to {matched[high]:.2f}, others {others[low]:.2f} to "
        f"{others[high]:.2f} (5th to 95th percentile, {ranges['measured_on']}); the best of many points lies higher."
    )


def _ranked(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda one: -one.similarity)


# What is shown -------------------------------------------------------------------------------------------------------

_CSS = """
.gair-found-page { display: grid; grid-template-columns: 220px 1fr; gap: 24px; align-items: start; margin-top: 12px; }
.gair-found { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin: 10px 0 20px; }
.gair-found figure, .gair-found-asked figure { margin: 0; min-width: 0; }
.gair-found-asked figure { margin-top: 10px; }
.gair-found-picture { position: relative; }
.gair-found-picture img { display: block; width: 100%; aspect-ratio: 4 / 3; margin: 0; object-fit: cover; border-radius: 8px; }
.gair-found-tile img { aspect-ratio: 1; image-rendering: pixelated; }
.gair-found-page figcaption { padding-top: 4px; font-size: 13px; line-height: 1.4; color: var(--body-text-color); font-variant-numeric: tabular-nums; }
.gair-found-mark { position: absolute; width: 20px; height: 20px; margin: -10px 0 0 -10px; border: 2px solid #fff; border-radius: 50%; background: #c2410c; color: #fff; font-size: 11px; font-weight: 600; line-height: 16px; text-align: center; }
.gair-found-own { outline: 3px solid #c2410c; outline-offset: 2px; border-radius: 8px; }
.gair-found-page h3 { margin: 0; font-size: 16px; font-weight: 600; color: var(--body-text-color); }
.gair-found-page p { margin: 4px 0 0; font-size: 13px; color: var(--body-text-color); }
@media (max-width: 640px) {
  .gair-found-page { grid-template-columns: 1fr; }
  .gair-found { grid-template-columns: repeat(2, 1fr); }
  .gair-found-asked figure { max-width: 200px; }
}
"""


def add_tab(loaded: Loaded, gallery: Gallery) -> None:
    """
    Builds the tab, inside `gr.Blocks`.

    Args:
        loaded ([`Loaded`]): the model.
        gallery ([`Gallery`]): what is searched, and offered as queries.
    """
    gr.Markdown(
        f"One embedding space for all three: a photo finds tiles and the point in each that fits it best, a tile finds photos, a "
        f"place finds both. Searched: {len(gallery.tiles)} tiles and {len(gallery.photos)} photos of {gallery.name}."
    )
    with gr.Tabs():
        with gr.Tab("By photo"):
            photos = picker(
                photo_choices(gallery, range(len(gallery.photos)), 0), "A street-view photo", "retrieval-photos"
            )
            with gr.Accordion("Your own photo", open=False):
                photo_file = gr.File(label="Street-view photo", file_types=PHOTO_TYPES, height=110)
        with gr.Tab("By tile"):
            tiles = picker(tile_choices(gallery), "A Sentinel-2 tile", "retrieval-tiles")
            with gr.Accordion("Your own tile", open=False):
                order = gr.Dropdown(BAND_ORDERS, value="", label="Bands of the tile")
                tile_file = gr.File(
                    label="Sentinel-2 tile (GeoTIFF, 0.5 to 5 km)", file_types=[".tif", ".tiff"], height=110
                )
        with gr.Tab("By place"):
            with gr.Row():
                lon = gr.Number(_PLACES[0][0], label="lon, degrees", elem_id="retrieval-lon")
                lat = gr.Number(_PLACES[0][1], label="lat, degrees", elem_id="retrieval-lat")
                go = gr.Button("Find", variant="primary")
            gr.Examples(_PLACES, [lon, lat], label="Places to try")
    results = gr.HTML(css_template=_CSS, apply_default_css=False, elem_id="retrieval-results")

    def by_photo(position: int) -> str:
        photo = gallery.photos[position]
        return photo_page(loaded, gallery, data_uri(photo.jpeg), gallery.photo_embeds[position], photo.tile)

    def choose_photo(event: gr.EventData) -> str:
        return by_photo(chosen(event, len(gallery.photos)))

    def send_photo(path: str) -> str:
        image = read_photo(path)
        return photo_page(
            loaded, gallery, data_uri(jpeg_of(image, MAX_PICTURE_SIDE)), on_gpu(loaded.photo)(image), None
        )

    def send_tile(path: str, order: str) -> str:
        read = read_tile(path, loaded.processor.image_processor, order or None)
        return tile_page(loaded, gallery, on_gpu(show)("Your tile", read, loaded), [])

    def by_tile(event: gr.EventData) -> str:
        position = chosen(event, len(gallery.tiles))
        return tile_page(loaded, gallery, gallery.tiles[position], gallery.photos_of(position))

    once: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    if gallery.photos:
        gr.on(None, lambda: by_photo(0), None, results, **once)
    photos.choose(warned(choose_photo), None, results, **once)
    photo_file.upload(warned(send_photo), photo_file, results, **once)
    tiles.choose(warned(by_tile), None, results, **once)
    tile_file.upload(warned(send_tile), [tile_file, order], results, **once)
    gr.on(
        [go.click, lon.submit, lat.submit],
        warned(lambda *place: place_page(loaded, gallery, *place)),
        [lon, lat],
        results,
        **once,
    )


def photo_page(loaded: Loaded, gallery: Gallery, picture: str, embedding: np.ndarray, own_tile: int | None) -> str:
    """Tiles for a photo, as HTML; `own_tile` is where it was taken, if that is in the gallery."""
    found = find_tiles(gallery, embedding)
    rank = rank_of(found, [] if own_tile is None else [own_tile])
    told = f"The tile that it was taken in is number <b>{rank}</b> of {len(found)}. " if rank else ""
    cards = [_tile_card(rank, one, gallery, one.position == own_tile) for rank, one in _numbered(found)]
    return _page(
        _card(picture, ["a photo"], [], False, "photo"),
        _section("Tiles, by the point most like the photo (★)", told + _usual(loaded, "sv_localized"), cards),
    )


def tile_page(loaded: Loaded, gallery: Gallery, tile: Tile, own_photos: Sequence[int]) -> str:
    """Photos for a tile, as HTML; `own_photos` were taken in it."""
    found = find_photos_of(gallery, tile)
    rank = rank_of(found, own_photos)
    told = f"The first that was taken in it is number <b>{rank}</b> of {len(found)}. " if rank else ""
    marks = [(str(number), one.point) for number, one in _numbered(found)]
    cards = [_photo_card(rank, one, gallery, one.position in own_photos) for rank, one in _numbered(found)]
    return _page(
        _card(tile.layers["True colour"], ["a tile; numbers: where each photo fits best"], marks, False, "tile"),
        _section("Photos, by the point of the tile most like each", told + _usual(loaded, "sv_localized"), cards),
    )


def place_page(loaded: Loaded, gallery: Gallery, lon: float | None, lat: float | None) -> str:
    """
    Tiles and photos for a place, as HTML.

    Raises:
        ValueError: no place on the Earth.
    """
    if lon is None or lat is None:
        raise ValueError("A number is missing, expected lon and lat in degrees; type both.")
    ((lon, lat),) = loaded.processor.feature_extractor.check([lon], [lat])
    (query,) = on_gpu(loaded.places)(np.array([lon]), np.array([lat]))
    tiles = [_tile_card(rank, one, gallery, False) for rank, one in _numbered(find_tiles(gallery, query))]
    photos = [_photo_card(rank, one, gallery, False) for rank, one in _numbered(find_photos(gallery, query))]
    return _page(
        f"<p>a place: {degrees_text(lon, lat)}</p>",
        _section("Tiles, by the point most like the place (★)", _usual(loaded, "localized_location"), tiles),
        _section("Photos most like the place", _usual(loaded, "sv_location"), photos),
    )


def _numbered(found: Sequence[Found]) -> list[tuple[int, Found]]:
    """What is shown of all that was found, with its rank."""
    return list(enumerate(found[:MAX_SHOWN], start=1))


def _usual(loaded: Loaded, pair: str) -> str:
    return html.escape(usual(loaded.similarity_ranges, pair))


def _tile_card(rank: int, one: Found, gallery: Gallery, own: bool) -> str:
    tile = gallery.tiles[one.position]
    assert one.point is not None
    lines = [f"<b>{rank}</b> · cosine <b>{one.similarity:.3f}</b>", f"★ {html.escape(place_text(tile, *one.point))}"]
    return _card(tile.layers["True colour"], lines, [("★", one.point)], own, "tile")


def _photo_card(rank: int, one: Found, gallery: Gallery, own: bool) -> str:
    photo = gallery.photos[one.position]
    lines = [f"<b>{rank}</b> · cosine <b>{one.similarity:.3f}</b>", f"taken at {degrees_text(photo.lon, photo.lat)}"]
    lines += [html.escape(photo.attribution)] * bool(photo.attribution)
    return _card(data_uri(photo.jpeg), lines, [], own, "photo")


def _card(picture: str, lines: Sequence[str], marks: Sequence[tuple[str, Any]], own: bool, kind: str) -> str:
    """A picture with marks at x, y in [0, 1] and a caption of lines that are HTML already."""
    spots = "".join(
        f'<span class="gair-found-mark" style="left:{100 * x:.2f}%;top:{100 * y:.2f}%">{text}</span>'
        for text, (x, y) in marks
    )
    caption = "<br>".join([*lines, *["<b>its own</b>"] * own])
    return (
        f'<figure><div class="gair-found-picture gair-found-{kind}{" gair-found-own" * own}"><img src="{picture}" alt="{kind}">'
        f"{spots}</div><figcaption>{caption}</figcaption></figure>"
    )


def _page(asked: str, *sections: str) -> str:
    """What was asked, beside what was found."""
    return f'<div class="gair-found-page"><div class="gair-found-asked"><h3>Query</h3>{asked}</div><div>{"".join(sections)}</div></div>'


def _section(head: str, note: str, cards: Sequence[str]) -> str:
    return f'<h3>{html.escape(head)}</h3><p>{note}</p><div class="gair-found">{"".join(cards)}</div>'
