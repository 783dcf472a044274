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
from encoded_tile import EncodedTile, encode
from huggingface_hub import constants
from loaded import Loaded, on_gpu
from PIL import Image

BUNDLED = Path(__file__).parent / "gallery"
# At the published size an encoded tile takes 1 MB, its pictures less: 0.3 GB in all.
MAX_TILES = 256
MAX_PHOTOS_PER_TILE = 4
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
_MAX_PICTURE_SIDE = 512
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
        jpeg (`bytes`): the file.
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
    rows = list(islice(_rows(source), MAX_TILES))
    if not rows:
        raise ValueError(f"The gallery {source!r} has no rows, expected tiles with photos; name another.")
    read = [_read(row, loaded) for row in rows]
    photos = [photo for position, row in enumerate(rows) for photo in _photos(row, position, loaded)]
    cache = _cache_path(rows, loaded)
    kept = _from_cache(cache)
    if kept is None:
        kept = on_gpu(_embed)(read, photos, loaded)
        _to_cache(cache, *kept)
    encoded, photo_embeds = kept
    tiles = [
        Tile(str(row["id"]), pictures(tile.pixels, loaded), tile.bounds, tile.crs, tile.valid_fraction, own)
        for row, tile, own in zip(rows, read, encoded)
    ]
    name = _BUNDLED_NAME if Path(source).resolve() == BUNDLED.resolve() else Path(source).name
    return Gallery(name, tiles, photos, photo_embeds)


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


def jpeg_of(image: Image.Image, side: int) -> bytes:
    """An image as JPEG, made smaller where a side exceeds `side` pixels."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _picture(colours: np.ndarray) -> str:
    values = colours.astype(np.float32)
    low, high = np.percentile(values, (2, 98))
    scaled = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1)
    image = Image.fromarray((255 * scaled).round().astype(np.uint8).transpose(1, 2, 0))
    return data_uri(jpeg_of(image, _MAX_PICTURE_SIDE))


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


def _photos(row: dict[str, Any], position: int, loaded: Loaded) -> Iterator[Photo]:
    for photo in row["photos"][:MAX_PHOTOS_PER_TILE]:
        x, y = loaded.processor.feature_extractor.locate(photo["lon"], photo["lat"], row["bounds"], row["crs"])
        yield Photo(
            str(photo["id"]),
            photo["jpeg"],
            photo["lon"],
            photo["lat"],
            position,
            (float(x), float(y)),
            photo.get("attribution") or "",
        )


# Embeddings and their cache ------------------------------------------------------------------------------------------


def _embed(read: list[Any], photos: list[Photo], loaded: Loaded) -> tuple[list[EncodedTile], np.ndarray]:
    prepare = loaded.processor.image_processor.prepare
    encoded = [encode(loaded.model, prepare([tile.pixels])) for tile in read]
    width = len(encoded[0].mean)
    embeds = [loaded.photo(photo.jpeg) for photo in photos]
    return encoded, np.stack(embeds) if embeds else np.zeros((0, width), np.float32)


def _cache_path(rows: list[dict[str, Any]], loaded: Loaded) -> Path:
    """Named by what the embeddings depend on: the model, and the bytes of the tiles and photos."""
    digest = hashlib.sha256(loaded.fingerprint.encode())
    for row in rows:
        digest.update(repr((row["tile_shape"], row["bands"])).encode() + row["tile"])
        for photo in row["photos"][:MAX_PHOTOS_PER_TILE]:
            digest.update(photo["jpeg"])
    return Path(constants.HF_HOME) / "gair" / "space" / f"gallery-{digest.hexdigest()[:32]}.npz"


def _from_cache(path: Path) -> tuple[list[EncodedTile], np.ndarray] | None:
    """None where nothing whole lies there, as after a change of this program."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            parts = [kept[name] for name in _KEPT]
            return [EncodedTile(*own) for own in zip(*parts)], kept["photos"]
    except (OSError, KeyError, ValueError, BadZipFile):
        return None


def _to_cache(path: Path, encoded: list[EncodedTile], photo_embeds: np.ndarray) -> None:
    """Writes whole or not at all. Where nothing can be written, the next start embeds again."""
    parts: dict[str, Any] = {name: np.stack([getattr(tile, name) for tile in encoded]) for name in _KEPT}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            np.savez(file, photos=photo_embeds, **parts)
        os.replace(file.name, path)
    except OSError:
        return
