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
"""World map: where places embed like a place, a photo or a tile, or like several of them together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import numpy as np
from huggingface_hub import constants

from serving.gallery import Gallery
from serving.grids import WORLD, Grids, Region
from serving.loaded import Loaded, on_gpu
from serving.similarity import Scale, cell_centers, distinct_top, mean_direction, spread_in_box, stretched, to_base64
from serving.uploads import read_photo, read_tile
from widgets.maps import HANDLER, TURNS, numbers, similarity_map, typed_numbers, warned

FIXED, STRETCHED, FULL = "fixed", "stretched", "full"
_SCALES = [("fixed for this model", FIXED), ("stretched to this view", STRETCHED), ("full, −1 to 1", FULL)]
_MAX_PLACES, _MAX_TOP = 20, 20
# Distinct places lie so far apart on the map of the whole world; half of it with each doubling of the zoom.
_APART_KM = 1000
_FIRST = "13.40, 52.52"
_EXAMPLES = {
    "One place": _FIRST,
    "A place on the equator": "-60.02, -3.10",
    "Two places together": "13.40, 52.52; 2.35, 48.86",
    "By the date line": "178.44, -18.14",
}
# Which pair's range, of `similarity_ranges`, a query by photo or tile has with places.
_PAIRS = {"photo": "sv_location", "tile": "rs_location"}
# Colours run over what the embeddings of unlike things have, up to what those of one pair have.
_LOWEST_PERCENTILE, _HIGHEST_PERCENTILE = 1, 99
_SAMPLED_PLACES = 512
_KEPT_QUERIES = 64
_PHOTO_EXAMPLES = 2


@dataclass(frozen=True)
class Query:
    """
    What is looked for.

    Attributes:
        embedding (`np.ndarray` of shape `(D,)`): of length 1; of several, their mean direction.
        places (`list` of lon, lat): the pins.
        kinds (`tuple[str, ...]`): "place", "photo", "tile", as they take part.
        key (`str`): the same for the same query.
    """

    embedding: np.ndarray
    places: list[tuple[float, float]]
    kinds: tuple[str, ...]
    key: str


class WorldMaps:
    """
    Draws maps of one model.

    Args:
        loaded ([`Loaded`]): the model.
        cache (`Path`, *optional*): the folder of the world's embeddings; that of the Hub's libraries by default.
    """

    def __init__(self, loaded: Loaded, cache: Path | None = None):
        cache = cache or Path(constants.HF_HOME) / "gair" / "space"
        self._loaded = loaded
        self._places = on_gpu(loaded.places)
        self._grids = Grids(self._places, cache / f"{loaded.fingerprint[:32]}.npy")
        # Files lie under a name made of their content, so a path stands for one embedding.
        self._photo = lru_cache(_KEPT_QUERIES)(lambda path: on_gpu(loaded.photo)(read_photo(path)))
        self._tile = lru_cache(_KEPT_QUERIES)(
            lambda path: on_gpu(loaded.tile)(read_tile(path, loaded.processor.image_processor))
        )
        self._ranges: dict[str, tuple[float, float] | None] = {"place": self._range_of_places()}
        for kind, pair in _PAIRS.items():
            self._ranges[kind] = self._range_of_pair(pair)
        self._grids.world()

    def draw(self, query: Query, view: Sequence[float], scale: str, count: int) -> dict[str, Any]:
        """
        The map of a query.

        Args:
            query ([`Query`]): from [`~WorldMaps.query`].
            view (west, south, east, north): what is seen, in degrees.
            scale (`str`): "fixed", "stretched" or "full".
            count (`int`): how many distinct places to name, at most 20.

        Returns:
            `dict`: what map.js draws: `west, south, east, north, columns, rows`, `cells` (base64, one byte each), `low`,
            `high`, `scale`, `pins` and `places` (with `lon, lat`, and places' `similarity`), `apart_km`, `drawn_for` (the
            view), `key`.

        Raises:
            ValueError: a scale or a count that there is not.
        """
        if not (isinstance(count, int) and 0 <= count <= _MAX_TOP):
            raise ValueError(f"{count!r:.40} places were asked for, expected 0 to {_MAX_TOP}; move the slider.")
        region = Region.covering(*view)
        cosines = self._grids.cosines(query.embedding, region)
        colours = self._scale(scale, query.kinds, cosines)
        lon, lat = cell_centers(*region.bounds, cosines.shape[1], cosines.shape[0])
        # Blocks reach beyond the view, and a place that is named must be seen.
        west, south, east, north = view
        seen = ((lon - west) % 360 <= east - west) & (lat >= south) & (lat <= north)
        apart_km = _APART_KM / 2**region.level
        best = distinct_top(np.where(seen, cosines.ravel(), np.nan), lon, lat, count, apart_km, query.places)
        lon = self._loaded.processor.feature_extractor.check(lon, lat)[..., 0]
        return {
            **dict(zip(("west", "south", "east", "north"), region.bounds)),
            "columns": cosines.shape[1],
            "rows": cosines.shape[0],
            "cells": to_base64(cosines, colours.low, colours.high),
            "low": colours.low,
            "high": colours.high,
            "scale": colours.label,
            "pins": [{"lon": place[0], "lat": place[1]} for place in query.places],
            "places": [
                {"lon": float(lon[at]), "lat": float(lat[at]), "similarity": float(cosines.flat[at])} for at in best
            ],
            "apart_km": apart_km,
            "drawn_for": list(view),
            "key": f"{query.key} {colours.low} {colours.high}",
        }

    def query(self, places: str, photo: str | None = None, tile: str | None = None) -> Query:
        """
        Embeds what is looked for: the mean direction of all that is given.

        Args:
            places (`str`): lon, lat in degrees; several are separated by semicolons. May be empty.
            photo (`str`, *optional*): the path of a street view.
            tile (`str`, *optional*): the path of a Sentinel-2 GeoTIFF.

        Raises:
            ValueError: nothing came, or what cannot be read.
        """
        pins = self._pins(places)
        embeddings, kinds = (list(self._places(*np.array(pins).T)), ["place"]) if pins else ([], [])
        for kind, embed, path in (("photo", self._photo, photo), ("tile", self._tile, tile)):
            if path:
                embeddings.append(embed(path))
                kinds.append(kind)
        return Query(mean_direction(embeddings), pins, tuple(kinds), f"{pins} {photo} {tile}")

    def _pins(self, text: str) -> list[tuple[float, float]]:
        pairs = [part.strip() for part in text.split(";") if part.strip()]
        if len(pairs) > _MAX_PLACES:
            raise ValueError(f"{len(pairs)} places came, expected at most {_MAX_PLACES}; leave some out.")
        places = [typed_numbers(pair, 2, "lon, lat, as in 13.40, 52.52") for pair in pairs]
        if not places:
            return []
        checked = self._loaded.processor.feature_extractor.check(*np.array(places).T)
        return [(float(lon), float(lat)) for lon, lat in checked]

    def _scale(self, choice: str, kinds: Sequence[str], cosines: np.ndarray) -> Scale:
        if choice == FULL:
            return Scale(-1.0, 1.0, "full, −1 to 1")
        ranges = [self._ranges[kind] for kind in kinds]
        known = [found for found in ranges if found is not None]
        if choice == STRETCHED:
            return stretched(cosines)
        if choice != FIXED:
            raise ValueError(f"The scale is {choice!r:.40}, expected one of {FIXED}, {STRETCHED}, {FULL}; choose one.")
        if len(known) < len(ranges):
            # A range is measured when a model is released.
            scale = stretched(cosines)
            return Scale(scale.low, scale.high, f"{scale.label}: this model states no fixed range")
        return Scale(
            min(low for low, _ in known), max(high for _, high in known), "fixed: the same for all queries of a kind"
        )

    def _range_of_places(self) -> tuple[float, float]:
        """From what two places of the world have by chance, to what a place has with itself."""
        embeddings = self._places(*spread_in_box(*WORLD, _SAMPLED_PLACES))
        return float(np.percentile(embeddings @ embeddings.T, _LOWEST_PERCENTILE)), 1.0

    def _range_of_pair(self, pair: str) -> tuple[float, float] | None:
        ranges = self._loaded.similarity_ranges
        if pair not in ranges.get("pairs", {}):
            return None
        others, matched = (
            ranges["pairs"][pair][name][ranges["percentiles"].index(percentile)]
            for name, percentile in (("others", _LOWEST_PERCENTILE), ("matched", _HIGHEST_PERCENTILE))
        )
        return (others, matched) if others < matched else None


def parse_view(text: str) -> list[float]:
    """
    What is seen, from a link or the browser: west, south, east, north in degrees, where east may lie beyond 180.

    Raises:
        ValueError: no such part of the world.
    """
    west, south, east, north = view = typed_numbers(text, 4, "a view as west, south, east, north in degrees")
    if not (-180 <= west <= 180 and 1e-6 < east - west <= 360 + 1e-6 and -90 <= south < north <= 90):
        raise ValueError(f"The view is {text[:60]!r}, expected west, south, east, north in degrees; zoom out.")
    return view


def _text(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.4f}".rstrip("0").rstrip(".") for number in numbers)


def add_tab(loaded: Loaded, gallery: Gallery) -> None:
    """
    Builds the tab, inside `gr.Blocks`.

    Args:
        loaded ([`Loaded`]): the model.
        gallery ([`Gallery`]): whose photos are the examples.
    """
    maps = WorldMaps(loaded)
    gr.Markdown("Click anywhere: the colours show where on Earth the model expects a place like that one.")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            world = similarity_map("world-map")
        with gr.Column(scale=1, min_width=280):
            places = gr.Textbox(
                label="Places (lon, lat in degrees)", info="Several: separate them by semicolons.", max_length=1000, submit_btn="Show", elem_id="places",
            )  # fmt: skip
            adding = gr.Checkbox(label="A click adds a pin", info="Otherwise it moves to the click.")
            with gr.Accordion("Photo, tile", open=False):
                photo = gr.File(label="Street-view photo", file_types=[".jpg", ".jpeg", ".png", ".webp"], height=110)
                tile = gr.File(label="Sentinel-2 tile (GeoTIFF)", file_types=[".tif", ".tiff"], height=110)
                gr.Markdown("With pins, photo and tile at once, the map shows their mean direction.")
            scale = gr.Radio(_SCALES, value=FIXED, label="Colours run over")
            count = gr.Slider(0, _MAX_TOP, value=5, step=1, label="Most similar places, apart from each other")
    examples = _examples(gallery, places, photo)
    status = gr.Markdown(elem_id="world-status")
    view = gr.Textbox(_text(WORLD), visible=False)
    inputs, outputs = [places, photo, tile, view, scale, count], [world, status]

    def draw(places: str, photo: str | None, tile: str | None, view: str, scale: str, count: int) -> tuple:
        value = maps.draw(maps.query(places, photo, tile), parse_view(view), scale, int(count))
        value["link"] = urlencode({"at": places, "view": view.replace(" ", ""), "scale": scale})
        return value, _told(value, photo, tile, loaded)

    def pick(event: gr.EventData, adding: bool, old: str, *rest: Any) -> tuple:
        pin = _text(numbers(event, "lon", "lat"))
        new = f"{old}; {pin}" if adding and old.strip() else pin
        return new, *draw(new, *rest)

    def look(event: gr.EventData, places: str, photo: str | None, tile: str | None, old: str, *rest: Any) -> tuple:
        new = _text(numbers(event, "west", "south", "east", "north"))
        return new, *draw(places, photo, tile, new, *rest)

    def restore(request: gr.Request) -> tuple:
        asked = dict(request.query_params)
        places, view, scale = asked.get("at", _FIRST), asked.get("view", _text(WORLD)), asked.get("scale", FIXED)
        value, *rest = draw(places, None, None, view, scale, 5)
        # The address stays as it came until the visitor asks for something else.
        value["view"] = parse_view(view)
        del value["link"]
        return places, view, scale, value, *rest

    gr.on(None, warned(restore), None, [places, view, scale, *outputs], **HANDLER)
    world.pick(warned(pick), [adding, *inputs], [places, *outputs], trigger_mode="always_last", **HANDLER)
    world.view(warned(look), inputs, [view, *outputs], trigger_mode="always_last", **HANDLER)
    gr.on(
        [places.submit, photo.upload, photo.clear, tile.upload, tile.clear, scale.input, count.release],
        warned(draw),
        inputs,
        outputs,
        trigger_mode="always_last",
        **HANDLER,
    )
    examples.load_input_event.then(warned(draw), inputs, outputs, **HANDLER)
    gr.api(_api(maps), api_name="similarity_map", **TURNS)


def _examples(gallery: Gallery, places: gr.Textbox, photo: gr.File) -> Any:
    """Places, and some photos of the gallery, each to be tried by one click."""
    folder = Path(mkdtemp(prefix="gair-examples-"))
    rows: dict[str, list[str | None]] = {name: [text, None] for name, text in _EXAMPLES.items()}
    for number, found in enumerate(gallery.photos[:: max(len(gallery.photos) // _PHOTO_EXAMPLES, 1)][:_PHOTO_EXAMPLES]):
        path = folder / f"photo-{number + 1}.jpg"
        path.write_bytes(found.jpeg)
        rows[f"Photo {number + 1} of the gallery"] = ["", str(path)]
    return gr.Examples(
        list(rows.values()), [places, photo], example_labels=list(rows), label="Try", api_visibility="private"
    )


def _api(maps: WorldMaps) -> Any:
    """The map for programs, as `gradio_client` calls it."""

    def similarity_map(places: str, view: str = _text(WORLD), scale: str = FIXED, count: int = 5) -> dict:
        try:
            return maps.draw(maps.query(places), parse_view(view), scale, count)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return similarity_map


def _told(value: dict[str, Any], photo: str | None, tile: str | None, loaded: Loaded) -> str:
    """What the map shows, and the numbered places as a table."""
    names = [f"lon, lat {pin['lon']:.2f}, {pin['lat']:.2f}" for pin in value["pins"]]
    names += ["your photo"] * bool(photo) + ["your tile"] * bool(tile)
    together = "the mean direction of " if len(names) > 1 else ""
    rows = [
        f"| {number} | {place['lon']:.3f} | {place['lat']:.3f} | {place['similarity']:.4f} |"
        for number, place in enumerate(value["places"], start=1)
    ]
    table = ["| # | lon | lat | cosine similarity |", "|--:|--:|--:|--:|", *rows]
    return "\n".join(
        [
            f"Cosine similarity of {together}{' + '.join(names)} to the model's embedding of each place, by **{loaded.name}**. "
            f"{loaded.note}\n\nThe most similar places in this view, at least {value['apart_km']:,.0f} km apart and from the pins:\n",
            *table,
        ]
    )
