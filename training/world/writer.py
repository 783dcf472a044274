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
Writes the sample world as a data set: tiles with their photos and labels, in two spatially separated splits.

    python -m training.world --output DIR --tiles 2560 --photos 4 --workers 2
"""

import argparse
import csv
import hashlib
import io
import multiprocessing
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from datasets import ClassLabel, Features, List, Value
from huggingface_hub import constants
from PIL import Image
from tqdm.auto import tqdm

from modeling_gair import GairCoordinateProcessor
from modeling_gair.geo_gair import great_circle_distance_m, wrap_longitude
from modeling_gair.raster_gair import metres_per_unit, project, unproject, unrolled
from training.common.checks import check_empty, check_whole
from training.common.figures import TileWithPhotos, contact_sheet, true_colour
from training.common.schema import CSV_COLUMNS, FEATURES, pack_tile, unpack_tile
from training.common.workers import worker_init
from training.world.fields import CLIMATE_ZONES
from training.world.ground import COVERS
from training.world.sample_world import SampleWorld
from training.world.settings import MIN_PHOTO_DISTANCE_M, WorldSettings
from training.world.tiles import BANDS, TILE_SIDE_M, SampleTile, utm_crs

LABEL_FEATURES = Features(
    {
        "cover_map": Value("binary"),
        "cover": List(Value("float32")),
        "moisture": Value("float32"),
        "temperature": Value("float32"),
        "elevation": Value("float32"),
        "settlement": Value("float32"),
        "climate_zone": ClassLabel(names=list(CLIMATE_ZONES)),
        "country": Value("int32"),
        "photo_cover": List(List(Value("float32"))),
        "photo_greenness": List(Value("float32")),
    }
)
SAMPLE_FEATURES = Features({**FEATURES, **LABEL_FEATURES})
SUMS = "SHA256SUMS"
# Blocks of the sphere, one in eight of which holds the test tiles.
BLOCK_DEGREES = 15
HELD_OUT_SHARE = 1 / 8
MIN_SPLIT_DISTANCE_M = 50_000.0
# From a photo to its tile's border, so that what it shows lies in the tile.
PHOTO_MARGIN_M = 60.0

_SHARDS = {"train": 16, "test": 4}
_MAX_LAT = 80.0
_MAX_TILE_WATER, _MAX_TILE_SNOW, _MAX_PHOTO_WATER = 0.6, 0.8, 0.5
# Where the cover of a candidate tile is looked at, in sides of the tile from its centre.
_PROBES = np.array([(0, 0), (-0.3, -0.3), (-0.3, 0.3), (0.3, -0.3), (0.3, 0.3)])
_POINTS_PER_PHOTO = 6
_CANDIDATES_PER_TASK = 64
_CANDIDATES_PER_TILE = 1000
# About half a second of work: two workers end together, and Ctrl-C need not wait for long.
_PAIRS_PER_TASK = 64
_JPEG_QUALITY = 90
CONTACT_SHEET = "contact_sheet.png"
_SHEET_TILES, _SHEET_PHOTOS = 8, 4
# What a draw is for; part of its seed.
_BLOCK, _PLACE, _POINTS, _PHOTOS = range(4)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Place:
    """
    Where a tile and its photos lie.

    Args:
        number (`int`): of the candidate that it was; all draws for the tile follow from it.
        lon, lat (`float`): the tile's centre in degrees.
        crs (`str`): of the tile.
        photo_lon, photo_lat (`np.ndarray` of shape `(P,)`): degrees, float64.
    """

    number: int
    lon: float
    lat: float
    crs: str
    photo_lon: np.ndarray
    photo_lat: np.ndarray


# The data set --------------------------------------------------------------------------------------------------------


def ensure_sample_dataset(settings: WorldSettings, workers: int = 2) -> Path:
    """
    The data set in the cache of the Hub's libraries (`$HF_HOME/gair`), written on first use.

    Args:
        settings ([`WorldSettings`]): which data set.
        workers (`int`, defaults to 2): processes that write it.

    Returns:
        `Path`: its folder, for `datasets.load_dataset`.

    Raises:
        ValueError: as in [`write_sample_dataset`].
    """
    folder = Path(constants.HF_HOME) / "gair" / settings.name
    if not _is_complete(folder):
        try:
            write_sample_dataset(folder, settings, workers)
        except ValueError:
            # Another process may have finished the same data set meanwhile.
            if not _is_complete(folder):
                raise
    return folder


def write_sample_dataset(output: Path, settings: WorldSettings, workers: int = 2, files: bool = False) -> Path:
    """
    Writes `data/train-….parquet`, `data/test-….parquet`, a card, a contact sheet and checksums. `output` appears when
    all is written: an interrupted run leaves at most a folder beside it whose name says that it is incomplete.

    Args:
        output (`Path`): the folder to make; must not exist, or be empty.
        settings ([`WorldSettings`]): which data set.
        workers (`int`, defaults to 2): processes that render; their number changes no byte.
        files (`bool`, defaults to `False`): whether to write each tile as a GeoTIFF and each photo as a JPEG as well,
            with `files/pairs-train.csv` and `files/pairs-test.csv`.

    Returns:
        `Path`: the absolute path of `output`.

    Raises:
        ValueError: an `output` that holds something, fewer than one worker, or a world with too little land.
    """
    output = Path(output).resolve()
    check_whole("workers", workers, least=1)
    check_empty(output, "name a new one, or delete it")
    # Refuses a version or seed that the world does not know, before anything is written.
    SampleWorld(settings.seed, settings.version)
    incomplete = output.with_name(f"{output.name}.incomplete-{os.getpid()}")
    shutil.rmtree(incomplete, ignore_errors=True)
    try:
        _make_folders(incomplete, files)
        with _worker_pool(workers) as pool:
            places = _place_splits(pool, settings, ahead=2 * workers)
            tasks = [task for split in _SHARDS for task in _tasks(split, places[split], settings)]
            _write_shards(pool, settings, tasks, incomplete, files, ahead=2 * workers)
        if files:
            _write_pairs(settings, tasks, incomplete)
        _draw_sheet(incomplete, settings)
        (incomplete / "README.md").write_text(_card(settings, files), encoding="utf-8")
        _write_sums(incomplete)
        check_empty(output, "name a new one, or delete it")
        incomplete.rename(output)
    except BaseException:
        shutil.rmtree(incomplete, ignore_errors=True)
        raise
    return output


def _is_complete(folder: Path) -> bool:
    return (folder / SUMS).is_file()


def _make_folders(folder: Path, files: bool) -> None:
    for name in ("data", "files/tiles", "files/photos") if files else ("data",):
        (folder / name).mkdir(parents=True)


# Where tiles and photos lie ------------------------------------------------------------------------------------------


def _draws(settings: WorldSettings, purpose: int, number: int, size: int) -> np.ndarray:
    """`(size,)` float64 in [0, 1) that depend on the arguments alone, and not on the order of calls."""
    return np.random.default_rng([settings.seed, settings.version, purpose, number]).random(size)


def block_of(lon: float, lat: float) -> int:
    """
    The number of the block that a place in degrees lies in: bands of 15 degrees of latitude, cut into as many equal
    cells as make them about as wide on the ground.
    """
    band = min(int((lat + 90) // BLOCK_DEGREES), 180 // BLOCK_DEGREES - 1)
    middle = np.radians((band + 0.5) * BLOCK_DEGREES - 90)
    cells = max(1, round(360 / BLOCK_DEGREES * float(np.cos(middle))))
    return band * 360 // BLOCK_DEGREES + int((lon + 180) % 360 / 360 * cells)


def split_of(settings: WorldSettings, lon: float, lat: float) -> str:
    """`"test"` where the block of a place is held out, otherwise `"train"`."""
    return "test" if _draws(settings, _BLOCK, block_of(lon, lat), 1)[0] < HELD_OUT_SHARE else "train"


def _place_splits(pool: ProcessPoolExecutor, settings: WorldSettings, ahead: int) -> dict[str, list[Place]]:
    """Places by split; those to train on keep their distance from the others, which are found first."""
    test = _place(pool, settings, "test", [], ahead)
    return {"train": _place(pool, settings, "train", test, ahead), "test": test}


def _place(
    pool: ProcessPoolExecutor, settings: WorldSettings, split: str, avoided: list[Place], ahead: int
) -> list[Place]:
    wanted = settings.tiles_of(split)
    # A tile reaches half its diagonal beyond its centre, on both sides.
    apart_m = MIN_SPLIT_DISTANCE_M + TILE_SIDE_M * 2**0.5
    avoided_lon, avoided_lat = (np.array([getattr(place, axis) for place in avoided]) for axis in ("lon", "lat"))
    limit = _CANDIDATES_PER_TILE * (wanted + 10)
    tasks = ((settings, split, first) for first in range(0, limit, _CANDIDATES_PER_TASK))
    places: list[Place] = []
    with tqdm(total=wanted, unit="tile", desc=f"place {split}") as progress:
        for found in _in_order(pool, _find_places, tasks, ahead):
            for place in found:
                if (great_circle_distance_m(place.lon, place.lat, avoided_lon, avoided_lat) >= apart_m).all():
                    places.append(place)
            progress.update(min(len(places), wanted) - progress.n)
            if len(places) >= wanted:
                return places[:wanted]
    raise ValueError(
        f"Only {len(places)} of {wanted} tiles for the split {split} were found on land among {limit} places; take fewer "
        "photos or another seed."
    )


def _find_places(settings: WorldSettings, split: str, first: int) -> list[Place]:
    """Those of the candidates from `first` on that are in the split, on land, and hold their photos."""
    numbers = np.arange(first, first + _CANDIDATES_PER_TASK)
    draws = np.stack([_draws(settings, _PLACE, int(number), 2) for number in numbers])
    # Uniform on the sphere: the sine of the latitude is.
    lat = _rounded(np.degrees(np.arcsin((2 * draws[:, 1] - 1) * np.sin(np.radians(_MAX_LAT)))))
    lon = _rounded(360 * draws[:, 0] - 180)
    frames = [
        _Frame(int(number), float(x), float(y), _crs(int(number), float(x), float(y)))
        for number, x, y in zip(numbers, lon, lat)
        if split_of(settings, float(x), float(y)) == split
    ]
    world = _world(settings.seed, settings.version)
    return _with_photos(world, settings, _on_land(world, frames), settings.photos_of(split))


@dataclass(frozen=True)
class _Frame:
    """A candidate's number, its centre in degrees and its CRS."""

    number: int
    lon: float
    lat: float
    crs: str

    def points(self, east: np.ndarray, north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """lon, lat of points given in metres on the ground from the centre, along the axes of the CRS."""
        x, y = (float(axis) for axis in project(self.lon, self.lat, self.crs))
        per_x, per_y = metres_per_unit(x, y, self.crs)
        lon, lat = unproject(x + east / per_x, y + north / per_y, self.crs)
        return _rounded(wrap_longitude(lon)), _rounded(lat)


def _rounded(degrees: np.ndarray) -> np.ndarray:
    """To a centimetre, far above what differs from machine to machine in the last bits."""
    return np.round(degrees, 7)


def _crs(number: int, lon: float, lat: float) -> str:
    """Degrees, but UTM for every fourth candidate, so that both kinds of tile are in use."""
    return utm_crs(lon, lat) if number % 4 == 3 else "EPSG:4326"


def _on_land(world: SampleWorld, frames: list[_Frame]) -> list[_Frame]:
    """Without the frames that are mostly water or all snow."""
    lon, lat = _stacked((frame.points(*(_PROBES * TILE_SIDE_M).T) for frame in frames), len(_PROBES))
    cover = world.cover(lon, lat).mean(axis=1)
    water, snow = cover[:, COVERS.index("water")], cover[:, COVERS.index("snow")]
    return [frame for frame, kept in zip(frames, (water < _MAX_TILE_WATER) & (snow < _MAX_TILE_SNOW)) if kept]


def _with_photos(world: SampleWorld, settings: WorldSettings, frames: list[_Frame], photos: int) -> list[Place]:
    """Places with `photos` points on land, apart from each other and from the tile's border; others are left out."""
    size = _POINTS_PER_PHOTO * photos
    reach = TILE_SIDE_M - 2 * PHOTO_MARGIN_M
    offsets = [reach * (_draws(settings, _POINTS, frame.number, 2 * size).reshape(2, size) - 0.5) for frame in frames]
    lon, lat = _stacked((frame.points(*offset) for frame, offset in zip(frames, offsets)), size)
    dry = world.point_cover(lon, lat)[..., COVERS.index("water")] < _MAX_PHOTO_WATER
    places = []
    for frame, point_lon, point_lat, allowed in zip(frames, lon, lat, dry):
        chosen = _apart(point_lon, point_lat, allowed, photos)
        if len(chosen) == photos:
            places.append(Place(frame.number, frame.lon, frame.lat, frame.crs, point_lon[chosen], point_lat[chosen]))
    return places


def _apart(lon: np.ndarray, lat: np.ndarray, allowed: np.ndarray, wanted: int) -> list[int]:
    """Up to `wanted` indices of allowed points, in their order, each far enough from all before."""
    distances = great_circle_distance_m(lon[:, None], lat[:, None], lon, lat)
    chosen: list[int] = []
    for index in np.flatnonzero(allowed).tolist():
        if len(chosen) < wanted and (distances[index, chosen] >= MIN_PHOTO_DISTANCE_M).all():
            chosen.append(index)
    return chosen


def _stacked(points: Iterable[tuple[np.ndarray, np.ndarray]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """lon `(N, size)` and lat `(N, size)` of N times `size` points; N may be 0."""
    lon_lat = np.array(list(points), np.float64).reshape(-1, 2, size)
    return lon_lat[:, 0], lon_lat[:, 1]


# Rows ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """Consecutive rows of one shard, the first of which is number `first` of its split."""

    split: str
    shard: str
    first: int
    places: list[Place]

    def ids(self, settings: WorldSettings) -> list[str]:
        name = f"world-v{settings.version}-s{settings.seed}-{self.split}"
        return [f"{name}-{number:06d}" for number in range(self.first, self.first + len(self.places))]


def _tasks(split: str, places: list[Place], settings: WorldSettings) -> Iterator[_Task]:
    """The places of a split in their order, dealt out to shards of about equal size and to tasks within each."""
    shards = min(_SHARDS[split], len(places))
    edges = [len(places) * shard // shards for shard in range(shards + 1)]
    size = max(1, _PAIRS_PER_TASK // settings.photos_of(split))
    for shard, (start, stop) in enumerate(pairwise(edges)):
        name = f"data/{split}-{shard:05d}-of-{shards:05d}.parquet"
        for first in range(start, stop, size):
            yield _Task(split, name, first, places[first : min(first + size, stop)])


def _render(settings: WorldSettings, task: _Task, files: Path | None) -> pa.Table:
    """The rows of a task; with a folder, also their tiles and photos as files in it."""
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
    world = _world(settings.seed, settings.version)
    tile = world.tile(place.lon, place.lat, crs=place.crs if place.crs == "EPSG:4326" else "utm")
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
    """The photos, their labels, and all dates."""
    photos = len(place.photo_lon)
    draws = _draws(settings, _PHOTOS, place.number, 2 * photos + 1)
    # The picture is drawn with the very heading that the row holds; rounding may reach the full circle.
    headings = (360 * draws[:photos]).astype(np.float32) % 360
    dates = [(date(2024, 1, 1) + timedelta(days=int(366 * draw))).isoformat() for draw in draws[photos:]]
    views = world.street_views(
        place.photo_lon, place.photo_lat, headings.astype(np.float64), control=settings.control, tile=tile
    )
    common = {"source": "sample world", "licence": "Apache-2.0", "attribution": "GAIR sample world"}
    cover = world.point_cover(place.photo_lon, place.photo_lat)
    return {
        "tile_time": dates[photos],
        "photos": [
            {
                "id": photo_id,
                "jpeg": encode_jpeg(view),
                "lon": lon,
                "lat": lat,
                "heading": heading,
                "time": time,
                **common,
            }
            for photo_id, view, lon, lat, heading, time in zip(
                _photo_ids(row_id, photos), views, place.photo_lon, place.photo_lat, headings, dates
            )
        ],
        "photo_cover": cover.tolist(),
        "photo_greenness": world.greenness(cover).tolist(),
    }


def _tile_labels(world: SampleWorld, place: Place, tile: SampleTile) -> dict[str, Any]:
    labels = world.labels(place.lon, place.lat)
    smooth = {name: float(labels[name]) for name in ("moisture", "temperature", "elevation", "settlement")}
    return {
        **smooth,
        "climate_zone": int(labels["climate_zone"]),
        "country": int(labels["country"]),
        "cover_map": tile.cover.argmax(axis=0).astype(np.uint8).tobytes(),
        "cover": tile.cover.mean(axis=(1, 2), dtype=np.float64).tolist(),
    }


def _photo_ids(row_id: str, photos: int) -> list[str]:
    return [f"{row_id}-{number:02d}" for number in range(photos)]


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """A photo `(H, W, 3)`, uint8, as the data set stores it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


# Files ---------------------------------------------------------------------------------------------------------------


def _write_shards(
    pool: ProcessPoolExecutor, settings: WorldSettings, tasks: list[_Task], folder: Path, files: bool, ahead: int
) -> None:
    calls = ((settings, task, folder / "files" if files else None) for task in tasks)
    rendered = zip(tasks, _in_order(pool, _render, calls, ahead))
    schema = SAMPLE_FEATURES.arrow_schema
    with tqdm(total=settings.pairs, unit="pair", desc="render") as progress:
        for shard, parts in groupby(rendered, key=lambda part: part[0].shard):
            # A dictionary of values that never repeat only costs time.
            with pq.ParquetWriter(folder / shard, schema, compression="zstd", use_dictionary=False) as writer:
                for task, table in parts:
                    # One row group a task, so of 64 rows at most: what a streaming reader holds at a time.
                    writer.write_table(table)
                    progress.update(sum(len(place.photo_lon) for place in task.places))


def write_tile(path: Path, tile: SampleTile) -> None:
    """A GeoTIFF whose bands have their names as descriptions."""
    bands, height, width = tile.pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=bands,
        dtype="uint16",
        crs=tile.crs,
        transform=rasterio.transform.from_bounds(*unrolled(tile.bounds), width, height),
        compress="deflate",
        predictor=2,
    ) as raster:
        raster.write(tile.pixels)
        raster.descriptions = BANDS


def _tile_path(row_id: str) -> str:
    return f"tiles/{row_id}.tif"


def _photo_path(photo_id: str) -> str:
    return f"photos/{photo_id}.jpg"


def _write_pairs(settings: WorldSettings, tasks: list[_Task], folder: Path) -> None:
    """`files/pairs-train.csv` and `files/pairs-test.csv`: one photo a line, paths relative to the CSV."""
    for split in _SHARDS:
        with (folder / "files" / f"pairs-{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_COLUMNS)
            for task in tasks:
                if task.split == split:
                    writer.writerows(_pairs(settings, task))


def _pairs(settings: WorldSettings, task: _Task) -> Iterator[tuple[str, str, str, float, float]]:
    for row_id, place in zip(task.ids(settings), task.places):
        points = zip(place.photo_lon.tolist(), place.photo_lat.tolist())
        for photo_id, (lon, lat) in zip(_photo_ids(row_id, len(place.photo_lon)), points):
            yield photo_id, _tile_path(row_id), _photo_path(photo_id), lon, lat


def _draw_sheet(folder: Path, settings: WorldSettings) -> None:
    """Draws the first tiles with their photos: not chosen by their looks."""
    shard = next((folder / "data").glob("train-00000-*"))
    rows = pq.ParquetFile(shard).read_row_group(0).slice(0, _SHEET_TILES).to_pylist()
    contact_sheet(
        folder / CONTACT_SHEET,
        f"The sample world, version {settings.version}, seed {settings.seed}",
        [_sheet_row(row) for row in rows],
    )


def _sheet_row(row: dict[str, Any]) -> TileWithPhotos:
    photos = row["photos"][:_SHEET_PHOTOS]
    lon, lat = ([photo[name] for photo in photos] for name in ("lon", "lat"))
    return TileWithPhotos(
        name=f"{CLIMATE_ZONES[row['climate_zone']]}, {row['temperature']:.0f} °C, {row['elevation']:.0f} m",
        tile=true_colour(unpack_tile(row), row["bands"]),
        photos=[np.asarray(Image.open(io.BytesIO(photo["jpeg"]))) for photo in photos],
        points=GairCoordinateProcessor().locate(lon, lat, row["bounds"], row["crs"]),
    )


def _write_sums(folder: Path) -> None:
    """`SHA256SUMS` of all files, as `sha256sum --check` reads it."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256((folder / path).read_bytes()).hexdigest()}  {path}\n" for path in paths]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


# Processes -----------------------------------------------------------------------------------------------------------


@contextmanager
def _worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """
    Fresh processes (a fork would copy locks that other threads hold), each with one thread for NumPy. On an error or
    Ctrl-C what waits is dropped.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    # Read by the libraries when a worker imports them, so that it must be in the environment that it inherits.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=worker_init)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _in_order(
    pool: ProcessPoolExecutor, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], ahead: int
) -> Iterator[Any]:
    """Results of `function(*call)` in the order of the calls, of which `ahead` are under way beyond the one awaited."""
    waiting: deque[Any] = deque()
    for call in calls:
        waiting.append(pool.submit(function, *call))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@lru_cache(maxsize=1)
def _world(seed: int, version: int) -> SampleWorld:
    """The world of a process."""
    return SampleWorld(seed, version)


# The card and the command --------------------------------------------------------------------------------------------

_CARD = """---
license: apache-2.0
pretty_name: GAIR sample world
tags: [geospatial, remote-sensing, street-view, sentinel-2, synthetic]
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
  - split: test
    path: data/test-*.parquet
---
# The GAIR sample world, version {version}, seed {seed}{control_title}

A procedural planet: every tile, photo and label is computed from a seed. It has the columns of a real data set for GAIR,
so programs can be tried, tested and timed on it with no download. **Scores on it are about mechanics, never about the
Earth.**

![The first tiles, and photos taken in them](contact_sheet.png)

| split | tiles | photos in each | pairs |
|---|---|---|---|
| `train` | {tiles} | {photos} | {train_pairs} |
| `test` | {held_out_tiles} | {held_out_photos} | {test_pairs} |

Tiles are {side:.0f} m wide and lie uniformly on the land between {max_lat:.0f}° S and {max_lat:.0f}° N, save where nearly
all is snow. Test tiles lie in blocks of about {block}° of their own, one block in eight, and at least {split_km:.0f} km from
every tile to train on. Photos stand on land, at least {photo_distance:.0f} m apart within their tile and {margin:.0f} m from
its border.
{control}
```python
from datasets import load_dataset

world = load_dataset(".", split="train", streaming=True)  # "." is this folder
```

## Columns

One row is one tile with its photos. Degrees are WGS 84.

| column | meaning |
|---|---|
| `id` | names the row |
| `tile` | pixels as little-endian uint16 bytes, channel first, row 0 in the north, column 0 in the west; reflectance times 10,000 as in Sentinel-2 L2A |
| `tile_shape` | channels, height, width |
| `bands` | names of the channels |
| `bounds` | west, south, east, north in units of `crs`; west exceeds east where a tile in degrees crosses ±180° |
| `crs` | EPSG:4326 for about three tiles in four, otherwise their UTM zone |
| `tile_time` | ISO date; says nothing about the pixels |
| `product_id` | the world that the tile is of |
| `photos` | list of photos, each with what follows |
| `photos.id` | names the photo |
| `photos.jpeg` | JPEG bytes, 128 × 96 pixels |
| `photos.lon`, `photos.lat` | where it stands, degrees |
| `photos.heading` | where it looks, degrees clockwise from north, in [0, 360) |
| `photos.time` | ISO date; says nothing about the pixels |
| `photos.source`, `photos.licence`, `photos.attribution` | the same in all rows |
| `split` | `train` or `test` |
| `cover_map` | uint8 bytes, row-major like a band of the tile: the dominant cover of each pixel, by its number: {covers} |
| `cover` | mean share of each cover over the tile, in that order; in [0, 1], sum 1 |
| `moisture`, `settlement` | the planet's fields at the tile's centre, in [0, 1] |
| `temperature` | annual mean there, °C |
| `elevation` | there, metres; negative under the sea |
| `climate_zone` | class at the tile's centre: {zones} |
| `country` | number of the region that the tile's centre lies in |
| `photo_cover` | for each photo, the share of each cover within 50 m of it |
| `photo_greenness` | for each photo, how green that is, in [0, 1]: the share of vegetation, in which forest counts most |

## Making it again

```bash
python -m training.world --output DIR {flags}
```

The same settings give the same bytes with the same versions of NumPy, Pillow and pyarrow, however many workers render.
`SHA256SUMS` lists all files: `sha256sum --check SHA256SUMS`. Generated data, licensed under Apache-2.0.
"""
_CONTROL_NOTE = """
This is the **control**: photos show the mean cover of their tile instead of the place where they stand, so knowing the
place within the tile cannot help.
"""
_FILES_NOTE = """
`files/` holds the same tiles as GeoTIFFs and photos as JPEGs; `pairs-train.csv` and `pairs-test.csv` name them, one photo a
line.
"""


def _card(settings: WorldSettings, files: bool) -> str:
    return _CARD.format(
        version=settings.version,
        seed=settings.seed,
        control_title=" (control)" * settings.control,
        tiles=settings.tiles,
        photos=settings.photos,
        train_pairs=settings.tiles * settings.photos,
        held_out_tiles=settings.held_out_tiles,
        held_out_photos=settings.held_out_photos,
        test_pairs=settings.held_out_tiles * settings.held_out_photos,
        side=TILE_SIDE_M,
        max_lat=_MAX_LAT,
        block=BLOCK_DEGREES,
        split_km=MIN_SPLIT_DISTANCE_M / 1000,
        photo_distance=MIN_PHOTO_DISTANCE_M,
        margin=PHOTO_MARGIN_M,
        control=_CONTROL_NOTE * settings.control + _FILES_NOTE * files,
        covers=", ".join(f"{number} {name}" for number, name in enumerate(COVERS)),
        zones=", ".join(f"{number} {name}" for number, name in enumerate(CLIMATE_ZONES)),
        flags=_flags(settings) + " --files" * files,
    )


def _flags(settings: WorldSettings) -> str:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    given = {name: value for name, value in values.items() if value is not False}
    return " ".join(f"--{name}" if value is True else f"--{name} {value}" for name, value in given.items())


_HELP = {
    "seed": "of the planet and of all that is drawn",
    "version": "of the sample world",
    "tiles": "tiles to train on",
    "photos": "photos in each of them",
    "held_out_tiles": "tiles of the split test, in blocks of their own",
    "held_out_photos": "photos in each of them",
    "control": "photos that show the mean of their tile instead of their place",
}


def main(arguments: list[str]) -> None:
    """The command; ends with one sentence where something is refused, or on Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m training.world",
        description="Writes the sample world as a data set: a procedural planet's tiles, photos and labels.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to make")
    for field in fields(WorldSettings):
        if field.type is bool:
            parser.add_argument(f"--{field.name}", action="store_true", help=_HELP[field.name])
        else:
            parser.add_argument(f"--{field.name}", type=int, default=field.default, help=_HELP[field.name])
    parser.add_argument("--workers", type=int, default=2, help="processes that render; changes no byte")
    parser.add_argument("--files", action="store_true", help="write GeoTIFFs, JPEGs and pairs CSVs as well")
    chosen = vars(parser.parse_args(arguments))
    output, workers, files = (chosen.pop(name) for name in ("output", "workers", "files"))
    try:
        settings = WorldSettings(**chosen)
        written = write_sample_dataset(output, settings, workers, files)
    except ValueError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit(f"Interrupted: {output} was not written.")
    print(f"Wrote {written}: {settings.pairs} pairs in {settings.tiles} + {settings.held_out_tiles} tiles")
