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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.encoded_tile import best_point
from serving.gallery import Gallery, Tile


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
    best = [best_point(tile.encoded.similarity(query)) for tile in gallery.tiles]
    return _ranked([Found(position, cosine, (x, y)) for position, (x, y, cosine) in enumerate(best)])


def find_photos(gallery: Gallery, query: np.ndarray) -> list[Found]:
    """Ranks all photos by their cosine similarity to an embedding `(D,)` of length 1."""
    return _ranked([Found(position, float(cosine)) for position, cosine in enumerate(gallery.photo_embeds @ query)])


def find_photos_of(gallery: Gallery, tile: Tile) -> list[Found]:
    """Ranks all photos by their cosine similarity to the most similar point of a tile, and gives that point."""
    best = [best_point(tile.encoded.similarity(embedding)) for embedding in gallery.photo_embeds]
    return _ranked([Found(position, cosine, (x, y)) for position, (x, y, cosine) in enumerate(best)])


def rank_of(found: Sequence[Found], positions: Sequence[int]) -> int | None:
    """The rank, from 1, of the first result among `positions`; None if there is none."""
    return next((rank for rank, one in enumerate(found, start=1) if one.position in positions), None)


def _ranked(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda one: -one.similarity)
