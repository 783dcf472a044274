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
"""Options of `training/embed.py`; imports neither PyTorch nor the model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from training.common.checks import check_whole, is_number
from training.common.jobs import ClusterSettings, Executor

What = Literal["places", "photos", "tiles", "points", "chips", "pixels"]
RASTERS = ("chips", "pixels")
FOR_RASTERS = ("window_m", "resolution_m", "crs", "map_format")
FOR_GEOTIFFS = ("bands", "datetime")
_FOR_MAPS = ("resolution_m", "map_format")


@dataclass(kw_only=True)
class EmbedOptions:
    """
    Embed places, photos, tiles, points in tiles, or rasters.

    Attributes:
        model: directory or Hub repository of a GAIR model
        input: a table of places (CSV or parquet) or of photos, a folder of photos or of GeoTIFFs, a data set in the schema of training (a pairs
            CSV, a folder of parquet files, or a data set on the Hub), a GeoTIFF, or a grid of places such as grid:10km
        output: folder of the result; the same command completes a run that was stopped
        what: what to embed (default: what the input holds, where that is clear). Of a data set: tiles, every photo's point in its tile
            (points), or photos; by default tiles and points. Of a raster: one embedding a window (chips) or a dense map (pixels)
        dtype: how vectors are stored; int8 has a scale for each row or pixel
        precision: how towers multiply matrices; bfloat16 is faster on GPUs and on processors that multiply it themselves, and differs by a cosine of
            about 0.9999
        bbox: west,south,east,north in degrees, of a grid (default: the land)
        column: the column of a table with the photos' paths (default: sv, photo, file, path or image, with or without _file or _path)
        window_m: side in metres of a raster's windows (default: 1920)
        resolution_m: side in metres of a dense map's cells, a multiple of a pixel's (default: 40)
        crs: CRS to warp a raster to while it is read (default: its own)
        bands: names of the bands of a raster, or of all tiles in a folder, in their order, separated by commas, or the name of an order, such
            as sentinel2_l2a_12 (default: those that each file names)
        datetime: when a raster, or all tiles in a folder, were taken, such as 2026-06-01T10:20:30Z
        map_format: Zarr (zarr, one store), or cloud-optimised GeoTIFFs (cog) (default: zarr)
        executor: local processes, slurm, ray, or Hugging Face Jobs (jobs)
        workers: number of tasks at a time
        cluster: what a task asks of a cluster
        batch_size: places, photos or tiles that are encoded at a time (default: 4096 places, 32 photos or tiles)
        items_per_task: places, photos or tiles of a task, which is one file (default: by the size of the model, for minutes)
        dry_run: say how many tasks, bytes and hours it would be; write nothing
        push: data set on the Hub to push the result to, as ORG/NAME
        private: push to a private data set
        license: license of the embeddings, by its name on the Hub, for the data card

    Raises:
        ValueError: an option is missing, or out of range.
    """

    model: str | None = None
    input: str | None = None
    output: Path | None = None
    what: What | None = None
    dtype: Literal["float32", "float16", "int8"] = "float32"
    precision: Literal["float32", "bfloat16"] = "float32"
    bbox: str | None = None
    column: str | None = None
    window_m: float | None = None
    resolution_m: float | None = None
    crs: str | None = None
    bands: str | None = None
    datetime: str | None = None
    map_format: Literal["zarr", "cog"] | None = None
    executor: Executor = "local"
    workers: int = 1
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    batch_size: int | None = None
    items_per_task: int | None = None
    dry_run: bool = False
    push: str | None = None
    private: bool = False
    license: str | None = None

    def __post_init__(self) -> None:
        for name, example in (
            ("model", "the directory or the Hub repository of a GAIR model"),
            ("input", "a table, a folder, a data set, a GeoTIFF, or a grid such as grid:10km"),
            ("output", "the folder to write to"),
        ):
            if not getattr(self, name):
                raise ValueError(f"--{name} is missing; pass {example}.")
        assert self.output is not None
        self.output = self.output.expanduser()
        check_whole("workers", self.workers, least=1)
        for name in ("batch_size", "items_per_task"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), least=1)
        if self.what not in RASTERS:
            for name in FOR_RASTERS:
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"--{name} is for rasters; pass it with --what chips or --what pixels, or leave it out."
                    )
        if self.what not in (None, "tiles", *RASTERS):
            self.refuse_geotiff_options()
        if self.what == "chips":
            for name in _FOR_MAPS:
                if getattr(self, name) is not None:
                    raise ValueError(f"--{name} is for dense maps; pass it with --what pixels, or leave it out.")
        for name in ("window_m", "resolution_m"):
            if getattr(self, name) is not None and not (is_number(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"--{name} is {getattr(self, name)!r}, expected metres above 0.")
        if self.map_format == "cog" and self.dtype == "float16":
            raise ValueError(
                "--dtype is float16, of which no GeoTIFFs are written, expected float32 or int8; or leave out --map_format cog, since Zarr holds it."
            )
        if self.bbox is not None and not str(self.input).startswith("grid:"):
            raise ValueError(
                "--bbox is for grids, such as --input grid:10km; leave it out, and give as --input the part of the table or the raster that "
                "is wanted."
            )
        if self.push is not None and self.push.count("/") != 1:
            raise ValueError(f"--push is {self.push!r}, expected ORG/NAME or USER/NAME; add the owner.")
        if (self.private or self.license) and not self.push:
            raise ValueError("--private and --license are for --push; leave them out, or pass --push ORG/NAME.")

    def refuse_geotiff_options(self) -> None:
        """
        For inputs that are no GeoTIFFs.

        Raises:
            ValueError: an option is given that only GeoTIFFs have.
        """
        for name in FOR_GEOTIFFS:
            if getattr(self, name) is not None:
                raise ValueError(
                    f"--{name} is for a raster or a folder of tiles; pass it with a GeoTIFF or a folder of them, or leave it out."
                )
