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
"""Photos: formats, damage, odd metadata, dtypes and paths."""

import io
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modeling_gair import GairSVImageProcessor
from tests.bad_inputs.case import Case, Refused, Right
from tests.bad_inputs.tiles import numbers
from tests.helpers.rasters import write_tif

_RATIONAL, _TEXT, _SHORT = 5, 2, 3


@cache
def _pixels() -> np.ndarray:
    """A smooth photo of 64 x 48, which survives JPEG; never written to."""
    rows, columns = np.mgrid[:48, :64]
    return np.stack([4 * columns, 5 * rows, 2 * (rows + columns)], axis=-1).astype(np.uint8)


def _encoded(kind: str = "JPEG", image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(_pixels())).save(file, kind, **options)
    return file.getvalue()


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _with_exif(*entries: tuple[int, int, int, bytes], orientation: int = 6, order: str = "<") -> bytes:
    """A JPEG with an orientation and further entries of EXIF: tag, type, count, and four bytes of value or offset."""
    first = struct.pack(f"{order}HHI", 0x112, _SHORT, 1) + struct.pack(f"{order}HH", orientation, 0)
    others = [struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = struct.pack(f"{order}IH", 8, 1 + len(others)) + first + b"".join(others) + bytes(4)
    exif = b"Exif\0\0" + mark + body
    jpeg = _encoded()
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _read(source: Any) -> Callable[[Path], Any]:
    return lambda folder: GairSVImageProcessor().read(source)


def _file(content: bytes, name: str) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        (folder / name).write_bytes(content)
        return GairSVImageProcessor().read(folder / name)

    return run


def _is(turned: np.ndarray) -> Callable[[Any], bool]:
    """The photo, within what JPEG loses."""
    return lambda photo: photo.shape == turned.shape and int(np.abs(photo.astype(int) - turned).max()) < 40


def _upright(photo: Any) -> bool:
    return _is(_pixels())(photo)


_TURNED = _is(np.rot90(_pixels(), -1))
_ANIMATION = _encoded("GIF", Image.new("RGB", (9, 9), "red"), save_all=True, append_images=[Image.new("RGB", (9, 9))])
_ODD_EXIF = {
    "a unit as text": (0x128, _TEXT, 4, b"in\0\0"),
    "an offset beyond the end": (0x10E, _TEXT, 4000, b"\xff\xff\xff\x7f"),
    "a fraction by 0": (0x11A, _RATIONAL, 1, b"\x08\0\0\0"),
    "an unknown type": (0x9999, 77, 3, b"abcd"),
    "a loop of directories": (0x8769, 4, 1, b"\x08\0\0\0"),
    "text in Latin-1": (0x10F, _TEXT, 4, b"\xe9\xe8\xe7\0"),
    "an orientation twice": (0x112, _SHORT, 1, b"\x06\0\0\0"),
}


def _saved_with_numpy(folder: Path) -> Any:
    GairSVImageProcessor(np.ones(3, np.float32), np.full(3, 2, np.float32), np.int64(32)).save_pretrained(folder)
    return GairSVImageProcessor.from_pretrained(folder).image_std == [2.0, 2.0, 2.0]


def _truncated_image(folder: Path) -> Any:
    """An image that the caller opened, whose pixels cannot be decoded."""
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    return GairSVImageProcessor().read(Image.open(io.BytesIO(_half(_encoded(image=Image.fromarray(noise))))))


CASES: list[Case] = [
    *(Right(f"EXIF with {name}", _read(_with_exif(entry)), _TURNED) for name, entry in _ODD_EXIF.items()),
    Right("big-endian EXIF", _read(_with_exif(_ODD_EXIF["a unit as text"], order=">")), _TURNED),
    *(Right(f"orientation {turn}", _read(_with_exif(orientation=turn)), _upright) for turn in (0, 1, 9, 65535)),
    Right("orientation 3", _read(_with_exif(orientation=3)), _is(_pixels()[::-1, ::-1])),
    Right("orientation 5", _read(_with_exif(orientation=5)), _is(_pixels().transpose(1, 0, 2))),
    Right("EXIF that is none", _read(_encoded(exif=b"Exif\0\0not a directory")), _upright),
    Right("an image with odd EXIF", lambda folder: _image_with_odd_exif(), _TURNED),
    Refused("a text file", _read(b"no photo"), "The given bytes cannot be decoded"),
    Refused("no bytes", _read(b""), "cannot be decoded"),
    Refused("half a JPEG", _read(_half(_encoded())), "cannot be decoded"),
    Refused("half an image", _truncated_image, "The given image cannot be decoded"),
    Refused("half a PNG", _file(_half(_encoded("PNG")), "p.png"), "p.png' cannot be decoded"),
    Refused("a damaged TIFF", _file(_half(_encoded("TIFF")), "p.tif"), "cannot be decoded"),
    Refused("PPM", _read(_encoded("PPM")), "cannot be decoded, expected an intact JPEG"),
    Refused("an animation", _read(_ANIMATION), "animated or has several pages"),
    Refused("a folder", lambda folder: GairSVImageProcessor().read(folder), "is a folder, expected a file"),
    Refused("a remote photo", _read("https://x.org/a.jpg"), "download it first"),
    Refused("a missing file", _read("~/no such folder/a.jpg"), "file not found"),
    *(
        Right(f"a file called {name}", _file(_encoded(), name), _upright)
        for name in ("a[1].jpg", "A*?.JPG", "a::b.JPEG", "a")
    ),
    Refused("8 bits in 16", _read(_pixels().astype(np.uint16)), "no value above 252, which would be black"),
    Refused("8 bits in 32", _read(Image.fromarray(_pixels()).convert("I")), "convert it to uint8"),
    Right("16 bits", _read(_pixels().astype(np.uint16) * 257), lambda photo: np.array_equal(photo, _pixels())),
    Right("black in 16 bits", _read(np.zeros((4, 4), np.uint16)), lambda photo: not photo.any()),
    Refused(
        "a tile",
        lambda folder: GairSVImageProcessor().read(
            write_tif(folder / "t.tif", numbers(), interleave="band", compress="deflate")
        ),
        "has 10 bands",
    ),
    Refused("a mode that cannot be converted", _read(Image.new("La", (4, 4))), "The given image cannot be decoded"),
    Refused("pixels from 0 to 1", _read(_pixels() / 255), "dtype float64, expected uint8"),
    Refused("channels first", _read(_pixels().transpose(2, 0, 1)), "transpose it"),
    Refused("nothing", _read(None), "NoneType None, expected a path, bytes"),
    Refused("a masked array", _read(np.ma.masked_equal(_pixels(), 3)), "masked array"),
    Right("NumPy's statistics", _saved_with_numpy, bool),
    Refused("text as statistics", lambda folder: GairSVImageProcessor("abc"), "image_mean is 'a', expected a number"),
    Refused("a zero deviation", lambda folder: GairSVImageProcessor(image_std=(1, 0, 1)), "image_std above 0"),
]


def _image_with_odd_exif() -> Any:
    with Image.open(io.BytesIO(_with_exif(_ODD_EXIF["a unit as text"]))) as image:
        return GairSVImageProcessor().read(image)
