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
"""Small pairs data sets for tests: a pairs CSV with its GeoTIFFs and photos, and the same rows packed for parquet."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import rasterio
import torch
from datasets import Dataset
from PIL import Image

from modeling_gair import GairConfig, GairProcessor
from training.common.schema import CSV_COLUMNS, FEATURES, PHOTO_FEATURES, pack_tile
from training.pairs.decoding import PairBatch
from training.pairs.loading import EvaluationPairs
from training.pairs.settings import AugmentationSettings
from training.pairs.sources import open_source

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
SIDE_DEGREES = 0.01
ALL_AUGMENTATIONS = AugmentationSettings(rs_flip=0.5, rs_jitter=0.5, rs_crop_scale=0.5, sv_flip=0.5, sv_jitter=0.5)


def write_pairs(folder: Path, count: int, tiles: int | None = None) -> Path:
    """
    Write a pairs CSV with `count` photos over `tiles` GeoTIFFs (one each, if None), each tile brightest in
    a different band and each photo of a different colour. Tile t lies at lon t, lat 10, in EPSG:4326.
    """
    tiles = tiles or count
    rng = np.random.default_rng(0)
    for tile in range(tiles):
        pixels = rng.integers(500, 1500, (len(BANDS), 100, 100), dtype=np.uint16)
        pixels[tile % len(BANDS)] += np.uint16(300 * (1 + tile // len(BANDS)))
        transform = rasterio.Affine(SIDE_DEGREES / 100, 0, tile, 0, -SIDE_DEGREES / 100, 10 + SIDE_DEGREES)
        with rasterio.open(
            folder / f"tile_{tile}.tif",
            "w",
            driver="GTiff",
            width=100,
            height=100,
            count=len(BANDS),
            dtype="uint16",
            crs="EPSG:4326",
            transform=transform,
        ) as raster:
            raster.write(pixels)
            raster.descriptions = BANDS
    rows = []
    for index in range(count):
        Image.new("RGB", (80, 60 + index), tuple(rng.integers(0, 256, 3).tolist())).save(folder / f"photo_{index}.jpg")
        lon, lat = index % tiles + SIDE_DEGREES / 4, 10 + SIDE_DEGREES / 2
        rows.append((f"{index:03d}", f"tile_{index % tiles}.tif", f"photo_{index}.jpg", lon, lat))
    return write_csv(folder / "pairs.csv", rows)


def write_csv(path: Path, rows: list[tuple], columns: tuple[str, ...] = CSV_COLUMNS) -> Path:
    """Write a pairs CSV and return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a pairs CSV without its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


PROCESSOR = GairProcessor.for_config(GairConfig.tiny())


def write_parquet(folder: Path, pairs_csv: Path, shards: int) -> Path:
    """Write the rows of a pairs CSV as parquet files in the documented schema, with the pixels inside; return the folder."""
    rows = [packed(row, pairs_csv.parent) for row in open_source(str(pairs_csv), 0.0).train]
    size = len(rows) // shards
    for shard in range(shards):
        data = Dataset.from_list(rows[size * shard : size * (shard + 1)], features=FEATURES)
        data.to_parquet(str(folder / f"train-{shard}.parquet"))
    return folder


def evaluation(path: Path, batch_size: int = 32, most: int = 100) -> EvaluationPairs:
    """All pairs of a CSV or a parquet folder, in order."""
    source = open_source(str(path), 0.0)
    return EvaluationPairs([(source.train, source.folder)], PROCESSOR, batch_size, most)


def packed(row: dict, folder: Path) -> dict:
    """A row of a pairs CSV with the bytes of the files that it names, in the documented schema."""
    tile = PROCESSOR.image_processor.read(folder / row["tile_file"])
    photos = [
        {**dict.fromkeys(PHOTO_FEATURES), **{key: photo[key] for key in ("id", "lon", "lat")}}
        | {"jpeg": (folder / photo["file"]).read_bytes()}
        for photo in row["photos"]
    ]
    known = {"id": row["id"], **pack_tile(tile.pixels), "bands": BANDS, "bounds": tile.bounds, "crs": tile.crs}
    return {**dict.fromkeys(FEATURES), **known, "photos": photos}


def made_batch(sizes_differ: bool = False) -> PairBatch:
    """A batch of two tiles with two photos each, as the loader passes it; without contents."""
    tiles, photos = np.ones((2, 10, 96, 96), np.uint16), np.ones((4, 80, 100, 3), np.uint8)
    return PairBatch(
        tile_ids=["a", "b"],
        tiles=[tiles[0], tiles[1, :, :90, :90]] if sizes_differ else torch.from_numpy(tiles),
        tile_sizes_m=[(960.0, 960.0)] * 2,
        photo_ids=list("wxyz"),
        photos=[*photos[:3], photos[3, :60]] if sizes_differ else torch.from_numpy(photos),
        tile_index=torch.tensor([0, 0, 1, 1]),
        coordinates=torch.rand(4, 2),
        query_points=torch.rand(4, 1, 2),
        labels={},
        bad=Counter(),
        problems=[],
    )
