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
"""Options of `training/streetscapes.py`; imports neither PyTorch nor the model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from training.common.checks import check_whole, is_number
from training.common.jobs import ClusterSettings, Executor

StageName = Literal["select", "photos", "search", "choose", "tiles", "pack"]
_LEAST_WINDOW_M = 400
_PIXEL_M = 20
_MOST_DAYS = 3650
_CELL_KM = (0.1, 10_000)


@dataclass(kw_only=True)
class StreetPairsOptions:
    """
    Make pairs of street-level photos and Sentinel-2 tiles.

    Attributes:
        input: a table of photos (CSV or parquet) with the columns id, lon and lat, and path or url; a folder of photos with GPS positions in
            their metadata, or of the tables of Global Streetscapes; mapillary or kartaview
        bbox: west,south,east,north in degrees, of the area to search for photos of mapillary or kartaview
        provider: earth-search, earth-search-c1, planetary-computer, cdse, the address of a STAC API, or a local folder or catalogue of scenes
        output: folder of the result; the same command completes a run that was stopped
        stage: only this stage (default: all of them)
        seed: of all draws
        days: days that a scene may lie before or after its photos
        window_m: side of a tile in metres, a multiple of 20
        photos_per_tile: the most photos of a tile
        max_cloud: largest share of a tile that may be cloud or cirrus
        max_shadow: largest share of a tile that may be cloud shadow
        max_nodata: largest share of a tile that may be without data
        thin_m: least metres between photos of a sequence, and between all photos, whenever they were taken
        cap: the most tiles of a cell and settlement class (default: no limit)
        cell_km: side in km of the equal-area cells that the selection is balanced by
        site_km: side in km of the sites that are held out as a whole
        settlement_raster: raster of settlement classes to balance by (GHS-SMOD); by default the density of photos tells the class
        test_share: share of the sites to hold out
        licences: licences to take photos of (default: all)
        panoramas: drop spherical photos, or cut a perspective view out of them
        blur: blur faces in the photos (needs the extra blur)
        plates: TorchScript weights of a detector of number plates, such as EgoBlur's, to blur them as well
        own_photos: statement that you may use your own photos, and that nobody can be recognised in them, for the data card
        rows_per_shard: the most tiles of a file
        executor: local processes, slurm, ray, or Hugging Face Jobs (jobs)
        workers: number of units at a time
        cluster: what a unit asks of a cluster
        requests_per_second: the most requests a second to a host, by all workers of a machine; of reads of scenes, ten times as many
        retry_failed: try again what failed in passing
        dry_run: say how many requests, bytes and hours it would be; download nothing
        push: data set on the Hub to push the result to, as ORG/NAME
        private: push to a private data set
        remove_ids: text file with one id of a photo or a tile a line, to remove from the result
        mapillary_url: address of Mapillary's API
        kartaview_url: address of KartaView's API
        stac_url: address of a STAC API that stands for the provider's

    Raises:
        ValueError: an option is missing, or out of range.
    """

    input: str | None = None
    bbox: str | None = None
    provider: str = "earth-search"
    output: Path | None = None
    stage: StageName | None = None
    seed: int = 0
    days: float = 30.0
    window_m: int = 1920
    photos_per_tile: int = 4
    max_cloud: float = 0.1
    max_shadow: float = 0.1
    max_nodata: float = 0.0
    thin_m: float = 50.0
    cap: int | None = None
    cell_km: float = 10.0
    site_km: float = 5.0
    settlement_raster: Path | None = None
    test_share: float = 0.1
    licences: list[str] | None = None
    panoramas: Literal["drop", "cut"] = "drop"
    blur: bool = False
    plates: Path | None = None
    own_photos: str | None = None
    rows_per_shard: int = 1000
    executor: Executor = "local"
    workers: int = 1
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    requests_per_second: float = 10.0
    retry_failed: bool = False
    dry_run: bool = False
    push: str | None = None
    private: bool = False
    remove_ids: Path | None = None
    mapillary_url: str = "https://graph.mapillary.com"
    kartaview_url: str = "https://api.openstreetcam.org"
    stac_url: str | None = None

    def __post_init__(self) -> None:
        if self.output is None:
            raise ValueError("--output is missing; pass the folder to write to.")
        self.output = self.output.expanduser()
        if self.input is None and self.remove_ids is None:
            raise ValueError("--input is missing; pass a table or a folder of photos, mapillary or kartaview.")
        for name in ("photos_per_tile", "rows_per_shard", "workers"):
            check_whole(name, getattr(self, name), least=1)
        if self.cap is not None:
            check_whole("cap", self.cap, least=1)
        if self.window_m < _LEAST_WINDOW_M or self.window_m % _PIXEL_M:
            raise ValueError(
                f"--window_m is {self.window_m!r}, expected a multiple of {_PIXEL_M} from {_LEAST_WINDOW_M}."
            )
        for name in ("max_cloud", "max_shadow", "max_nodata", "test_share"):
            _check_between(name, getattr(self, name), 0, 1)
        _check_between("days", self.days, 0, _MOST_DAYS)
        _check_between("thin_m", self.thin_m, 0, float("inf"))
        for name in ("cell_km", "site_km"):
            _check_between(name, getattr(self, name), *_CELL_KM)
        if not is_number(self.requests_per_second) or self.requests_per_second <= 0:
            raise ValueError(f"--requests_per_second is {self.requests_per_second!r}, expected a number above 0.")
        if self.plates is not None and not self.blur:
            raise ValueError("--plates is for --blur; leave it out, or pass --blur.")
        if self.push is not None and self.push.count("/") != 1:
            raise ValueError(f"--push is {self.push!r}, expected ORG/NAME or USER/NAME; add the owner.")
        if self.private and not self.push:
            raise ValueError("--private is for --push; leave it out, or pass --push ORG/NAME.")


def _check_between(name: str, value: float, least: float, most: float) -> None:
    if not is_number(value) or not least <= value <= most:
        limit = f"from {least:g} to {most:g}" if most != float("inf") else f"of at least {least:g}"
        raise ValueError(f"--{name} is {value!r}, expected a number {limit}.")
