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
"""The tiles and photos that the page offers and searches: the bundled gallery, or a folder or dataset of pairs."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import constants
from tqdm import tqdm

from serving.encoded_tile import LAYOUT, EncodedTile, standing
from serving.files import keep_if_possible, mapped_record, write_record
from serving.model import ServedModel, on_gpu
from serving.pictures import TRUE_COLOUR, data_uri, layer_pictures, photo_jpeg, published, thumbnail

BUNDLED_GALLERY = Path(__file__).parents[1] / "gallery"
# At the published size an encoded tile takes 1 MB, with pixels 6 MB: 0.3 GB or 1.6 GB in all, in files. Its pictures take less.
MAX_TILES = 256
MAX_PHOTOS_PER_TILE = 4

_COLUMNS = ("id", "tile", "tile_shape", "bands", "bounds", "crs", "photos")
_ROWS_AT_ONCE = 8
_BUNDLED_NAME = "the bundled gallery of the sample world"


@dataclass(frozen=True)
class Tile:
    """
    An encoded tile with its pictures.

    Attributes:
        name (`str`): the `id` of its row, or a name for an upload.
        layers (`dict[str, str]`): addresses of pictures, by the names in `pictures.LAYERS`.
        bounds (`tuple[float, float, float, float]` or None): west, south, east, north in units of `crs`.
        crs (`str` or None): CRS of the bounds; both are None if the file is not georeferenced.
        valid_fraction (`float`): fraction of pixels with data, in (0, 1].
        encoded ([`EncodedTile`]): embeddings for similarity maps.
        small (`str`): address of a small picture in true colour.
    """

    name: str
    layers: dict[str, str]
    bounds: tuple[float, float, float, float] | None
    crs: str | None
    valid_fraction: float
    encoded: EncodedTile
    small: str = ""


@dataclass(frozen=True)
class Photo:
    """
    A photo in a gallery.

    Attributes:
        name (`str`): the photo's `id`.
        jpeg (`bytes`): its picture, of at most `pictures.MAX_PICTURE_SIDE` pixels a side.
        lon, lat (`float`): where it was taken, degrees on WGS 84.
        tile (`int`): position of its tile in the gallery.
        point (`tuple[float, float]`): where it was taken in that tile: x eastwards, y southwards, in [0, 1].
        attribution (`str`): the credit to show; may be empty.
        picture, small (`str`): addresses of the picture and of a small one.
        label (`str`): what is on the ground there, if the gallery has the label `photo_labels`; else empty.
        standing (`float`): the share of its tile that is less similar to it than the point where it was taken; see
            `encoded_tile.standing`.
    """

    name: str
    jpeg: bytes
    lon: float
    lat: float
    tile: int
    point: tuple[float, float]
    attribution: str
    picture: str = ""
    small: str = ""
    label: str = ""
    standing: float = 0.5


@dataclass(frozen=True)
class Gallery:
    """
    Tiles and photos to choose from and to search.

    Attributes:
        name (`str`): what the page calls the gallery; never a path of the server.
        tiles (`list[Tile]`): T tiles.
        photos (`list[Photo]`): P photos, grouped by tile.
        photo_embeds (`np.ndarray` of shape `(P, D)`): float32, each of length 1.
    """

    name: str
    tiles: list[Tile]
    photos: list[Photo]
    photo_embeds: np.ndarray

    def photos_of(self, tile: int) -> list[int]:
        """Positions of the photos taken in a tile."""
        return [position for position, photo in enumerate(self.photos) if photo.tile == tile]


def load_gallery(source: str | None, served: ServedModel) -> Gallery:
    """
    Reads a gallery and embeds it; embeddings that the cache on disk holds are not computed again.

    Args:
        source (`str` or None): a folder of parquet files in the schema of pairs, or the name of such a dataset on the
            Hub; None for the environment variable `GAIR_GALLERY`, or else the bundled gallery.
        served ([`ServedModel`]): the model to embed with.

    Returns:
        [`Gallery`]: the first `MAX_TILES` tiles with up to `MAX_PHOTOS_PER_TILE` photos each.

    Raises:
        ValueError: if the gallery cannot be found, or none of its rows can be read. Rows that cannot be read are left out, and
            counted in a message.
    """
    source = os.path.expanduser(source or os.environ.get("GAIR_GALLERY") or str(BUNDLED_GALLERY))
    tiles: list[Tile] = []
    photos: list[Photo] = []
    photo_embeds: list[np.ndarray] = []
    problems: list[str] = []
    # Row by row, so that only pictures and embeddings stay in memory.
    for row in tqdm(islice(_rows(source, problems), MAX_TILES), "Reading the gallery", unit=" tiles"):
        try:
            read = _read(row, served)
            own = list(_photos(row, len(tiles), served))
            encoded, embeds, standings = _embeddings(row, read, own, served)
            tile = _tile(_name_of(row, len(tiles)), read, encoded, served, published)
        # Damaged tiles and photos raise errors of many kinds; one of them must not keep the page from starting.
        except Exception as error:
            problems.append(f"{error}" if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")
            continue
        tiles.append(tile)
        photos += [replace(photo, standing=float(found)) for photo, found in zip(own, standings)]
        photo_embeds.append(embeds)
    first = f" The first of {len(problems)} problems: {problems[0]}" if problems else ""
    if not tiles:
        raise ValueError(
            f"The gallery {source!r} has no rows, expected tiles with photos; choose another gallery.{first}"
        )
    if problems:
        print(f"The gallery lacks what cannot be read.{first}")
    name = _BUNDLED_NAME if Path(source).resolve() == BUNDLED_GALLERY.resolve() else Path(source).name
    return Gallery(name, tiles, photos, np.concatenate(photo_embeds))


def bundled_photos() -> Iterator[bytes]:
    """The files of the photos of the bundled gallery."""
    for row in _rows(str(BUNDLED_GALLERY), []):
        yield from (photo["jpeg"] for photo in _photo_rows(row))


def uploaded_tile(read: Any, served: ServedModel) -> Tile:
    """
    Encodes a visitor's tile and renders its pictures.

    Args:
        read (`GairTile`): as read by the processor.
        served ([`ServedModel`]): the model to encode with.

    Returns:
        [`Tile`]
    """
    return _tile("Your tile", read, on_gpu(served.encoded)(read), served, data_uri)


def _tile(name: str, read: Any, encoded: EncodedTile, served: ServedModel, address: Callable[[bytes], str]) -> Tile:
    layers = layer_pictures(read.pixels, served)
    small = address(thumbnail(layers[TRUE_COLOUR]))
    addresses = {layer: address(jpeg) for layer, jpeg in layers.items()}
    return Tile(name, addresses, read.bounds, read.crs, read.valid_fraction, encoded, small)


# Rows ----------------------------------------------------------------------------------------------------------------


def _rows(source: str, problems: list[str]) -> Iterator[dict[str, Any]]:
    """Rows in the schema of pairs, a few at a time in memory; files that cannot be read are added to the problems."""
    if Path(source).is_dir():
        for path in sorted(path for path in Path(source).rglob("*") if path.suffix.lower() == ".parquet"):
            try:
                with pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(_ROWS_AT_ONCE):
                        yield from batch.to_pylist()
            except (pa.ArrowException, OSError) as error:
                problems.append(f"{path.name} cannot be read ({error}).")
        return
    # Only galleries on the Hub need it.
    from datasets import load_dataset

    try:
        splits = load_dataset(source, streaming=True)
        yield from splits["test" if "test" in splits else next(iter(splits))]
    except Exception as error:
        raise ValueError(
            f"The gallery is {source!r}, expected a folder of parquet files or a reachable dataset on the Hub; check the "
            "spelling of GAIR_GALLERY."
        ) from error


def _read(row: dict[str, Any], served: ServedModel) -> Any:
    """The tile of a row, `GairTile`. Raises a `ValueError` if the row does not fit the schema."""
    missing = [column for column in _COLUMNS if column not in row]
    if missing:
        raise ValueError(
            f"The gallery lacks the columns {', '.join(missing)}, expected the schema of pairs; see docs/data.md."
        )
    shape = tuple(row["tile_shape"])
    if len(shape) != 3 or len(row["tile"]) != 2 * int(np.prod(shape)):
        raise ValueError(
            f"The tile of row {row['id']!r} has {len(row['tile'])} bytes and the shape {shape}, expected little-endian "
            "uint16 of shape (C, H, W); write the gallery again."
        )
    pixels = np.frombuffer(row["tile"], "<u2").reshape(shape)
    return served.processor.image_processor.read(pixels, bands=row["bands"], bounds=row["bounds"], crs=row["crs"])


def _name_of(row: dict[str, Any], position: int) -> str:
    return f"tile {position + 1}" if row["id"] is None else str(row["id"])


def _photo_rows(row: dict[str, Any]) -> list[dict[str, Any]]:
    return (row["photos"] or [])[:MAX_PHOTOS_PER_TILE]


def _photos(row: dict[str, Any], position: int, served: ServedModel) -> Iterator[Photo]:
    labels = row.get("photo_labels") or []
    for number, photo in enumerate(_photo_rows(row)):
        jpeg = photo_jpeg(photo["jpeg"], served)
        x, y = served.coordinates.locate(photo["lon"], photo["lat"], row["bounds"], row["crs"])
        yield Photo(
            str(photo["id"]),
            jpeg,
            photo["lon"],
            photo["lat"],
            position,
            (float(x), float(y)),
            photo.get("attribution") or "",
            published(jpeg),
            published(thumbnail(jpeg)),
            str(labels[number]) if number < len(labels) else "",
        )


# Embeddings and their cache ------------------------------------------------------------------------------------------


def _embeddings(
    row: dict[str, Any], read: Any, own: Sequence[Photo], served: ServedModel
) -> tuple[EncodedTile, np.ndarray, np.ndarray]:
    """
    The encoded tile of a row, the embeddings `(photos, D)` of its photos and their standings `(photos,)`, from the cache or
    computed for it.
    """
    path = _cache_path(row, served)
    try:
        return _cached(path)
    except (OSError, KeyError, ValueError, EOFError):
        # The file is missing or damaged.
        encoded, photos = on_gpu(served.encoded_row)(read, [photo["jpeg"] for photo in _photo_rows(row)])
    maps = encoded.similarity(photos)
    standings = np.array([standing(similarity, *photo.point) for similarity, photo in zip(maps, own)])
    record = {**encoded.arrays(), "photos": photos, "standings": standings}
    is_kept = keep_if_possible(path, lambda file: write_record(file, record))
    return _cached(path) if is_kept else (encoded, photos, standings)


def _cached(path: Path) -> tuple[EncodedTile, np.ndarray, np.ndarray]:
    """What [`_embeddings`] returns. Most of it stays in the file: tiles are the largest part of what the Space keeps."""
    arrays = mapped_record(path)
    return EncodedTile.of_arrays(arrays), arrays["photos"], arrays["standings"]


def _cache_path(row: dict[str, Any], served: ServedModel) -> Path:
    """A name made of what the file depends on: its layout, the model, and the bytes of the tile and photos."""
    placed = [(photo["lon"], photo["lat"]) for photo in _photo_rows(row)]
    parts = (LAYOUT, served.fingerprint, row["tile_shape"], row["bands"], row["bounds"], row["crs"], placed)
    digest = hashlib.sha256(" ".join(map(str, parts)).encode())
    for part in (row["tile"], *(photo["jpeg"] for photo in _photo_rows(row))):
        digest.update(hashlib.sha256(part).digest())
    return Path(constants.HF_HOME) / "gair" / "space" / "gallery" / f"{digest.hexdigest()[:32]}.npy"
