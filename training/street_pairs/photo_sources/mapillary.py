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
Mapillary's Graph API v4: photos by their ids, and those of an area. The token is read from the environment, and never written.
Fields: https://www.mapillary.com/developer/api-documentation
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from training.common.boxes import Box, longitude_spans
from training.street_pairs.errors import Unusable
from training.street_pairs.http_client import HttpClient
from training.street_pairs.photo_sources.photo import BY_SA, MAPILLARY
from training.street_pairs.units import Failure

TOKEN = "MAPILLARY_TOKEN"
IDS_AT_A_TIME = 50
_FIELDS = "id,computed_geometry,geometry,captured_at,computed_compass_angle,compass_angle,camera_type,is_pano,sequence,creator,thumb_1024_url,thumb_original_url"
# The API returns at most so many photos of a box, without pages: a box that holds as many is quartered.
_MOST_PER_BOX = 2000
_FIRST_BOX_DEG, _LEAST_BOX_DEG = 0.01, 1e-5


class Mapillary:
    """
    The API.

    Args:
        client ([`HttpClient`]): for the requests.
        url (`str`): its address.

    Raises:
        ValueError: there is no token in the environment.
    """

    def __init__(self, client: HttpClient, url: str):
        token = os.environ.get(TOKEN)
        if not token:
            raise ValueError(
                f"Mapillary needs a token; register an application at mapillary.com/dashboard/developers, and set {TOKEN} in the environment."
            )
        self._client, self._url = client, url.rstrip("/")
        self._headers = {"Authorization": f"OAuth {token}"}

    def photos(self, ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[Failure]]:
        """
        Photos by their ids, at most [`IDS_AT_A_TIME`].

        Returns:
            Rows for [`~training.street_pairs.photo_sources.photo.photos_table`], with the URL of an image of 1,024 pixels, of a panorama that of the original; and ids
            without one.
        """
        try:
            found = self._request({"image_ids": ",".join(ids)})
        except Unusable as error:
            # What the service says of a request says nothing of its photos.
            return [], [Failure(name, error.kind, False, str(error)) for name in ids]
        failures = []
        for name in ids:
            if name not in found:
                failures.append(Failure(name, "gone", True, "Mapillary does not have this photo (any more)."))
            elif (row := found[name]) is None:
                failures.append(Failure(name, "incomplete", True, "Mapillary tells no position of this photo."))
            elif not row["url"]:
                failures.append(Failure(name, "no_url", False, "Mapillary names no address for this photo."))
        return [row for name in ids if (row := found.get(name)) is not None and row["url"]], failures

    def in_box(self, box: Box) -> Iterator[dict[str, Any]]:
        """
        The photos in a box (west, south, east, north in degrees), each once.

        Raises:
            Unusable: a request failed.
        """
        seen: set[str] = set()
        for part in _parts(box, _FIRST_BOX_DEG):
            for name, row in self._in_box(part):
                if row is not None and name not in seen:
                    seen.add(name)
                    yield row

    def _in_box(self, box: Box) -> Iterator[tuple[str, dict[str, Any] | None]]:
        rows = self._request({"bbox": ",".join(f"{side:.7f}" for side in box), "limit": _MOST_PER_BOX})
        side = max(box[2] - box[0], box[3] - box[1])
        if len(rows) < _MOST_PER_BOX or side <= _LEAST_BOX_DEG:
            yield from rows.items()
            return
        for part in _parts(box, side / 2):
            yield from self._in_box(part)

    def _request(self, parameters: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
        """Rows by the photos' ids; None for photos without a position."""
        try:
            return self._client.get_json(f"{self._url}/images", {"fields": _FIELDS, **parameters}, self._headers, _rows)
        except Unusable as error:
            if error.kind == "not_allowed":
                raise ValueError(f"Mapillary refuses the token in {TOKEN}: {error} Set a valid one.") from error
            raise


def _rows(answer: Any) -> dict[str, dict[str, Any] | None]:
    if isinstance(answer, dict) and "error" in answer:
        message = str(answer["error"].get("message", "")) if isinstance(answer["error"], dict) else str(answer["error"])
        raise Unusable("api_error", f"Mapillary answered with an error: {message[:200]}.", permanent=False)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise Unusable("api_error", "Mapillary answered without data.", permanent=False)
    rows: dict[str, dict[str, Any] | None] = {}
    for photo in answer["data"]:
        try:
            rows[str(photo["id"])] = _row(photo)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            rows[str(photo.get("id") if isinstance(photo, dict) else photo)] = None
    return rows


def _row(photo: dict[str, Any]) -> dict[str, Any]:
    """A photo of the API. All fields but the id may be absent; without a position, a `KeyError` or like it is raised."""
    computed = photo.get("computed_geometry")
    geometry = computed or photo["geometry"]
    angles = (photo.get("computed_compass_angle"), photo.get("compass_angle"))
    heading = next((angle for angle in angles if angle is not None), None)
    captured, camera = photo.get("captured_at"), _camera(photo)
    # A view takes up a quarter of a panorama's width at most.
    sizes = ("thumb_original_url", "thumb_1024_url") if camera == "spherical" else ("thumb_1024_url",)
    return {
        "photo_id": str(photo["id"]),
        "lon": float(geometry["coordinates"][0]),
        "lat": float(geometry["coordinates"][1]),
        "time": datetime.fromtimestamp(float(captured) / 1000, UTC) if captured else None,
        "heading": None if heading is None else float(heading) % 360,
        "source": MAPILLARY,
        "licence": BY_SA,
        "creator": (photo.get("creator") or {}).get("username"),
        "sequence": photo.get("sequence"),
        "url": next((photo[size] for size in sizes if photo.get(size)), None),
        "camera": camera,
        "position": "computed" if computed else "original",
    }


def _camera(photo: dict[str, Any]) -> str | None:
    kind = photo.get("camera_type")
    if photo.get("is_pano") or kind in ("spherical", "equirectangular"):
        return "spherical"
    return kind if kind in ("perspective", "fisheye") else None


def _parts(box: Box, side: float) -> Iterator[Box]:
    """A box in parts of at most `side` degrees; two sets of them where it crosses the antimeridian."""
    _, south, _, north = box
    for left, right in longitude_spans(box):
        columns, rows = max(1, -int(-(right - left) // side)), max(1, -int(-(north - south) // side))
        for row in range(rows):
            for column in range(columns):
                yield (
                    left + (right - left) * column / columns,
                    south + (north - south) * row / rows,
                    left + (right - left) * (column + 1) / columns,
                    south + (north - south) * (row + 1) / rows,
                )
