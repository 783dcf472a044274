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
"""What is chosen in Explore, as a link and back again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from serving.clusters import MOST_CLUSTERS
from serving.gallery import Gallery
from serving.labels import PLUS, compact, expanded, parse_labels
from serving.world_maps import FIXED, MAX_LISTED, SCALES
from views.link import EXPLORE, LONGEST, Link, address

SIMILARITY, COLOURS, CLUSTERS, TEACH = "similarity", "colours", "clusters", "teach"
SHOWN = {
    "Similar places": SIMILARITY,
    "Embeddings as colours": COLOURS,
    "Clusters": CLUSTERS,
    "Teach by clicks": TEACH,
}
FIRST_COUNT, FIRST_CLUSTERS = 5, 8
_FIRST = "13.40, 52.52"
_NO_FILE = "A link cannot hold a file of your own; save the map instead."
_TOO_LONG = "These labels are too many for a link, which holds about 200; save the map as GeoJSON, which has them all."


@dataclass(frozen=True)
class Choices:
    """The values of the controls of Explore; `position` is that of the tile that is shown as colours, `band_order` of `tile`."""

    shown: str = SIMILARITY
    places: str = ""
    photo: str | None = None
    tile: str | None = None
    scale: str = FIXED
    count: int = FIRST_COUNT
    clusters: int = FIRST_CLUSTERS
    marks: str = PLUS
    labels: str = ""
    sea: bool = False
    position: int | None = None
    band_order: str = ""


class GalleryFiles:
    """Photos of the gallery as files, since a field for uploads holds files."""

    def __init__(self, gallery: Gallery):
        self._photos, self._folder = gallery.photos, Path(mkdtemp(prefix="gair-examples-"))
        self._numbers = {sha256(photo.jpeg).digest(): number for number, photo in enumerate(gallery.photos)}
        # Uploads are stored under a name made of their content.
        self._number_of = lru_cache(64)(lambda path: self._numbers.get(sha256(Path(path).read_bytes()).digest()))

    def path(self, number: int) -> str:
        """The file of a photo."""
        path = self._folder / f"photo-{number + 1}.jpg"
        if not path.exists():
            path.write_bytes(self._photos[number].jpeg)
        return str(path)

    def number(self, path: str | None) -> int | None:
        """Which photo of the gallery a file holds; None if it is a visitor's own."""
        return None if path is None else self._number_of(path)

    def __len__(self) -> int:
        return len(self._photos)


def link_of(choices: Choices, view: Sequence[float], files: GalleryFiles, coordinates: Any) -> dict[str, str]:
    """
    The link to a map.

    Args:
        choices ([`Choices`]): what is shown.
        view (west, south, east, north): the part of the world, in degrees.
        files ([`GalleryFiles`]): which photos a link can name.
        coordinates (`GairCoordinateProcessor`): checks labels.

    Returns:
        `dict`: `link`, the query string for the address of the page, and `unlinked`: a sentence on why it does not lead to all
        that is shown, or nothing.

    Raises:
        ValueError: if a label cannot be read.
    """
    parts: dict[str, Any] = {"show": None if choices.shown == SIMILARITY else choices.shown}
    unlinked = ""
    if choices.shown == SIMILARITY:
        photo = files.number(choices.photo)
        count = None if choices.count == FIRST_COUNT else int(choices.count)
        parts |= {"at": choices.places, "photo": photo, "scale": choices.scale, "count": count}
        unlinked = _NO_FILE if choices.tile or (choices.photo and photo is None) else ""
    elif choices.shown == COLOURS:
        parts["tile"] = choices.position
    elif choices.shown == CLUSTERS:
        parts["clusters"] = int(choices.clusters)
    elif choices.shown == TEACH:
        labels = compact(parse_labels(choices.labels, coordinates)) or None
        unlinked = _TOO_LONG if labels and len(labels) > LONGEST else ""
        parts["labels"] = None if unlinked else labels
    link = address(tab=EXPLORE, **parts, view=tuple(view), sea=1 if choices.sea else None)
    return {"link": link, "unlinked": unlinked}


def choices_of(link: Link, files: GalleryFiles, tiles: int) -> Choices:
    """
    What a link of [`link_of`] shows, where the gallery has so many tiles; without any parts, the places similar to Berlin.

    Raises:
        ValueError: if a part is none that the view knows.
    """
    parts, photo = link.parts, link.position("photo", len(files))
    return Choices(
        link.one_of("show", SHOWN.values(), SIMILARITY),
        parts.get("at", _FIRST if photo is None else ""),
        None if photo is None else files.path(photo),
        scale=link.one_of("scale", SCALES, FIXED),
        count=link.whole("count", FIRST_COUNT, 0, MAX_LISTED),
        clusters=link.whole("clusters", FIRST_CLUSTERS, 2, MOST_CLUSTERS),
        labels=expanded(parts["labels"]) if "labels" in parts else "",
        sea=link.one_of("sea", ("0", "1"), "0") == "1",
        position=link.position("tile", tiles),
    )
