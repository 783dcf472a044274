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
"""The Space: uploads, links, models and galleries that visitors and owners give (serving functions, no HTTP)."""

import io
import os
import shutil
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import serving.gallery as gallery
from serving.boxes import parse_box
from serving.gallery import BUNDLED_GALLERY, load_gallery, uploaded_tile
from serving.grids import Grids
from serving.model import BUNDLED_MODEL, ServedModel, load_model
from serving.text import typed_numbers
from serving.tile_maps import upload_query
from serving.uploads import read_photo, read_tile
from serving.world_maps import parse_view
from tests.bad_inputs.case import Case, Refused, Right
from tests.helpers.models import drop_pixels, drop_weight, spoil_weight
from tests.helpers.rasters import made_pixels, write_tif
from training.common.schema import FEATURES

_PHOTO_SIZE = (48, 64, 3)


@cache
def _served() -> ServedModel:
    return load_model(str(BUNDLED_MODEL))


# Uploads -------------------------------------------------------------------------------------------------------------


def _image(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, _PHOTO_SIZE, np.uint8)).convert(mode)


def _encoded(mode: str = "RGB", kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    _image(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def _with_exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """A JPEG turned by 90 degrees, with further little-endian EXIF entries: tag, type, count, four bytes."""
    all_entries = [(0x0112, 3, 1, struct.pack("<HH", 6, 0)), *entries]
    packed = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in all_entries)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(all_entries)) + packed + b"\0\0\0\0"
    jpeg = _encoded()
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _photo(content: Callable[[], bytes], name: str = "photo.jpg") -> Callable[[Path], Any]:
    """The query that a page makes of an uploaded photo."""

    def run(folder: Path) -> Any:
        (folder / name).write_bytes(content())
        return upload_query(_served(), str(folder / name))

    return run


def _has_picture(query: Any) -> bool:
    return query.picture.startswith("data:image/jpeg") and abs(np.linalg.norm(query.embedding) - 1) < 1e-4


def _tile(write: Callable[[Path], Any], bands: str | None = None) -> Callable[[Path], Any]:
    """The tile that a page shows of an uploaded GeoTIFF, which `write` writes to a path."""

    def run(folder: Path) -> Any:
        path = folder / "tile.tif"
        write(path)
        return uploaded_tile(read_tile(str(path), _served().processor.image_processor, bands), _served())

    return run


def _named(path: Path, pixels: np.ndarray | None = None, **options: Any) -> Path:
    names = _served().processor.image_processor.bands
    return write_tif(path, made_pixels() if pixels is None else pixels, **{"names": names, **options})


def _truncated(path: Path) -> None:
    _named(path)
    os.truncate(path, path.stat().st_size // 3)


_UPLOADS = [
    Right("a grey photo", _photo(lambda: _encoded("L")), _has_picture),
    Right("a photo in CMYK", _photo(lambda: _encoded("CMYK")), _has_picture),
    Right("a picture with a palette", _photo(lambda: _encoded("P", "PNG"), "photo.png"), _has_picture),
    Right("a photo of another suffix", _photo(lambda: _encoded("RGB", "WEBP"), "PHOTO.TXT"), _has_picture),
    Right("a turned photo", _photo(_with_exif), _has_picture),
    Refused("no photo", _photo(lambda: b"no photo"), "not a readable photo"),
    Refused("an empty photo", _photo(lambda: b""), "not a readable photo"),
    Refused("a truncated photo", _photo(lambda: _encoded()[:1500]), "damaged or truncated|not a readable"),
    Refused("a photo in another format", _photo(lambda: _encoded("RGB", "BMP")), "not a readable photo"),
    Refused("a photo that is gone", lambda folder: read_photo(str(folder / "gone.jpg")), "not on the server any more"),
    Right("a tile", _tile(_named), lambda tile: tile.crs == "EPSG:32633"),
    Right(
        "a tile without georeference", _tile(lambda path: _named(path, transform=None)), lambda tile: tile.crs is None
    ),
    Right(
        "unnamed bands in a known order",
        _tile(lambda path: _named(path, names=()), "gair_10"),
        lambda tile: tile.layers,
    ),
    Refused("unnamed bands", _tile(lambda path: _named(path, names=())), "The tile has 10 bands without usable names"),
    Refused("a truncated tile", _tile(_truncated), "damaged|cannot be read"),
    Refused("a photo as a tile", _tile(lambda path: path.write_bytes(_encoded())), "not a GeoTIFF"),
    Refused("a tile that is gone", _tile(lambda path: None), "not on the server any more"),
    Refused(
        "reflectance as a tile", _tile(lambda path: _named(path, made_pixels().astype(np.float32) / 1e4)), "reflectance"
    ),
    Refused(
        "an empty tile",
        _tile(lambda path: _named(path, np.zeros((10, 50, 50), np.uint16), nodata=0)),
        "no data|missing|all",
    ),
]


# Links and fields ----------------------------------------------------------------------------------------------------


def _view(text: str) -> Callable[[Path], Any]:
    return lambda folder: parse_view(text)


def _box(text: str) -> Callable[[Path], Any]:
    return lambda folder: parse_box(text, "A")


_LINKS = [
    Right("a view across the antimeridian", _view("170, -10, 190, 10"), lambda view: view == [170, -10, 190, 10]),
    Right("a typographic minus", lambda folder: typed_numbers("−1, 2", 2, "…"), lambda found: found == [-1, 2]),
    Right("a box across the antimeridian", _box("170, -10, -170, 10"), lambda box: box[0] > box[2]),
    Refused("a view of three numbers", _view("1, 2, 3"), "expected a view"),
    Refused("a view of words", _view("a, b, c, d"), "expected a view"),
    Refused("a view that is not finite", _view("nan, 0, inf, 1"), "expected a view"),
    Refused("a view larger than the world", _view("-180, -90, 270, 90"), "expected west"),
    Refused("an upside-down view", _view("0, 10, 20, 5"), "expected west"),
    Refused("an empty box", _box(""), "expected box A"),
    Refused("a box beyond the pole", _box("0, 0, 10, 95"), "north from −90 to 90"),
    Refused("a script as a place", lambda folder: typed_numbers("<script>", 2, "lon, lat"), "expected lon, lat"),
]


# Models and galleries ------------------------------------------------------------------------------------------------


def _model(change: Callable[[Path], object]) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        copy = folder / "model"
        shutil.copytree(BUNDLED_MODEL, copy)
        change(copy)
        return load_model(str(copy))

    return run


@cache
def _rows() -> list[dict[str, Any]]:
    return pq.read_table(BUNDLED_GALLERY / "gallery.parquet").slice(0, 2).to_pylist()


def _gallery(*changes: dict[str, Any]) -> Callable[[Path], Any]:
    """The gallery of a folder with one row for each change, with its cache in the folder too."""

    def run(folder: Path) -> Any:
        rows = [{**_rows()[0], **change} for change in changes]
        pq.write_table(pa.Table.from_pylist(rows, FEATURES.arrow_schema), folder / "rows.parquet")
        before, gallery.constants.HF_HOME = gallery.constants.HF_HOME, str(folder / "cache")
        try:
            return load_gallery(str(folder), _served())
        finally:
            gallery.constants.HF_HOME = before

    return run


def _grids_below_a_file(folder: Path) -> np.ndarray:
    (folder / "file").touch()
    embed = lambda lon, lat: np.ones((len(lon), 3), np.float32)  # noqa: E731
    return Grids(embed, folder / "file" / "world.npy", finest=0).land()[2]


_OWNERS = [
    Refused(
        "a model without weights", _model(lambda model: (model / "model.safetensors").unlink()), "expected a complete"
    ),
    Refused(
        "truncated weights",
        _model(lambda model: (model / "model.safetensors").write_bytes(b"x" * 99)),
        "expected a complete",
    ),
    Refused("a weight is missing", _model(drop_weight), "weights are incomplete.*first nili.affine.bias"),
    Refused("weights of the pixels are missing", _model(drop_pixels), "weights are incomplete.*first pixel_query"),
    Refused("weights that are not finite", _model(spoil_weight), "not finite, first nili.affine.bias"),
    Refused("a truncated config", _model(lambda model: (model / "config.json").write_text("{")), "expected a complete"),
    Refused(
        "a config that is a list", _model(lambda model: (model / "config.json").write_text("[]")), "expected a complete"
    ),
    Refused("no gallery", lambda folder: load_gallery(str(folder), _served()), "has no rows"),
    Refused("a gallery of one damaged row", _gallery({"tile": b"1"}), "has no rows.*bytes and the shape"),
    Right("a damaged row beside a good one", _gallery({"tile": b"1"}, {}), lambda found: len(found.tiles) == 1),
    Right("a row whose id is null", _gallery({"id": None}), lambda found: found.tiles[0].name == "tile 1"),
    Right("a row without photos", _gallery({"photos": None}), lambda found: not found.photos),
    Right("a world map that cannot be cached", _grids_below_a_file, lambda world: world.shape[1] == 3),
]

CASES: list[Case] = [*_UPLOADS, *_LINKS, *_OWNERS]
