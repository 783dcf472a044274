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
"""Photos of a local folder, placed by the GPS positions in their headers."""

from dataclasses import asdict
from pathlib import Path

from PIL import Image

from training.common.exif import read_exif
from training.common.inputs import files_in
from training.street_pairs.photo_sources.photo import PhotoList, photos_table

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".mpo")
# Photos of telephones that are not read, and are not to be left out in silence.
_OTHERS = (".heic", ".heif", ".avif", ".dng")


def folder_photos(folder: Path) -> PhotoList:
    """
    Lists the photos in a folder and below. Each is named by its path within the folder; photos without a position, or in a format that is not read, are
    unreadable.

    Raises:
        ValueError: there are no photos.
    """
    rows, unreadable = [], []
    for path in files_in(folder, (*SUFFIXES, *_OTHERS)):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() in _OTHERS:
            unreadable.append((name, f"it is not one of {', '.join(SUFFIXES)}; save it as JPEG with its position."))
            continue
        try:
            taken = read_exif(path)
        except ValueError as error:
            unreadable.append((name, str(error)))
            continue
        camera = "spherical" if _is_panorama(path) else None
        about = {"source": folder.resolve().name, "path": str(path.resolve()), "camera": camera, "position": "exif"}
        rows.append({"photo_id": name, **asdict(taken), **about})
    if not rows and not unreadable:
        raise ValueError(f"{str(folder)!r} holds no photos ({', '.join(SUFFIXES)}); pass another --input.")
    return PhotoList(photos_table(rows), [], unreadable)


def _is_panorama(path: Path) -> bool:
    """Whether a photo says that it is equirectangular (Google's Photo Sphere XMP metadata)."""
    with Image.open(path) as image:
        xmp = image.info.get("xmp", b"")
    return b"equirectangular" in (xmp if isinstance(xmp, bytes) else str(xmp).encode())
