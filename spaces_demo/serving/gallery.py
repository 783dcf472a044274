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
"""The tiles and photos that the page offers and searches: bundled, or a folder or data set in the schema of pairs."""

import base64
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow.parquet as pq
from huggingface_hub import constants
from PIL import Image, ImageOps

from serving.encoded_tile import EncodedTile, encode
from serving.loaded import Loaded, on_gpu

BUNDLED = Path(__file__).parents[1] / "gallery"
# At the published size an encoded tile takes 1 MB, its pictures less: 0.3 GB in all.
MAX_TILES = 256
MAX_PHOTOS_PER_TILE = 4
# Of pictures that are shown, in pixels; what is embedded is never made smaller here.
MAX_PICTURE_SIDE = 512
_THUMBNAIL_SIDE = 128
# Red, green and blue of each picture of a tile.
LAYERS = {
    "True colour": ("B04", "B03", "B02"),
    "Infrared": ("B08", "B04", "B03"),
    "Short-wave": ("B12", "B8A", "B04"),
}

_COLUMNS = ("id", "tile", "tile_shape", "bands", "bounds", "crs", "photos")
# What is kept of each encoded tile, in the order of its fields.
_KEPT = ("grids", "lengths", "slopes")
_ROWS_AT_ONCE = 8
_BUNDLED_NAME = "the bundled gallery of the sample world"


@dataclass(frozen=True)
class Tile:
    """
    A tile, ready to be shown and asked.

    Attributes:
        name (`str`): of its row, or of an upload.
        layers (`dict[str, str]`): pictures by the names of `LAYERS`, as data URIs.
        bounds (`tuple[float, float, float, float]` or None): west, south, east, north in units of `crs`.
        crs (`str` or None): of the bounds; both are None where the file does not say where it lies.
        valid_fraction (`float`): share of pixels with data, in (0, 1].
        encoded ([`EncodedTile`]): for similarity maps.
    """

    name: str
    layers: dict[str, str]
    bounds: tuple[float, float, float, float] | None
    crs: str | None
    valid_fraction: float
    encoded: EncodedTile


@dataclass(frozen=True)
class Photo:
    """
    A photo of a gallery.

    Attributes:
        name (`str`): of the photo.
        jpeg (`bytes`): its picture, of at most `MAX_PICTURE_SIDE` pixels a side.
        lon, lat (`float`): where it was taken, degrees on WGS 84.
        tile (`int`): the position of its tile in the gallery.
        point (`tuple[float, float]`): where in that tile: x eastwards, y southwards, in [0, 1].
        attribution (`str`): whom to name.
    """

    name: str
    jpeg: bytes
    lon: float
    lat: float
    tile: int
    point: tuple[float, float]
    attribution: str


@dataclass(frozen=True)
class Gallery:
    """
    What the page offers and searches.

    Attributes:
        name (`str`): what the page calls it: never a path of the server.
        tiles (`list[Tile]`): T of them.
        photos (`list[Photo]`): P of them, by tile.
        photo_embeds (`np.ndarray` of shape `(P, D)`): float32, each of length 1.
    """

    name: str
    tiles: list[Tile]
    photos: list[Photo]
    photo_embeds: np.ndarray

    def photos_of(self, tile: int) -> list[int]:
        """Positions of the photos taken in a tile."""
        return [position for position, photo in enumerate(self.photos) if photo.tile == tile]


def load_gallery(source: str | None, loaded: Loaded) -> Gallery:
    """
    Reads a gallery and embeds it, or takes the embeddings from the cache on disk.

    Args:
        source (`str` or None): a folder of parquet files in the schema of pairs, or the name of such a data set on the
            Hub; None for the environment's `GAIR_GALLERY`, else the bundled one.
        loaded ([`Loaded`]): the model to embed with.

    Returns:
        [`Gallery`]: of the first `MAX_TILES` tiles, with up to `MAX_PHOTOS_PER_TILE` photos each.

    Raises:
        ValueError: there is no such gallery, it is empty, or a row does not fit the schema.
    """
    source = source or os.environ.get("GAIR_GALLERY") or str(BUNDLED)
    tiles: list[Tile] = []
    photos: list[Photo] = []
    photo_embeds: list[np.ndarray] = []
    # Row by row, so that no more than pictures and embeddings stay in memory.
    for position, row in enumerate(islice(_rows(source), MAX_TILES)):
        read = _read(row, loaded)
        encoded, embeds = _embeddings(row, read, loaded)
        name = str(row["id"])
        tiles.append(Tile(name, pictures(read.pixels, loaded), read.bounds, read.crs, read.valid_fraction, encoded))
        photos += _photos(row, position, loaded)
        photo_embeds.append(embeds)
    if not tiles:
        raise ValueError(f"The gallery {source!r} has no rows, expected tiles with photos; name another.")
    name = _BUNDLED_NAME if Path(source).resolve() == BUNDLED.resolve() else Path(source).name
    return Gallery(name, tiles, photos, np.concatenate(photo_embeds))


def show(name: str, read: Any, loaded: Loaded) -> Tile:
    """
    A tile of a visitor, encoded and with its pictures.

    Args:
        name (`str`): what the page calls it.
        read (`GairTile`): as the processor has read it.
        loaded ([`Loaded`]): the model to encode with.

    Returns:
        [`Tile`]
    """
    encoded = on_gpu(encode)(loaded.model, loaded.processor.image_processor.prepare([read.pixels]))
    return Tile(name, pictures(read.pixels, loaded), read.bounds, read.crs, read.valid_fraction, encoded)


def pictures(pixels: np.ndarray, loaded: Loaded) -> dict[str, str]:
    """
    A tile as a person would see it in each of `LAYERS`, stretched from the 2nd to the 98th percentile.

    Args:
        pixels (`np.ndarray` of shape `(10, H, W)`): as read by the processor of `loaded`.
        loaded ([`Loaded`]): whose processor knows the bands' order.

    Returns:
        `dict[str, str]`: JPEGs as data URIs, of at most 512 pixels a side.
    """
    bands = list(loaded.processor.image_processor.bands)
    return {name: _picture(pixels[[bands.index(band) for band in shown]]) for name, shown in LAYERS.items()}


def data_uri(jpeg: bytes) -> str:
    """A JPEG for the `src` of an image."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def thumbnail(uri: str) -> str:
    """The picture of a data URI, small enough for a strip of hundreds."""
    return data_uri(jpeg_of(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))), _THUMBNAIL_SIDE))


def jpeg_of(image: Image.Image, side: int) -> bytes:
    """An image as upright JPEG, made smaller where a side exceeds `side` pixels."""
    small = image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    ImageOps.exif_transpose(small).convert("RGB").save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _picture(colours: np.ndarray) -> str:
    values = colours.astype(np.float32)
    low, high = np.percentile(values, (2, 98))
    scaled = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1)
    image = Image.fromarray((255 * scaled).round().astype(np.uint8).transpose(1, 2, 0))
    return data_uri(jpeg_of(image, MAX_PICTURE_SIDE))


# Rows ----------------------------------------------------------------------------------------------------------------


def _rows(source: str) -> Iterator[dict[str, Any]]:
    """Rows in the schema of pairs, few at a time in memory."""
    if Path(source).is_dir():
        for path in sorted(Path(source).rglob("*.parquet")):
            for batch in pq.ParquetFile(path).iter_batches(_ROWS_AT_ONCE):
                yield from batch.to_pylist()
        return
    # Only a gallery on the Hub needs it.
    from datasets import load_dataset

    try:
        splits = load_dataset(source, streaming=True)
        yield from splits["test" if "test" in splits else next(iter(splits))]
    except Exception as error:
        raise ValueError(
            f"The gallery is {source!r}, expected a folder of parquet files or a data set on the Hub that can be reached; "
            "check GAIR_GALLERY for a slip."
        ) from error


def _read(row: dict[str, Any], loaded: Loaded) -> Any:
    """The tile of a row, `GairTile`; a `ValueError` where the row does not fit the schema."""
    missing = [column for column in _COLUMNS if column not in row]
    if missing:
        raise ValueError(f"The gallery lacks the columns {', '.join(missing)}; see training/README.md for the schema.")
    shape = tuple(row["tile_shape"])
    if len(shape) != 3 or len(row["tile"]) != 2 * int(np.prod(shape)):
        raise ValueError(
            f"The tile of row {row['id']!r} has {len(row['tile'])} bytes and the shape {shape}, expected little-endian "
            "uint16 of (C, H, W); write the gallery again."
        )
    pixels = np.frombuffer(row["tile"], "<u2").reshape(shape)
    return loaded.processor.image_processor.read(pixels, bands=row["bands"], bounds=row["bounds"], crs=row["crs"])


def _shown(row: dict[str, Any]) -> list[dict[str, Any]]:
    return row["photos"][:MAX_PHOTOS_PER_TILE]


def _photos(row: dict[str, Any], position: int, loaded: Loaded) -> Iterator[Photo]:
    for photo in _shown(row):
        x, y = loaded.processor.feature_extractor.locate(photo["lon"], photo["lat"], row["bounds"], row["crs"])
        yield Photo(
            str(photo["id"]),
            jpeg_of(Image.open(io.BytesIO(photo["jpeg"])), MAX_PICTURE_SIDE),
            photo["lon"],
            photo["lat"],
            position,
            (float(x), float(y)),
            photo.get("attribution") or "",
        )


# Embeddings and their cache ------------------------------------------------------------------------------------------


def _embeddings(row: dict[str, Any], read: Any, loaded: Loaded) -> tuple[EncodedTile, np.ndarray]:
    """The encoded tile of a row, and the embeddings `(photos, D)` of its photos: from the cache, or made for it."""
    cache = _cache_path(row, loaded)
    try:
        with np.load(cache, allow_pickle=False) as kept:
            return EncodedTile(*(kept[name] for name in _KEPT)), kept["photos"]
    except (OSError, KeyError, ValueError, BadZipFile):
        # Nothing whole lies there.
        encoded, photos = on_gpu(_embed)(row, read, loaded)
    _write(cache, photos=photos, **{name: getattr(encoded, name) for name in _KEPT})
    return encoded, photos


def _embed(row: dict[str, Any], read: Any, loaded: Loaded) -> tuple[EncodedTile, np.ndarray]:
    encoded = encode(loaded.model, loaded.processor.image_processor.prepare([read.pixels]))
    embeds = [loaded.photo(photo["jpeg"]) for photo in _shown(row)]
    return encoded, np.array(embeds, np.float32).reshape(len(embeds), len(encoded.mean))


def _cache_path(row: dict[str, Any], loaded: Loaded) -> Path:
    """Named by what the embeddings depend on: the model, and the bytes of tile and photos."""
    digest = hashlib.sha256(f"{loaded.fingerprint} {row['tile_shape']} {row['bands']}".encode())
    for part in (row["tile"], *(photo["jpeg"] for photo in _shown(row))):
        digest.update(hashlib.sha256(part).digest())
    return Path(constants.HF_HOME) / "gair" / "space" / "gallery" / f"{digest.hexdigest()[:32]}.npz"


def _write(path: Path, **parts: Any) -> None:
    """Whole or not at all. Where nothing can be written, the next start embeds again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            np.savez(file, **parts)
        os.replace(file.name, path)
    except OSError:
        return
