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
"""Scenes: a photo, a tile and places of the world, of which one is the query and the others are what it finds."""

from dataclasses import dataclass, replace

import numpy as np

from serving.gallery import Gallery
from serving.model import ServedModel, on_gpu
from serving.place_names import named_place
from serving.search import find_photos, find_tiles
from serving.tile_maps import TileQuery, gallery_query, point_query, tile_places, upload_query
from serving.world_maps import WorldQuery


@dataclass(frozen=True)
class Scene:
    """
    What the cards of the first screen show.

    Attributes:
        query ([`TileQuery`]): what the visitor chose; its `kind` says what it is.
        tile (`int`): position in the gallery of the tile shown.
        photo (`int`, *optional*): position of the photo shown; None for a visitor's own.
        cosine (`float`, *optional*): the similarity of query and photo, if the query found it.
        place (lon, lat, *optional*): where the query lies, in degrees.
        request (`int`): the number of the visitor's request for it.
    """

    query: TileQuery
    tile: int
    photo: int | None = None
    cosine: float | None = None
    place: tuple[float, float] | None = None
    request: int = 0

    @property
    def world_query(self) -> WorldQuery:
        """The same query, for the map of the world. Only a place has a pin; photos and points have marks."""
        pins = [self.place] if self.query.kind == "place" and self.place else []
        return WorldQuery(self.query.embedding, pins, (self.query.kind,), self.query.text, self.query.text)


def photo_scene(served: ServedModel, gallery: Gallery, photo: int) -> Scene:
    """A photo of the gallery, in the tile where it was taken."""
    taken = gallery.photos[photo]
    return Scene(gallery_query(served, gallery, photo), taken.tile, photo, place=(taken.lon, taken.lat))


def point_scene(served: ServedModel, gallery: Gallery, tile: int, x: float, y: float) -> Scene:
    """
    A point of a tile, and the photo of the gallery that is most similar to it.

    Raises:
        ValueError: if the point lies outside the tile.
    """
    shown = gallery.tiles[tile]
    query = point_query(served, shown, x, y)
    place = None
    if shown.bounds is not None:
        lon, lat = tile_places(served, shown, np.array([x]), np.array([y]))
        place = (float(lon[0]), float(lat[0]))
    return _with_photo(gallery, Scene(query, tile, place=place))


def place_scene(served: ServedModel, gallery: Gallery, lon: float, lat: float) -> Scene:
    """
    A place, and the tile and the photo of the gallery that are most similar to it.

    Raises:
        ValueError: if the place is not one on Earth.
    """
    ((lon, lat),) = served.coordinates.check([lon], [lat])
    (embedding,) = on_gpu(served.places)(np.array([lon]), np.array([lat]))
    query = TileQuery(embedding, "place", f"the place {named_place(served, lon, lat)}")
    return _with_photo(
        gallery, Scene(query, find_tiles(gallery, embedding)[0].position, place=(float(lon), float(lat)))
    )


def tile_scene(served: ServedModel, gallery: Gallery, tile: int) -> Scene:
    """A tile of the gallery, with the first photo taken in it, or with its middle if there is none."""
    own = gallery.photos_of(tile)
    return photo_scene(served, gallery, own[0]) if own else point_scene(served, gallery, tile, 0.5, 0.5)


def upload_scene(served: ServedModel, gallery: Gallery, path: str) -> Scene:
    """
    A visitor's photo, and the tile of the gallery that is most similar to it.

    Raises:
        ValueError: as in `uploads.read_photo`.
    """
    query = upload_query(served, path)
    return Scene(query, find_tiles(gallery, query.embedding)[0].position)


def _with_photo(gallery: Gallery, scene: Scene) -> Scene:
    found = find_photos(gallery, scene.query.embedding)[:1]
    return replace(scene, photo=found[0].position, cosine=found[0].similarity) if found else scene
