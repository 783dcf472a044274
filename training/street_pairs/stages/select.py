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
"""Selects photos and groups them into tiles: one unit, since every rule needs all photos."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from training.common.files import write_atomically, written_whole
from training.street_pairs.blurring import check_blurring
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.photo_sources import list_photos
from training.street_pairs.photo_sources.photo import BLURRING_SOURCES, KARTAVIEW, MAPILLARY, PHOTO_SCHEMA, PhotoList
from training.street_pairs.selection.cells import cells_of
from training.street_pairs.selection.holdout import TEST, TRAIN, held_out_sites, too_near
from training.street_pairs.selection.order import drawn_order, draws
from training.street_pairs.selection.settlement import settlement_of
from training.street_pairs.selection.thinning import thin_in_place, thin_sequences
from training.street_pairs.selection.tiles import Places, group_into_tiles
from training.street_pairs.units import Failure, unit_file, write_unit

PHOTOS, TILES, COUNTS, REMARKS = "photos.parquet", "tiles.parquet", "counts.json", "remarks.json"
# Units read a part of the photos each.
_ROWS_PER_GROUP = 4096
# Sentinel-2 observes land between these parallels.
_SOUTHERNMOST, _NORTHERNMOST = -56.0, 83.0
# A later time is a mistake.
_LAUNCH, _FAR_FUTURE = datetime(2015, 6, 23, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_TILE_SCHEMA = pa.schema(
    {
        "tile_id": pa.string(),
        "site": pa.string(),
        "cell": pa.int64(),
        "settlement": pa.string(),
        "split": pa.string(),
        "lon": pa.float64(),
        "lat": pa.float64(),
        "draw_x": pa.float64(),
        "draw_y": pa.float64(),
        "time_start": pa.timestamp("us", tz="UTC"),
        "time_end": pa.timestamp("us", tz="UTC"),
        "photos": pa.int32(),
    }
)
_SELECTED_SCHEMA = pa.schema([pa.field("tile_id", pa.string()), *PHOTO_SCHEMA])


@dataclass
class Counted:
    """Photos with the numbers before and after each rule."""

    photos: pa.Table
    rules: list[dict[str, str | int]] = field(default_factory=list)

    def keep(self, rule: str, mask: np.ndarray | pa.Array) -> None:
        """Keeps the photos that a rule lets pass."""
        before = len(self.photos)
        self.photos = self.photos.filter(pa.array(mask) if isinstance(mask, np.ndarray) else mask)
        self.count(rule, "photos", before, len(self.photos))

    def count(self, rule: str, of: str, before: int, after: int) -> None:
        """Notes what a rule did."""
        self.rules.append({"rule": rule, "of": of, "before": before, "after": after})


def plan(options: StreetPairsOptions, output: Path) -> list[int]:
    """One unit."""
    return [1]


def run(options: StreetPairsOptions, output: Path, rank: int) -> None:
    """
    Writes the selected photos and the tiles that they make.

    Raises:
        ValueError: the photos cannot be listed, nothing is left, or photos may not be used.
    """
    listed = list_photos(options)
    remarks = list(listed.remarks)
    counted = Counted(listed.photos)
    _filter(options, counted)
    _thin(options, counted)
    photos = counted.photos
    lon, lat = (photos[name].to_numpy() for name in ("lon", "lat"))
    settlement, about = settlement_of(lon, lat, options.settlement_raster)
    remarks.append(about)
    cell = cells_of(lon, lat, 1000 * options.cell_km)
    group = np.array([f"{one} {other}" for one, other in zip(cell.tolist(), settlement.tolist())], object)
    names = photos["photo_id"].to_pylist()
    draw_x, draw_y = (draws(names, options.seed, axis) for axis in ("x", "y"))
    site = _sites(photos, lon, lat, options.site_km)
    places = Places(lon, lat, _seconds(photos), site, group, draw_x, draw_y)
    order = drawn_order(names, options.seed, "anchor")
    tiles = group_into_tiles(places, order, options.photos_per_tile, options.window_m, options.days, options.cap)
    rule = f"in tiles of at most {options.photos_per_tile} photos, {_cap(options)}"
    counted.count(rule, "photos", len(photos), sum(map(len, tiles)))
    anchors = np.array([tile[0] for tile in tiles], np.int64)
    held_out = held_out_sites(site[anchors], options.test_share, options.seed)
    far = ~too_near(lon[anchors], lat[anchors], draw_x[anchors], draw_y[anchors], held_out, options.window_m)
    counted.count("a tile's diagonal or more from held-out sites", "tiles", len(tiles), int(far.sum()))
    tiles = [tile for tile, keep in zip(tiles, far) if keep]
    (output / "select").mkdir(parents=True, exist_ok=True)
    write_atomically(output / "select" / COUNTS, json.dumps(counted.rules, indent=2))
    write_atomically(output / "select" / REMARKS, json.dumps(remarks, indent=2, ensure_ascii=False))
    if not tiles:
        raise ValueError(_nothing_left(output, listed))
    if held_out[far].all():
        raise ValueError(
            "No tile is left to train on: all are in held-out sites, or nearer to one than a tile's diagonal; pass photos of a larger area, or "
            "--test_share 0."
        )
    split = np.where(held_out, TEST, TRAIN)[far]
    rows = _tile_rows(options, photos, places, tiles, split, cell, settlement)
    _write(output, photos, tiles, rows)
    failures = [Failure(name, "unreadable", True, why) for name, why in listed.unreadable]
    write_unit(unit_file(output, "select", rank), pa.Table.from_pylist(counted.rules), failures)


def _nothing_left(output: Path, listed: PhotoList) -> str:
    text = f"No photo is left after all rules; see how many each left in {str(output / 'select' / COUNTS)!r}, and relax one."
    if not listed.unreadable:
        return text
    name, why = listed.unreadable[0]
    return f"{text} {len(listed.unreadable):,} photos could not be listed, such as {name!r}: {why}"


def _filter(options: StreetPairsOptions, counted: Counted) -> None:
    """The rules that look at one photo at a time."""
    lon, lat = (counted.photos[name].fill_null(np.nan).to_numpy() for name in ("lon", "lat"))
    known = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    counted.keep("with an id and a position in degrees", known & counted.photos["photo_id"].is_valid().to_numpy())
    _check_ids(counted.photos["photo_id"])
    lat = counted.photos["lat"].to_numpy()
    counted.keep("where Sentinel-2 observes land (56° S to 83° N)", (lat >= _SOUTHERNMOST) & (lat <= _NORTHERNMOST))
    early, late = (
        pa.scalar(time, counted.photos["time"].type) for time in (_LAUNCH - timedelta(days=options.days), _FAR_FUTURE)
    )
    taken = counted.photos["time"]
    seen = pc.and_(pc.greater_equal(taken, early), pc.less(taken, late))
    counted.keep("since Sentinel-2 observes (June 2015), or at an unknown time", pc.fill_null(seen, True))
    if options.licences is not None:
        wanted = pa.array(options.licences, pa.string())
        counted.keep(f"licences {', '.join(options.licences)}", pc.is_in(counted.photos["licence"], value_set=wanted))
    _check_found(options, counted.photos)
    _check_privacy(options, counted.photos)
    camera = counted.photos["camera"]
    if options.panoramas == "drop":
        counted.keep("no panoramas", pc.fill_null(pc.not_equal(camera, "spherical"), True))
        camera = counted.photos["camera"]
    counted.keep("no fisheye lenses", pc.fill_null(pc.not_equal(camera, "fisheye"), True))


def _check_ids(ids: pa.ChunkedArray) -> None:
    counts = pc.value_counts(ids)
    twice = counts.filter(pc.greater(pc.struct_field(counts, "counts"), 1))
    if len(twice):
        raise ValueError(f"The id {twice[0]['values'].as_py()!r} names several photos; make the ids unique.")


def _check_found(options: StreetPairsOptions, photos: pa.Table) -> None:
    asked = pc.is_in(photos["source"], value_set=pa.array([MAPILLARY, KARTAVIEW]))
    found = pc.or_(pc.or_(photos["path"].is_valid(), photos["url"].is_valid()), asked)
    if len(photos) and not pc.any(found).as_py():
        raise ValueError(
            f"{Path(str(options.input)).name!r} says of no photo where it is; add a column path or url, or, of photos that are asked by id, a column "
            f"source with {MAPILLARY} or {KARTAVIEW}."
        )


def _check_privacy(options: StreetPairsOptions, photos: pa.Table) -> None:
    """Photos of sources that do not blur need a statement, or are blurred here."""
    if options.blur:
        check_blurring(options.plates)
        return
    own = pc.invert(pc.is_in(photos["source"], value_set=pa.array(BLURRING_SOURCES)))
    if options.own_photos is None and pc.any(own).as_py():
        source = photos["source"].filter(own)[0].as_py()
        raise ValueError(
            f"Photos of {source!r} are not known to be blurred; pass --own_photos with a statement that you may publish them and that nobody "
            "can be recognised, or --blur true."
        )


def _thin(options: StreetPairsOptions, counted: Counted) -> None:
    photos = counted.photos
    lon, lat = (photos[name].to_numpy() for name in ("lon", "lat"))
    sequence = np.array(photos["sequence"].to_pylist(), object)
    along = pc.sort_indices(
        photos.select(["sequence", "time", "photo_id"]),
        [("sequence", "ascending"), ("time", "ascending"), ("photo_id", "ascending")],
    ).to_numpy()
    counted.keep(
        f"{options.thin_m:g} m apart along a sequence", thin_sequences(lon, lat, sequence, along, options.thin_m)
    )
    photos = counted.photos
    lon, lat = (photos[name].to_numpy() for name in ("lon", "lat"))
    order = drawn_order(photos["photo_id"].to_pylist(), options.seed, "thin")
    counted.keep(f"{options.thin_m:g} m apart in place", thin_in_place(lon, lat, order, options.thin_m))


def _sites(photos: pa.Table, lon: np.ndarray, lat: np.ndarray, side_km: float) -> np.ndarray:
    """The site that a table names, else a cell."""
    cells = cells_of(lon, lat, 1000 * side_km)
    return np.array([name or f"cell {cell}" for name, cell in zip(photos["site"].to_pylist(), cells.tolist())], object)


def _seconds(photos: pa.Table) -> np.ndarray:
    """When photos were taken, in seconds since 1970; NaN where unknown."""
    return photos["time"].cast(pa.int64()).cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy() / 1e6


def _cap(options: StreetPairsOptions) -> str:
    return "no cap" if options.cap is None else f"at most {options.cap} tiles a cell and settlement class"


def _tile_rows(
    options: StreetPairsOptions,
    photos: pa.Table,
    places: Places,
    tiles: list[list[int]],
    split: np.ndarray,
    cell: np.ndarray,
    settlement: np.ndarray,
) -> pa.Table:
    names, times = photos["photo_id"].to_pylist(), photos["time"].to_pylist()
    days = timedelta(days=options.days)
    rows = []
    for tile, here in zip(tiles, split):
        anchor = tile[0]
        taken = [times[photo] for photo in tile if times[photo] is not None]
        rows.append(
            {
                "tile_id": tile_name(names[anchor]),
                "site": places.site[anchor],
                "cell": int(cell[anchor]),
                "settlement": settlement[anchor],
                "split": here,
                "lon": places.lon[anchor],
                "lat": places.lat[anchor],
                "draw_x": places.draw_x[anchor],
                "draw_y": places.draw_y[anchor],
                # Near in time to the first photo and to the last.
                "time_start": max(taken) - days if taken else None,
                "time_end": min(taken) + days if taken else None,
                "photos": len(tile),
            }
        )
    return pa.Table.from_pylist(rows, schema=_TILE_SCHEMA).sort_by("tile_id")


def tile_name(photo_id: str) -> str:
    """The id of the tile that a photo anchors."""
    return f"tile-{photo_id}"


def _write(output: Path, photos: pa.Table, tiles: list[list[int]], rows: pa.Table) -> None:
    names = photos["photo_id"].to_pylist()
    members = [(photo, tile_name(names[tile[0]])) for tile in tiles for photo in tile]
    chosen = photos.take([photo for photo, _ in members])
    selected = chosen.add_column(0, "tile_id", pa.array([tile for _, tile in members], pa.string())).cast(
        _SELECTED_SCHEMA
    )
    selected = selected.sort_by([("tile_id", "ascending"), ("photo_id", "ascending")])
    for name, table in ((PHOTOS, selected), (TILES, rows)):
        with written_whole(output / "select" / name) as path:
            pq.write_table(table, path, row_group_size=_ROWS_PER_GROUP, compression="zstd")
