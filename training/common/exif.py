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
"""Where, when and in which direction a photo was taken, by its EXIF metadata."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

_GPS, _BASE = ExifTags.GPS, ExifTags.Base
_NO_PLACE = "it has no position in its EXIF metadata (GPS); add it, or pass a table with the columns lon and lat."


@dataclass(frozen=True)
class Taken:
    """
    How a photo was taken.

    Attributes:
        lon, lat (`float`): degrees, not yet checked.
        time (`datetime`, *optional*): in UTC; None if it is not known: cameras write the local time, often without its zone, but
            satellites' time is UTC.
        heading (`float`, *optional*): where the camera looks, in degrees clockwise from north, in [0, 360); None if it is not known, or
            from magnetic north, whose deviation is not known.
    """

    lon: float
    lat: float
    time: datetime | None
    heading: float | None


def read_exif(path: Path) -> Taken:
    """
    Reads a photo's header; no pixels are decoded.

    Raises:
        ValueError: it cannot be read, or has no position.
    """
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            gps, details = exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
    except FileNotFoundError as error:
        raise ValueError("it is not found; check its path.") from error
    # Pillow's parser raises errors of many kinds.
    except Exception as error:
        raise ValueError("it cannot be decoded, expected an intact photo; save it again.") from error
    lon = _degrees(gps, _GPS.GPSLongitude, _GPS.GPSLongitudeRef, "EW")
    lat = _degrees(gps, _GPS.GPSLatitude, _GPS.GPSLatitudeRef, "NS")
    return Taken(lon, lat, _satellite_time(gps) or _camera_time(details), _heading(gps))


def _degrees(gps: Any, values: int, reference: int, directions: str) -> float:
    try:
        degrees, minutes, seconds = (float(part) for part in gps[values])
        direction = str(gps[reference]).strip().strip("\0").upper()[:1]
        sign = (1, -1)[directions.index(direction)]
    # Also a division by zero, by which cameras without reception write that they do not know.
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(_NO_PLACE) from error
    found = sign * (degrees + minutes / 60 + seconds / 3600)
    if found != found:
        raise ValueError(_NO_PLACE)
    return found


def _heading(gps: Any) -> float | None:
    try:
        degrees, north = float(gps[_GPS.GPSImgDirection]), str(gps[_GPS.GPSImgDirectionRef]).strip("\0 ").upper()
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return degrees % 360 if north == "T" and math.isfinite(degrees) else None


def _satellite_time(gps: Any) -> datetime | None:
    try:
        day = datetime.strptime(str(gps[_GPS.GPSDateStamp]).strip("\0 "), "%Y:%m:%d").replace(tzinfo=UTC)
        hours, minutes, seconds = (float(part) for part in gps[_GPS.GPSTimeStamp])
        return day + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _camera_time(details: Any) -> datetime | None:
    try:
        zone = str(details[_BASE.OffsetTimeOriginal]).strip("\0 ")
        return datetime.strptime(f"{details[_BASE.DateTimeOriginal]} {zone}", "%Y:%m:%d %H:%M:%S %z").astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None
