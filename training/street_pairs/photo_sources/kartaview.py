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
KartaView's API 2.0: photos by their ids, and those around a point. Errors come with status 200, and a code in the body. Only photos
that KartaView has blurred are taken.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from modeling_gair.geo_gair import EARTH_RADIUS_M
from training.common.boxes import Box, longitude_spans
from training.street_pairs.errors import Unusable
from training.street_pairs.http_client import HttpClient
from training.street_pairs.photo_sources.photo import BY_SA, KARTAVIEW
from training.street_pairs.units import Failure

IDS_AT_A_TIME = 1
_GOOD, _EMPTY = 600, 601
_PAGE = 150
# Sides of the squares that circles are searched around.
_STEP_M = 500.0
_METRES_PER_DEGREE = math.radians(1) * EARTH_RADIUS_M


class KartaView:
    """
    The API.

    Args:
        client ([`HttpClient`]): for the requests.
        url (`str`): its address.
    """

    def __init__(self, client: HttpClient, url: str):
        self._client, self._url = client, url.rstrip("/")

    def photos(self, ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[Failure]]:
        """A photo by its id; as [`~training.street_pairs.photo_sources.mapillary.Mapillary.photos`]."""
        (name,) = ids
        try:
            rows = [row for row in self._request({"id": name})[0] if str(row.get("id")) == name]
        except Unusable as error:
            permanent = error.permanent and error.kind != "not_allowed"
            return [], [Failure(name, error.kind, permanent, str(error))]
        if not rows:
            return [], [Failure(name, "gone", True, "KartaView does not have this photo (any more).")]
        if not _blurred(rows[0]):
            return [], [Failure(name, "not_blurred", True, "KartaView has not blurred this photo.")]
        if (row := _row(rows[0])) is None:
            return [], [Failure(name, "incomplete", True, "KartaView tells no position of this photo.")]
        return [row], []

    def in_box(self, box: Box) -> Iterator[dict[str, Any]]:
        """
        The photos in a box (west, south, east, north in degrees), each once.

        Raises:
            Unusable: a request failed.
        """
        seen: set[str] = set()
        for lon, lat in _centres(box):
            page, more = 1, True
            while more:
                around = {"lat": lat, "lng": lon, "radius": math.ceil(_STEP_M / math.sqrt(2))}
                found, more = self._request({**around, "itemsPerPage": _PAGE, "page": page})
                page, more = page + 1, more and bool(found)
                for photo in found:
                    row = _row(photo) if _blurred(photo) else None
                    if row and row["photo_id"] not in seen and _inside(row, box):
                        seen.add(row["photo_id"])
                        yield row

    def _request(self, parameters: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
        return self._client.get_json(f"{self._url}/2.0/photo/", parameters, check=_result)


def _result(answer: Any) -> tuple[list[dict[str, Any]], bool]:
    """The photos of an answer, and whether there are more."""
    try:
        code = int(answer["status"]["apiCode"])
        if code == _EMPTY:
            return [], False
        if code == _GOOD:
            return list(answer["result"]["data"]), bool(answer["result"].get("hasMoreData"))
        message = str(answer["status"].get("apiMessage", ""))[:200]
    except (KeyError, TypeError, ValueError) as error:
        raise Unusable("api_error", "KartaView answered without data.", permanent=False) from error
    raise Unusable("api_error", f"KartaView answered with code {code}: {message}", permanent=False)


def _blurred(photo: dict[str, Any]) -> bool:
    return photo.get("autoImgProcessingResult") == "BLURRED"


def _row(photo: dict[str, Any]) -> dict[str, Any] | None:
    """A photo of the API; None without a position."""
    try:
        lon, lat = float(photo["lng"]), float(photo["lat"])
    except (KeyError, TypeError, ValueError):
        return None
    heading = photo.get("heading")
    return {
        "photo_id": str(photo["id"]),
        "lon": lon,
        "lat": lat,
        "time": _time(photo.get("shotDate")),
        "heading": float(heading) % 360 if heading not in (None, "") else None,
        "source": KARTAVIEW,
        "licence": BY_SA,
        "sequence": str(photo["sequenceId"]) if photo.get("sequenceId") else None,
        "url": photo.get("fileurlProc"),
        "camera": "spherical" if photo.get("projection") in ("SPHERE", "SPHERICAL") else "perspective",
        "position": "original",
    }


def _time(text: str | None) -> datetime | None:
    """The zone is not documented, and read as UTC: off by up to half a day."""
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    except ValueError:
        return None


def _inside(row: dict[str, Any], box: Box) -> bool:
    _, south, _, north = box
    inside = any(west <= row["lon"] <= east for west, east in longitude_spans(box))
    return inside and south <= row["lat"] <= north


def _centres(box: Box) -> Iterator[tuple[float, float]]:
    """Centres, lon, lat, of squares that cover a box."""
    west, south, east, north = box
    width = east - west if west <= east else east - west + 360
    rows = max(1, math.ceil((north - south) * _METRES_PER_DEGREE / _STEP_M))
    # The parallel nearest to the equator is the longest.
    nearest = 0.0 if south <= 0 <= north else min(abs(south), abs(north))
    columns = max(1, math.ceil(width * _METRES_PER_DEGREE * math.cos(math.radians(nearest)) / _STEP_M))
    for row in range(rows):
        for column in range(columns):
            lon = west + width * (column + 0.5) / columns
            yield (lon + 180) % 360 - 180, south + (north - south) * (row + 0.5) / rows
