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
"""Queries to a tile, and its similarity maps as the page draws and describes them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.encoded_tile import SIDE, standing
from serving.gallery import Gallery, Tile
from serving.model import ServedModel, on_gpu
from serving.pictures import data_uri, photo_jpeg
from serving.place_names import named_place, near_text
from serving.ranges import colour_range
from serving.text import degrees_text, number_text
from serving.uploads import read_photo

# Cosines are sent as 16-bit integers in this unit.
_COSINE_UNIT = 1e-4
# The pair of modalities in `similarity_ranges` from which the fixed colour scale of a query is taken.
_PAIRS = {"photo": "sv_localized", "point": "localized_rs", "place": "localized_location"}
# What the page calls the readings.


@dataclass(frozen=True)
class TileQuery:
    """
    What the points of a tile are compared with.

    Attributes:
        embedding (`np.ndarray` of shape `(D,)`): of length 1.
        kind (`str`): "photo", "point" or "place".
        text (`str`): what the page calls it.
        point (`tuple[float, float]`, *optional*): its position if it lies in this tile: x eastwards, y southwards, in
            [0, 1].
        picture (`str`): the address of a photo's picture; else empty.
    """

    embedding: np.ndarray
    kind: str
    text: str
    point: tuple[float, float] | None = None
    picture: str = ""


def point_query(served: ServedModel, tile: Tile, x: float, y: float) -> TileQuery:
    """
    A point of the tile, embedded by the first of its readings.

    Raises:
        ValueError: if the point lies outside the tile or is not finite.
    """
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"The point is x {x:.4g}, y {y:.4g}, expected 0 to 1; click inside the tile.")
    return TileQuery(tile.encoded.at(x, y), "point", f"the point {_named_point(served, tile, x, y)}", (x, y))


def gallery_query(served: ServedModel, gallery: Gallery, position: int, tile: int | None = None) -> TileQuery:
    """A photo of the gallery, for a tile of it, by default the one in which it was taken."""
    photo = gallery.photos[position]
    text = f"the photo taken {named_place(served, photo.lon, photo.lat)}"
    point = photo.point if tile in (None, photo.tile) else None
    return TileQuery(gallery.photo_embeds[position], "photo", text, point, photo.picture)


def upload_query(served: ServedModel, path: str) -> TileQuery:
    """
    A visitor's photo.

    Raises:
        ValueError: as in `uploads.read_photo`.
    """
    image = read_photo(path)
    embedding = on_gpu(served.photo)(image)
    return TileQuery(embedding, "photo", "your photo", picture=data_uri(photo_jpeg(image, served)))


def fixed_range(kind: str, ranges: dict[str, Any]) -> tuple[float, float] | None:
    """
    The ends of the fixed colour scale, the same for all tiles; for a point the upper end is 1, its similarity to itself.

    Args:
        kind (`str`): "photo", "point" or "place".
        ranges (`dict`): `similarity_ranges` of the model's config; may be empty.

    Returns:
        `tuple[float, float]`, or None if the model states no range.
    """
    return colour_range(ranges, _PAIRS[kind], highest=1.0 if kind == "point" else None)


def centres() -> tuple[np.ndarray, np.ndarray]:
    """x and y of the points of a map, `(SIDE * SIDE,)` each, row by row from the north-west."""
    steps = (np.arange(SIDE) + 0.5) / SIDE
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return x.ravel(), y.ravel()


def tile_places(served: ServedModel, tile: Tile, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Places of points in a tile.

    Args:
        served ([`ServedModel`]): its processor knows the projections.
        tile ([`Tile`]): a georeferenced tile.
        x, y (`np.ndarray` of shape `(N,)`): eastwards and southwards in [0, 1].

    Returns:
        `tuple` of lon in [-180, 180) and lat, float64 degrees.

    Raises:
        ValueError: if the tile is not georeferenced.
    """
    if tile.bounds is None or tile.crs is None:
        raise ValueError(
            "The tile is not georeferenced, expected bounds and a CRS for a file with coordinates; save the PNG instead."
        )
    places = served.coordinates.places_at(np.stack([x, y], axis=-1), tile.bounds, tile.crs)
    return places[..., 0], places[..., 1]


def place_text(served: ServedModel, tile: Tile, x: float, y: float) -> str:
    """A point of a tile in degrees, or as fractions of the sides if the tile is not georeferenced."""
    if tile.bounds is None:
        return f"{x:.0%} from the west and {y:.0%} from the north"
    lon, lat = tile_places(served, tile, np.array([x]), np.array([y]))
    return degrees_text(float(lon[0]), float(lat[0]))


def _named_point(served: ServedModel, tile: Tile, x: float, y: float) -> str:
    """As [`place_text`], after the nearest town if the tile is georeferenced."""
    text = place_text(served, tile, x, y)
    return text if tile.bounds is None else f"{near_point_text(served, tile, x, y)} ({text})"


def near_point_text(served: ServedModel, tile: Tile, x: float, y: float) -> str:
    """Where a point of a tile is, such as "near Berlin, Germany"; as [`place_text`] if the tile is not georeferenced."""
    if tile.bounds is None:
        return place_text(served, tile, x, y)
    lon, lat = tile_places(served, tile, np.array([x]), np.array([y]))
    return near_text(served, float(lon[0]), float(lat[0]))


def tile_value(
    served: ServedModel,
    tile: Tile,
    query: TileQuery | None,
    photo_points: list[tuple[float, float]],
    readings: Sequence[str] | None = None,
) -> dict[str, Any]:
    """
    What tile.js draws.

    Args:
        served ([`ServedModel`]): the model.
        tile ([`Tile`]): the tile to show.
        query ([`TileQuery`], *optional*): what its points are compared with.
        photo_points (`list` of x, y): where the tile's photos were taken.
        readings (`Sequence[str]`, *optional*): which of the tile's readings to draw, its own among them; by default all.

    Returns:
        `dict`: `layers` (addresses of pictures), `corners` (lon, lat of north-west, north-east, south-west, south-east; None if
        the tile is not georeferenced), `photos` (x, y), `side`; with a query also `maps` (base64 of int16 `(SIDE, SIDE)`, one a
        reading), `own` (the name of the tile's own reading), `unit`, `mean`, `fixed` (low, high), `asked` (the kind of query),
        `query` (x, y or None), `best` (x, y by reading), `standings` (of the point where the photo was taken, by reading),
        `title`, `key`.
    """
    value: dict[str, Any] = {
        "layers": tile.layers,
        "corners": _corners(served, tile),
        "photos": photo_points,
        "side": SIDE,
    }
    if query is None:
        return value
    encoded = tile.encoded
    maps = {reading: encoded.similarity(query.embedding, reading) for reading in readings or encoded.readings}
    return {
        **value,
        "maps": {reading: _packed(cosines) for reading, cosines in maps.items()},
        "own": encoded.readings[0],
        "unit": _COSINE_UNIT,
        "mean": float(encoded.mean @ query.embedding),
        "fixed": fixed_range(query.kind, served.similarity_ranges),
        "asked": query.kind,
        "query": query.point,
        "best": {reading: encoded.best_point(cosines)[:2] for reading, cosines in maps.items()},
        "standings": standings(tile, query),
        "title": f"Similarity of {query.text} to the points of {tile.name}",
        "key": f"{tile.name}: {query.text}",
    }


def standings(tile: Tile, query: TileQuery) -> dict[str, float]:
    """
    The share of the tile that is less similar to a photo than the point where it was taken, by reading, the mean of the tile
    included; see `encoded_tile.standing`. Empty for queries of other kinds.
    """
    if query.kind != "photo" or query.point is None:
        return {}
    readings = {name: tile.encoded.similarity(query.embedding, name) for name in tile.encoded.readings}
    found = {name: standing(similarity, *query.point) for name, similarity in readings.items()}
    return {**found, "mean": standing(np.zeros((SIDE, SIDE)), *query.point)}


def summary(served: ServedModel, tile: Tile, query: TileQuery | None) -> str:
    """What the maps show, as Markdown."""
    if query is None:
        lines = ["**Click a point in the tile, or choose a photo.**"]
    else:
        lines = [
            f"**How similar is each point of the tile to {query.text}?**",
            " ".join(_findings(served, tile, query)),
        ]
    if tile.valid_fraction < 1:
        lines.append(
            f"{1 - tile.valid_fraction:.0%} of the tile's pixels have no data and were filled with the mean; do not rely on the map "
            "there."
        )
    return "\n\n".join(lines)


def _findings(served: ServedModel, tile: Tile, query: TileQuery) -> list[str]:
    """The most similar point and, for a photo, the true one beside it."""
    x, y, highest = tile.encoded.best_point(tile.encoded.similarity(query.embedding))
    lines = [f"Most similar point: {place_text(served, tile, x, y)}, cosine {number_text(highest, 3)}."]
    own = standings(tile, query)
    if query.point is not None and own:
        away = distance_text(served, tile, (x, y), query.point)
        lines.append(
            f"The photo was taken {away} from there (★). Its true place is more similar to it than "
            f"**{own[tile.encoded.readings[0]]:.0%}** of the tile; chance gives 50%."
        )
    return lines


def distance_text(served: ServedModel, tile: Tile, first: tuple[float, float], second: tuple[float, float]) -> str:
    """The distance of two points of a tile, in metres, or in hundredths of a side if the tile is not georeferenced."""
    if tile.bounds is None:
        return f"{np.hypot(first[0] - second[0], first[1] - second[1]):.0%} of a side"
    lon, lat = tile_places(served, tile, *np.array([first, second]).T)
    return f"{float(served.coordinates.great_circle_distance_m(lon[0], lat[0], lon[1], lat[1])):,.0f} m"


def _corners(served: ServedModel, tile: Tile) -> list[list[float]] | None:
    if tile.bounds is None:
        return None
    lon, lat = tile_places(served, tile, np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    # Without a jump at the antimeridian, so that the browser can interpolate.
    lon = lon[0] + served.coordinates.wrap_longitude(lon - lon[0])
    return np.stack([lon, lat], axis=-1).tolist()


def _packed(cosines: np.ndarray) -> str:
    return base64.b64encode(np.rint(cosines / _COSINE_UNIT).astype("<i2").tobytes()).decode()
