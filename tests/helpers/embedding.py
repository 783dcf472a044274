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
"""Jobs of embedding for tests: made inputs, and what a job wrote."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import ExifTags, Image

from tests.helpers.rasters import made_pixels, write_tif
from training.embedding.command import embed
from training.embedding.options import EmbedOptions
from training.embedding.outputs.rows import embedding_files, read_vectors

ROOT = Path(__file__).parents[2]
# The model that the Space bundles: small, and trained on the sample world.
MODEL = str(ROOT / "spaces_demo" / "model")
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


def embed_command(input: Path | str, output: Path, *flags: str) -> list[str]:
    """The command line of `training/embed.py` with the bundled model, to be run in `ROOT`."""
    paths = ("--model", MODEL, "--input", str(input), "--output", str(output))
    return [sys.executable, "training/embed.py", *paths, *flags]


def run_embed(input: Path | str, output: Path, **options) -> tuple[int, pa.Table]:
    """Embeds in this process, and returns the exit status and the rows of all files."""
    status, complete = embed(EmbedOptions(model=MODEL, input=str(input), output=output, **options))
    assert complete
    return status, pa.concat_tables([pq.read_table(path) for path in embedding_files(output)])


def vectors_of(table: pa.Table) -> np.ndarray:
    return read_vectors(table)


def write_places(path: Path, places: int, seed: int = 0) -> Path:
    """A CSV of random places with the columns id, name, lon, lat and people."""
    random = np.random.default_rng(seed)
    lon, lat = random.uniform(-180, 180, places), random.uniform(-90, 90, places)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "name", "lon", "lat", "people"))
        writer.writerows((f"p{row}", f"place {row}", lon[row], lat[row], row * 10) for row in range(places))
    return path


def jpeg(
    lon: float | None = None,
    lat: float | None = None,
    time: str | None = None,
    seed: int = 0,
    direction: tuple[float, str] | None = None,
    width: int = 60,
) -> bytes:
    """
    A photo of noise, three by two, with a position, a time (2024:05:01 12:30:00+02:00) and a direction (degrees from true north, "T", or magnetic, "M") in
    its EXIF metadata if they are given.
    """
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (width * 2 // 3, width, 3), np.uint8))
    exif = Image.Exif()
    if lon is not None and lat is not None:
        gps = {
            ExifTags.GPS.GPSLongitude: _sexagesimal(lon),
            ExifTags.GPS.GPSLongitudeRef: "E" if lon >= 0 else "W",
            ExifTags.GPS.GPSLatitude: _sexagesimal(lat),
            ExifTags.GPS.GPSLatitudeRef: "N" if lat >= 0 else "S",
        }
        if direction is not None:
            gps |= {ExifTags.GPS.GPSImgDirection: direction[0], ExifTags.GPS.GPSImgDirectionRef: direction[1]}
        exif[ExifTags.IFD.GPSInfo] = gps
    if time is not None:
        exif[ExifTags.IFD.Exif] = {
            ExifTags.Base.DateTimeOriginal: time[:19],
            ExifTags.Base.OffsetTimeOriginal: time[19:],
        }
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", exif=exif)
    return buffer.getvalue()


def write_tiles(folder: Path, tiles: int) -> Path:
    """GeoTIFFs of 1 km near each other in UTM zone 33."""
    folder.mkdir(parents=True, exist_ok=True)
    for tile in range(tiles):
        west = 400_000 + 3_000 * (tile * 7 % tiles)
        pixels = made_pixels(height=100, width=100) + np.uint16(tile)
        write_tif(folder / f"tile {tile}.tif", pixels, transform=(10, 0, west, 0, -10, 5_800_000), names=BANDS)
    return folder


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    whole, rest = divmod(abs(degrees) * 3600, 3600)
    minutes, seconds = divmod(rest, 60)
    return whole, minutes, round(seconds, 4)
