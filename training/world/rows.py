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
"""Rows of the sample data set: the tile, photos and labels of each place."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rasterio
from datasets import ClassLabel, Features, List, Value
from PIL import Image

from modeling_gair.crs_gair import unrolled
from training.common.schema import FEATURES, pack_tile
from training.world.earth.earth import load_earth
from training.world.earth.koppen import CLIMATE_ZONES, KOPPEN_CLASSES
from training.world.places import PHOTO_DRAWS, Place, draws, world_of
from training.world.sample_world import SampleWorld
from training.world.settings import WorldSettings
from training.world.tiles import BANDS, SampleTile

LABEL_FEATURES = Features(
    {
        "cover_map": Value("binary"),
        "cover": List(Value("float32")),
        "road_map": Value("binary"),
        "river_map": Value("binary"),
        "moisture": Value("float32"),
        "temperature": Value("float32"),
        "temperature_range": Value("float32"),
        "precipitation": Value("float32"),
        "elevation": Value("float32"),
        "settlement": Value("float32"),
        "climate_zone": ClassLabel(names=list(CLIMATE_ZONES)),
        "koppen": ClassLabel(names=list(KOPPEN_CLASSES)),
        "country": ClassLabel(names=list(load_earth().countries)),
        "photo_cover": List(List(Value("float32"))),
        "photo_greenness": List(Value("float32")),
    }
)
_SMOOTH = ("moisture", "temperature", "temperature_range", "precipitation", "elevation", "settlement")
SAMPLE_FEATURES = Features({**FEATURES, **LABEL_FEATURES})
_SHARDS = {"train": 16, "test": 4}
# About half a second of work, so that workers finish together and Ctrl-C takes effect soon.
_PAIRS_PER_TASK = 64
_JPEG_QUALITY = 90
# Photos are taken within this many days of their tile.
PHOTO_DAYS = 30
# Shares from which a pixel counts as road or river. A country road of 10 m covers at most half of a pixel of 20 m: half of that.
_ROAD_SHARE, _RIVER_SHARE = 0.25, 0.5
# A leap year, as days of the year are from 1 to 366.
_YEAR = 2024


@dataclass(frozen=True)
class RenderTask:
    """Consecutive rows of one shard; `first` is the number of the first row in its split."""

    split: str
    shard: str
    first: int
    places: list[Place]

    def ids(self, settings: WorldSettings) -> list[str]:
        name = f"world-v{settings.version}-s{settings.seed}-{self.split}"
        return [f"{name}-{number:06d}" for number in range(self.first, self.first + len(self.places))]


def tasks_of(split: str, places: list[Place], settings: WorldSettings) -> Iterator[RenderTask]:
    """Divide the places of a split, in order, into shards of about equal size and tasks within each shard."""
    shards = min(_SHARDS[split], len(places))
    edges = [len(places) * shard // shards for shard in range(shards + 1)]
    size = max(1, _PAIRS_PER_TASK // settings.photos_of(split))
    for shard, (start, stop) in enumerate(pairwise(edges)):
        name = f"data/{split}-{shard:05d}-of-{shards:05d}.parquet"
        for first in range(start, stop, size):
            yield RenderTask(split, name, first, places[first : min(first + size, stop)])


def render(settings: WorldSettings, task: RenderTask, files: Path | None) -> pa.Table:
    """Render the rows of a task; with a folder `files`, also write their tiles and photos as files to it."""
    rows = []
    for row_id, place in zip(task.ids(settings), task.places):
        row, tile = _row(settings, task.split, row_id, place)
        rows.append(row)
        if files:
            write_tile(files / _tile_path(row_id), tile)
            for photo in row["photos"]:
                (files / _photo_path(photo["id"])).write_bytes(photo["jpeg"])
    return pa.Table.from_pylist(rows, schema=SAMPLE_FEATURES.arrow_schema)


def _row(settings: WorldSettings, split: str, row_id: str, place: Place) -> tuple[dict[str, Any], SampleTile]:
    world = world_of(settings)
    tile = world.tile(place.lon, place.lat, place.crs if place.crs == "EPSG:4326" else "utm", place.day)
    row = {
        "id": row_id,
        **pack_tile(tile.pixels),
        "bands": list(BANDS),
        "bounds": list(tile.bounds),
        "crs": tile.crs,
        "product_id": f"sample-world-v{settings.version}-seed{settings.seed}",
        "split": split,
        **_photo_columns(world, settings, row_id, place, tile),
        **_tile_labels(world, place, tile),
    }
    return row, tile


def _photo_columns(
    world: SampleWorld, settings: WorldSettings, row_id: str, place: Place, tile: SampleTile
) -> dict[str, Any]:
    """Photos, their labels, and the dates of photos and tile."""
    photos = len(place.photo_lon)
    drawn = draws(settings, PHOTO_DRAWS, place.number, 2 * photos)
    # The photo is rendered with the float32 heading that the row stores; rounding to float32 may give 360.
    headings = (360 * drawn[:photos]).astype(np.float32) % 360
    days = (place.day - 1 + np.floor((2 * PHOTO_DAYS + 1) * drawn[photos:]).astype(np.int64) - PHOTO_DAYS) % 366 + 1
    views = world.street_views(
        place.photo_lon, place.photo_lat, headings.astype(np.float64), days, control=settings.control, tile=tile
    )
    common = {"source": "sample world", "licence": "Apache-2.0", "attribution": "GAIR sample world"}
    cover = world.point_cover(place.photo_lon, place.photo_lat, days)
    return {
        "tile_time": _date(place.day),
        "photos": [
            {
                "id": photo_id,
                "jpeg": encode_jpeg(view),
                "lon": lon,
                "lat": lat,
                "heading": heading,
                "time": _date(day),
                **common,
            }
            for photo_id, view, lon, lat, heading, day in zip(
                _photo_ids(row_id, photos), views, place.photo_lon, place.photo_lat, headings, days
            )
        ],
        "photo_cover": cover.tolist(),
        "photo_greenness": world.greenness(cover).tolist(),
    }


def _tile_labels(world: SampleWorld, place: Place, tile: SampleTile) -> dict[str, Any]:
    """Labels of a tile: at its centre, by pixel, and their mean."""
    labels = world.labels(place.lon, place.lat)
    return {
        **{name: float(labels[name]) for name in _SMOOTH},
        **{name: int(labels[name]) for name in ("climate_zone", "koppen", "country")},
        "road_map": (tile.road >= _ROAD_SHARE).astype(np.uint8).tobytes(),
        "river_map": (tile.river >= _RIVER_SHARE).astype(np.uint8).tobytes(),
        "cover_map": tile.cover.argmax(axis=0).astype(np.uint8).tobytes(),
        "cover": tile.cover.mean(axis=(1, 2), dtype=np.float64).tolist(),
    }


def _date(day: int) -> str:
    """ISO date of a day of the year, from 1 to 366."""
    return (date(_YEAR, 1, 1) + timedelta(days=int(day) - 1)).isoformat()


def _photo_ids(row_id: str, photos: int) -> list[str]:
    return [f"{row_id}-{number:02d}" for number in range(photos)]


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """Encode a photo `(H, W, 3)`, uint8, as the data set stores it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def write_tile(path: Path, tile: SampleTile) -> None:
    """Write a GeoTIFF with the names of the bands as their descriptions."""
    bands, height, width = tile.pixels.shape
    west, south, east, north = unrolled(tile.bounds)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=bands,
        dtype="uint16",
        crs=tile.crs,
        transform=rasterio.Affine((east - west) / width, 0.0, west, 0.0, (south - north) / height, north),
        compress="deflate",
        predictor=2,
    ) as raster:
        raster.write(tile.pixels)
        raster.descriptions = BANDS


def _tile_path(row_id: str) -> str:
    return f"tiles/{row_id}.tif"


def _photo_path(photo_id: str) -> str:
    return f"photos/{photo_id}.jpg"


def csv_lines(settings: WorldSettings, task: RenderTask) -> Iterator[tuple[str, str, str, float, float]]:
    for row_id, place in zip(task.ids(settings), task.places):
        points = zip(place.photo_lon.tolist(), place.photo_lat.tolist())
        for photo_id, (lon, lat) in zip(_photo_ids(row_id, len(place.photo_lon)), points):
            yield photo_id, _tile_path(row_id), _photo_path(photo_id), lon, lat
