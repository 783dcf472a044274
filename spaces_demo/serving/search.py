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
"""Retrieval in the gallery: photos find tiles, tiles find photos, and places find both."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from serving.gallery import Gallery, Tile

MAX_COUNTED = 128
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True)
class Found:
    """
    A tile or a photo of the gallery that a query found.

    Attributes:
        position (`int`): position in the gallery's tiles or photos.
        similarity (`float`): cosine similarity, in [-1, 1].
        point (`tuple[float, float]`, *optional*): the most similar point of the tile: x eastwards, y southwards, in [0, 1].
    """

    position: int
    similarity: float
    point: tuple[float, float] | None = None


def find_tiles(gallery: Gallery, query: np.ndarray) -> list[Found]:
    """
    Ranks all tiles by the cosine similarity of a query to their best point, embedded by the first of their readings.

    Args:
        gallery ([`Gallery`]): T tiles.
        query (`np.ndarray` of shape `(D,)`): an embedding of length 1.

    Returns:
        `list[Found]`: T tiles with `point`, the most similar first.
    """
    best = [tile.encoded.best_point(tile.encoded.similarity(query)) for tile in gallery.tiles]
    return _ranked([Found(position, cosine, (x, y)) for position, (x, y, cosine) in enumerate(best)])


def find_photos(gallery: Gallery, query: np.ndarray) -> list[Found]:
    """Ranks all photos by their cosine similarity to an embedding `(D,)` of length 1."""
    return _ranked([Found(position, float(cosine)) for position, cosine in enumerate(gallery.photo_embeds @ query)])


def find_photos_of(gallery: Gallery, tile: Tile) -> list[Found]:
    """Ranks all photos by their cosine similarity to the most similar point of a tile, and gives that point."""
    best = [tile.encoded.best_point(similarity) for similarity in _maps(tile, gallery.photo_embeds)]
    return _ranked([Found(position, cosine, (x, y)) for position, (x, y, cosine) in enumerate(best)])


@dataclass(frozen=True)
class Totals:
    """
    How well photos find the tiles in which they were taken.

    Attributes:
        photos, tiles (`int`): how many photos were searched for, among how many tiles.
        first (`float`): the share of photos whose own tile ranks first. Chance: 1 / `tiles`.
        median_rank (`float`): of their own tiles, from 1. Chance: (`tiles` + 1) / 2.
    """

    photos: int
    tiles: int
    first: float
    median_rank: float


def retrieval_totals(gallery: Gallery) -> Totals | None:
    """The totals over the photos of a gallery, at regular intervals if there are more than `MAX_COUNTED`; None without any."""
    if not gallery.photos:
        return None
    counted = range(0, len(gallery.photos), math.ceil(len(gallery.photos) / MAX_COUNTED))
    embeds = gallery.photo_embeds[counted]
    highest = np.stack(
        [[tile.encoded.best_point(similarity)[2] for similarity in _maps(tile, embeds)] for tile in gallery.tiles]
    )
    own = highest[[gallery.photos[position].tile for position in counted], np.arange(len(counted))]
    ranks = 1 + (highest > own).sum(axis=0)
    return Totals(len(counted), len(gallery.tiles), float((ranks == 1).mean()), float(np.median(ranks)))


def rank_of(found: Sequence[Found], positions: Sequence[int]) -> int | None:
    """The rank, from 1, of the first result among `positions`; None if there is none."""
    return next((rank for rank, one in enumerate(found, start=1) if one.position in positions), None)


def _maps(tile: Tile, queries: np.ndarray) -> Iterator[np.ndarray]:
    """The similarity maps of queries `(Q, D)`, some at once in memory."""
    for first in range(0, len(queries), _QUERIES_AT_ONCE):
        yield from tile.encoded.similarity(queries[first : first + _QUERIES_AT_ONCE])


def _ranked(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda one: -one.similarity)
