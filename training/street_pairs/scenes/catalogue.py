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
Scenes in a local folder: STAC items, as a catalogue or beside the files, or else files that are named as products and bands are. A
GeoTIFF of several bands is a scene as well, if it names its bands.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError
from shapely.geometry import mapping

from modeling_gair.bands_gair import GAIR_BANDS, band_name
from modeling_gair.crs_gair import crs_name
from training.common.errors import reason
from training.common.footprints import footprint_of
from training.street_pairs.scenes.items import SCL, product_properties

_RASTERS = (".tif", ".tiff", ".jp2")
# T32UQD_20210601T101031_B02_10m.jp2 and B02.tif
_BAND = re.compile(r"(?:.*_)?(B\d{2}|B8A|SCL)((?:_[126]0m)?)", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(20\d{2})-?(\d{2})-?(\d{2})(?:T(\d{2})(\d{2})(\d{2}))?(?!\d)")


def local_items(place: Path) -> list[dict[str, Any]]:
    """
    The STAC items of the scenes in a folder and below, or in a STAC file, with absolute addresses of their assets. Where there are no
    items, they are made from the names and headers of rasters.

    Raises:
        ValueError: there are no scenes, or a raster does not say when or where it was taken.
    """
    files = [place] if place.is_file() else sorted(place.rglob("*.json"))
    items = [item for file in files for item in _items_of(file)]
    if not items and place.is_dir():
        items = [_described(name, bands) for name, bands in sorted(_rasters(place).items())]
    if not items:
        raise ValueError(
            f"There are no scenes in {str(place)!r}: expected STAC items, folders named as Sentinel-2 products are with a raster a band "
            "(B02.tif … B12.tif, SCL.tif), or GeoTIFFs that name their bands."
        )
    return items


def _items_of(file: Path) -> Iterator[dict[str, Any]]:
    """The items in a JSON file; none if it is something else."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return
    kind = content.get("type") if isinstance(content, dict) else None
    for item in (
        {"Feature": [content], "FeatureCollection": content.get("features") or []}.get(kind, []) if kind else []
    ):
        # What is not complete is refused later, with its name.
        if isinstance(item, dict) and isinstance(item.get("assets"), dict):
            for asset in item["assets"].values():
                if isinstance(asset, dict) and "href" in asset:
                    asset["href"] = _absolute(asset["href"], file.parent)
            yield item


def _absolute(href: str, folder: Path) -> str:
    if "://" in href and not href.startswith("file://"):
        return href
    return str((folder / href.removeprefix("file://")).resolve())


def _rasters(place: Path) -> dict[str, dict[str, tuple[Path, int]]]:
    """File and index of the bands of each scene, named by product, or by folder or file if there is no product."""
    scenes: dict[str, dict[str, tuple[Path, int]]] = defaultdict(dict)
    # The finest of several resolutions comes first: 10m before 20m.
    for file in sorted(path for path in place.rglob("*") if path.suffix.lower() in _RASTERS):
        product = product_properties(str(file.relative_to(place))).get("s2:product_uri")
        if match := _BAND.fullmatch(file.stem):
            scenes[product or str(file.parent.relative_to(place))].setdefault(match[1].upper(), (file, 1))
        elif file.suffix.lower() != ".jp2" and (bands := _named_bands(file)):
            scenes[product or str(file.relative_to(place).with_suffix(""))] |= bands
    return scenes


def _named_bands(file: Path) -> dict[str, tuple[Path, int]]:
    """The bands that a raster names, if they are those of a tile."""
    with _header(file) as raster:
        names = [SCL if (name or "").upper() == SCL else band_name(name) for name in raster.descriptions]
    bands = {name: (file, index) for index, name in enumerate(names, 1) if name in (*GAIR_BANDS, SCL)}
    return bands if set(bands) >= set(GAIR_BANDS) else {}


def _described(name: str, bands: dict[str, tuple[Path, int]]) -> dict[str, Any]:
    """The item of a scene by its name and the header of a raster."""
    properties = product_properties(name) or _dated(name)
    file = next(iter(bands.values()))[0]
    with _header(file) as raster:
        if raster.crs is None:
            raise ValueError(f"{file} has no coordinate reference system; expected a raster in its UTM zone.")
        footprint = footprint_of(tuple(raster.bounds), crs_name(raster.crs))
    assets = {
        band: {"href": str(path.resolve()), "bands": [{"name": other} for other in _order(bands, path)]}
        for band, (path, _) in bands.items()
    }
    return {"type": "Feature", "id": name, "geometry": mapping(footprint), "properties": properties, "assets": assets}


def _order(bands: dict[str, tuple[Path, int]], path: Path) -> list[str]:
    """Names of the bands in a file up to the last one that counts."""
    places = {index: band for band, (file, index) in bands.items() if file == path}
    return [places.get(index, "") for index in range(1, max(places) + 1)]


def _dated(name: str) -> dict[str, Any]:
    if not (match := _DATE.search(name)):
        raise ValueError(
            f"The scene {name!r} does not say when it was taken; name its folder or file as the product is named, or with a date such as "
            "20210601, or describe the scenes by STAC items."
        )
    year, month, day, hour, minute, second = (part or "00" for part in match.groups())
    return {"datetime": f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"}


def _header(file: Path) -> Any:
    try:
        return rasterio.open(file)
    except RasterioError as error:
        raise ValueError(f"{file} cannot be read ({reason(error)}).") from error
