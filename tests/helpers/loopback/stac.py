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
The made scenes as providers describe them: STAC items with the names, tags and offsets of each, a STAC API, files by ranges, and
signatures.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import mapping

from modeling_gair.bands_gair import COMMON_NAMES, GAIR_BANDS
from tests.helpers.loopback.service import Answer, Request, Route, json_answer
from tests.helpers.loopback.world import TWENTY_METRES, MadeScene, read_world
from training.common.footprints import footprint_of

COLLECTIONS = {
    "earth-search": "sentinel-2-l2a",
    "earth-search-c1": "sentinel-2-c1-l2a",
    "planetary-computer": "sentinel-2-l2a",
    "cdse": "sentinel-2-l2a",
}
_COMMON = {band: name for name, band in COMMON_NAMES.items()} | {"SCL": "scl"}


def item_of(scene: MadeScene, provider: str, base: str) -> dict[str, Any]:
    """
    The STAC item of a scene.

    Args:
        scene (`MadeScene`): the scene.
        provider (`str`): a key of [`COLLECTIONS`].
        base (`str`): the address or folder of the files.
    """
    # Earth Search takes the offset off the pixels, of most scenes, and says of all that it is there still.
    lowered = provider == "earth-search" and scene.offset and not scene.ambiguous
    assets: dict[str, Any] = {}
    for band in (*GAIR_BANDS, "SCL"):
        metres = 20 if band == "SCL" or band in TWENTY_METRES else 10
        key = {"planetary-computer": band, "cdse": f"{band}_{metres}m"}.get(provider, _COMMON[band])
        folder = scene.folder(lowered and band != "SCL")
        asset: dict[str, Any] = {"href": f"{base}/{folder}/{band}.tif", "type": "image/tiff; application=geotiff"}
        offset = -0.1 if scene.offset else 0
        if band != "SCL" and provider == "cdse":
            asset |= {"raster:scale": 0.0001, "raster:offset": offset}
        elif band != "SCL" and provider != "planetary-computer":
            asset["raster:bands"] = [{"nodata": 0, "scale": 0.0001, "offset": offset}]
        assets[key] = asset
    footprint = footprint_of(_bounds(scene), f"EPSG:{scene.epsg}")
    properties: dict[str, Any] = {
        "datetime": scene.taken,
        "platform": "Sentinel-2A" if provider == "planetary-computer" else "sentinel-2a",
        "proj:code": f"EPSG:{scene.epsg}",
        "eo:cloud_cover": float(5 * scene.clouds),
    }
    tile = scene.product.split("_")[5][1:]
    if provider == "planetary-computer":
        properties |= {
            "s2:mgrs_tile": tile,
            "s2:processing_baseline": scene.baseline,
            "s2:product_uri": f"{scene.product}.SAFE",
        }
    elif provider == "cdse":
        properties |= {"grid:code": f"MGRS-{tile}", "processing:version": scene.baseline}
    else:
        properties |= {
            "grid:code": f"MGRS-{tile}",
            "s2:processing_baseline": scene.baseline,
            "s2:product_uri": f"{scene.product}.SAFE",
            "earthsearch:boa_offset_applied": False,
        }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": scene.product if provider == "cdse" else scene.name,
        "collection": COLLECTIONS[provider],
        "geometry": mapping(footprint),
        "bbox": list(footprint.bounds),
        "properties": properties,
        "assets": assets,
        "links": [],
    }


def write_catalogue(world: Path, provider: str, path: Path) -> None:
    """Writes the scenes of a world as a STAC file of a local folder, as if they were downloaded from a provider."""
    items = [item_of(scene, provider, str(world.resolve())) for scene in read_world(world)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))


class SceneRoutes:
    """
    The providers of a world's scenes: `/PROVIDER/stac` is the API of each.

    Args:
        world (`Path`): as [`tests.helpers.loopback.world.write_world`] writes it.

    Attributes:
        lifetime (`timedelta`): how long a token is said to hold.
    """

    def __init__(self, world: Path):
        self.lifetime = timedelta(hours=1)
        self._world = world
        self._scenes = read_world(world)
        self._valid: set[str] = set()
        self._tokens = 0

    def expire_tokens(self) -> None:
        """Refuses all tokens that were given, before their time."""
        self._valid.clear()

    def routes(self) -> list[Route]:
        return [
            (r"/(?P<provider>[\w-]+)/stac", self._landing),
            (r"/(?P<provider>[\w-]+)/stac/search", self._search),
            (r"/[\w-]+/sas/v1/token/[\w-]+", self._token),
            (r"/(?P<provider>[\w-]+)/files/(?P<path>.+)", self._file),
        ]

    def _landing(self, request: Request, provider: str) -> Answer:
        base = f"{request.base}/{provider}/stac"
        links = [
            {"rel": "self", "href": base},
            {"rel": "root", "href": base},
            {"rel": "data", "href": f"{base}/collections"},
            {"rel": "search", "href": f"{base}/search", "method": "POST", "type": "application/geo+json"},
        ]
        conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
        return json_answer(
            {
                "type": "Catalog",
                "id": provider,
                "stac_version": "1.1.0",
                "description": "Made scenes.",
                "links": links,
                "conformsTo": conforms,
            }
        )

    def _search(self, request: Request, provider: str) -> Answer:
        asked = json.loads(request.body)
        west, east = asked["bbox"][0], asked["bbox"][2]
        if west > east:
            return json_answer({"code": "BadRequest", "description": "bbox has west > east."}, 400)
        base = f"{request.base}/{provider}"
        found = [
            item
            for item in (item_of(scene, provider, f"{base}/files") for scene in self._scenes)
            if item["collection"] in asked["collections"] and _matches(item, asked)
        ]
        begin, limit = int(asked.get("token", 0)), int(asked["limit"])
        links = []
        if begin + limit < len(found):
            body = {**asked, "token": str(begin + limit)}
            links = [{"rel": "next", "href": f"{base}/stac/search", "method": "POST", "body": body}]
        return json_answer({"type": "FeatureCollection", "features": found[begin : begin + limit], "links": links})

    def _token(self, request: Request) -> Answer:
        self._tokens += 1
        token = f"sig={self._tokens}"
        self._valid.add(token.removeprefix("sig="))
        expires = (datetime.now(UTC) + self.lifetime).isoformat().replace("+00:00", "Z")
        return json_answer({"token": token, "msft:expiry": expires})

    def _file(self, request: Request, provider: str, path: str) -> Answer:
        if provider == "planetary-computer" and request.query.get("sig") not in self._valid:
            return Answer(status=403)
        file = self._world / path
        if ".." in path or not file.is_file():
            return Answer(status=404)
        return Answer(file.read_bytes(), content_type="image/tiff", ranges=True)


def _bounds(scene: MadeScene) -> tuple[float, float, float, float]:
    side = 10 * scene.side
    return scene.west, scene.north - side, scene.west + side, scene.north


def _matches(item: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether an item is in the box and the period of a search."""
    footprint = shapely.geometry.shape(item["geometry"])
    start, _, end = asked.get("datetime", "../..").partition("/")
    taken = np.datetime64(item["properties"]["datetime"].removesuffix("Z"))
    after = start == ".." or np.datetime64(start.removesuffix("Z")) <= taken
    before = end == ".." or taken <= np.datetime64((end or start).removesuffix("Z"))
    return bool(after and before and footprint.intersects(shapely.box(*asked["bbox"])))
