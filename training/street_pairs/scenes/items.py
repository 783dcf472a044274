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
STAC items of Sentinel-2 L2A scenes as rows, whatever provider they come from: properties have one name, and an asset is where the
pixels of a band are.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import shapely
from shapely.geometry import shape

from modeling_gair.bands_gair import GAIR_BANDS, band_name
from training.common.errors import reason
from training.street_pairs.errors import UnusableScene

SCL = "SCL"
SCENE_SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("collection", pa.string()),
        ("platform", pa.string()),
        ("datetime", pa.timestamp("us", "UTC")),
        ("mgrs", pa.string()),
        ("product_id", pa.string()),
        ("baseline", pa.string()),
        ("cloud_cover", pa.float32()),
        ("footprint", pa.binary()),
        # Of each band: href, index of the band in the file, declared scale and offset (null if they are not declared).
        ("assets", pa.string()),
    ]
)
# ESA's names of products: S2A_MSIL2A_20210601T101031_N0500_R022_T32UQD_20230201T010203
_PRODUCT = re.compile(r"(S2[A-D])_MSIL2A_(\d{8}T\d{6})_N(\d{2})(\d{2})_R\d{3}_T(\w{5})_\w{15}")
_FINEST_FIRST = ("_10m", "_20m", "_60m")


def product_properties(name: str) -> dict[str, Any]:
    """What the name of a product says, as properties of an item; empty if `name` does not hold one."""
    if not (match := _PRODUCT.search(name)):
        return {}
    platform, taken, major, minor, tile = match.groups()
    return {
        "datetime": datetime.strptime(taken, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).isoformat(),
        "platform": f"sentinel-{platform[1:].lower()}",
        "s2:processing_baseline": f"{major}.{minor}",
        "s2:product_uri": match[0],
        "grid:code": f"MGRS-{tile}",
    }


def scene_row(item: dict[str, Any]) -> dict[str, Any]:
    """
    A scene by its STAC item, as a row of [`SCENE_SCHEMA`].

    Raises:
        Unusable: the item lacks a band, its date or its footprint, or is not what STAC says.
    """
    try:
        return _scene_row(item)
    except (LookupError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        text = f"{item.get('id')} is not a STAC item of a scene ({reason(error)})."
        raise UnusableScene("incomplete_item", text) from error


def _scene_row(item: dict[str, Any]) -> dict[str, Any]:
    name = item["id"]
    given = item["properties"]
    product = str(given.get("s2:product_uri") or given.get("s2:product_id") or name).removesuffix(".SAFE")
    found = product_properties(product) | {key: value for key, value in given.items() if value is not None}
    if not found.get("datetime") or not item.get("geometry"):
        raise UnusableScene("incomplete_item", f"{name} has no datetime or no geometry.")
    assets = _assets(item["assets"])
    if missing := [band for band in GAIR_BANDS if band not in assets]:
        raise UnusableScene("missing_band", f"{name} has no asset of {', '.join(missing)}.")
    return {
        "item_id": name,
        "collection": item.get("collection") or "",
        "platform": str(found.get("platform", "")).lower(),
        "datetime": _time(found["datetime"]),
        "mgrs": str(found.get("grid:code") or found.get("s2:mgrs_tile") or "").removeprefix("MGRS-"),
        "product_id": product,
        "baseline": _baseline(found),
        "cloud_cover": found.get("eo:cloud_cover"),
        "footprint": shapely.to_wkb(shape(item["geometry"])),
        "assets": json.dumps(assets, sort_keys=True),
    }


def latest_baselines(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Scenes without those of the same acquisition, to the second, and tile that an older baseline processed, in order of time. Scenes
    that do not name their tile are all kept.
    """
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["platform"], row["datetime"].replace(microsecond=0), row["mgrs"] or row["item_id"])
        if key not in kept or _age(row) > _age(kept[key]):
            kept[key] = row
    return sorted(kept.values(), key=lambda row: (row["datetime"], row["item_id"]))


def _age(row: dict[str, Any]) -> tuple[str, str]:
    return row["baseline"] or "", row["item_id"]


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _baseline(properties: dict[str, Any]) -> str | None:
    """As "05.10": its text is in the order of its numbers."""
    text = properties.get("s2:processing_baseline") or properties.get("processing:version")
    match = re.fullmatch(r"N?(\d{1,2})\.?(\d{2})", str(text))
    return f"{int(match[1]):02d}.{match[2]}" if match else None


def _assets(assets: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Where the pixels of each band are: of several resolutions, the finest."""
    found: dict[str, dict[str, Any]] = {}
    for key in sorted(assets, key=lambda key: (_resolution(key), key)):
        asset = assets[key]
        described = asset.get("bands") or asset.get("eo:bands") or []
        names = [key] if len(described) < 2 else [one.get("name") for one in described]
        for index, name in enumerate(names):
            band = SCL if _is_scl(name) else band_name(name)
            if band in (*GAIR_BANDS, SCL) and band not in found:
                found[band] = {"href": asset["href"], "index": index + 1, **_declared(asset, index)}
    return found


def _resolution(key: str) -> int:
    return next((place for place, suffix in enumerate(_FINEST_FIRST) if key.endswith(suffix)), 0)


def _is_scl(name: str | None) -> bool:
    return re.fullmatch(r"scl(_[26]0m)?", name or "", re.IGNORECASE) is not None


def _declared(asset: dict[str, Any], index: int) -> dict[str, float | None]:
    """Scale and offset by STAC's raster extension: of version 1 in `raster:bands`, of version 2 in `bands` or the asset itself."""
    old = (asset.get("raster:bands") or [{}] * (index + 1))[index]
    new = (asset.get("bands") or [{}] * (index + 1))[index]
    return {key: old.get(key, new.get(f"raster:{key}", asset.get(f"raster:{key}"))) for key in ("scale", "offset")}
