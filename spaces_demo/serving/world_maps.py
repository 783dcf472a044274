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
"""Similarity maps of the world for places, photos, tiles, or several of them together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from serving.grids import WORLD, Region
from serving.land import on_land
from serving.layers import Layer
from serving.model import ServedModel, on_gpu
from serving.place_names import named_place
from serving.ranges import colour_range
from serving.similarity import Scale, distinct_top, mean_direction, spread_in_box, stretched
from serving.text import typed_numbers
from serving.turns import always
from serving.uploads import read_photo, read_tile

FIXED, STRETCHED, FULL = SCALES = "fixed", "stretched", "full"
MAX_LISTED = 20
_MAX_PINS = 20
# Minimum distance between listed places on the map of the whole world.
_APART_KM = 1000.0
# The pair of modalities in `similarity_ranges` from which the fixed colour scale of a query is taken.
_PAIRS = {"photo": "sv_location", "point": "localized_location", "tile": "rs_location"}
# The fixed scale of places begins at this percentile of the similarities between places spread over the world.
_LOWEST_PERCENTILE = 1
_SAMPLED_PLACES = 1536
_CACHED_UPLOADS = 64


@dataclass(frozen=True)
class WorldQuery:
    """
    What the places of the world are compared with.

    Attributes:
        embedding (`np.ndarray` of shape `(D,)`): of length 1; the mean direction if there are several parts.
        places (`list` of lon, lat): the pins.
        kinds (`tuple[str, ...]`): "place", "photo", "point" (of a tile) and "tile", one for each part.
        key (`str`): equal for equal queries.
        text (`str`): what the parts are, in plain words.
    """

    embedding: np.ndarray
    places: list[tuple[float, float]]
    kinds: tuple[str, ...]
    key: str
    text: str


class WorldMaps:
    """Draws maps with one model."""

    def __init__(self, served: ServedModel):
        self._served, self._coordinates = served, served.coordinates
        self._places = on_gpu(served.places)
        self._grids = served.grids
        # Uploads are stored under a name made of their content, so a path stands for one embedding.
        self._photo = lru_cache(_CACHED_UPLOADS)(lambda path: self._in_turn(served.photo, read_photo(path)))
        self._tile = lru_cache(_CACHED_UPLOADS)(
            lambda path, bands: self._in_turn(
                served.tile, read_tile(path, served.processor.image_processor, bands or None)
            )
        )
        self._ranges: dict[str, tuple[float, float] | None] = {"place": self._range_of_places()}
        for kind, pair in _PAIRS.items():
            self._ranges[kind] = colour_range(served.similarity_ranges, pair)

    def _in_turn(self, embed: Callable[[Any], np.ndarray], upload: Any) -> np.ndarray:
        with self._grids.turns.turn(0):
            return on_gpu(embed)(upload)

    def draw(
        self, query: WorldQuery, view: Sequence[float], scale: str, count: int, sea: bool = False
    ) -> dict[str, Any]:
        """What map.js draws of a query: the value of the last layer of [`~WorldMaps.layers`]."""
        *_, value = self.steps(query, view, scale, count, sea)
        return value

    def steps(self, *arguments: Any, **options: Any) -> Iterator[dict[str, Any]]:
        """What map.js draws of each of [`~WorldMaps.layers`]."""
        for layer in self.layers(*arguments, **options):
            yield layer.value()

    def layers(
        self,
        query: WorldQuery,
        view: Sequence[float],
        scale: str,
        count: int,
        sea: bool = False,
        current: Callable[[], bool] = always,
    ) -> Iterator[Layer]:
        """
        The map of a query: a coarse one first, if the one that suits the view takes time.

        Args:
            query ([`WorldQuery`]): from [`~WorldMaps.query`].
            view (west, south, east, north): the visible part of the world in degrees.
            scale (`str`): "fixed", "stretched" or "full".
            count (`int`): how many of the most similar places to list, at most 20, [`apart_km`] from each other.
            sea (`bool`): whether to draw and list places at sea, of which models trained on photos know nothing.
            current (`Callable`): whether the map is still wanted.

        Yields:
            [`Layer`]

        Raises:
            ValueError: if the scale or the count is not one of those allowed, or there is only sea in the view.
            Superseded: if the map is not wanted any more.
        """
        if not (isinstance(count, int) and 0 <= count <= MAX_LISTED):
            raise ValueError(f"The number of places is {count!r:.40}, expected 0 to {MAX_LISTED}; move the slider.")
        for region, cosines, coarse in self._grids.steps(view, lambda cells: cells @ query.embedding, sea, current):
            cosines = np.clip(cosines, -1, 1)
            colours = self._scale(scale, query.kinds, cosines)
            yield Layer(
                region,
                cosines,
                colours,
                f"Similarity to {query.text}",
                view,
                f"{query.key} {colours.low} {colours.high}",
                coarse,
                pins=query.places,
                places=self._most_similar(cosines, region, view, query, count),
            )

    def query(self, places: str, photo: str | None = None, tile: str | None = None, band_order: str = "") -> WorldQuery:
        """
        Embeds a query: the mean direction of all parts that are given.

        Args:
            places (`str`): lon, lat in degrees; several are separated by semicolons. May be empty.
            photo (`str`, *optional*): path of a street view.
            tile (`str`, *optional*): path of a Sentinel-2 GeoTIFF.
            band_order (`str`): of the tile, as in `read_tile`; empty if the file names its bands.

        Raises:
            ValueError: if there is no part, or a part cannot be read.
        """
        pins = self._pins(places)
        embeddings, kinds = (list(self._places(*np.array(pins).T)), ["place"]) if pins else ([], [])
        if photo:
            embeddings.append(self._photo(photo))
            kinds.append("photo")
        if tile:
            embeddings.append(self._tile(tile, band_order))
            kinds.append("tile")
        key, text = f"{pins} {photo} {tile} {band_order}", self._text(pins, kinds)
        return WorldQuery(mean_direction(embeddings), pins, tuple(kinds), key, text)

    def _text(self, pins: Sequence[tuple[float, float]], kinds: Sequence[str]) -> str:
        names = [f"the place {named_place(self._served, *pin)}" for pin in pins]
        names = names if len(pins) < 3 else [f"{len(pins)} places"]
        return " and ".join([*names, *(f"the {kind}" for kind in kinds if kind != "place")])

    def _pins(self, text: str) -> list[tuple[float, float]]:
        pairs = [part.strip() for part in text.split(";") if part.strip()]
        if len(pairs) > _MAX_PINS:
            raise ValueError(f"There are {len(pairs)} places, expected at most {_MAX_PINS}; remove some.")
        places = [typed_numbers(pair, 2, "longitude and latitude in degrees, such as 13.40, 52.52") for pair in pairs]
        if not places:
            return []
        checked = self._coordinates.check(*np.array(places).T)
        return [(float(lon), float(lat)) for lon, lat in checked]

    def _most_similar(
        self, cosines: np.ndarray, region: Region, view: Sequence[float], query: WorldQuery, count: int
    ) -> list[dict[str, float]]:
        lon, lat = region.centers()
        # Blocks extend beyond the view, and listed places must be visible.
        west, south, east, north = view
        visible = ((lon - west) % 360 <= east - west) & (lat >= south) & (lat <= north)
        values = np.where(visible, cosines.ravel(), np.nan)
        distance_m = self._coordinates.great_circle_distance_m
        best = distinct_top(values, lon, lat, count, 1000 * apart_km(view), distance_m, avoided=query.places)
        lon = self._coordinates.wrap_longitude(lon)
        return [{"lon": float(lon[at]), "lat": float(lat[at]), "similarity": float(cosines.flat[at])} for at in best]

    def _scale(self, choice: str, kinds: Sequence[str], cosines: np.ndarray) -> Scale:
        if choice == FULL:
            return Scale(-1.0, 1.0, "full, −1 to 1")
        if choice == STRETCHED:
            return stretched(cosines)
        if choice != FIXED:
            raise ValueError(f"The colour scale is {choice!r:.40}, expected one of {', '.join(SCALES)}; choose one.")
        known = [found for found in map(self._ranges.get, kinds) if found is not None]
        if len(known) < len(kinds):
            # Ranges are measured when a model is released.
            scale = stretched(cosines)
            return Scale(scale.low, scale.high, f"{scale.label}: this model states no fixed range")
        label = "fixed: the same for every query of this kind"
        return Scale(min(low for low, _ in known), max(high for _, high in known), label)

    def _range_of_places(self) -> tuple[float, float]:
        """From the similarity that two places on land have by chance to that of a place with itself."""
        lon, lat = spread_in_box(*WORLD, _SAMPLED_PLACES)
        land = on_land(lon, lat, 0.0)
        embeddings = self._places(lon[land], lat[land])
        return float(np.percentile(embeddings @ embeddings.T, _LOWEST_PERCENTILE)), 1.0


def apart_km(view: Sequence[float]) -> float:
    """How far listed places are from each other and from the query in a view (west, south, east, north in degrees)."""
    return _APART_KM * (view[2] - view[0]) / 360


def parse_view(text: str) -> list[float]:
    """
    Parses a view from a link or the browser: west, south, east, north in degrees, where east may lie beyond 180.

    Raises:
        ValueError: if the view is not a part of the world.
    """
    west, south, east, north = view = typed_numbers(text, 4, "a view as west, south, east, north in degrees")
    if not (-180 <= west <= 180 and 1e-6 < east - west <= 360 + 1e-6 and -90 <= south < north <= 90):
        raise ValueError(f"The view is {text[:60]!r}, expected west, south, east, north in degrees; zoom out.")
    return view
