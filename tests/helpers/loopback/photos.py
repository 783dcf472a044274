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
"""
Made photos along the streets of the made sites, and the services that give them: Mapillary's API (`/mapillary`), KartaView's (`/kartaview`),
and plain addresses (`/photos`).

A street runs east or north; its photos are a sequence, a few seconds apart. Each third photo is at an address, the next known to
Mapillary, the next to KartaView.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from modeling_gair.geo_gair import EARTH_RADIUS_M, wrap_longitude
from tests.helpers.loopback.service import Answer, Request, Route, json_answer
from tests.helpers.loopback.world import FIRST_DAY, Site

SERVICES = ("plain", "mapillary", "kartaview")
_STREETS_APART_M, _SECONDS_APART = 170.0, 7
_ERROR_IN_200 = "error in 200"
_COLUMNS = ("id", "lon", "lat", "time", "heading", "source", "licence", "creator", "sequence", "url")


@dataclass(frozen=True)
class MadePhoto:
    """
    A photo.

    Attributes:
        name: its id.
        lon, lat: degrees.
        time: when it was taken.
        heading: degrees clockwise from north.
        sequence: the street that it belongs to.
        service: one of [`SERVICES`].
    """

    name: str
    lon: float
    lat: float
    time: datetime
    heading: float
    sequence: str
    service: str


def made_photos(sites: Sequence[Site], streets: int, photos: int, step_m: float = 60.0) -> list[MadePhoto]:
    """`photos` photos, `step_m` apart, in each of `streets` streets of each site, about its middle."""
    made = []
    for number, site in enumerate(sites):
        for street in range(streets):
            across = (street // 2 - (streets - 1) / 4) * _STREETS_APART_M
            for position in range(photos):
                along = (position - (photos - 1) / 2) * step_m
                east, north = (along, across) if street % 2 == 0 else (across, along)
                lat = site.lat + np.degrees(north / EARTH_RADIUS_M)
                lon = site.lon + np.degrees(east / EARTH_RADIUS_M / np.cos(np.radians(site.lat)))
                seconds = _SECONDS_APART * position + 600 * street
                made.append(
                    MadePhoto(
                        # Numbers beyond 2 ** 53, which a float would round.
                        name=str(9_007_199_254_740_993 + 1_000_000 * number + 1000 * street + position),
                        lon=float(wrap_longitude(lon)),
                        lat=float(lat),
                        time=FIRST_DAY + timedelta(days=street % 20, seconds=seconds),
                        heading=90.0 if street % 2 == 0 else 0.0,
                        sequence=f"{site.name}-{street}",
                        service=SERVICES[(street + position) % 3],
                    )
                )
    return made


def write_table(path: Path, photos: Sequence[MadePhoto], base: str) -> None:
    """A CSV of photos at plain addresses and in services."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for photo in photos:
            plain = photo.service == "plain"
            licence, creator = ("CC BY 4.0", "city") if plain else ("CC BY-SA 4.0", "")
            source, url = ("city survey", f"{base}/photos/{photo.name}.jpg") if plain else (photo.service, "")
            time = photo.time.isoformat()
            place = (photo.name, photo.lon, photo.lat, time, photo.heading)
            writer.writerow([*place, source, licence, creator, photo.sequence, url])


def write_folder(folder: Path, photos: Sequence[MadePhoto]) -> None:
    """JPEGs with positions and times in their metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        exif = Image.Exif()
        exif[ExifTags.IFD.GPSInfo] = {
            ExifTags.GPS.GPSLongitude: _sexagesimal(photo.lon),
            ExifTags.GPS.GPSLongitudeRef: "E" if photo.lon >= 0 else "W",
            ExifTags.GPS.GPSLatitude: _sexagesimal(photo.lat),
            ExifTags.GPS.GPSLatitudeRef: "N" if photo.lat >= 0 else "S",
            ExifTags.GPS.GPSDateStamp: photo.time.strftime("%Y:%m:%d"),
            ExifTags.GPS.GPSTimeStamp: (float(photo.time.hour), float(photo.time.minute), float(photo.time.second)),
        }
        (folder / f"{photo.name}.jpg").write_bytes(jpeg(photo.name, exif.tobytes()))


class PhotoRoutes:
    """
    The services of some photos.

    Args:
        photos (`Sequence[MadePhoto]`): the photos.
    """

    def __init__(self, photos: Sequence[MadePhoto]):
        self._photos = {photo.name: photo for photo in photos}

    def routes(self) -> list[Route]:
        return [
            (r"/photos/(?P<name>\d+)\.jpg", self._jpeg),
            (r"/mapillary/images", self._mapillary),
            (r"/kartaview/2\.0/photo/", self._kartaview),
        ]

    def _jpeg(self, request: Request, name: str) -> Answer:
        if name not in self._photos:
            return Answer(status=404)
        return Answer(jpeg(name), content_type="image/jpeg")

    def _mapillary(self, request: Request) -> Answer:
        if not request.headers.get("Authorization", "").startswith("OAuth "):
            return json_answer({"error": {"message": "Invalid OAuth 2.0 Access Token"}}, 401)
        if request.fault == _ERROR_IN_200:
            return json_answer({"error": {"message": "Please reduce the amount of data", "code": 1}})
        names = request.query["image_ids"].split(",")
        found = [self._photos[name] for name in names if name in self._photos]
        return json_answer({"data": [_of_mapillary(photo, request.base) for photo in found]})

    def _kartaview(self, request: Request) -> Answer:
        photo = self._photos.get(request.query["id"])
        if request.fault == _ERROR_IN_200:
            return json_answer({"status": {"apiCode": 500, "apiMessage": "down"}, "result": {}})
        if photo is None:
            return json_answer({"status": {"apiCode": 601}, "result": {"data": []}})
        row = {
            "id": photo.name,
            "lat": str(photo.lat),
            "lng": str(photo.lon),
            "heading": str(photo.heading),
            "shotDate": photo.time.strftime("%Y-%m-%d %H:%M:%S"),
            "sequenceId": photo.sequence,
            "projection": "PLANE",
            "autoImgProcessingResult": "BLURRED",
            "username": "ivan",
            "fileurlProc": f"{request.base}/photos/{photo.name}.jpg",
        }
        return json_answer({"status": {"apiCode": 600}, "result": {"data": [row], "hasMoreData": False}})


def _of_mapillary(photo: MadePhoto, base: str) -> dict:
    place = {"type": "Point", "coordinates": [photo.lon, photo.lat]}
    # Of some, the better position is not known.
    computed = {"computed_geometry": place} if int(photo.name) % 5 else {}
    return {
        "id": photo.name,
        "geometry": place,
        **computed,
        "compass_angle": photo.heading,
        "captured_at": int(photo.time.astimezone(UTC).timestamp() * 1000),
        "camera_type": "perspective",
        "sequence": photo.sequence,
        "creator": {"username": "anna", "id": "1"},
        "thumb_1024_url": f"{base}/photos/{photo.name}.jpg",
    }


@lru_cache(maxsize=64)
def _pattern(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(pixels).resize((640, 480), Image.Resampling.BILINEAR)


def jpeg(name: str, exif: bytes = b"") -> bytes:
    """A photo of 640 × 480 pixels that differs from the others."""
    image = _pattern(int(name) % 64).copy()
    corner = np.random.default_rng(int(name)).integers(0, 256, (6, 8, 3), np.uint8)
    image.paste(Image.fromarray(corner).resize((320, 240), Image.Resampling.NEAREST))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=80, exif=exif)
    return buffer.getvalue()


def _sexagesimal(value: float) -> tuple[float, float, float]:
    minutes, seconds = divmod(abs(value) * 3600, 60)
    degrees, minutes = divmod(minutes, 60)
    return degrees, minutes, seconds
